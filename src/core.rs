//! What every handle and request owns: the environment, the credential, and the ways to supervisor and cloud.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method};
use secrecy::SecretString;
use serde_json::Value;

use crate::env::Environment;
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Http, Outgoing, Refusals, Reply};
use crate::odata::Address;
use crate::settings::Settings;
use crate::supervisor::Supervisor;

/// Shared by all clones of a [`Balena`](crate::Balena) and by the requests it made.
#[derive(Debug)]
pub struct Core {
    pub(crate) env: Environment,
    pub(crate) supervisor: Supervisor,
    pub(crate) settings: Settings,
    pub(crate) http: Http,
    pub(crate) token: RwLock<Option<SecretString>>,
}

/// A call of a plain endpoint, one that is no resource.
#[derive(Debug)]
pub(crate) struct Plain {
    pub(crate) method: Method,
    /// Path below the API's address, with query where there is one; encoded.
    pub(crate) path: String,
    /// `None` sends no body at all.
    pub(crate) body: Option<Value>,
    /// Whether it may arrive twice.
    pub(crate) repeatable: bool,
    pub(crate) timeout: Option<Duration>,
    pub(crate) refusals: Refusals,
    /// A part of the path that must not be shown, as it is there.
    pub(crate) secret: Option<String>,
}

impl Plain {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self { repeatable: true, ..Self::post(Method::GET, path, None) }
    }

    pub(crate) fn post(method: Method, path: impl Into<String>, body: Option<Value>) -> Self {
        Self {
            method,
            path: path.into(),
            body,
            repeatable: false,
            timeout: None,
            refusals: Refusals::OfAThing,
            secret: None,
        }
    }
}

impl Core {
    pub(crate) fn token(&self) -> Option<SecretString> {
        self.token.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A resource request. Without a token it goes out without one: what is public can be read.
    pub(crate) async fn resource(
        &self,
        method: Method,
        address: &Address,
        body: Option<&Value>,
        repeatable: bool,
    ) -> Result<Reply> {
        let url = format!("{}/{}/{address}", self.settings.api(), self.settings.api_version.as_str());
        self.http
            .execute(Outgoing {
                repeatable: repeatable || method == Method::GET,
                method,
                url,
                token: self.token(),
                content_type: body.map(|_| HeaderValue::from_static("application/json")),
                body: body.map_or_else(Bytes::new, |body| body.to_string().into()),
                waits_for_its_turn: self.settings.retry_rate_limited_request,
                timeout: self.settings.timeout,
                what: Refusals::OfAThing,
                secret: None,
            })
            .await
    }

    /// A call of a plain endpoint.
    ///
    /// # Errors
    /// `is_unauthorized` before anything is sent when nobody is logged in.
    pub(crate) async fn plain(&self, plain: Plain) -> Result<Reply> {
        let Some(token) = self.token() else {
            return Err(not_logged_in().operation(format!(
                "{} {}",
                plain.method,
                plain.path.split('?').next().unwrap_or_default()
            )));
        };
        self.plain_as(plain, Some(token)).await
    }

    /// The same with this token, or none.
    pub(crate) async fn plain_as(&self, plain: Plain, token: Option<SecretString>) -> Result<Reply> {
        self.http
            .execute(Outgoing {
                method: plain.method,
                url: format!("{}{}", self.settings.api(), plain.path),
                token,
                content_type: plain.body.as_ref().map(|_| HeaderValue::from_static("application/json")),
                body: plain.body.map_or_else(Bytes::new, |body| body.to_string().into()),
                repeatable: plain.repeatable,
                waits_for_its_turn: false,
                timeout: plain.timeout.unwrap_or(self.settings.timeout),
                what: plain.refusals,
                secret: plain.secret,
            })
            .await
    }
}

pub(crate) fn not_logged_in() -> Error {
    Error::new(ErrorKind::Unauthorized, "nobody is logged in")
        .help("set BALENA_API_KEY (label io.balena.features.balena-api), or give the builder a token")
}

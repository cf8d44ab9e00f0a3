//! What every handle and request owns: the environment, the credential, and the ways to supervisor and cloud.

mod credential;
mod refused;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use secrecy::SecretString;
use serde_json::Value;

use crate::checks;
use crate::env::Environment;
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Form, Http, Opened, Outgoing, Refusals, Reply, Turn};
use crate::odata::Address;
use crate::settings::{ApiVersion, Settings, SettingsStore};
use crate::supervisor::Supervisor;
use crate::whoami::WhoAmI;

use credential::explained;

pub(crate) use credential::Credential;

/// Shared by all clones of a [`Balena`](crate::Balena) and by the requests it made.
#[derive(Debug)]
pub struct Core {
    pub(crate) env: Environment,
    pub(crate) supervisor: Supervisor,
    pub(crate) store: SettingsStore,
    pub(crate) http: Arc<Http>,
    pub(crate) credential: Credential,
    /// Whose token it is, and the login that was asked about.
    pub(crate) whoami: Mutex<Option<(u64, WhoAmI)>>,
}

/// A call of a plain endpoint, one that is no resource.
#[derive(Debug)]
pub(crate) struct Plain {
    pub(crate) method: Method,
    /// Another server than the API: its address, without a slash at its end.
    pub(crate) base: Option<String>,
    /// Path below the address, with query where there is one; encoded.
    pub(crate) path: String,
    /// `None` sends no body at all.
    pub(crate) body: Option<Value>,
    /// Further headers.
    pub(crate) headers: HeaderMap,
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
            base: None,
            path: path.into(),
            body,
            headers: HeaderMap::new(),
            repeatable: false,
            timeout: None,
            refusals: Refusals::OfAThing,
            secret: None,
        }
    }
}

impl Core {
    /// The settings as they are now.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.store.typed()
    }

    /// The same cloud, asked with this token by somebody who is not logged in here.
    ///
    /// # Errors
    /// `is_io`, `is_config` when the settings file can't be read.
    pub(crate) fn with_token(&self, token: SecretString) -> Result<Arc<Self>> {
        self.store.ready()?;
        let settings = (*self.settings()).clone();
        Ok(Arc::new(Self {
            env: self.env.clone(),
            supervisor: self.supervisor.clone(),
            store: SettingsStore::new(settings, Some(token), None),
            http: self.http.clone(),
            credential: Credential::new(None),
            whoami: Mutex::default(),
        }))
    }

    /// A resource request. Without a token it goes out without one: what is public can be read.
    pub(crate) async fn resource(
        &self,
        method: Method,
        address: &Address,
        body: Option<&Value>,
        repeatable: bool,
    ) -> Result<Reply> {
        if let Some(columns) = body {
            checks::columns(columns)?;
        }
        let (headers, bytes) = json(body, HeaderMap::new());
        checks::body(bytes.len())?;
        let fields = body.and_then(Value::as_object).into_iter().flat_map(|fields| fields.keys()).cloned();
        self.resource_as(method, address, fields.collect(), headers, bytes, repeatable).await
    }

    /// A resource request with files.
    pub(crate) async fn resource_form(&self, method: Method, address: &Address, form: Form) -> Result<Reply> {
        let (content_type, body) = form.finish();
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, content_type)]);
        self.resource_as(method, address, Vec::new(), headers, body, false).await
    }

    /// Bytes to an address that is allowed to whoever has it, and may come there twice.
    pub(crate) async fn put(&self, url: String, body: Bytes) -> Result<Reply> {
        self.http
            .execute(Outgoing {
                method: Method::PUT,
                url,
                token: None,
                headers: HeaderMap::new(),
                body,
                repeatable: true,
                turn: Turn::No,
                timeout: self.settings().timeout,
                what: Refusals::OfAThing,
                secret: None,
            })
            .await
    }

    /// Version 6 has no release assets: those are asked of version 7.
    fn version_for(&self, address: &Address) -> ApiVersion {
        let is_new = |text: &str| text.starts_with("release_asset");
        let expands = address.query().split('&').filter_map(|option| option.strip_prefix("$expand="));
        if is_new(address.path()) || expands.into_iter().any(is_new) {
            return ApiVersion::V7;
        }
        self.settings().api_version
    }

    async fn resource_as(
        &self,
        method: Method,
        address: &Address,
        fields: Vec<String>,
        headers: HeaderMap,
        body: Bytes,
        repeatable: bool,
    ) -> Result<Reply> {
        let version = self.version_for(address);
        if let Some(text) = version.refusal(address.path(), address.query()) {
            return Err(Error::new(ErrorKind::Unsupported, text)
                .operation(format!("{method} /{}/{}", version.as_str(), address.path()))
                .help("`api_version` of the settings chooses the version"));
        }
        let token = self.token().await?;
        let settings = self.settings();
        let url = format!("{}/{}/{address}", settings.api(), version.as_str());
        let is_read = method == Method::GET;
        let outgoing = Outgoing {
            repeatable: repeatable || is_read,
            method,
            url,
            token: token.clone(),
            headers,
            body,
            turn: turn(&settings),
            timeout: settings.timeout,
            what: match version {
                // Version 6 fills an empty refusal with `Not Found`.
                _ if is_read => Refusals::OfAPath,
                ApiVersion::V7 => Refusals::ChangeOfARow,
                ApiVersion::V6 => Refusals::OfAThing,
            },
            secret: None,
        };
        self.http.execute(outgoing).await.map_err(|error| {
            let error = match &token {
                Some(_) => refused::without_words(error, address, fields),
                None => error,
            };
            explained(error, token.as_ref())
        })
    }

    /// A call of a plain endpoint.
    ///
    /// # Errors
    /// `is_unauthorized` before anything is sent when nobody is logged in.
    pub(crate) async fn plain(&self, plain: Plain) -> Result<Reply> {
        let token = self.token_for(&plain).await?;
        self.plain_as(plain, Some(token)).await
    }

    /// The same with this token, or none.
    pub(crate) async fn plain_as(&self, plain: Plain, token: Option<SecretString>) -> Result<Reply> {
        // Who is not asked for a token has not looked into the settings file yet.
        self.store.ready()?;
        let outgoing = self.outgoing(plain, token.clone())?;
        self.http.execute(outgoing).await.map_err(|error| explained(error, token.as_ref()))
    }

    /// A call of a plain endpoint whose answer is read piece by piece.
    ///
    /// # Errors
    /// `is_unauthorized` before anything is sent when nobody is logged in.
    pub(crate) async fn open(&self, plain: Plain) -> Result<Opened> {
        let token = self.token_for(&plain).await?;
        self.open_as(plain, Some(token)).await
    }

    /// The same with this token, or none.
    pub(crate) async fn open_as(&self, plain: Plain, token: Option<SecretString>) -> Result<Opened> {
        self.store.ready()?;
        let outgoing = self.outgoing(plain, token.clone())?;
        self.http.open(outgoing).await.map_err(|error| explained(error, token.as_ref()))
    }

    async fn token_for(&self, plain: &Plain) -> Result<SecretString> {
        self.token().await?.ok_or_else(|| {
            let path = plain.path.split('?').next().unwrap_or_default();
            let path =
                plain.secret.as_deref().map_or(path.to_owned(), |secret| path.replace(secret, "[REDACTED]"));
            not_logged_in().operation(format!("{} {path}", plain.method))
        })
    }

    fn outgoing(&self, plain: Plain, token: Option<SecretString>) -> Result<Outgoing> {
        let (headers, body) = json(plain.body.as_ref(), plain.headers);
        checks::body(body.len())?;
        let settings = self.settings();
        Ok(Outgoing {
            method: plain.method,
            url: format!("{}{}", plain.base.unwrap_or_else(|| settings.api()), plain.path),
            token,
            headers,
            body,
            repeatable: plain.repeatable,
            turn: Turn::No,
            timeout: plain.timeout.unwrap_or(settings.timeout),
            what: plain.refusals,
            secret: plain.secret,
        })
    }
}

fn turn(settings: &Settings) -> Turn {
    match (settings.retry_rate_limited_request, settings.api_version) {
        (false, _) => Turn::No,
        (true, ApiVersion::V6) => Turn::WholeSeconds,
        (true, ApiVersion::V7) => Turn::Seconds,
    }
}

/// A JSON body with its header; none at all without a value.
fn json(body: Option<&Value>, mut headers: HeaderMap) -> (HeaderMap, Bytes) {
    let Some(body) = body else { return (headers, Bytes::new()) };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    (headers, body.to_string().into())
}

pub(crate) fn not_logged_in() -> Error {
    Error::new(ErrorKind::Unauthorized, "nobody is logged in")
        .help("set BALENA_API_KEY (label io.balena.features.balena-api), or give the builder a token")
}

//! What every handle and request owns: the environment, the credential, and the ways to supervisor and cloud.

mod credential;
mod unknown_names;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use secrecy::SecretString;
use serde_json::Value;

use crate::checks;
use crate::env::Environment;
use crate::error::{Error, ErrorKind, Result};
use crate::http::{
    ApiRequest, BufferedResponse, Http, MultipartForm, RateLimitRetry, StatusPolicy, StreamingResponse,
};
use crate::odata::Address;
use crate::settings::{ApiVersion, Settings, SettingsStore};
use crate::supervisor::Supervisor;
use crate::whoami::WhoAmI;

use credential::explain_second_factor;

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
pub(crate) struct EndpointRequest {
    pub(crate) method: Method,
    /// Another server than the API: its address, without a slash at its end.
    pub(crate) base_url: Option<String>,
    /// Path below the address, with query where there is one; encoded.
    pub(crate) path: String,
    /// `None` sends no body at all.
    pub(crate) body: Option<Value>,
    /// Further headers.
    pub(crate) headers: HeaderMap,
    /// Whether it may arrive twice.
    pub(crate) idempotent: bool,
    pub(crate) timeout: Option<Duration>,
    pub(crate) status_policy: StatusPolicy,
    /// A part of the path that must not be shown, as it is there.
    pub(crate) secret_segment: Option<String>,
}

impl EndpointRequest {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self { idempotent: true, ..Self::new(Method::GET, path, None) }
    }

    pub(crate) fn new(method: Method, path: impl Into<String>, body: Option<Value>) -> Self {
        Self {
            method,
            base_url: None,
            path: path.into(),
            body,
            headers: HeaderMap::new(),
            idempotent: false,
            timeout: None,
            status_policy: StatusPolicy::Api,
            secret_segment: None,
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
    pub(crate) async fn send_resource(
        &self,
        method: Method,
        address: &Address,
        body: Option<&Value>,
        repeatable: bool,
    ) -> Result<BufferedResponse> {
        if let Some(columns) = body {
            checks::columns(columns)?;
        }
        let (headers, bytes) = json_body(body, HeaderMap::new());
        checks::body(bytes.len())?;
        let fields = body.and_then(Value::as_object).into_iter().flat_map(|fields| fields.keys()).cloned();
        self.send_resource_body(method, address, fields.collect(), headers, bytes, repeatable).await
    }

    /// A resource request with files.
    pub(crate) async fn send_resource_form(
        &self,
        method: Method,
        address: &Address,
        form: MultipartForm,
    ) -> Result<BufferedResponse> {
        let (content_type, body) = form.finish();
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, content_type)]);
        self.send_resource_body(method, address, Vec::new(), headers, body, false).await
    }

    /// Bytes to an address that is allowed to whoever has it, and may come there twice.
    pub(crate) async fn put_bytes(&self, url: String, body: Bytes) -> Result<BufferedResponse> {
        self.http
            .execute(ApiRequest {
                method: Method::PUT,
                url,
                token: None,
                headers: HeaderMap::new(),
                body,
                idempotent: true,
                rate_limit_retry: RateLimitRetry::Never,
                timeout: self.settings().timeout,
                status_policy: StatusPolicy::Api,
                secret_segment: None,
            })
            .await
    }

    /// Version 6 has no release assets: those are asked of version 7.
    fn api_version_for(&self, address: &Address) -> ApiVersion {
        let is_new = |text: &str| text.starts_with("release_asset");
        let expands = address.query().split('&').filter_map(|option| option.strip_prefix("$expand="));
        if is_new(address.path()) || expands.into_iter().any(is_new) {
            return ApiVersion::V7;
        }
        self.settings().api_version
    }

    async fn send_resource_body(
        &self,
        method: Method,
        address: &Address,
        fields: Vec<String>,
        headers: HeaderMap,
        body: Bytes,
        repeatable: bool,
    ) -> Result<BufferedResponse> {
        let version = self.api_version_for(address);
        if let Some(text) = version.refusal(address.path(), address.query()) {
            return Err(Error::new(ErrorKind::Unsupported, text)
                .with_operation(format!("{method} /{}/{}", version.as_str(), address.path()))
                .with_help("`api_version` of the settings chooses the version"));
        }
        let token = self.token().await?;
        let settings = self.settings();
        let url = format!("{}/{}/{address}", settings.api(), version.as_str());
        let is_read = method == Method::GET;
        let outgoing = ApiRequest {
            idempotent: repeatable || is_read,
            method,
            url,
            token: token.clone(),
            headers,
            body,
            rate_limit_retry: rate_limit_retry(&settings),
            timeout: settings.timeout,
            status_policy: match version {
                // Version 6 fills an empty refusal with `Not Found`.
                _ if is_read => StatusPolicy::OfAPath,
                ApiVersion::V7 => StatusPolicy::RowWrite,
                ApiVersion::V6 => StatusPolicy::Api,
            },
            secret_segment: None,
        };
        self.http.execute(outgoing).await.map_err(|error| {
            let error = match &token {
                Some(_) => unknown_names::explain_empty_error(error, address, fields),
                None => error,
            };
            explain_second_factor(error, token.as_ref())
        })
    }

    /// A call of a plain endpoint.
    ///
    /// # Errors
    /// `is_unauthorized` before anything is sent when nobody is logged in.
    pub(crate) async fn send(&self, plain: EndpointRequest) -> Result<BufferedResponse> {
        let token = self.token_for(&plain).await?;
        self.send_with_token(plain, Some(token)).await
    }

    /// The same with this token, or none.
    pub(crate) async fn send_with_token(
        &self,
        plain: EndpointRequest,
        token: Option<SecretString>,
    ) -> Result<BufferedResponse> {
        // Who is not asked for a token has not looked into the settings file yet.
        self.store.ready()?;
        let outgoing = self.api_request(plain, token.clone())?;
        self.http.execute(outgoing).await.map_err(|error| explain_second_factor(error, token.as_ref()))
    }

    /// A call of a plain endpoint whose answer is read piece by piece.
    ///
    /// # Errors
    /// `is_unauthorized` before anything is sent when nobody is logged in.
    pub(crate) async fn stream(&self, plain: EndpointRequest) -> Result<StreamingResponse> {
        let token = self.token_for(&plain).await?;
        self.stream_with_token(plain, Some(token)).await
    }

    /// The same with this token, or none.
    pub(crate) async fn stream_with_token(
        &self,
        plain: EndpointRequest,
        token: Option<SecretString>,
    ) -> Result<StreamingResponse> {
        self.store.ready()?;
        let outgoing = self.api_request(plain, token.clone())?;
        self.http.stream(outgoing).await.map_err(|error| explain_second_factor(error, token.as_ref()))
    }

    async fn token_for(&self, plain: &EndpointRequest) -> Result<SecretString> {
        self.token().await?.ok_or_else(|| {
            let path = plain.path.split('?').next().unwrap_or_default();
            let path = plain
                .secret_segment
                .as_deref()
                .map_or(path.to_owned(), |secret| path.replace(secret, "[REDACTED]"));
            not_logged_in().with_operation(format!("{} {path}", plain.method))
        })
    }

    fn api_request(&self, plain: EndpointRequest, token: Option<SecretString>) -> Result<ApiRequest> {
        let (headers, body) = json_body(plain.body.as_ref(), plain.headers);
        checks::body(body.len())?;
        let settings = self.settings();
        Ok(ApiRequest {
            method: plain.method,
            url: format!("{}{}", plain.base_url.unwrap_or_else(|| settings.api()), plain.path),
            token,
            headers,
            body,
            idempotent: plain.idempotent,
            rate_limit_retry: RateLimitRetry::Never,
            timeout: plain.timeout.unwrap_or(settings.timeout),
            status_policy: plain.status_policy,
            secret_segment: plain.secret_segment,
        })
    }
}

fn rate_limit_retry(settings: &Settings) -> RateLimitRetry {
    match (settings.retry_rate_limited_request, settings.api_version) {
        (false, _) => RateLimitRetry::Never,
        (true, ApiVersion::V6) => RateLimitRetry::WholeSeconds,
        (true, ApiVersion::V7) => RateLimitRetry::AnySeconds,
    }
}

/// A JSON body with its header; none at all without a value.
fn json_body(body: Option<&Value>, mut headers: HeaderMap) -> (HeaderMap, Bytes) {
    let Some(body) = body else { return (headers, Bytes::new()) };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    (headers, body.to_string().into())
}

pub(crate) fn not_logged_in() -> Error {
    Error::new(ErrorKind::Unauthorized, "nobody is logged in")
        .with_help("set BALENA_API_KEY (label io.balena.features.balena-api), or give the builder a token")
}

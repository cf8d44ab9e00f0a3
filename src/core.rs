//! What every request owns: settings, credential, HTTP client and supervisor client. Sends the two kinds of cloud
//! request: for resources and for other endpoints.

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
    ApiRequest, BufferedResponse, HttpClient, MultipartForm, RateLimitRetry, StatusPolicy, StreamingResponse,
    operation,
};
use crate::odata::Address;
use crate::settings::{ApiVersion, Settings, SettingsStore};
use crate::supervisor::Supervisor;
use crate::whoami::WhoAmI;

use credential::explain_second_factor;

pub(crate) use credential::Credential;

/// The state that all clones of a [`Balena`](crate::Balena) and the requests they make share.
#[derive(Debug)]
pub struct Core {
    pub(crate) env: Environment,
    pub(crate) supervisor: Supervisor,
    pub(crate) store: SettingsStore,
    pub(crate) http: Arc<HttpClient>,
    pub(crate) credential: Credential,
    /// Number of the login in the settings store, and the actor that the API returned for its token.
    pub(crate) whoami: Mutex<Option<(u64, WhoAmI)>>,
}

/// A request to an endpoint of the API that is no resource.
#[derive(Debug)]
pub(crate) struct EndpointRequest {
    pub(crate) method: Method,
    /// URL of another server than the API, without a slash at its end.
    pub(crate) base_url: Option<String>,
    /// Path below the base URL, with its query; encoded.
    pub(crate) path: String,
    /// JSON body; `None` sends an empty body and no `Content-Type`.
    pub(crate) body: Option<Value>,
    /// Headers besides `Authorization`, `User-Agent` and `Content-Type`.
    pub(crate) headers: HeaderMap,
    /// Whether sending it twice has the same effect as sending it once.
    pub(crate) idempotent: bool,
    /// Timeout of each attempt; `None` takes the setting `timeout`.
    pub(crate) timeout: Option<Duration>,
    pub(crate) status_policy: StatusPolicy,
    /// A part of the path, encoded, that error texts and logs replace with `[REDACTED]`.
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
    /// Returns the current settings.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.store.typed()
    }

    /// Returns a core with the same settings and HTTP client, and with this token instead of the login. It does not
    /// write to the settings file.
    ///
    /// # Errors
    /// `is_io` or `is_config` if the settings file can't be read.
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

    /// Sends a request to a resource. If no token is set, sends it without one: public rows can be read.
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

    /// Sends a request to a resource, with a multipart form as its body.
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

    /// Sends bytes with PUT to a presigned URL: without a token, and as an idempotent request.
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

    /// Returns the API version for this request. Release assets exist in version 7 only; all else takes the setting.
    fn api_version_for(&self, address: &Address) -> ApiVersion {
        let is_new = |text: &str| text.starts_with("release_asset");
        let expands = address.query().split('&').filter_map(|option| option.strip_prefix("$expand="));
        if is_new(address.path()) || expands.into_iter().any(is_new) {
            return ApiVersion::V7;
        }
        self.settings().api_version
    }

    /// Sends a request to a resource with this body. `fields` are the columns in it, for the text of an error.
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
        let api_request = ApiRequest {
            idempotent: repeatable || is_read,
            method,
            url,
            token: token.clone(),
            headers,
            body,
            rate_limit_retry: rate_limit_retry(&settings),
            timeout: settings.timeout,
            status_policy: match version {
                // Version 6 sends the body `Not Found` where version 7 sends an empty one.
                _ if is_read => StatusPolicy::Collection,
                ApiVersion::V7 => StatusPolicy::RowWrite,
                ApiVersion::V6 => StatusPolicy::Api,
            },
            secret_segment: None,
        };
        self.http.execute(api_request).await.map_err(|error| {
            let error = match &token {
                Some(_) => unknown_names::explain_empty_error(error, address, fields),
                None => error,
            };
            explain_second_factor(error, token.as_ref())
        })
    }

    /// Sends a request to an endpoint and reads the whole response.
    ///
    /// # Errors
    /// `is_unauthorized` if there is no token; then nothing is sent.
    pub(crate) async fn send(&self, request: EndpointRequest) -> Result<BufferedResponse> {
        let token = self.token_for(&request).await?;
        self.send_with_token(request, Some(token)).await
    }

    /// As [`send`](Self::send), with this token or without one.
    pub(crate) async fn send_with_token(
        &self,
        request: EndpointRequest,
        token: Option<SecretString>,
    ) -> Result<BufferedResponse> {
        // `token` reads the settings file; without it, the file may not have been read yet.
        self.store.ready()?;
        let api_request = self.api_request(request, token.clone())?;
        self.http.execute(api_request).await.map_err(|error| explain_second_factor(error, token.as_ref()))
    }

    /// Sends a request to an endpoint and returns the response with its body as a stream.
    ///
    /// # Errors
    /// `is_unauthorized` if there is no token; then nothing is sent.
    pub(crate) async fn stream(&self, request: EndpointRequest) -> Result<StreamingResponse> {
        let token = self.token_for(&request).await?;
        self.stream_with_token(request, Some(token)).await
    }

    /// As [`stream`](Self::stream), with this token or without one.
    pub(crate) async fn stream_with_token(
        &self,
        request: EndpointRequest,
        token: Option<SecretString>,
    ) -> Result<StreamingResponse> {
        self.store.ready()?;
        let api_request = self.api_request(request, token.clone())?;
        self.http.stream(api_request).await.map_err(|error| explain_second_factor(error, token.as_ref()))
    }

    async fn token_for(&self, request: &EndpointRequest) -> Result<SecretString> {
        self.token().await?.ok_or_else(|| {
            let EndpointRequest { method, path, secret_segment, .. } = request;
            not_logged_in().with_operation(operation(method, path, secret_segment.as_deref()))
        })
    }

    fn api_request(&self, request: EndpointRequest, token: Option<SecretString>) -> Result<ApiRequest> {
        let (headers, body) = json_body(request.body.as_ref(), request.headers);
        checks::body(body.len())?;
        let settings = self.settings();
        Ok(ApiRequest {
            method: request.method,
            url: format!("{}{}", request.base_url.unwrap_or_else(|| settings.api()), request.path),
            token,
            headers,
            body,
            idempotent: request.idempotent,
            rate_limit_retry: RateLimitRetry::Never,
            timeout: request.timeout.unwrap_or(settings.timeout),
            status_policy: request.status_policy,
            secret_segment: request.secret_segment,
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

/// Returns the body as JSON and the headers with its `Content-Type`; without a value, an empty body.
fn json_body(body: Option<&Value>, mut headers: HeaderMap) -> (HeaderMap, Bytes) {
    let Some(body) = body else { return (headers, Bytes::new()) };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    (headers, body.to_string().into())
}

pub(crate) fn not_logged_in() -> Error {
    Error::new(ErrorKind::Unauthorized, "nobody is logged in")
        .with_help("set BALENA_API_KEY (label io.balena.features.balena-api), or give the builder a token")
}

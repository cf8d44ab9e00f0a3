//! The transport to the cloud: HTTPS through reqwest. Its client is built at the first request, because it needs more
//! memory than all the rest.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use futures_core::Stream;
use http::{Uri, header};

use super::proxy::VIA_PROXY;
use super::transport_config::TransportConfig;
use super::{Body, BoxFuture, Request, Response, Transport, TransportError};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);

/// The transport to the cloud. It neither follows redirects nor retries.
#[derive(Default)]
pub(crate) struct ReqwestTransport {
    config: TransportConfig,
    client: OnceLock<reqwest::Client>,
    /// Does not decompress responses; for downloads.
    raw: OnceLock<reqwest::Client>,
}

impl fmt::Debug for ReqwestTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestTransport").field("config", &self.config).finish_non_exhaustive()
    }
}

impl ReqwestTransport {
    pub(crate) fn new(config: TransportConfig) -> Self {
        Self { config, client: OnceLock::new(), raw: OnceLock::new() }
    }

    fn client(&self, request: &Request) -> Result<&reqwest::Client, TransportError> {
        let is_raw = request.headers().get(header::ACCEPT_ENCODING).is_some_and(|what| what == "identity");
        let client = if is_raw { &self.raw } else { &self.client };
        if let Some(client) = client.get() {
            return Ok(client);
        }
        let made = build(reqwest::Client::builder().gzip(!is_raw), &self.config).map_err(not_sent)?;
        Ok(client.get_or_init(|| made))
    }
}

fn build(
    builder: reqwest::ClientBuilder,
    config: &TransportConfig,
) -> Result<reqwest::Client, Box<dyn std::error::Error + Send + Sync>> {
    // Without this, reqwest reads the proxies of the process environment, which may differ from the settings.
    let mut builder = builder
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false);
    if let Some(routes) = config.routes()? {
        builder = builder.proxy(reqwest::Proxy::custom(move |url| routes.to(url).cloned()));
    }
    #[cfg(feature = "rustls-ring")]
    let builder =
        builder.tls_backend_preconfigured(super::tls::TrustAnchors::of(&config.authorities)?.config()?);
    Ok(builder.build()?)
}

fn not_sent(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> TransportError {
    TransportError { sent: false, reused: false, cause: cause.into() }
}

impl Transport for ReqwestTransport {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        Box::pin(async move {
            let client = self.client(&request)?;
            let url = request.uri().clone();
            let request =
                reqwest::Request::try_from(request).map_err(|cause| not_sent(cause.without_url()))?;
            let proxy = self.config.proxy_to(&url);
            let response =
                client.execute(request).await.map_err(|cause| failed(cause, &url, proxy.as_deref()))?;
            let response: http::Response<reqwest::Body> = response.into();
            Ok(response.map(|body| Body::new(Frames { body, proxy })))
        })
    }

    fn proxy_to(&self, url: &Uri) -> Option<String> {
        self.config.proxy_to(url)
    }
}

/// Returns the error for a request that failed; names the proxy.
#[cfg_attr(
    not(feature = "rustls-ring"),
    expect(unused_variables, reason = "used for certificates only, with TLS")
)]
fn failed(cause: reqwest::Error, url: &Uri, proxy: Option<&str>) -> TransportError {
    let sent = !cause.is_connect() && !cause.is_builder();
    let cause = cause.without_url();
    let way = proxy.map_or_else(String::new, |proxy| format!("{VIA_PROXY}{proxy}: "));
    #[cfg(feature = "rustls-ring")]
    if let Some(refused) = super::tls::refused(&cause, url.host().unwrap_or_default(), &way) {
        return not_sent(refused);
    }
    let error = TransportError { sent, reused: false, cause: cause.into() };
    if way.is_empty() { error } else { TransportError { cause: format!("{way}{error}").into(), ..error } }
}

/// reqwest's body as a stream of chunks.
struct Frames {
    body: reqwest::Body,
    proxy: Option<String>,
}

impl Stream for Frames {
    type Item = Result<bytes::Bytes, TransportError>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        use http_body::Body as _;
        use std::task::{Poll, ready};
        loop {
            return Poll::Ready(match ready!(std::pin::Pin::new(&mut self.body).poll_frame(cx)) {
                None => None,
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => Some(Ok(data)),
                    Err(_) => continue,
                },
                Some(Err(cause)) => {
                    let error =
                        TransportError { sent: true, reused: false, cause: cause.without_url().into() };
                    Some(Err(match &self.proxy {
                        Some(proxy) => {
                            TransportError { cause: format!("{VIA_PROXY}{proxy}: {error}").into(), ..error }
                        }
                        None => error,
                    }))
                }
            });
        }
    }
}

//! HTTPS to the cloud, through reqwest. Built when first used: it costs more memory than all the rest.

use std::sync::OnceLock;
use std::time::Duration;

use futures_core::Stream;
use http::header;

use super::{Body, BoxFuture, Request, Response, Transport, TransportError};

const CONNECT_LIMIT: Duration = Duration::from_secs(10);
const IDLE_LIMIT: Duration = Duration::from_secs(90);

/// The transport to the cloud. Follows no redirect and retries nothing: that is decided above it.
#[derive(Debug, Default)]
pub(crate) struct Cloud {
    client: OnceLock<reqwest::Client>,
    /// Hands on what comes as it is, whatever it says of itself: for downloads.
    raw: OnceLock<reqwest::Client>,
}

impl Cloud {
    fn client(&self, request: &Request) -> Result<&reqwest::Client, TransportError> {
        let is_raw = request.headers().get(header::ACCEPT_ENCODING).is_some_and(|what| what == "identity");
        let client = if is_raw { &self.raw } else { &self.client };
        if let Some(client) = client.get() {
            return Ok(client);
        }
        let made = build(reqwest::Client::builder().gzip(!is_raw)).map_err(not_sent)?;
        Ok(client.get_or_init(|| made))
    }
}

fn build(
    builder: reqwest::ClientBuilder,
) -> Result<reqwest::Client, Box<dyn std::error::Error + Send + Sync>> {
    let builder = builder
        .connect_timeout(CONNECT_LIMIT)
        .pool_idle_timeout(IDLE_LIMIT)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false);
    #[cfg(feature = "rustls-ring")]
    let builder = builder.tls_backend_preconfigured(tls()?);
    Ok(builder.build()?)
}

/// TLS with one provider and the roots compiled in: a `FROM scratch` image has no others.
#[cfg(feature = "rustls-ring")]
fn tls() -> Result<rustls::ClientConfig, rustls::Error> {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

fn not_sent(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> TransportError {
    TransportError { sent: false, reused: false, cause: cause.into() }
}

impl Transport for Cloud {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        Box::pin(async move {
            let client = self.client(&request)?;
            let request =
                reqwest::Request::try_from(request).map_err(|cause| not_sent(cause.without_url()))?;
            let answer = client.execute(request).await.map_err(|cause| TransportError {
                sent: !cause.is_connect() && !cause.is_builder(),
                reused: false,
                cause: cause.without_url().into(),
            })?;
            let answer: http::Response<reqwest::Body> = answer.into();
            Ok(answer.map(|body| Body::new(Frames(body))))
        })
    }
}

/// reqwest's body, piece by piece.
struct Frames(reqwest::Body);

impl Stream for Frames {
    type Item = Result<bytes::Bytes, TransportError>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        use http_body::Body as _;
        use std::task::{Poll, ready};
        loop {
            return Poll::Ready(match ready!(std::pin::Pin::new(&mut self.0).poll_frame(cx)) {
                None => None,
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => Some(Ok(data)),
                    Err(_) => continue,
                },
                Some(Err(cause)) => {
                    Some(Err(TransportError { sent: true, reused: false, cause: cause.without_url().into() }))
                }
            });
        }
    }
}

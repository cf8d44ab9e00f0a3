//! Sends every cloud request: rate limiter, attempts with retries, redirects, transport, response. Not generic, so it
//! is compiled once.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Uri, header};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::error::{BODY_LIMIT, Error, ErrorKind, Result};

use super::connection_error::connection_lost;
use super::html_page::unexpected_html_page;
use super::limiter::RateLimiter;
use super::media_type::media_type;
use super::outcome::{TOO_EARLY, is_transient};
use super::plain_http::{self, PlainHttpPolicy, is_exposed, is_secret};
use super::proxy::VIA_PROXY;
use super::request::ApiRequest;
use super::response::BufferedResponse;
use super::response_error::{error_for_response, page_instead};
use super::retry::{RetryBudget, RetryPolicy};
use super::streaming::StreamingResponse;
use super::{Request, Response, Transport};

/// Limit for a request with all its attempts and pauses, without the waits for rate limits.
const TOTAL_LIMIT: Duration = Duration::from_secs(120);
/// Slowest upload that is expected, in bytes per second. It extends the timeouts of requests with long bodies.
const MIN_UPLOAD_RATE: u64 = 16 * 1024;
const MAX_REDIRECTS: usize = 10;
const USER_AGENT: &str = concat!("balena-agent/", env!("CARGO_PKG_VERSION"));

/// The HTTP client of the cloud API. All clones of a [`Balena`](crate::Balena) share it.
#[derive(Debug)]
pub(crate) struct HttpClient {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) limiter: Option<RateLimiter>,
    pub(crate) retry: RetryPolicy,
    pub(crate) budget: RetryBudget,
    pub(crate) clock: Arc<dyn Clock>,
    /// Whether a key may be sent over plain HTTP.
    pub(crate) plain_http: PlainHttpPolicy,
}

/// How the body of the response is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodyMode {
    /// Into memory, as part of the attempt.
    Buffered,
    /// By the caller, after the attempt.
    Streaming,
}

impl HttpClient {
    /// Sends the request, with retries, and reads the whole response. Any status but 2xx is an error.
    pub(crate) async fn execute(&self, api_request: ApiRequest) -> Result<BufferedResponse> {
        // The body is already in memory, so this does not fail: a broken body is retried as well.
        self.send_with_retries(api_request, BodyMode::Buffered).await?.into_buffered().await
    }

    /// Sends the request, with retries, and returns the response with its body unread. Any status but 2xx is an error.
    /// The timeouts apply to the head of the response only.
    pub(crate) async fn stream(&self, api_request: ApiRequest) -> Result<StreamingResponse> {
        self.send_with_retries(api_request, BodyMode::Streaming).await
    }

    /// Sends the request until an attempt succeeds or no retry is allowed.
    async fn send_with_retries(&self, api_request: ApiRequest, mode: BodyMode) -> Result<StreamingResponse> {
        let operation = api_request.operation();
        let mut started = Instant::now();
        let mut attempts = 0;
        let length = u64::try_from(api_request.body.len()).unwrap_or(u64::MAX);
        let to_send = Duration::from_secs(length / MIN_UPLOAD_RATE);
        let total = TOTAL_LIMIT + to_send;
        loop {
            if let Some(limiter) = &self.limiter {
                let before = Instant::now();
                limiter.acquire().await;
                started += before.elapsed();
            }
            attempts += 1;
            let left = total.saturating_sub(started.elapsed());
            let limit = (api_request.timeout + to_send).min(left);
            // The URL that the redirects of this attempt lead to.
            let mut at = address(&api_request)?;
            let attempt = self.attempt(&api_request, &operation, mode, &mut at);
            let error = match tokio::time::timeout(limit, attempt).await {
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(error)) => error,
                Err(_) => timeout_error(&api_request, limit),
            };
            let error =
                self.with_proxy_named(&at, error).with_operation(operation.clone()).with_attempts(attempts);
            if let Some(requested) = api_request.rate_limit_retry.delay(&error) {
                // A server that keeps sending `Retry-After: 0` must not be retried without a pause.
                let wait = if requested.is_zero() && attempts > 1 {
                    RetryPolicy::backoff(attempts - 1)
                } else {
                    requested
                };
                tracing::debug!(?wait, %operation, "rate limited, waiting for Retry-After");
                self.clock.sleep(wait).await;
                started += wait;
                continue;
            }
            if !is_retryable(&api_request, &error)
                || !self.retry.allows_attempt(attempts)
                || !self.budget.take()
            {
                return Err(error);
            }
            let pause = error.retry_after().unwrap_or_else(|| RetryPolicy::backoff(attempts));
            if started.elapsed() + pause >= total {
                return Err(error);
            }
            tracing::debug!(%operation, attempts, ?pause, %error, "retrying");
            self.clock.sleep(pause).await;
        }
    }

    /// Adds the proxy's address to an error that the proxy may have caused.
    fn with_proxy_named(&self, url: &Uri, error: Error) -> Error {
        let may_be_of_proxy = match (error.status(), error.kind()) {
            // For https, the response comes through a tunnel: the proxy can't have sent it.
            (Some(403 | 407 | 500..), _) => url.scheme_str() == Some("http"),
            (None, ErrorKind::Timeout | ErrorKind::Unreachable | ErrorKind::UnknownOutcome) => true,
            _ => false,
        };
        if !may_be_of_proxy || error.message().contains(VIA_PROXY) {
            return error;
        }
        match self.transport.proxy_to(url) {
            Some(proxy) => error.with_prefix(format_args!("{VIA_PROXY}{proxy}: ")),
            None => error,
        }
    }

    /// Sends the request once and follows redirects of reads. `url` is set to the last URL that was requested.
    async fn attempt(
        &self,
        api_request: &ApiRequest,
        operation: &str,
        mode: BodyMode,
        url: &mut Uri,
    ) -> Result<StreamingResponse> {
        if self.plain_http == PlainHttpPolicy::Refused && is_exposed(url) && is_secret(api_request) {
            return Err(plain_http::plain_http_error(url));
        }
        let mut token = api_request.token.as_ref();
        for _ in 0..=MAX_REDIRECTS {
            let request = http_request(api_request, url.clone(), token)?;
            let lost = |error| connection_lost(authority(url), api_request.semantics(), error);
            let response = self.transport.send(request).await.map_err(lost)?;
            if let Some(target) = redirect(&response, url) {
                *url = follow_redirect(api_request, url, target, response.status().as_u16(), &mut token)?;
                continue;
            }
            let (head, body) = response.into_parts();
            let status = head.status.as_u16();
            if !head.status.is_success() {
                let body = body.collect_truncated(BODY_LIMIT).await;
                return Err(error_for_response(api_request, status, &head.headers, &body, self.clock.now()));
            }
            let streaming = StreamingResponse::new(operation, api_request, authority(url), head, body);
            let page = match mode {
                BodyMode::Buffered => {
                    let streaming = streaming.read().await?;
                    match streaming.whole_body().filter(|body| unexpected_html_page(body).is_some()) {
                        Some(page) => page.clone(),
                        None => return Ok(streaming),
                    }
                }
                BodyMode::Streaming if is_unexpected_html(&streaming.headers, url) => {
                    streaming.beginning().await
                }
                BodyMode::Streaming => return Ok(streaming),
            };
            return Err(page_instead(api_request, status, &page));
        }
        Err(Error::new(ErrorKind::Rejected, format!("redirected more than {MAX_REDIRECTS} times"))
            .with_sent(true))
    }
}

/// Returns whether the response is an HTML page although the path does not end like one (`.html`).
fn is_unexpected_html(headers: &HeaderMap, url: &Uri) -> bool {
    const HTML: &str = "text/html";
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_html = kind.trim_start().get(..HTML.len()).is_some_and(|kind| kind.eq_ignore_ascii_case(HTML));
    is_html && media_type(url.path()) != Some(HTML)
}

fn http_request(api_request: &ApiRequest, url: Uri, token: Option<&SecretString>) -> Result<Request> {
    let mut request = http::Request::builder().method(api_request.method.clone()).uri(url);
    request = request.header(header::USER_AGENT, USER_AGENT);
    if let Some(token) = token {
        let mut value =
            HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())).map_err(|_| {
                Error::new(ErrorKind::Config, "the token contains characters that an HTTP header can't carry")
                    .with_help("check it for a line break; log in again or set BALENA_API_KEY again")
            })?;
        value.set_sensitive(true);
        request = request.header(header::AUTHORIZATION, value);
    }
    for (name, value) in &api_request.headers {
        request = request.header(name, value);
    }
    request
        .body(api_request.body.clone())
        .map_err(|cause| Error::new(ErrorKind::InvalidArgument, cause.to_string()))
}

/// Returns the target of a redirect response.
fn redirect(response: &Response, url: &Uri) -> Option<Uri> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = response.headers().get(header::LOCATION)?.to_str().ok()?;
    let target: Uri = location.parse().ok()?;
    if target.scheme().is_some() {
        return Some(target);
    }
    let mut parts = target.into_parts();
    parts.scheme = url.scheme().cloned();
    parts.authority = parts.authority.or_else(|| url.authority().cloned());
    Uri::from_parts(parts).ok()
}

/// Returns the URL to follow to. Only reads follow a redirect: a write could be sent twice or lose its body. Removes
/// the token if the target is another host.
fn follow_redirect(
    api_request: &ApiRequest,
    from: &Uri,
    to: Uri,
    status: u16,
    token: &mut Option<&SecretString>,
) -> Result<Uri> {
    let host = to.host().unwrap_or_default().to_owned();
    let refuse = |why: &str| {
        Err(Error::new(ErrorKind::Rejected, format!("status {status}: redirected to {host}, {why}"))
            .with_status(status)
            .with_sent(true)
            .with_help("is the address of the API right, and no proxy or portal in between?"))
    };
    if !api_request.is_read() {
        return refuse("and a write is not sent on");
    }
    if from.scheme_str() == Some("https") && to.scheme_str() != Some("https") {
        return refuse("without TLS");
    }
    if !is_same_host(from, &to) {
        *token = None;
    }
    Ok(to)
}

/// Returns whether both URLs name the same host and port. A missing port is the default of the scheme; an upgrade from
/// port 80 to 443 is the same server.
fn is_same_host(one: &Uri, other: &Uri) -> bool {
    let port = |uri: &Uri| uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
    let host = |uri: &Uri| uri.host().unwrap_or_default().to_ascii_lowercase();
    let upgraded = (port(one), port(other)) == (80, 443);
    host(one) == host(other) && (port(one) == port(other) || upgraded)
}

/// Returns whether the error is temporary and sending the request again is safe.
fn is_retryable(api_request: &ApiRequest, error: &Error) -> bool {
    let passing = match error.kind() {
        ErrorKind::Unreachable | ErrorKind::RateLimited | ErrorKind::UnknownOutcome => true,
        _ => error.status().is_some_and(is_transient),
    };
    let may_arrive_again = api_request.idempotent || !error.was_sent() || error.status() == Some(TOO_EARLY);
    passing && !error.is_permanent() && may_arrive_again
}

fn address(api_request: &ApiRequest) -> Result<Uri> {
    api_request.url.parse().map_err(|_| {
        Error::new(ErrorKind::InvalidArgument, "the URL of this request is not valid")
            .with_operation(api_request.operation())
            .with_help("check names, settings and BALENA_API_URL")
    })
}

/// Returns host and port, without user and password.
fn authority(url: &Uri) -> &str {
    let authority = url.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default()
}

fn timeout_error(api_request: &ApiRequest, limit: Duration) -> Error {
    let error = Error::new(ErrorKind::Timeout, format!("no response within {limit:?}")).with_sent(true);
    if api_request.is_read() {
        error
    } else {
        error.with_help("it may still take effect: check before you send it again")
    }
}

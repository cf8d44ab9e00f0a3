//! Responses, with the headers and framing of the supervisor's server.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode};
use http_body::Frame;
use tokio::sync::mpsc;
use tokio::time::Sleep;

use super::engine::Failure;
use super::json::{Json, object};
use super::refusal::Refusal;

/// A response before framing.
#[derive(Debug)]
pub(super) struct ServerResponse {
    status: StatusCode,
    content_type: Option<&'static str>,
    headers: Vec<(header::HeaderName, HeaderValue)>,
    /// Whether the response has an `ETag`. Responses of the router itself have none.
    tagged: bool,
    payload: Payload,
}

#[derive(Debug)]
enum Payload {
    Whole(Bytes),
    Stream {
        /// The part sent with the head.
        first: Bytes,
        rest: mpsc::Receiver<Bytes>,
    },
}

const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json; charset=utf-8";

impl ServerResponse {
    fn new(status: StatusCode, content_type: Option<&'static str>, body: impl Into<Bytes>) -> Self {
        Self { status, content_type, headers: Vec::new(), tagged: true, payload: Payload::Whole(body.into()) }
    }

    /// A plain sentence, which the server labels as HTML.
    pub(super) fn html_text(status: StatusCode, text: impl Into<String>) -> Self {
        Self::new(status, Some(HTML), text.into())
    }

    pub(super) fn ok() -> Self {
        Self::html_text(StatusCode::OK, "OK")
    }

    /// Only a status, with its reason phrase as text.
    pub(super) fn status(status: StatusCode) -> Self {
        match status {
            StatusCode::NO_CONTENT => Self::new(status, None, Bytes::new()),
            _ => Self::new(status, Some(TEXT), status.canonical_reason().unwrap_or_default()),
        }
    }

    /// 429, with the time to wait in whole seconds.
    pub(super) fn too_many_requests(wait: Duration) -> Self {
        let mut answer = Self::html_text(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests");
        answer.headers.push((header::RETRY_AFTER, wait.as_secs().into()));
        answer
    }

    pub(super) fn code(&self) -> u16 {
        self.status.as_u16()
    }

    pub(super) fn is_success(&self) -> bool {
        self.status.is_success()
    }

    /// A JSON value, in the order of its fields' names.
    pub(super) fn value(status: StatusCode, value: &serde_json::Value) -> Self {
        Self::new(status, Some(JSON), value.to_string())
    }

    /// Only a status: no content type, no body.
    pub(super) fn empty(status: StatusCode) -> Self {
        Self { tagged: false, ..Self::new(status, None, Bytes::new()) }
    }

    pub(super) fn json(status: StatusCode, value: &Json) -> Self {
        Self::new(status, Some(JSON), value.to_string())
    }

    pub(super) fn success(value: &Json) -> Self {
        Self::json(StatusCode::OK, value)
    }

    /// A report, or the error of making it.
    pub(super) fn report(report: Result<Json, Failure>) -> Self {
        match report {
            Ok(state) => Self::success(&state),
            Err(failure) => Self::refused(&failure.into()),
        }
    }

    /// The error format of v2 endpoints.
    pub(super) fn failed(status: StatusCode, message: &str) -> Self {
        Self::json(status, &object([("status", "failed".into()), ("message", message.into())]))
    }

    /// The error format of reboot and shutdown.
    pub(super) fn go(status: StatusCode, data: &str, error: Option<&str>) -> Self {
        Self::json(status, &object([("Data", data.into()), ("Error", error.into())]))
    }

    /// A stream without content type and length.
    pub(super) fn stream(rest: mpsc::Receiver<Bytes>) -> Self {
        let payload = Payload::Stream { first: Bytes::new(), rest };
        Self { status: StatusCode::OK, content_type: None, headers: Vec::new(), tagged: false, payload }
    }

    /// Waits for the first part of a stream: the server sends no head before it. An empty stream becomes an empty
    /// body.
    pub(super) async fn with_first_chunk(self) -> Self {
        let Payload::Stream { mut rest, .. } = self.payload else { return self };
        match rest.recv().await {
            Some(first) => Self { payload: Payload::Stream { first, rest }, ..self },
            None => Self { payload: Payload::Whole(Bytes::new()), ..self },
        }
    }

    /// Express's page for unknown paths and methods.
    pub(super) fn no_such_route(method: &Method, path: &str) -> Self {
        let cannot = escaped(&format!("Cannot {method} {}", encoded(path)));
        let page = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Error</title>\n</head>\n\
             <body>\n<pre>{cannot}</pre>\n</body>\n</html>\n"
        );
        let mut answer = Self::html_text(StatusCode::NOT_FOUND, page);
        answer.tagged = false;
        answer.headers = vec![
            (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'")),
            (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        ];
        answer
    }

    pub(super) fn allowed(methods: &str) -> Self {
        let mut answer = Self::html_text(StatusCode::OK, methods);
        answer.headers.extend(HeaderValue::from_str(methods).ok().map(|value| (header::ALLOW, value)));
        answer
    }

    /// A rejection in the v2 format: 423 for a lock, else 503.
    pub(super) fn refused(refusal: &Refusal) -> Self {
        let status = match refusal {
            Refusal::Locked(_) => StatusCode::LOCKED,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::failed(status, refusal.message())
    }

    /// A rejection in the v1 format: a plain sentence.
    pub(super) fn refused_in_words(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::BadRequest(message) => Self::html_text(StatusCode::BAD_REQUEST, message),
            Refusal::NotFound(message) => Self::html_text(StatusCode::NOT_FOUND, message),
            // The engine's error object has no message that the v1 handler would find.
            Refusal::Missing(_) => Self::new(StatusCode::NOT_FOUND, None, Bytes::new()),
            Refusal::Locked(_) | Refusal::Unexpected(_) => Self::refused(refusal),
        }
    }

    /// Frames the response for a request with this method and these headers. `drip` sends one byte at a time.
    pub(super) fn frame(
        self,
        method: &Method,
        request: &HeaderMap,
        drip: Option<Duration>,
    ) -> Response<Body> {
        let Self { status, content_type, headers, tagged, payload } = self;
        let mut response = Response::new(Body::Done);
        *response.status_mut() = status;
        let bytes = match payload {
            Payload::Stream { first, rest } => {
                *response.body_mut() = Body::Stream { first, rest };
                return response;
            }
            Payload::Whole(bytes) => bytes,
        };
        let fields = response.headers_mut();
        fields.extend(headers);
        let tag = HeaderValue::from_str(&etag(&bytes)).ok().filter(|_| tagged);
        let readable = method == Method::GET || method == Method::HEAD;
        let fresh = readable && status.is_success() && tag.as_ref().is_some_and(|tag| is_fresh(request, tag));
        fields.extend(tag.map(|tag| (header::ETAG, tag)));
        if fresh {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        if status == StatusCode::NO_CONTENT {
            return response;
        }
        fields.extend(content_type.map(|value| (header::CONTENT_TYPE, HeaderValue::from_static(value))));
        fields.insert(header::CONTENT_LENGTH, bytes.len().into());
        *response.body_mut() = match drip {
            _ if method == Method::HEAD => Body::Done,
            Some(pause) => Body::Drip { rest: bytes, pause, sleep: Box::pin(tokio::time::sleep(pause)) },
            None => Body::Whole(bytes),
        };
        response
    }
}

/// Encodes a path as Express's page does: invalid characters are escaped, and invalid escapes too.
fn encoded(path: &str) -> String {
    let hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let bytes = path.as_bytes();
    let escape = |(index, byte): (usize, &u8)| {
        let kept = match byte {
            b'%' => hex(bytes.get(index + 1)) && hex(bytes.get(index + 2)),
            b'"' | b'<' | b'>' | b'`' | b'{' | b'}' => false,
            other => other.is_ascii_graphic(),
        };
        if kept { char::from(*byte).to_string() } else { format!("%{byte:02X}") }
    };
    bytes.iter().enumerate().map(escape).collect::<Vec<_>>().concat()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

/// A weak `ETag`: the length, and a hash of the content.
fn etag(body: &[u8]) -> String {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let hash = body.iter().fold(OFFSET, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME));
    format!("W/\"{:x}-{hash:016x}\"", body.len())
}

fn is_fresh(request: &HeaderMap, tag: &HeaderValue) -> bool {
    let text = |name| request.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let strong = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let tag = strong(tag.to_str().unwrap_or_default());
    let wanted = text(header::IF_NONE_MATCH);
    let reload = text(header::CACHE_CONTROL).split(',').any(|part| part.trim() == "no-cache");
    !reload && (wanted.trim() == "*" || wanted.split(',').any(|part| strong(part) == tag))
}

/// The body of a response.
#[derive(Debug)]
pub(super) enum Body {
    Done,
    Whole(Bytes),
    Stream { first: Bytes, rest: mpsc::Receiver<Bytes> },
    Drip { rest: Bytes, pause: Duration, sleep: Pin<Box<Sleep>> },
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        match this {
            Self::Done => Poll::Ready(None),
            Self::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                *this = Self::Done;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Stream { first, rest } if first.is_empty() => {
                rest.poll_recv(context).map(|line| line.map(|line| Ok(Frame::data(line))))
            }
            Self::Stream { first, .. } => Poll::Ready(Some(Ok(Frame::data(std::mem::take(first))))),
            Self::Drip { rest, .. } if rest.is_empty() => Poll::Ready(None),
            Self::Drip { rest, pause, sleep } => {
                std::task::ready!(sleep.as_mut().poll(context));
                sleep.as_mut().reset(tokio::time::Instant::now() + *pause);
                Poll::Ready(Some(Ok(Frame::data(rest.split_to(1)))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Done => true,
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Stream { .. } => false,
            Self::Drip { rest, .. } => rest.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::encoded;

    #[test]
    fn the_page_shows_a_path_that_could_be_sent_again() {
        for (path, expected) in [
            ("/no/such~path;a=[1]|'", "/no/such~path;a=[1]|'"),
            ("/%31/%zz/%", "/%31/%25zz/%25"),
            ("/{a}\"", "/%7Ba%7D%22"),
            ("/ü", "/%C3%BC"),
        ] {
            assert_eq!(encoded(path), expected);
        }
    }
}

//! Responses: their body, JSON with the right headers, and refusals.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use http_body::{Frame, SizeHint};
use http_body_util::Full;
use serde::Serialize;
use serde_json::{Map, Value};

/// A response of the gateway.
pub(crate) type Response = http::Response<Body>;

/// What a handler returns. Both sides become a response; the error side lets a handler use `?`.
pub(crate) type Answer = Result<Response, Refusal>;

/// Body of a response.
pub(crate) enum Body {
    /// Known as a whole: sent with its length.
    Whole(Full<Bytes>),
    /// Comes piece by piece, e.g. server-sent events.
    Stream(Pin<Box<dyn http_body::Body<Data = Bytes, Error = Infallible> + Send>>),
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Whole(_) => "Whole(..)",
            Self::Stream(_) => "Stream(..)",
        })
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::Whole(Full::new(text.into()))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(cx),
            Self::Stream(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Stream(body) => body.size_hint(),
        }
    }
}

/// Returns a response with this content type and `Cache-Control: no-store`.
pub(crate) fn respond(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Returns a JSON response.
pub(crate) fn reply(status: StatusCode, body: &impl Serialize) -> Response {
    respond(status, "application/json", serde_json::to_string(body).unwrap_or_else(|_| "{}".into()))
}

/// Why a request is not answered as asked. Its body is `{ "error": "<sentence>", "kind": "<snake_case word>", … }`.
#[derive(Debug, Clone)]
pub(crate) struct Refusal(Box<Details>);

#[derive(Debug, Clone)]
struct Details {
    status: StatusCode,
    kind: &'static str,
    error: String,
    more: Map<String, Value>,
    headers: HeaderMap,
}

impl Refusal {
    /// `kind` is a `snake_case` word for programs; `error` is a sentence for people: what is wrong, and what to do.
    pub(crate) fn new(status: StatusCode, kind: &'static str, error: impl Into<String>) -> Self {
        let (error, more, headers) = (error.into(), Map::new(), HeaderMap::new());
        Self(Box::new(Details { status, kind, error, more, headers }))
    }

    /// A refusal with 400.
    pub(crate) fn bad_request(kind: &'static str, error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, kind, error)
    }

    /// Adds a field to the body.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.more.insert(name.into(), value.into());
        self
    }

    /// Adds a header.
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }
}

impl From<Refusal> for Response {
    fn from(refusal: Refusal) -> Self {
        let Details { status, kind, error, more, headers } = *refusal.0;
        let mut body = Map::from_iter([("error".to_owned(), error.into()), ("kind".to_owned(), kind.into())]);
        body.extend(more);
        let mut response = reply(status, &body);
        response.headers_mut().extend(headers);
        response
    }
}

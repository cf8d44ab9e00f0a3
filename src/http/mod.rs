//! The request path of the cloud API: rate limiter, attempts, transports, bodies, error statuses. Knows no resource.

mod body;
#[cfg(feature = "rustls-ring")]
mod certificate;
mod checksum;
mod connection_error;
mod download;
mod error_message;
mod execute;
mod html_page;
mod hyper_transport;
mod limiter;
mod lines;
mod media_type;
mod multipart;
mod outcome;
mod plain_http;
mod proxy;
mod request;
mod reqwest_transport;
mod response;
mod response_error;
mod retry;
mod root_certificates;
mod status_policy;
mod streaming;
#[cfg(feature = "rustls-ring")]
mod tls;
mod transport_config;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

pub use body::Body;
pub(crate) use body::BodyError;
pub use download::{Download, DownloadStream, Progress};
pub(crate) use download::{ProgressFn, Source};
pub(crate) use error_message::{body_excerpt, error_message, single_line, status_and_message};
pub(crate) use execute::HttpClient;
pub(crate) use html_page::{html_page_description, unexpected_html_page};
pub(crate) use hyper_transport::{HyperTransport, ServerAddress};
pub(crate) use limiter::RateLimiter;
pub(crate) use lines::{Line, LineDecoder};
pub(crate) use media_type::media_type;
pub(crate) use multipart::MultipartForm;
pub(crate) use outcome::{
    GatewayError, RequestSemantics, connection_lost_kind, gateway_error, kind_of_status,
    may_have_taken_effect,
};
pub(crate) use plain_http::{PlainHttpPolicy, is_exposed, plain_http_error};
pub(crate) use request::{ApiRequest, RateLimitRetry, operation};
pub(crate) use reqwest_transport::ReqwestTransport;
pub(crate) use response::BufferedResponse;
pub(crate) use retry::RetryBudget;
pub use retry::RetryPolicy;
pub(crate) use root_certificates::RootCertificates;
pub(crate) use status_policy::{StatusPolicy, wants_fresh_login};
pub(crate) use streaming::StreamingResponse;
pub(crate) use transport_config::TransportConfig;

/// A boxed future, as [`Transport::send`] returns it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A request to send, with its body in memory.
pub type Request = http::Request<Bytes>;

/// A response whose body has not been read yet.
pub type Response = http::Response<Body>;

/// Extension of a request that must be sent on a new connection. On a reused connection, a close because of idleness
/// can't be distinguished from a close because of the request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FreshConnection;

/// Sends one request once: no retry, no redirect, and no timeout except for connecting.
pub trait Transport: fmt::Debug + Send + Sync {
    /// Sends the request and waits for the head of the response.
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>>;

    /// As [`send`](Self::send), and sets `left` before the first byte may be sent. If the future is dropped before
    /// that, the request had no effect.
    fn send_tracked<'a>(
        &'a self,
        request: Request,
        left: &'a AtomicBool,
    ) -> BoxFuture<'a, Result<Response, TransportError>> {
        left.store(true, Ordering::Relaxed);
        self.send(request)
    }

    /// Returns host and port of the proxy for requests to this URL, if there is one. Used in error texts.
    fn proxy_to(&self, _url: &http::Uri) -> Option<String> {
        None
    }
}

/// Why there is no response.
#[derive(Debug)]
pub struct TransportError {
    /// Whether any byte of the request may have been sent.
    pub sent: bool,
    /// Whether the connection had served a request before this one.
    pub reused: bool,
    /// The error of the layer below.
    pub cause: Box<dyn std::error::Error + Send + Sync>,
}

impl TransportError {
    /// Returns whether the server closed the connection before a response.
    #[cfg(feature = "service")]
    pub(crate) fn is_closed(&self) -> bool {
        let cause = self.cause.downcast_ref::<hyper::Error>();
        self.sent || cause.is_some_and(|cause| cause.is_canceled() || cause.is_closed())
    }

    /// Returns whether the server's response was not HTTP.
    pub(crate) fn is_garbled(&self) -> bool {
        self.cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse)
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The innermost cause is the useful one: "connection refused", not "client error (Connect)".
        let mut cause: &(dyn std::error::Error + 'static) = &*self.cause;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        write!(f, "{cause}")
    }
}

impl std::error::Error for TransportError {}

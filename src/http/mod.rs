//! How bytes travel: requests, bounded bodies, and the transports that carry them. Knows no balena resource.

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
pub(crate) use download::{Report, Source};
pub(crate) use error_message::{body_excerpt, error_message, single_line, status_and_message};
pub(crate) use execute::Http;
pub(crate) use html_page::{foreign_page, html_page_description};
pub(crate) use hyper_transport::{HyperTransport, ServerAddress as PlainEndpoint};
pub(crate) use limiter::RateLimiter;
pub(crate) use lines::{Line, Lines};
pub(crate) use media_type::media_type;
pub(crate) use multipart::MultipartForm;
pub(crate) use outcome::{
    GatewayError, Semantics, connection_lost_kind, gateway_error, kind_of_status, may_have_happened,
};
pub(crate) use plain_http::{PlainHttp, is_exposed, plain_http_error as exposed};
pub(crate) use request::{ApiRequest, RateLimitRetry};
pub(crate) use reqwest_transport::ReqwestTransport;
pub(crate) use response::BufferedResponse;
pub(crate) use retry::RetryBudget;
pub use retry::RetryPolicy;
pub(crate) use root_certificates::RootCertificates;
pub(crate) use status_policy::{StatusPolicy, wants_fresh_login};
pub(crate) use streaming::StreamingResponse;
pub(crate) use transport_config::TransportConfig;

/// A boxed future, at the one place where a transport is chosen at run time.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A request as a transport gets it.
pub type Request = http::Request<Bytes>;

/// An answer whose body has not been read yet.
pub type Response = http::Response<Body>;

/// Marks a request (in its extensions) that must travel on a connection of its own. On a reused one, a
/// connection that the other side closed for being idle can't be told from one that the request broke.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FreshConnection;

/// Carries one request, once: no retry, no redirect, no deadline of its own but for connecting.
pub trait Transport: fmt::Debug + Send + Sync {
    /// Sends the request and waits for the head of the answer.
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>>;

    /// As [`send`](Self::send), and notes when the request may begin to leave: who gives up before that
    /// knows that nothing happened.
    fn send_noting<'a>(
        &'a self,
        request: Request,
        left: &'a AtomicBool,
    ) -> BoxFuture<'a, Result<Response, TransportError>> {
        left.store(true, Ordering::Relaxed);
        self.send(request)
    }

    /// Host and port of the proxy that requests to this address go through, if one is in between: for the text
    /// of what fails.
    fn proxy_to(&self, _url: &http::Uri) -> Option<String> {
        None
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub struct TransportError {
    /// Whether any byte of the request may have left.
    pub sent: bool,
    /// Whether the connection had served a request before this one.
    pub reused: bool,
    /// What the layer below said.
    pub cause: Box<dyn std::error::Error + Send + Sync>,
}

impl TransportError {
    /// Whether the other side answered with something that is not HTTP.
    pub(crate) fn is_garbled(&self) -> bool {
        self.cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse)
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The innermost cause is the one that helps: "connection refused", not "client error (Connect)".
        let mut cause: &(dyn std::error::Error + 'static) = &*self.cause;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        write!(f, "{cause}")
    }
}

impl std::error::Error for TransportError {}

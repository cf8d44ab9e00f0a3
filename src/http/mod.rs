//! How bytes travel: requests, bounded bodies, and the transports that carry them. Knows no balena resource.

mod body;
#[cfg(feature = "rustls-ring")]
mod certificate;
mod checksum;
mod cloud;
mod download;
mod execute;
mod exposed;
mod limiter;
mod lines;
mod media_type;
mod multipart;
mod opened;
mod outcome;
mod page;
mod plain;
mod proxies;
mod refusal;
mod retry;
#[cfg(feature = "rustls-ring")]
mod tls;
mod words;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

pub use body::Body;
pub(crate) use body::BodyError;
pub(crate) use cloud::{Authorities, Cloud, Way};
pub use download::{Download, DownloadStream, Progress};
pub(crate) use download::{Report, Source};
pub(crate) use execute::{Http, Outgoing, Reply, Turn};
pub(crate) use exposed::{PlainHttp, is_exposed, refused as exposed};
pub(crate) use limiter::Limiter;
pub(crate) use lines::{Line, Lines};
pub(crate) use media_type::media_type;
pub(crate) use multipart::Form;
pub(crate) use opened::Opened;
pub(crate) use outcome::{Effect, Gateway, may_have_happened, of_gateway, of_lost, of_status};
pub(crate) use page::{foreign_page, page};
pub(crate) use plain::{Endpoint as PlainEndpoint, Plain};
pub(crate) use refusal::{Refusals, wants_fresh_login};
pub(crate) use retry::Budget;
pub use retry::Retry;
pub(crate) use words::{beginning, line, status_and_words, words};

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

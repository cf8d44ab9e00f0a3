//! A request without options.

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;

use crate::error::Result;
use crate::http::BoxFuture;

/// A request. Nothing is sent before `.await`; it owns what it needs, so it can be spawned or stored.
///
/// Dropping it cancels it; a write that was already sent may still happen.
#[must_use = "nothing is sent before `.await`"]
pub struct Request<T>(BoxFuture<'static, Result<T>>);

impl<T> Request<T> {
    pub(crate) fn new(work: impl Future<Output = Result<T>> + Send + 'static) -> Self {
        Self(Box::pin(work))
    }
}

impl<T> IntoFuture for Request<T> {
    type Output = Result<T>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        self.0
    }
}

impl<T> fmt::Debug for Request<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Request")
    }
}

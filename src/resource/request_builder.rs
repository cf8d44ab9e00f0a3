//! Requests with optional values, set by builder methods.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;

use serde_json::{Map, Value};

use crate::error::Result;
use crate::http::BoxFuture;

type SendFn<T> = Box<dyn FnOnce(Map<String, Value>) -> BoxFuture<'static, Result<T>> + Send>;

/// A request with optional values. `K` determines the builder methods.
///
/// Nothing is sent before `.await`. Dropping it cancels it; a write that was already sent may still have its effect.
#[must_use = "nothing is sent before `.await`"]
pub struct RequestBuilder<K, T = ()> {
    fields: Map<String, Value>,
    work: SendFn<T>,
    kind: PhantomData<fn() -> K>,
}

impl<K, T> RequestBuilder<K, T> {
    /// Creates the request. `work` receives the values set with [`RequestBuilder::set`].
    pub(crate) fn new<F>(work: impl FnOnce(Map<String, Value>) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let work: SendFn<T> = Box::new(|given| Box::pin(work(given)));
        Self { fields: Map::new(), work, kind: PhantomData }
    }

    /// Sets the value of a builder method. A later call replaces it.
    pub(crate) fn set(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.fields.insert(name.into(), value.into());
        self
    }
}

impl<K, T: 'static> IntoFuture for RequestBuilder<K, T> {
    type Output = Result<T>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        (self.work)(self.fields)
    }
}

impl<K, T> fmt::Debug for RequestBuilder<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBuilder").field("given", &self.fields.keys()).finish_non_exhaustive()
    }
}

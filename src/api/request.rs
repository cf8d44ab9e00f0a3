//! Requests that read no rows: one without options, and one that creates a row.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::core::Core;
use crate::error::Result;
use crate::http::BoxFuture;

use super::resource::Resource;

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

/// Makes the row's columns out of what the builder methods gave.
type Body = Box<dyn FnOnce(Map<String, Value>) -> BoxFuture<'static, Result<Value>> + Send>;

/// A request that creates a row and returns it.
///
/// Nothing is sent before `.await`. `R` is the resource, `T` the type that the row is decoded into. It is sent
/// once and never again by itself; dropping it after it was sent may leave the row there.
#[must_use = "nothing is sent before `.await`"]
pub struct Create<R, T = R> {
    core: Arc<Core>,
    given: Map<String, Value>,
    body: Body,
    types: PhantomData<fn() -> (R, T)>,
}

impl<R: Resource, T> Create<R, T> {
    /// `body` gets what [`Create::give`] was told. It may take requests of its own, so it is a future.
    pub(crate) fn new<F>(
        core: &Arc<Core>,
        body: impl FnOnce(Map<String, Value>) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Value>> + Send + 'static,
    {
        let body: Body = Box::new(|given| Box::pin(body(given)));
        Self { core: core.clone(), given: Map::new(), body, types: PhantomData }
    }

    /// What a builder method was told; the last one counts.
    pub(crate) fn give(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.given.insert(name.to_owned(), value.into());
        self
    }

    /// Decodes into a type of your own.
    pub fn rows<U>(self) -> Create<R, U> {
        Create { core: self.core, given: self.given, body: self.body, types: PhantomData }
    }
}

impl<R, T> fmt::Debug for Create<R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Create")
    }
}

impl<R: Resource, T: DeserializeOwned + Send + 'static> IntoFuture for Create<R, T> {
    type Output = Result<T>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let body = (self.body)(self.given).await?;
            self.core.create::<R, T>(&body).await
        })
    }
}

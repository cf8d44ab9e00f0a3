//! Request types: [`Request`] without options, and [`Create`], which creates a row.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::core::Core;
use crate::error::{Error, Result};
use crate::http::{BoxFuture, MultipartForm};

use super::schema::Resource;
use super::upload::UploadFile;

/// Maximum size in bytes of a file that is sent in one piece, such as a logo.
const MAX_FILE_SIZE: u64 = 16 * 1024 * 1024;

/// A request. Nothing is sent before `.await`. It is `'static`, so it can be spawned or stored.
///
/// Dropping it cancels it; a write that was already sent may still have its effect.
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

/// Builds the row's columns from the values of the builder methods.
type Body = Box<dyn FnOnce(Map<String, Value>) -> BoxFuture<'static, Result<Value>> + Send>;

/// A request that creates a row and returns it.
///
/// Nothing is sent before `.await`. `R` is the resource, `T` the type that the row is decoded into. It is never
/// retried. If it is dropped after it was sent, the row may exist.
#[must_use = "nothing is sent before `.await`"]
pub struct Create<R, T = R> {
    core: Arc<Core>,
    fields: Map<String, Value>,
    /// Names of the given columns, in order.
    order: Vec<&'static str>,
    files: Vec<(&'static str, UploadFile)>,
    body: Body,
    types: PhantomData<fn() -> (R, T)>,
}

impl<R: Resource, T> Create<R, T> {
    /// Creates the request. `body` receives the values set with [`Create::set`]. It is a future because it may send
    /// requests.
    pub(crate) fn new<F>(
        core: &Arc<Core>,
        body: impl FnOnce(Map<String, Value>) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Value>> + Send + 'static,
    {
        let body: Body = Box::new(|given| Box::pin(body(given)));
        let (given, order, files) = (Map::new(), Vec::new(), Vec::new());
        Self { core: core.clone(), fields: given, order, files, body, types: PhantomData }
    }

    /// Sets the value of a builder method. A later call replaces it.
    pub(crate) fn set(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self.order.push(name);
        self
    }

    /// Sets a file as the value of a builder method.
    pub(crate) fn attach(mut self, name: &'static str, file: UploadFile) -> Self {
        self.files.retain(|(known, _)| *known != name);
        self.files.push((name, file));
        self.order.push(name);
        self
    }

    /// Decodes the row into another type.
    pub fn rows<U>(self) -> Create<R, U> {
        let Self { core, fields: given, order, files, body, .. } = self;
        Create { core, fields: given, order, files, body, types: PhantomData }
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
            let body = (self.body)(self.fields).await?;
            if self.files.is_empty() {
                return self.core.create::<R, T>(&body).await;
            }
            let form = form(body, &self.order, self.files).await?;
            self.core.create_by_form::<R, T>(form).await
        })
    }
}

/// Builds a multipart form: the required columns, then the given ones in their order.
async fn form(
    body: Value,
    order: &[&'static str],
    files: Vec<(&'static str, UploadFile)>,
) -> Result<MultipartForm> {
    let mut columns = match body {
        Value::Object(columns) => columns,
        _ => Map::new(),
    };
    let mut files: Vec<_> = files.into_iter().map(|(name, file)| (name, Some(file))).collect();
    let required = columns.keys().filter(|name| !order.contains(&name.as_str())).cloned();
    let names: Vec<String> = required.chain(order.iter().map(|name| (*name).to_owned())).collect();
    let mut form = MultipartForm::new();
    for name in names {
        match columns.remove(&name) {
            Some(Value::String(text)) => form = form.text(&name, &text),
            Some(Value::Null) | None => {}
            Some(other) => form = form.text(&name, &other.to_string()),
        }
        let attached = files.iter_mut().find(|(known, _)| *known == name);
        if let Some((name, file)) = attached.and_then(|(name, file)| Some((*name, file.take()?))) {
            let mut file = file.open(name).await?;
            if file.size() > MAX_FILE_SIZE {
                let why = format_args!("it has {} bytes, more than {MAX_FILE_SIZE}", file.size()).to_string();
                return Err(Error::argument(name, why));
            }
            let content = file.whole().await?;
            form = form.file(name, &file.name, file.content_type.as_deref(), &content);
        }
    }
    Ok(form)
}

//! Requests of plain endpoints that answer with JSON.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;

use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::http::{BoxFuture, Reply, beginning};
use crate::json;
use crate::odata::Query;

/// A request whose answer is a `T`.
///
/// Nothing is sent before `.await`; it owns what it needs, so it can be spawned or stored. Dropping it cancels
/// it; a write that was already sent may still happen.
#[must_use = "nothing is sent before `.await`"]
pub struct Answer<T> {
    reply: BoxFuture<'static, Result<Reply>>,
    types: PhantomData<fn() -> T>,
}

impl<T> Answer<T> {
    pub(crate) fn new(reply: impl Future<Output = Result<Reply>> + Send + 'static) -> Self {
        Self { reply: Box::pin(reply), types: PhantomData }
    }

    /// Decodes into a type of your own.
    pub fn decode<U>(self) -> Answer<U> {
        Answer { reply: self.reply, types: PhantomData }
    }
}

impl<T: DeserializeOwned + Send + 'static> IntoFuture for Answer<T> {
    type Output = Result<T>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { decode(&self.reply.await?) })
    }
}

impl<T> fmt::Debug for Answer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answer")
    }
}

/// Makes types for what plain endpoints answer with: every field optional, unknown ones kept in `other`.
macro_rules! answers {
    ($(
        $(#[doc = $doc:literal])* $(#[serde($($how:tt)*)])?
        $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }
    )*) => {$(
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default, $($($how)*)?)]
        #[non_exhaustive]
        pub struct $name {
            $(
                $(#[$field_doc])*
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $field: Option<$type>,
            )*
            /// What this version of the library has no name for.
            #[serde(flatten)]
            pub other: serde_json::Map<String, serde_json::Value>,
        }
    )*};
}
pub(crate) use answers;

/// What a row has in a column that was asked for.
pub(crate) fn told<T>(value: Option<T>, column: &str) -> Result<T> {
    value.ok_or_else(|| {
        Error::new(ErrorKind::Decode, format!("the answer says nothing of `{column}`")).sent(true)
    })
}

/// Refuses rows without what was asked for: what an answer says nothing of is no fact.
///
/// # Errors
/// `is_decode`, with the name of the first column that is missing.
pub(crate) fn complete(reply: &Reply, rows: &[Value], asked: &Query) -> Result<()> {
    match rows.iter().find_map(|row| asked.missing_in(row)) {
        Some(column) => told(None, &column).map_err(|error| {
            error.operation(reply.operation.clone()).with_status(reply.status).help(WHO_ANSWERS)
        }),
        None => Ok(()),
    }
}

/// What to look at when an answer is not what was asked for.
const WHO_ANSWERS: &str = "is the address of the API right, and no proxy or portal in between?";

/// The whole answer as a `T`.
pub(crate) fn decode<T: DeserializeOwned>(reply: &Reply) -> Result<T> {
    json::decode(&reply.body).map_err(|misfit| unreadable(reply, &misfit))
}

/// The error for an answer that does not fit.
pub(crate) fn unreadable(reply: &Reply, misfit: &json::Misfit) -> Error {
    let mut shown = beginning(&reply.body);
    if let Some(token) =
        reply.token.as_ref().map(ExposeSecret::expose_secret).filter(|token| !token.is_empty())
    {
        shown = shown.replace(token, "[REDACTED]");
    }
    does_not_fit(reply, misfit, &format!("; {shown}"))
}

/// As [`unreadable`], of an answer in which a key may be: nothing of it is quoted.
pub(crate) fn unreadable_secret(reply: &Reply, misfit: &json::Misfit) -> Error {
    does_not_fit(reply, misfit, "; it may hold a key, and is not shown")
}

fn does_not_fit(reply: &Reply, misfit: &json::Misfit, shown: &str) -> Error {
    let at = if misfit.path.is_empty() { String::new() } else { format!("at {}: ", misfit.path) };
    let text =
        format!("status {} with an answer that can't be read: {at}{}{shown}", reply.status, misfit.why);
    Error::new(ErrorKind::Decode, text)
        .operation(reply.operation.clone())
        .with_status(reply.status)
        .sent(true)
        .help(WHO_ANSWERS)
}

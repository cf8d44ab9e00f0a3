//! Requests to endpoints outside the resources, which answer with JSON.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;

use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::http::{BoxFuture, BufferedResponse, body_excerpt};
use crate::json;
use crate::odata::Query;

/// A request whose response is decoded into a `T`.
///
/// Nothing is sent before `.await`. It is `'static`, so it can be spawned or stored. Dropping it cancels it; a write
/// that was already sent may still have its effect.
#[must_use = "nothing is sent before `.await`"]
pub struct JsonRequest<T> {
    response: BoxFuture<'static, Result<BufferedResponse>>,
    types: PhantomData<fn() -> T>,
}

impl<T> JsonRequest<T> {
    pub(crate) fn new(response: impl Future<Output = Result<BufferedResponse>> + Send + 'static) -> Self {
        Self { response: Box::pin(response), types: PhantomData }
    }

    /// Decodes the response into another type.
    pub fn decode<U>(self) -> JsonRequest<U> {
        JsonRequest { response: self.response, types: PhantomData }
    }
}

impl<T: DeserializeOwned + Send + 'static> IntoFuture for JsonRequest<T> {
    type Output = Result<T>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { decode(&self.response.await?) })
    }
}

impl<T> fmt::Debug for JsonRequest<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answer")
    }
}

/// Defines types of responses: all fields are optional, unknown ones are kept in `other`.
macro_rules! response_types {
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
            /// Fields that this version of the library does not know.
            #[serde(flatten)]
            pub other: serde_json::Map<String, serde_json::Value>,
        }
    )*};
}
pub(crate) use response_types;

/// Returns a requested column, or an error if the row lacks it.
pub(crate) fn required<T>(value: Option<T>, column: &str) -> Result<T> {
    value.ok_or_else(|| {
        Error::new(ErrorKind::Decode, format!("the response lacks `{column}`")).with_sent(true)
    })
}

/// Checks that the rows of a response have every requested column: an absent one states no fact.
///
/// # Errors
/// `is_decode`, with the name of the first missing column.
pub(crate) fn check_columns(response: &BufferedResponse, rows: &[Value], asked: &Query) -> Result<()> {
    match rows.iter().find_map(|row| asked.missing_in(row)) {
        Some(column) => required(None, &column).map_err(|error| {
            error
                .with_operation(response.operation.clone())
                .with_status(response.status)
                .with_help(WHO_ANSWERS)
        }),
        None => Ok(()),
    }
}

/// Help for a response that lacks what was requested.
const WHO_ANSWERS: &str =
    "check the address of the API, and whether a proxy or captive portal answers in its place";

/// Decodes the whole response.
pub(crate) fn decode<T: DeserializeOwned>(response: &BufferedResponse) -> Result<T> {
    json::decode(&response.body).map_err(|cause| decode_error(response, &cause))
}

/// Builds the error of a response that can't be decoded.
pub(crate) fn decode_error(response: &BufferedResponse, cause: &json::DecodeError) -> Error {
    let mut shown = body_excerpt(&response.body);
    if let Some(token) =
        response.token.as_ref().map(ExposeSecret::expose_secret).filter(|token| !token.is_empty())
    {
        shown = shown.replace(token, "[REDACTED]");
    }
    decode_failure(response, cause, &format!("; {shown}"))
}

/// As [`decode_error`], for a response that may contain a key: quotes nothing of it.
pub(crate) fn decode_error_of_secret(response: &BufferedResponse, cause: &json::DecodeError) -> Error {
    decode_failure(response, cause, "; it may contain a key and is not shown")
}

fn decode_failure(response: &BufferedResponse, cause: &json::DecodeError, shown: &str) -> Error {
    let at = if cause.path.is_empty() { String::new() } else { format!("at {}: ", cause.path) };
    let text =
        format!("status {} with a response that can't be read: {at}{}{shown}", response.status, cause.reason);
    Error::new(ErrorKind::Decode, text)
        .with_operation(response.operation.clone())
        .with_status(response.status)
        .with_sent(true)
        .with_help(WHO_ANSWERS)
}

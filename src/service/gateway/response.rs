//! JSON responses of the endpoints.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;

/// Returns a JSON response with `Cache-Control: no-store`.
pub(crate) fn reply(status: StatusCode, body: &impl Serialize) -> Response {
    let text = serde_json::to_string(body).unwrap_or_else(|_| "{}".into());
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, text).into_response()
}

/// Returns an error response with its reason as JSON.
pub(crate) fn refuse(status: StatusCode, error: &str) -> Response {
    reply(status, &json!({ "error": error }))
}

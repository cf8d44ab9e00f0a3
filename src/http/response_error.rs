//! The error for a response with an error status, or with an HTML page instead of the expected body.

use std::time::Duration;

use http::{HeaderMap, header};
use jiff::Timestamp;
use secrecy::ExposeSecret;

use crate::error::{BODY_LIMIT, Error, ErrorKind, RetryAfter};

use super::error_message::error_message;
use super::html_page::foreign;
use super::outcome::{CHECK_BEFORE_RESEND, GatewayError, missing_response};
use super::request::ApiRequest;
use super::status_policy::wants_fresh_login;

/// Returns the error for a response with this status.
pub(super) fn error_for_response(
    api_request: &ApiRequest,
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Error {
    let words = without_token(api_request, error_message(body));
    let error = api_request
        .status_policy
        .error(status, words, api_request.semantics())
        .with_retry_after(retry_after(headers, now));
    if !error.is_unauthorized() || wants_fresh_login(&error) {
        return error;
    }
    error.with_help(if api_request.token.is_none() {
        "nobody is logged in: set BALENA_API_KEY, or give the builder a token"
    } else {
        "the token is wrong or expired, or it has no permission for this: the server does not tell which"
    })
}

/// Redacts the token, in case the server echoes the request.
fn without_token(api_request: &ApiRequest, words: String) -> String {
    match api_request.token.as_ref().map(ExposeSecret::expose_secret) {
        Some(token) if !token.is_empty() && words.contains(token) => words.replace(token, "[REDACTED]"),
        _ => words,
    }
}

/// Returns the error for an HTML page with a success status: a proxy or a captive portal responded instead of the
/// server.
pub(super) fn page_instead(api_request: &ApiRequest, status: u16, body: &[u8]) -> Error {
    let page = without_token(api_request, foreign(body));
    let text = format!("status {status} with an answer that can't be read: it is {page}");
    let words = without_token(api_request, error_message(body.get(..BODY_LIMIT).unwrap_or(body)));
    let error = Error::new(ErrorKind::Decode, text).with_status(status).with_body(words).with_sent(true);
    match missing_response(api_request.semantics()) {
        GatewayError::Unknown => {
            error.with_note("it is not known whether it took effect").with_help(CHECK_BEFORE_RESEND)
        }
        _ => error.with_help("is the address of the API right, and no proxy or portal in between?"),
    }
}

/// Parses `Retry-After`: seconds or a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<RetryAfter> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Some(RetryAfter::Seconds(Duration::try_from_secs_f64(text.parse().ok()?).ok()?));
    }
    let date: Timestamp = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(RetryAfter::Date(Duration::try_from(date.duration_since(now)).unwrap_or_default()))
}

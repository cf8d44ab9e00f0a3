//! Creation of API keys, shared by all kinds.

use http::Method;
use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::checks;
use crate::core::{Core, EndpointRequest};
use crate::error::{Error, ErrorKind, Result};
use crate::http::BufferedResponse;
use crate::token;

use crate::resource::read::response_error;

/// Checks the name, the description and the expiry date of a new or changed key.
pub(crate) fn check_key(core: &Core, body: &Map<String, Value>) -> Result<()> {
    let given = |name: &str| body.get(name).and_then(Value::as_str);
    if let Some(name) = given("name") {
        checks::key_name("name", name)?;
    }
    if let Some(description) = given("description") {
        checks::key_description("description", description)?;
    }
    for name in ["expiryDate", "expiry_date"] {
        if let Some(date) = given(name) {
            checks::expiry_text("expiry_date", date, core.http.clock.now())?;
        }
    }
    Ok(())
}

/// Creates a key. `parent` is its owner for messages, e.g. `device 5`.
///
/// # Errors
/// `is_not_found` if the owner does not exist.
pub(crate) async fn make_key(
    core: &Core,
    path: impl Into<String>,
    body: Value,
    parent: &str,
) -> Result<SecretString> {
    let path = path.into();
    let operation = format!("POST {path}");
    let response = core.send(EndpointRequest::new(Method::POST, path, Some(body))).await;
    key_in(&response.map_err(|error| no_parent(error, operation, parent))?)
}

/// Extracts the key from a response: some servers answer with the bare key, others with a JSON string.
///
/// # Errors
/// `is_decode`, without the response body: it may contain part of a key.
pub(crate) fn key_in(response: &BufferedResponse) -> Result<SecretString> {
    token::token_in_response(&response.body).ok_or_else(|| {
        response_error(response, ErrorKind::Decode, "the response is not a key".to_owned())
            .with_help("a key may have been created nevertheless: check the list of keys")
    })
}

/// Recognizes a missing owner, which the API reports as a server error.
fn no_parent(error: Error, operation: String, parent: &str) -> Error {
    let told = error.body().is_some_and(|words| words.contains("found to associate with the api key"));
    match error.status() {
        Some(status) if error.is_not_found() || (status == 500 && told) => {
            Error::new(ErrorKind::NotFound, format!("{parent} not found"))
                .with_operation(operation)
                .with_status(status)
                .with_body(error.body().unwrap_or_default().to_owned())
                .with_attempts(error.attempts())
                .with_sent(true)
                .with_source(error)
        }
        _ => error,
    }
}

//! From what Python raised to the kind of our error: one table.

use balena_agent::ErrorKind;
use serde_json::Value;

use super::cases::{Case, Exchange, Outcome, Raised, Request};

/// What is promised of a call's outcome.
#[derive(Debug, Clone)]
pub(crate) enum Expect {
    Value(Value),
    Error {
        kind: ErrorKind,
        status: Option<u16>,
        /// What the error's text has to name.
        says: Option<String>,
    },
    /// Python fell over; what it fell over is an error, of whatever kind.
    AnyError,
    /// The typed interface has no such argument.
    NoSuchType,
}

/// Exception class → kind. `…NotFound` and `Ambiguous…` are told by their names.
const CLASSES: [(&str, ErrorKind); 19] = [
    ("NotLoggedIn", ErrorKind::Unauthorized),
    ("Unauthorized", ErrorKind::Unauthorized),
    ("LoginFailed", ErrorKind::Unauthorized),
    ("TooManyRequests", ErrorKind::RateLimited),
    ("SupervisorLocked", ErrorKind::Locked),
    ("LocalSupervisorNotFound", ErrorKind::Config),
    ("InvalidParameter", ErrorKind::InvalidArgument),
    ("MissingOption", ErrorKind::InvalidArgument),
    ("InvalidOption", ErrorKind::InvalidArgument),
    ("InvalidDeviceType", ErrorKind::InvalidArgument),
    ("ValueError", ErrorKind::InvalidArgument),
    ("Exception", ErrorKind::InvalidArgument),
    ("LocalModeError", ErrorKind::Unsupported),
    ("OsUpdateError", ErrorKind::Unsupported),
    ("IncompatibleApplication", ErrorKind::Unsupported),
    ("UnsupportedFeature", ErrorKind::Unsupported),
    ("DeviceNotWebAccessible", ErrorKind::Unsupported),
    ("DeviceOffline", ErrorKind::DeviceOffline),
    ("BuilderRequestError", ErrorKind::Rejected),
];

/// Checks that Python raises as bare exceptions: beginning of the text → kind.
const MESSAGES: [(&str, ErrorKind); 3] = [
    ("Incompatible ", ErrorKind::Unsupported),
    ("Supervisor release not found", ErrorKind::NotFound),
    ("OS update failed: The device is offline", ErrorKind::DeviceOffline),
];

const ACCIDENTS: [&str; 4] = ["KeyError", "TypeError", "IndexError", "AttributeError"];

/// As recorded; `last` is the exchange after which the call ended.
pub(crate) fn recorded(outcome: &Outcome, last: Option<&Exchange>) -> Expect {
    match outcome {
        Outcome::Ok(value) => Expect::Value(value.clone()),
        Outcome::Error(raised) if ACCIDENTS.contains(&&*raised.class) => Expect::AnyError,
        Outcome::Error(raised) => error(raised, last),
    }
}

fn error(raised: &Raised, last: Option<&Exchange>) -> Expect {
    let class = raised.class.as_str();
    let by_message = || MESSAGES.iter().find(|(start, _)| raised.message.starts_with(start));
    let by_class = || CLASSES.iter().find(|(name, _)| *name == class);
    let mut says = None;
    let kind = if class == "RequestError" {
        let status = raised.status.unwrap_or_else(|| panic!("no status: {raised:?}"));
        by_status(status, last)
    } else if class.ends_with("ConnectionError") {
        broken(last)
    } else if class == "LocalSupervisorNotFound" {
        ErrorKind::Config
    } else if class.ends_with("NotFound") || class.starts_with("Ambiguous") {
        // Which one it was; a Python object in the text need not be reproduced.
        let key = raised.message.split_once(": ").map(|(_, key)| key.to_owned());
        says = key.filter(|key| !key.contains('{') && key != "None");
        if class.ends_with("NotFound") { ErrorKind::NotFound } else { ErrorKind::Ambiguous }
    } else if let Some((_, kind)) = by_message().or_else(by_class) {
        *kind
    } else {
        panic!("no kind for {raised:?}")
    };
    Expect::Error { kind, status: raised.status, says }
}

/// An answer with an error status, whatever Python made of it.
pub(crate) fn refused(last: &Exchange) -> Expect {
    let status = last.response.status;
    Expect::Error { kind: by_status(status, Some(last)), status: Some(status), says: None }
}

pub(crate) fn by_status(status: u16, last: Option<&Exchange>) -> ErrorKind {
    let proxied =
        last.is_some_and(|last| last.request.host == "api" && last.request.path.starts_with("/supervisor/"));
    match status {
        401 | 403 => ErrorKind::Unauthorized,
        // What stands in front answers: the supervisor, or the device, is not there.
        502 if last.is_some_and(|last| last.request.host == "supervisor") => ErrorKind::Unreachable,
        404 | 502 if proxied => ErrorKind::DeviceOffline,
        // A row that is not there is 200 without it: the path is not there.
        404 if last.is_some_and(|last| is_always_there(&last.request)) => ErrorKind::Unsupported,
        404 => ErrorKind::NotFound,
        409 => ErrorKind::Conflict,
        423 => ErrorKind::Locked,
        429 => ErrorKind::RateLimited,
        500.. => ErrorKind::Server,
        _ => ErrorKind::Rejected,
    }
}

/// A read of rows, or an endpoint that names no thing.
fn is_always_there(request: &Request) -> bool {
    let is_of_rows = ["/v6/", "/v7/"].iter().any(|root| request.path.starts_with(root));
    request.method == "GET" && is_of_rows
        || ["/actor/v1/whoami", "/auth/totp/setup"].contains(&&*request.path)
}

/// The connection closed after the request was sent: on a write nobody knows what happened.
pub(crate) fn broken(last: Option<&Exchange>) -> ErrorKind {
    match last {
        Some(last) if last.request.method != "GET" => ErrorKind::UnknownOutcome,
        _ => ErrorKind::Unreachable,
    }
}

/// The text of the recorded exception.
pub(crate) fn message(case: &Case) -> &str {
    match &case.outcome {
        Outcome::Ok(_) => "",
        Outcome::Error(raised) => &raised.message,
    }
}

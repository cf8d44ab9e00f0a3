//! What an error status of the cloud means: the kind of error, its text and its help.

use crate::error::{Error, ErrorKind};

use super::error_message::status_and_message;
use super::outcome::{
    CHECK_BEFORE_RESEND, GatewayError, RequestSemantics, cloudflare_description, gateway_error,
    kind_of_status,
};

/// The server's text if the request needs a recent login.
const FRESH_LOGIN_REQUIRED: &str = "fresh authentication token required";

/// The target of a request, which decides what its error statuses mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatusPolicy {
    /// An endpoint whose path names an object: 404 means that the object does not exist.
    Api,
    /// An endpoint that every server of this API has, such as a list of rows: 404 means that the server does not
    /// support it. (A missing row is an empty list with status 200.)
    Collection,
    /// A write to a row, under an API version that answers 404 without a body if the row does not exist.
    RowWrite,
    /// A device, to which the API forwards the request.
    DeviceProxy,
}

impl StatusPolicy {
    /// Returns the kind of error for this status. `words` is the message in the body.
    pub(crate) fn classify(self, status: u16, words: &str, semantics: RequestSemantics) -> ErrorKind {
        if let Some(gateway) = gateway_error(semantics, status, words) {
            return match (self, gateway) {
                (_, GatewayError::Unknown) => ErrorKind::UnknownOutcome,
                (Self::DeviceProxy, GatewayError::NotForwarded) => ErrorKind::DeviceOffline,
                // The cloud responds, so it is reachable; its connection to the device is not.
                (Self::DeviceProxy, GatewayError::NoResponse) if status == 502 => ErrorKind::DeviceOffline,
                _ => ErrorKind::Server,
            };
        }
        match (status, kind_of_status(status, words)) {
            (404, _) if self == Self::RowWrite && words.is_empty() => ErrorKind::NotFound,
            (404, _) if self == Self::Collection => ErrorKind::Unsupported,
            (404, ErrorKind::NotFound) if self == Self::DeviceProxy => ErrorKind::DeviceOffline,
            (_, kind) => kind,
        }
    }

    /// Returns the error for this status, with its help text.
    pub(crate) fn error(self, status: u16, words: String, semantics: RequestSemantics) -> Error {
        let kind = self.classify(status, &words, semantics);
        let mut text = status_and_message(status, &words);
        if let Some(meaning) = cloudflare_description(status) {
            text.push_str(meaning);
        }
        if kind == ErrorKind::Unsupported {
            text.push_str(": this server does not have it");
        }
        let wants_fresh = words.to_ascii_lowercase().contains(FRESH_LOGIN_REQUIRED);
        let error = Error::new(kind, text).with_status(status).with_body(words).with_sent(true);
        match kind {
            ErrorKind::Unauthorized if wants_fresh => error.with_help(
                "log in again: this needs a recent login; `auth().refresh_login(password)` renews this one",
            ),
            ErrorKind::DeviceOffline if status == 404 => {
                error.with_help("the device is not connected to the cloud; try again when it is")
            }
            ErrorKind::DeviceOffline => {
                error.with_help("the device's connection to the cloud broke; check its state before you send this again")
            }
            ErrorKind::Unsupported => error.with_help(
                "is the address of the API right, is `api_version` right, does this server have it? openBalena lacks \
                 some of balenaCloud",
            ),
            ErrorKind::UnknownOutcome => error.with_help(CHECK_BEFORE_RESEND),
            ErrorKind::RateLimited => {
                error.with_help("send fewer requests: the setting request_limit limits their rate")
            }
            _ if status == 407 => {
                error.with_help("the proxy requires user and password: http://user:password@proxy.example:3128")
            }
            _ => error,
        }
    }
}

/// Returns whether the server requires a recent login.
pub(crate) fn wants_fresh_login(error: &Error) -> bool {
    error.is_unauthorized()
        && error.body().is_some_and(|words| words.to_ascii_lowercase().contains(FRESH_LOGIN_REQUIRED))
}

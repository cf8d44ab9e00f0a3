//! What a refusal of the cloud means: the kind of error, its text, and what to do.

use crate::error::{Error, ErrorKind};

use super::error_message::status_and_message;
use super::outcome::{
    CHECK_BEFORE_RESEND, GatewayError, Semantics, cloudflare_description, gateway_error, kind_of_status,
};

/// How the server says that a login is too old for what was asked for.
const FRESH_LOGIN_REQUIRED: &str = "fresh authentication token required";

/// What a refused request was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatusPolicy {
    /// A thing, by a path of the API.
    Api,
    /// A path that every server of this API has: it names no thing that could be missing. Rows are asked for so;
    /// a row that is missing is left out of a list that is answered with 200.
    OfAPath,
    /// A row to be changed, which this version of the API may refuse without a word.
    RowWrite,
    /// A device, to which the API passes the request on.
    DeviceProxy,
}

impl StatusPolicy {
    /// What a refusing status with these words means for a request with this effect.
    pub(crate) fn classify(self, status: u16, words: &str, effect: Semantics) -> ErrorKind {
        if let Some(gateway) = gateway_error(effect, status, words) {
            return match (self, gateway) {
                (_, GatewayError::Unknown) => ErrorKind::UnknownOutcome,
                (Self::DeviceProxy, GatewayError::NotForwarded) => ErrorKind::DeviceOffline,
                // The cloud speaks: it is there, and its way to the device is not.
                (Self::DeviceProxy, GatewayError::NoResponse) if status == 502 => ErrorKind::DeviceOffline,
                _ => ErrorKind::Server,
            };
        }
        match (status, kind_of_status(status, words)) {
            (404, _) if self == Self::RowWrite && words.is_empty() => ErrorKind::NotFound,
            (404, _) if self == Self::OfAPath => ErrorKind::Unsupported,
            (404, ErrorKind::NotFound) if self == Self::DeviceProxy => ErrorKind::DeviceOffline,
            (_, kind) => kind,
        }
    }

    /// The error for a refusing answer, with what to do.
    pub(crate) fn error(self, status: u16, words: String, effect: Semantics) -> Error {
        let kind = self.classify(status, &words, effect);
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
                "log in again: this needs a login that is not old; `auth().refresh_login(password)` makes this one fresh",
            ),
            ErrorKind::DeviceOffline if status == 404 => {
                error.with_help("it has no connection to the cloud now; try again when it has")
            }
            ErrorKind::DeviceOffline => {
                error.with_help("its connection to the cloud broke; look at its state before sending this again")
            }
            ErrorKind::Unsupported => error.with_help(
                "is the address of the API right, is `api_version` right, does this server have it? openBalena lacks \
                 some of balenaCloud",
            ),
            ErrorKind::UnknownOutcome => error.with_help(CHECK_BEFORE_RESEND),
            ErrorKind::RateLimited => {
                error.with_help("send fewer requests: the setting request_limit paces them")
            }
            _ if status == 407 => {
                error.with_help("the proxy wants user and password: http://user:password@proxy.example:3128")
            }
            _ => error,
        }
    }
}

/// Whether the server wants a login that is not old.
pub(crate) fn wants_fresh_login(error: &Error) -> bool {
    error.is_unauthorized()
        && error.body().is_some_and(|words| words.to_ascii_lowercase().contains(FRESH_LOGIN_REQUIRED))
}

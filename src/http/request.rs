//! A request to the cloud API, with the rules for sending it.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use secrecy::SecretString;

use crate::error::Error;

use super::outcome::RequestSemantics;
use super::status_policy::StatusPolicy;

/// A request to the cloud API. It may be sent more than once.
#[derive(Debug)]
pub(crate) struct ApiRequest {
    pub(crate) method: Method,
    /// Absolute URL, encoded.
    pub(crate) url: String,
    /// Sent as `Authorization: Bearer`.
    pub(crate) token: Option<SecretString>,
    /// Headers besides `Authorization` and `User-Agent`.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Whether sending it twice has the same effect as sending it once.
    pub(crate) idempotent: bool,
    /// What it does on a 429 with `Retry-After`; from the setting `retry_rate_limited_request`.
    pub(crate) rate_limit_retry: RateLimitRetry,
    /// Timeout of each attempt.
    pub(crate) timeout: Duration,
    /// What its error statuses mean.
    pub(crate) status_policy: StatusPolicy,
    /// A part of the path, encoded, that error texts and logs replace with `[REDACTED]`.
    pub(crate) secret_segment: Option<String>,
}

impl ApiRequest {
    /// Returns method and path, for error texts and logs. Omits the query, which may contain a key.
    pub(crate) fn operation(&self) -> String {
        let path = self.url.split_once("://").map_or(&*self.url, |(_, rest)| rest);
        let path = path.find('/').and_then(|at| path.get(at..)).unwrap_or("/");
        operation(&self.method, path, self.secret_segment.as_deref())
    }

    /// Returns whether it is GET or HEAD.
    pub(super) fn is_read(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD)
    }

    /// Returns whether it is safe, idempotent or neither.
    pub(super) fn semantics(&self) -> RequestSemantics {
        match (self.is_read(), self.idempotent) {
            (true, _) => RequestSemantics::Safe,
            (false, true) => RequestSemantics::Idempotent,
            (false, false) => RequestSemantics::NonIdempotent,
        }
    }
}

/// Returns method and path, without the query and with `[REDACTED]` for the secret segment.
pub(crate) fn operation(method: &Method, path: &str, secret_segment: Option<&str>) -> String {
    let path = path.split('?').next().unwrap_or_default();
    match secret_segment {
        Some(secret) => format!("{method} {}", path.replace(secret, "[REDACTED]")),
        None => format!("{method} {path}"),
    }
}

/// Whether a request waits for `Retry-After` and is sent again after a 429. The number of these retries is not limited,
/// and they are not taken from the retry budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RateLimitRetry {
    /// Does not wait; the retry policy applies.
    Never,
    /// Waits if `Retry-After` is a whole number of seconds, as the Python SDK does.
    WholeSeconds,
    /// Waits for any number of seconds, rounded down, as the JS SDK does.
    AnySeconds,
}

impl RateLimitRetry {
    /// Returns how long to wait before the request is sent again, if it is.
    pub(super) fn delay(self, error: &Error) -> Option<Duration> {
        let retry_after = error.retry_after_seconds().filter(|_| error.is_rate_limited())?;
        let whole = Duration::from_secs(retry_after.as_secs());
        match self {
            Self::Never => None,
            Self::WholeSeconds => (retry_after == whole).then_some(whole),
            Self::AnySeconds => Some(whole),
        }
    }
}

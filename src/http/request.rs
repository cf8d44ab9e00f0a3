//! A request to the cloud API, before it is sent, and the rules by which it is sent.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use secrecy::SecretString;

use crate::error::Error;

use super::outcome::Semantics;
use super::status_policy::StatusPolicy;

/// A request, before it is sent once or several times.
#[derive(Debug)]
pub(crate) struct ApiRequest {
    pub(crate) method: Method,
    /// Whole address, encoded.
    pub(crate) url: String,
    pub(crate) token: Option<SecretString>,
    /// Beside `Authorization` and `User-Agent`.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Whether it may arrive twice.
    pub(crate) idempotent: bool,
    /// What the setting `retry_rate_limited_request` means for it.
    pub(crate) rate_limit_retry: RateLimitRetry,
    /// For each try.
    pub(crate) timeout: Duration,
    pub(crate) status_policy: StatusPolicy,
    /// A part of the path that must not be shown, as it is there.
    pub(crate) secret_segment: Option<String>,
}

impl ApiRequest {
    /// Method and path without query, which may hold a key.
    pub(crate) fn operation(&self) -> String {
        let path = self.url.split_once("://").map_or(&*self.url, |(_, rest)| rest);
        let path = path.find('/').and_then(|at| path.get(at..)).unwrap_or("/");
        let path = path.split('?').next().unwrap_or_default();
        match &self.secret_segment {
            Some(secret) => format!("{} {}", self.method, path.replace(secret.as_str(), "[REDACTED]")),
            None => format!("{} {path}", self.method),
        }
    }

    pub(super) fn is_read(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD)
    }

    /// What it does, and so what it means that its answer is missing.
    pub(super) fn semantics(&self) -> Semantics {
        match (self.is_read(), self.idempotent) {
            (true, _) => Semantics::Safe,
            (false, true) => Semantics::Idempotent,
            (false, false) => Semantics::NonIdempotent,
        }
    }
}

/// Whether a request that was one too many (429) waits as many seconds as it is told, and goes out again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RateLimitRetry {
    /// It does not wait.
    Never,
    /// For a whole number of seconds only, as the Python SDK does.
    WholeSeconds,
    /// For the whole seconds of any number, as the JS SDK does.
    AnySeconds,
}

impl RateLimitRetry {
    pub(super) fn delay(self, error: &Error) -> Option<Duration> {
        let told = error.retry_after_seconds().filter(|_| error.is_rate_limited())?;
        let whole = Duration::from_secs(told.as_secs());
        match self {
            Self::Never => None,
            Self::WholeSeconds => (told == whole).then_some(whole),
            Self::AnySeconds => Some(whole),
        }
    }
}

//! The reasons for which the supervisor rejects an action.

use super::engine::Failure;

/// Why an action was rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    Locked(String),
    BadRequest(String),
    NotFound(String),
    /// The engine has no such object.
    Missing(String),
    Unexpected(String),
}

impl Refusal {
    pub(super) fn message(&self) -> &str {
        match self {
            Self::Locked(message)
            | Self::BadRequest(message)
            | Self::NotFound(message)
            | Self::Missing(message)
            | Self::Unexpected(message) => message,
        }
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotModified => Self::Unexpected("(HTTP code 304) not modified".to_owned()),
            Failure::Missing(message) => Self::Missing(message),
            Failure::Broken(message) => Self::Unexpected(message),
        }
    }
}

//! The kinds of errors.

use std::fmt;

/// Kind of an error, to branch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An argument is invalid; nothing was sent.
    InvalidArgument,
    /// A variable, label, file or setting is missing or invalid.
    Config,
    /// The key or token is missing, was refused, or lacks the permission (401, 403).
    Unauthorized,
    /// What the call names does not exist (404, or a missing row).
    NotFound,
    /// Several rows match the key of one.
    Ambiguous,
    /// The state of the server does not allow the call now (409).
    Conflict,
    /// An update lock is held (423), or waiting for one timed out.
    Locked,
    /// Too many requests (429).
    RateLimited,
    /// The API can't reach the device.
    DeviceOffline,
    /// The server is unreachable: name resolution, connection or TLS failed, or a read's connection was closed
    /// before a response.
    Unreachable,
    /// The deadline passed before the call was done.
    Timeout,
    /// The caller is shutting down.
    Cancelled,
    /// A request that changes something was sent, and the connection closed before a response: it may have had its
    /// effect.
    UnknownOutcome,
    /// The server's version, mode or rules do not support the call.
    Unsupported,
    /// The server refused the request for another reason.
    Rejected,
    /// The server failed (5xx).
    Server,
    /// The response does not have the expected form.
    Decode,
    /// An operation on a file or socket of this machine failed.
    Io,
}

impl ErrorKind {
    /// Returns the name of the kind, stable, for logs and `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidArgument => "invalid_argument",
            Self::Config => "config",
            Self::Unauthorized => "unauthorized",
            Self::NotFound => "not_found",
            Self::Ambiguous => "ambiguous",
            Self::Conflict => "conflict",
            Self::Locked => "locked",
            Self::RateLimited => "rate_limited",
            Self::DeviceOffline => "device_offline",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::UnknownOutcome => "unknown_outcome",
            Self::Unsupported => "unsupported",
            Self::Rejected => "rejected",
            Self::Server => "server",
            Self::Decode => "decode",
            Self::Io => "io",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

//! What an error is, in one word.

use std::fmt;

/// Why a call failed, coarse enough to branch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Refused before anything was sent: an argument is wrong.
    InvalidArgument,
    /// A variable, label, file or setting is missing or wrong.
    Config,
    /// The key or token was refused, is missing, or does not cover what was asked for.
    Unauthorized,
    /// The thing that the call names does not exist.
    NotFound,
    /// Several things match the one that the call names.
    Ambiguous,
    /// The state of the other side does not allow it now (409).
    Conflict,
    /// An update lock is held (423), or the wait for one ran out.
    Locked,
    /// Too many requests (429).
    RateLimited,
    /// The cloud can't reach the device.
    DeviceOffline,
    /// We can't reach the other side: name, connection, TLS, or a reset before an answer to a read.
    Unreachable,
    /// The deadline passed.
    Timeout,
    /// The caller is shutting down.
    Cancelled,
    /// Sent, and the connection closed before an answer, on a call that changes things: it may have happened.
    UnknownOutcome,
    /// The other side's version, mode or rules do not offer it.
    Unsupported,
    /// Any other refusal.
    Rejected,
    /// The other side failed (5xx).
    Server,
    /// The answer is not what the contract says.
    Decode,
    /// A file or socket of this machine failed.
    Io,
}

impl ErrorKind {
    /// The kind in words, stable, for logs and `--json`.
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

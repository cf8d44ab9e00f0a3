//! The error type of the library: an opaque type with a kind and a message.

mod debug;
mod escaped;
mod kind;
mod predicates;

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use escaped::excerpt;
pub(crate) use escaped::{escaped, is_hidden, truncate};
pub use kind::ErrorKind;

/// Result of a call of this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Number of bytes of an error response that are kept.
pub(crate) const BODY_LIMIT: usize = 64 * 1024;

/// The holder of an update lock.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LockHolder {
    /// A lock file of a service.
    Service {
        /// Id of the application (fleet) of the service.
        app_id: i64,
        /// Name of the service whose lock directory contains the file. It may no longer be in the release.
        service: String,
    },
    /// Another operation of the supervisor. It ends by itself.
    SupervisorOperation {
        /// Id of the application (fleet) that it concerns.
        app_id: i64,
    },
    /// A running update of the host OS.
    HostOsUpdate,
    /// A process that shares this lock directory, as the lock file describes it.
    Process(String),
}

impl fmt::Display for LockHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service { app_id, service } => write!(f, "service {service} of application {app_id}"),
            Self::SupervisorOperation { app_id } => {
                write!(f, "another supervisor operation on application {app_id}")
            }
            Self::HostOsUpdate => f.write_str("a host OS update"),
            Self::Process(who) => f.write_str(who),
        }
    }
}

/// An error of this library.
///
/// Branch on [`Error::kind`] or the `is_…` predicates. The message contains what was tried, on what, what was
/// answered and what to do. It never contains a key, a token or a query string.
pub struct Error(Box<Inner>);

/// The value of a `Retry-After` header, by its form.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RetryAfter {
    Seconds(Duration),
    Date(Duration),
}

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    help: Option<Cow<'static, str>>,
    operation: Option<Cow<'static, str>>,
    status: Option<u16>,
    body: Option<String>,
    retry_after: Option<RetryAfter>,
    attempts: u32,
    sent: bool,
    lasting: bool,
    out_of_scope: bool,
    lock_holder: Option<LockHolder>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            help: None,
            operation: None,
            status: None,
            body: None,
            retry_after: None,
            attempts: 0,
            sent: false,
            lasting: false,
            out_of_scope: false,
            lock_holder: None,
            source: None,
        }))
    }

    /// Creates the error of an invalid argument, before anything is sent. `name` is the argument's name.
    pub(crate) fn argument(name: &'static str, why: impl fmt::Display) -> Self {
        Self::new(ErrorKind::InvalidArgument, format!("invalid argument `{name}`: {why}"))
    }

    pub(crate) fn with_help(mut self, help: impl Into<Cow<'static, str>>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// Sets what was tried and on what, e.g. `POST /v1/reboot`. One that is already set stays: it is nearer to the
    /// cause.
    pub(crate) fn with_operation(mut self, operation: impl Into<Cow<'static, str>>) -> Self {
        self.0.operation.get_or_insert_with(|| operation.into());
        self
    }

    /// Sets the status of the response. Not used for a row that is missing in a successful response.
    pub(crate) fn with_status(mut self, status: u16) -> Self {
        let found_out_here = matches!(self.0.kind, ErrorKind::NotFound | ErrorKind::Ambiguous);
        self.0.status = Some(status).filter(|status| !(found_out_here && (200..300).contains(status)));
        self
    }

    /// Replaces the kind.
    pub(crate) fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// Names what was not found, unless the response has a message of its own: a bare 404 does not name it.
    pub(crate) fn with_subject(self, what: impl fmt::Display) -> Self {
        let is_bare = self
            .0
            .body
            .as_deref()
            .is_none_or(|words| words.is_empty() || words.eq_ignore_ascii_case("not found"));
        if self.0.kind == ErrorKind::NotFound && self.0.status == Some(404) && is_bare {
            return self.with_prefix(format_args!("{what} not found: "));
        }
        self
    }

    /// Prefixes the message.
    pub(crate) fn with_prefix(mut self, words: impl fmt::Display) -> Self {
        self.0.message = format!("{words}{}", self.0.message).into();
        self
    }

    /// Appends a note on the resulting state.
    pub(crate) fn with_note(mut self, what: impl fmt::Display) -> Self {
        self.0.message = format!("{}; {what}", self.0.message).into();
        self
    }

    pub(crate) fn with_body(mut self, body: String) -> Self {
        self.0.body = Some(body);
        self
    }

    pub(crate) fn with_retry_after(mut self, wait: Option<RetryAfter>) -> Self {
        self.0.retry_after = wait;
        self
    }

    pub(crate) fn with_attempts(mut self, attempts: u32) -> Self {
        self.0.attempts = attempts;
        self
    }

    pub(crate) fn with_sent(mut self, sent: bool) -> Self {
        self.0.sent = sent;
        self
    }

    /// Marks the error as one that a retry can't solve, whatever its kind.
    #[cfg_attr(
        not(feature = "rustls-ring"),
        expect(dead_code, reason = "without TLS no certificate is refused")
    )]
    pub(crate) fn permanent(mut self) -> Self {
        self.0.lasting = true;
        self
    }

    pub(crate) fn is_permanent(&self) -> bool {
        self.0.lasting
    }

    pub(crate) fn out_of_scope(mut self) -> Self {
        self.0.out_of_scope = true;
        self
    }

    pub(crate) fn with_lock_holder(mut self, holder: Option<LockHolder>) -> Self {
        self.0.lock_holder = holder;
        self
    }

    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Returns the kind. See also the `is_…` predicates.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the HTTP status of the error response. `None` without one, and for a row that is missing in a
    /// successful response.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// Returns the first 64 KiB of the error response, with keys removed.
    pub fn body(&self) -> Option<&str> {
        self.0.body.as_deref()
    }

    /// Returns how long the response asks to wait before the next attempt.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after.map(|told| match told {
            RetryAfter::Seconds(wait) | RetryAfter::Date(wait) => wait,
        })
    }

    /// Returns the `Retry-After` given in seconds; `None` for a date.
    pub(crate) fn retry_after_seconds(&self) -> Option<Duration> {
        match self.0.retry_after {
            Some(RetryAfter::Seconds(wait)) => Some(wait),
            _ => None,
        }
    }

    /// Returns the number of attempts; 0 if the request was refused before the first.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// Returns whether the request or part of it may have reached the server. If `false`, it had no effect.
    pub fn was_sent(&self) -> bool {
        self.0.sent
    }

    /// Returns whether the request was a read, which changes nothing even if it arrived.
    pub(crate) fn is_of_a_read(&self) -> bool {
        self.0.operation.as_ref().is_some_and(|operation| operation.starts_with("GET "))
    }

    /// Returns the holder of the update lock, for [`ErrorKind::Locked`], if known.
    pub fn lock_holder(&self) -> Option<&LockHolder> {
        self.0.lock_holder.as_ref()
    }

    /// Returns advice on what to do, if the library has any.
    pub fn advice(&self) -> Option<&str> {
        self.0.help.as_deref()
    }

    /// Removes the response body and what the message quotes of it.
    pub(crate) fn without_body(mut self) -> Self {
        let status = self.0.status.map_or_else(String::new, |status| format!("status {status}, "));
        self.0.message = format!("{status}and a response that repeats a secret and is not shown").into();
        self.0.body = None;
        self
    }

    /// Returns the message without operation and advice.
    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns the full text without the advice.
    pub(crate) fn summary(&self) -> impl fmt::Display + '_ {
        struct Summary<'a>(&'a Inner);
        impl fmt::Display for Summary<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                if let Some(operation) = &self.0.operation {
                    write!(f, "{}: ", excerpt(operation))?;
                }
                write!(f, "{}", excerpt(&self.0.message))?;
                if self.0.attempts > 1 {
                    write!(f, " (after {} attempts)", self.0.attempts)?;
                }
                Ok(())
            }
        }
        Summary(&self.0)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.summary())?;
        match &self.0.help {
            Some(help) => write!(f, "; {}", excerpt(help)),
            None => Ok(()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

const _: () = {
    const fn shared<T: Send + Sync + 'static>() {}
    shared::<Error>();
    assert!(size_of::<Error>() == size_of::<usize>());
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_says_operation_cause_and_advice_once() {
        let error = Error::new(ErrorKind::Unreachable, "connection refused")
            .with_operation("POST /v1/reboot")
            .with_operation("outer")
            .with_help("is the supervisor running?")
            .with_attempts(3);
        assert_eq!(
            error.to_string(),
            "POST /v1/reboot: connection refused (after 3 attempts); is the supervisor running?"
        );
        assert!(error.is_unreachable() && !error.is_timeout());
    }

    #[test]
    fn what_a_good_answer_lacks_has_no_status() {
        for kind in [ErrorKind::NotFound, ErrorKind::Ambiguous] {
            assert_eq!(Error::new(kind, "x").with_status(200).status(), None);
            assert_eq!(Error::new(kind, "x").with_status(404).status(), Some(404));
        }
        assert_eq!(Error::new(ErrorKind::Decode, "x").with_status(200).status(), Some(200));
    }
}

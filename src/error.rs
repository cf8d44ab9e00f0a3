//! The one error type: an opaque word with a kind to branch on and a text for the person who reads it.

mod debug;
mod kind;
mod predicates;
mod shown;

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

pub use kind::ErrorKind;
pub(crate) use shown::{is_hidden, shown};

/// What a call of this library can fail with.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Bytes of an error answer that are kept; the rest is dropped.
pub(crate) const BODY_LIMIT: usize = 64 * 1024;

/// Who holds an update lock, as far as can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LockHolder {
    /// The lock file of this service of this application.
    Service {
        /// Numeric id of the application (fleet).
        app_id: i64,
        /// Name of the service in whose lock directory the file lies; it may no longer be in the release.
        service: String,
    },
    /// Another operation of the supervisor itself; it ends without anyone's doing.
    SupervisorOperation {
        /// Numeric id of the application (fleet).
        app_id: i64,
    },
    /// An update of the host operating system is running.
    HostOsUpdate,
    /// A process on this side of the lock directory, as the lock file describes it.
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
/// Branch on [`Error::kind`] or the `is_…` predicates. The text says what was tried, on what, what the other
/// side said and what to do. No key, token or query string is ever in it.
pub struct Error(Box<Inner>);

/// How long the other side asked to wait, by the form in which it did.
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

    /// An argument that is refused before anything is sent. `name` is the argument's name.
    pub(crate) fn argument(name: &'static str, why: impl fmt::Display) -> Self {
        Self::new(ErrorKind::InvalidArgument, format!("invalid argument `{name}`: {why}"))
    }

    pub(crate) fn help(mut self, help: impl Into<Cow<'static, str>>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// What was tried and on what, e.g. `POST /v1/reboot`. The first one stays: it is nearest to the cause.
    pub(crate) fn operation(mut self, operation: impl Into<Cow<'static, str>>) -> Self {
        self.0.operation.get_or_insert_with(|| operation.into());
        self
    }

    /// The status of the answer. What is missing among the rows of a good answer was found out here: that
    /// answer's status says nothing about it.
    pub(crate) fn with_status(mut self, status: u16) -> Self {
        let found_out_here = matches!(self.0.kind, ErrorKind::NotFound | ErrorKind::Ambiguous);
        self.0.status = Some(status).filter(|status| !(found_out_here && (200..300).contains(status)));
        self
    }

    /// The same error, understood better.
    pub(crate) fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// The same, naming what is not there: a bare 404 does not tell. The server's own words about it stand.
    pub(crate) fn naming(self, what: impl fmt::Display) -> Self {
        let is_bare = self
            .0
            .body
            .as_deref()
            .is_none_or(|words| words.is_empty() || words.eq_ignore_ascii_case("not found"));
        if self.0.kind == ErrorKind::NotFound && self.0.status == Some(404) && is_bare {
            return self.preceded_by(format_args!("{what} not found: "));
        }
        self
    }

    /// The same, with this before what happened.
    pub(crate) fn preceded_by(mut self, words: impl fmt::Display) -> Self {
        self.0.message = format!("{words}{}", self.0.message).into();
        self
    }

    /// The same, saying what holds now.
    pub(crate) fn noting(mut self, what: impl fmt::Display) -> Self {
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

    pub(crate) fn sent(mut self, sent: bool) -> Self {
        self.0.sent = sent;
        self
    }

    /// The same, and the next try would fare no better, whatever its kind.
    #[cfg_attr(
        not(feature = "rustls-ring"),
        expect(dead_code, reason = "without TLS no certificate is refused")
    )]
    pub(crate) fn lasting(mut self) -> Self {
        self.0.lasting = true;
        self
    }

    pub(crate) fn is_lasting(&self) -> bool {
        self.0.lasting
    }

    pub(crate) fn out_of_scope(mut self) -> Self {
        self.0.out_of_scope = true;
        self
    }

    pub(crate) fn held_by(mut self, holder: Option<LockHolder>) -> Self {
        self.0.lock_holder = holder;
        self
    }

    pub(crate) fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The coarse reason; see also the `is_…` predicates.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// HTTP status of the answer that refused, where there was one. A row that a good answer lacks has none.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The other side's own words: the first 64 KiB of the answer, keys removed.
    pub fn body(&self) -> Option<&str> {
        self.0.body.as_deref()
    }

    /// How long the other side asked to wait before the next try.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after.map(|told| match told {
            RetryAfter::Seconds(wait) | RetryAfter::Date(wait) => wait,
        })
    }

    /// `Retry-After` in seconds; a date is none.
    pub(crate) fn retry_after_seconds(&self) -> Option<Duration> {
        match self.0.retry_after {
            Some(RetryAfter::Seconds(wait)) => Some(wait),
            _ => None,
        }
    }

    /// How many times the request was tried; 0 when it was refused before the first try.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// Whether the request, or part of it, may have reached the other side. `false` means: nothing happened.
    pub fn was_sent(&self) -> bool {
        self.0.sent
    }

    /// Whether what failed was a read: nothing has changed then, even if it arrived.
    pub(crate) fn is_of_a_read(&self) -> bool {
        self.0.operation.as_ref().is_some_and(|operation| operation.starts_with("GET "))
    }

    /// Who holds the update lock, for [`ErrorKind::Locked`], where it could be told.
    pub fn lock_holder(&self) -> Option<&LockHolder> {
        self.0.lock_holder.as_ref()
    }

    /// What to do about it, where the library knows.
    pub fn advice(&self) -> Option<&str> {
        self.0.help.as_deref()
    }

    /// The same, without the other side's words.
    pub(crate) fn without_words(mut self) -> Self {
        let status = self.0.status.map_or_else(String::new, |status| format!("status {status}, "));
        self.0.message = format!("{status}and an answer that repeats a secret: it is left out").into();
        self.0.body = None;
        self
    }

    /// What happened, without operation and advice.
    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }

    /// The text without the advice.
    pub(crate) fn summary(&self) -> impl fmt::Display + '_ {
        struct Summary<'a>(&'a Inner);
        impl fmt::Display for Summary<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                if let Some(operation) = &self.0.operation {
                    write!(f, "{}: ", shown(operation))?;
                }
                write!(f, "{}", shown(&self.0.message))?;
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
            Some(help) => write!(f, "; {}", shown(help)),
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
            .operation("POST /v1/reboot")
            .operation("outer")
            .help("is the supervisor running?")
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

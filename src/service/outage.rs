//! What an error says of the supervisor, in words, and the lines that the log has of an outage.

use tokio::time::Instant;

use super::log_limit::LogLimit;
use super::state::{Connection, Snapshot};
use crate::error::{Error, ErrorKind};

/// Lines about the supervisor at once: it goes, the error changes some times, it comes back.
const LINES: u32 = 6;

/// What this kind of error says of the supervisor.
pub(crate) fn verdict(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Unauthorized => "the supervisor refused the key",
        ErrorKind::Unreachable => "the supervisor does not answer",
        ErrorKind::Timeout => "the supervisor does not answer in time",
        _ => "the supervisor does not answer with its state",
    }
}

/// Whether there was no answer at all.
pub(crate) fn is_silence(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Unreachable | ErrorKind::Timeout)
}

/// What the log said last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    Well,
    Failing(ErrorKind),
}

/// Logs when the supervisor goes, when the kind of error changes, and when it is back. What changes more often
/// than [`LogLimit`] allows is told as it stands once that allows a line.
#[derive(Debug)]
pub(crate) struct OutageLog {
    told: Told,
    since: Option<Instant>,
    lines: LogLimit,
}

impl OutageLog {
    pub(crate) fn new() -> Self {
        Self { told: Told::Nothing, since: None, lines: LogLimit::new(LINES) }
    }

    /// The supervisor told its state.
    pub(crate) fn well(&mut self) {
        if self.told == Told::Well {
            self.since = None;
            return;
        }
        if self.lines.allows() {
            if let Some(since) = self.since.take() {
                tracing::info!(outage = ?since.elapsed(), "the supervisor is back");
            } else {
                tracing::info!("the supervisor answers");
            }
            self.told = Told::Well;
        }
    }

    /// It did not; `snapshot` knows of that already.
    pub(crate) fn failed(&mut self, error: &Error, snapshot: &Snapshot) {
        if !matches!(snapshot.supervisor, Connection::Lost | Connection::Refused) {
            return;
        }
        self.since.get_or_insert_with(Instant::now);
        let kind = error.kind();
        if self.told == Told::Failing(kind) || !self.lines.allows() {
            return;
        }
        let was = match self.told {
            Told::Failing(kind) => Some(kind.as_str()),
            _ => None,
        };
        // A key comes with the container: waiting brings no other one.
        let outlook =
            if kind == ErrorKind::Unauthorized { "this does not heal by itself" } else { "going on trying" };
        tracing::warn!(was, %error, "{}; {outlook}", verdict(kind));
        self.told = Told::Failing(kind);
    }
}

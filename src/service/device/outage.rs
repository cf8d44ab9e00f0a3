//! The log lines about an outage of the supervisor, and the words for an error of it.

use tokio::time::Instant;

use super::state::{Connection, Snapshot};
use crate::error::{Error, ErrorKind};
use crate::service::log_rate_limit::LogRateLimit;

/// Lines allowed at once: the outage, some changes of the error, the return.
const LINES: u32 = 6;

/// Describes in words what an error of this kind means for the supervisor.
pub(crate) fn verdict(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Unauthorized => "the supervisor refused the key",
        ErrorKind::Unreachable => "the supervisor does not answer",
        ErrorKind::Timeout => "the supervisor does not answer in time",
        _ => "the supervisor does not answer with its state",
    }
}

/// Returns whether the supervisor sent no response at all.
pub(crate) fn is_silence(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Unreachable | ErrorKind::Timeout)
}

/// What was last logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LoggedState {
    Nothing,
    Well,
    Failing(ErrorKind),
}

/// Logs when the supervisor is lost, when the kind of error changes, and when the supervisor is back. If these lines
/// exceed [`LogRateLimit`], the current state is logged as soon as the limit allows a line.
#[derive(Debug)]
pub(crate) struct OutageLog {
    told: LoggedState,
    since: Option<Instant>,
    lines: LogRateLimit,
}

impl OutageLog {
    pub(crate) fn new() -> Self {
        Self { told: LoggedState::Nothing, since: None, lines: LogRateLimit::new(LINES) }
    }

    /// Records a successful poll.
    pub(crate) fn succeeded(&mut self) {
        if self.told == LoggedState::Well {
            self.since = None;
            return;
        }
        if self.lines.allows() {
            if let Some(since) = self.since.take() {
                tracing::info!(outage = ?since.elapsed(), "the supervisor is back");
            } else {
                tracing::info!("the supervisor answers");
            }
            self.told = LoggedState::Well;
        }
    }

    /// Records a failed poll. `snapshot` already contains it.
    pub(crate) fn failed(&mut self, error: &Error, snapshot: &Snapshot) {
        if !matches!(snapshot.supervisor, Connection::Lost | Connection::Refused) {
            return;
        }
        self.since.get_or_insert_with(Instant::now);
        let kind = error.kind();
        if self.told == LoggedState::Failing(kind) || !self.lines.allows() {
            return;
        }
        let was = match self.told {
            LoggedState::Failing(kind) => Some(kind.as_str()),
            _ => None,
        };
        // The key comes from the container's environment: retries never get another one.
        let outlook =
            if kind == ErrorKind::Unauthorized { "this does not recover by itself" } else { "retrying" };
        tracing::warn!(was, %error, "{}; {outlook}", verdict(kind));
        self.told = LoggedState::Failing(kind);
    }
}

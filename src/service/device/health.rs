//! Liveness (`/live`) and readiness (`/ready`) of the service.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::outage::{is_silence, verdict};
use super::state::{Connection, Snapshot};

/// Tolerated delay of a poll: the deadlines of its two calls (10 s each) and 10 s for a busy device.
const MARGIN: Duration = Duration::from_secs(30);

const UNANSWERED: &str = "the supervisor has not answered yet";

/// When the observer last completed a poll, and how long it pauses after that.
#[derive(Debug)]
pub(crate) struct Progress(Mutex<(Instant, Duration)>);

impl Progress {
    pub(crate) fn new() -> Self {
        Self(Mutex::new((Instant::now(), Duration::ZERO)))
    }

    /// Records that a poll is done and that the next one comes after `pause`.
    pub(crate) fn record(&self, pause: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (Instant::now(), pause);
    }

    /// Returns `Err` with the reason if the next poll is overdue.
    pub(crate) fn liveness(&self) -> Result<(), String> {
        let (last, pause) = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        liveness(last.elapsed(), pause)
    }
}

fn liveness(since_tick: Duration, pause: Duration) -> Result<(), String> {
    if since_tick <= pause + MARGIN {
        return Ok(());
    }
    Err(format!(
        "the observer has not polled for {} s; the next poll was due after {} s",
        since_tick.as_secs(),
        pause.as_secs()
    ))
}

/// Returns `Err` with the reason if the state of the device is unknown or the service is stopping.
pub(crate) fn readiness(
    snapshot: &Snapshot,
    liveness: Result<(), String>,
    draining: bool,
) -> Result<(), String> {
    if draining {
        return Err("the service is stopping".into());
    }
    liveness?;
    let why = match &snapshot.last_error {
        // Before the first response the kind of silence adds nothing.
        Some(error) if snapshot.supervisor == Connection::Connecting && is_silence(error.kind) => {
            format!("{UNANSWERED}: {}", error.message)
        }
        Some(error) => format!("{}: {}", verdict(error.kind), error.message),
        None => UNANSWERED.into(),
    };
    match snapshot.supervisor {
        Connection::Connecting | Connection::Lost | Connection::Refused => Err(why),
        Connection::Connected if !snapshot.is_loaded() => {
            Err("the supervisor has not loaded its state yet".into())
        }
        Connection::Connected => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, ErrorKind};
    use crate::service::device::tests::{at, shop};
    use crate::supervisor::DeviceState;

    #[test]
    fn alive_while_the_observer_keeps_its_own_word() {
        let ten = Duration::from_secs(10);
        assert!(liveness(Duration::from_secs(39), ten).is_ok());
        assert!(liveness(Duration::from_secs(41), ten).unwrap_err().contains("not polled for 41 s"));
        assert!(liveness(Duration::from_secs(41), Duration::from_secs(30)).is_ok());
    }

    #[test]
    fn ready_says_what_is_missing() {
        let mut snapshot = Snapshot::new(at(0));
        let not_ready = |snapshot: &Snapshot| readiness(snapshot, Ok(()), false).unwrap_err();
        assert!(not_ready(&snapshot).contains("not answered yet"));
        snapshot.succeed(shop("a", "done", &[]), Some(DeviceState::default()), at(1));
        assert!(not_ready(&snapshot).contains("not loaded"));
        let device = DeviceState { update_downloaded: Some(false), ..DeviceState::default() };
        snapshot.succeed(shop("a", "done", &[]), Some(device), at(2));
        assert!(readiness(&snapshot, Ok(()), false).is_ok());
        assert!(readiness(&snapshot, Ok(()), true).unwrap_err().contains("stopping"));
        assert!(readiness(&snapshot, Err("stuck".into()), false).is_err());
        let error = Error::new(ErrorKind::Unreachable, "connection refused");
        snapshot.fail(&error, at(3));
        assert!(readiness(&snapshot, Ok(()), false).is_ok());
        snapshot.fail(&error, at(4));
        assert!(not_ready(&snapshot).contains("does not answer: connection refused"));
    }

    #[test]
    fn ready_says_what_kind_of_failure_it_is() {
        for (kind, first, later) in [
            (ErrorKind::Unreachable, "has not answered yet: why", "does not answer: why"),
            (ErrorKind::Timeout, "has not answered yet: why", "does not answer in time: why"),
            (ErrorKind::Unauthorized, "refused the key: why", "refused the key: why"),
            (ErrorKind::Server, "does not answer with its state: why", "does not answer with its state: why"),
            (ErrorKind::Decode, "does not answer with its state: why", "does not answer with its state: why"),
        ] {
            let mut snapshot = Snapshot::new(at(0));
            for told in [first, later] {
                snapshot.fail(&Error::new(kind, "why"), at(1));
                let reason = readiness(&snapshot, Ok(()), false).unwrap_err();
                assert_eq!(reason, format!("the supervisor {told}"), "{kind}");
            }
        }
    }
}

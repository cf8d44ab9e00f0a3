//! Polls the supervisor until the service stops, and publishes each snapshot.
//!
//! On each poll the supervisor inspects every container. Polls are frequent only while something changes.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::outage::{OutageLog, is_silence};
use super::state::{Applications, Connection, Snapshot};
use crate::error::{Error, Result};
use crate::service::config::Checked;
use crate::service::context::Context;
use crate::service::metrics::Endpoint;
use crate::service::now;
use crate::supervisor::DeviceState;
use crate::tasks::{StopSignal, jittered};

/// Polls stay frequent for this time after a change: more changes usually follow.
const SETTLING: Duration = Duration::from_secs(10);
/// A state that is in transition for this long without a change is stuck, e.g. a container in a restart loop. Polls
/// become slow again.
const STUCK: Duration = Duration::from_secs(300);
/// Interval of `GET /v1/device`: addresses and versions rarely change without a change of the services.
const DEVICE_INTERVAL: Duration = Duration::from_secs(60);
/// Interval and deadline of pings while the supervisor does not answer: a ping is cheap, and notices its return
/// within 5 s.
const PING_INTERVAL: Duration = Duration::from_secs(4);
const PING_LIMIT: Duration = Duration::from_secs(3);
/// A supervisor that answers pings again may need this long to load its state.
const STARTING: Duration = Duration::from_secs(60);
/// Maximum random reduction of a pause, in percent.
const JITTER: u32 = 10;

/// Polls until asked to stop.
pub(crate) async fn run(context: Arc<Context>, stop: StopSignal) -> Result<()> {
    let mut observer = Observer::new();
    loop {
        tokio::select! {
            () = observer.poll(&context) => {}
            // The calls only read, so they can be cancelled at any point.
            () = stop.requested() => return Ok(()),
        }
        let pause = jittered(observer.pause(&context), JITTER);
        context.progress.record(pause);
        tokio::select! {
            () = observer.rest(&context, pause) => {}
            () = stop.requested() => return Ok(()),
        }
    }
}

#[derive(Debug)]
struct Observer {
    last_change: Option<Instant>,
    last_device: Option<Instant>,
    /// Set while the supervisor does not answer.
    away: Option<Disconnected>,
    /// When the supervisor first answered a ping after an outage.
    returned: Option<Instant>,
    log: OutageLog,
}

/// A supervisor that does not answer.
#[derive(Debug)]
struct Disconnected {
    last_ping: Instant,
    /// Result of the last ping. A poll may fail although a ping succeeds.
    answers_ping: bool,
}

impl Observer {
    fn new() -> Self {
        Self { last_change: None, last_device: None, away: None, returned: None, log: OutageLog::new() }
    }

    async fn poll(&mut self, context: &Context) {
        match self.poll_state(context).await {
            Ok((applications, device)) => {
                let changed =
                    context.update_snapshot(|snapshot| snapshot.succeed(applications, device, now()));
                if changed {
                    self.last_change = Some(Instant::now());
                }
                (self.away, self.returned) = (None, None);
                self.log.succeeded();
            }
            Err(error) => {
                context.update_snapshot(|snapshot| snapshot.fail(&error, now()));
                if !is_silence(error.kind()) {
                    self.away = None;
                } else if self.away.is_none() {
                    self.away = Some(Disconnected { last_ping: Instant::now(), answers_ping: false });
                }
                self.log.failed(&error, &context.bus.borrow());
            }
        }
    }

    /// Waits for the next poll. Ends early if a supervisor that was away answers a ping.
    async fn rest(&mut self, context: &Context, pause: Duration) {
        let due = Instant::now() + pause;
        while let Some(away) = &mut self.away {
            let next = away.last_ping + PING_INTERVAL;
            if next >= due {
                break;
            }
            sleep_until(next).await;
            away.last_ping = Instant::now();
            let ping = context.balena.supervisor().ping().patience(Duration::ZERO).deadline(PING_LIMIT).await;
            context.meters.call(Endpoint::Ping, ping.is_ok());
            let came_back = ping.is_ok() && !away.answers_ping;
            away.answers_ping = ping.is_ok();
            if came_back {
                self.returned = Some(Instant::now());
                return;
            }
        }
        sleep_until(due).await;
    }

    /// Polls once. While the supervisor starts, `/v1/device` alone may fail; that counts as success.
    async fn poll_state(&mut self, context: &Context) -> Result<(Applications, Option<DeviceState>)> {
        let supervisor = context.balena.supervisor();
        let started = Instant::now();
        // No retries inside the call: the polls are the retries, and waiting would hide an outage.
        let mut applications = supervisor.applications_state().patience(Duration::ZERO);
        if self.away.as_ref().is_some_and(|away| !away.answers_ping) {
            // The supervisor does not answer pings: a longer deadline would only delay the next ping.
            applications = applications.deadline(PING_INTERVAL);
        }
        let applications = applications.await;
        context.meters.call(Endpoint::ApplicationsState, applications.is_ok());
        context.meters.poll(started.elapsed());
        let applications = applications?;
        let due = device_due(
            &context.bus.borrow(),
            &applications,
            self.last_change.map(|at| at.elapsed()),
            self.last_device.map(|at| at.elapsed()),
        );
        if !due {
            return Ok((applications, None));
        }
        let device = supervisor.device().patience(Duration::ZERO).await;
        context.meters.call(Endpoint::Device, device.is_ok());
        match device {
            Ok(device) => {
                self.last_device = Some(Instant::now());
                Ok((applications, Some(device)))
            }
            Err(error) => {
                self.last_device = None;
                note(context, &error);
                Ok((applications, None))
            }
        }
    }

    fn pause(&self, context: &Context) -> Duration {
        let (failures, moving) = {
            let snapshot = context.bus.borrow();
            (snapshot.failures, snapshot.is_moving())
        };
        let longest = match self.returned {
            Some(returned) if returned.elapsed() < STARTING => PING_INTERVAL.min(context.config.poll_away),
            _ => context.config.poll_away,
        };
        pause(&context.config, failures, moving, self.last_change.map(|at| at.elapsed())).min(longest)
    }
}

/// Stores an error for `/status` without an event for subscribers.
fn note(context: &Context, error: &Error) {
    context.bus.send_if_modified(|snapshot| {
        snapshot.last_error = Some(super::state::LastError::new(error, now()));
        false
    });
}

/// Returns whether `/v1/device` is to be requested in this poll.
fn device_due(
    known: &Snapshot,
    applications: &Applications,
    since_change: Option<Duration>,
    since_device: Option<Duration>,
) -> bool {
    known.supervisor != Connection::Connected
        || !known.is_loaded()
        || known.applications.as_deref() != Some(applications)
        || since_change.is_some_and(|since| since < SETTLING)
        || since_device.is_none_or(|since| since >= DEVICE_INTERVAL)
}

/// Returns the pause until the next poll, before jitter.
fn pause(config: &Checked, failures: u32, moving: bool, since_change: Option<Duration>) -> Duration {
    if failures > 0 {
        let doubled = 2_u32.saturating_pow(failures - 1);
        return config.poll_quick.saturating_mul(doubled).min(config.poll_away);
    }
    let quick = since_change.is_some_and(|since| since < SETTLING || moving && since < STUCK);
    if quick { config.poll_quick } else { config.poll_slow }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::device::tests::{at, shop};

    fn config() -> Checked {
        Checked::default()
    }

    #[test]
    fn quick_while_something_moves_slow_when_quiet() {
        let seconds = |moving, since| pause(&config(), 0, moving, Some(Duration::from_secs(since))).as_secs();
        assert_eq!(seconds(false, 5), 2, "just changed");
        assert_eq!(seconds(false, 11), 10, "quiet");
        assert_eq!(seconds(true, 60), 2, "moving");
        assert_eq!(seconds(true, 301), 10, "stuck");
        assert_eq!(pause(&config(), 0, false, None).as_secs(), 10);
    }

    #[test]
    fn backs_off_while_the_supervisor_is_away() {
        let pauses: Vec<_> = (1..=6)
            .chain([u32::MAX])
            .map(|failures| pause(&config(), failures, true, None).as_secs())
            .collect();
        assert_eq!(pauses, [2, 4, 8, 16, 30, 30, 30]);
    }

    #[test]
    fn the_device_is_asked_on_change_or_rarely() {
        let applications = shop("a", "done", &[("main", "Running")]);
        let minutes = |minutes: u64| Some(Duration::from_secs(60 * minutes));
        let mut known = Snapshot::new(at(0));
        assert!(device_due(&known, &applications, None, None), "never asked");
        known.succeed(applications.clone(), Some(DeviceState::default()), at(1));
        assert!(device_due(&known, &applications, minutes(5), Some(Duration::ZERO)), "not loaded");
        let device = DeviceState { update_downloaded: Some(false), ..DeviceState::default() };
        known.succeed(applications.clone(), Some(device), at(1));
        assert!(!device_due(&known, &applications, minutes(5), Some(Duration::ZERO)));
        assert!(device_due(&known, &applications, minutes(5), minutes(1)), "a minute has passed");
        assert!(device_due(&known, &applications, Some(SETTLING / 2), Some(Duration::ZERO)), "settling");
        let changed = shop("a", "done", &[("main", "exited")]);
        assert!(device_due(&known, &changed, minutes(5), Some(Duration::ZERO)), "changed");
    }
}

//! The snapshot of the device, and how a poll changes it. Does no I/O and reads no clock.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use crate::error::{Error, ErrorKind};
use crate::supervisor::{ApplicationState, DeviceState, ServiceStatus, UpdateStatus};

/// Applications by name.
pub(crate) type Applications = BTreeMap<String, ApplicationState>;

/// Number of failed polls that make an outage. A busy supervisor may miss one deadline.
const FAILURES_UNTIL_LOST: u32 = 2;

/// State of the connection to the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Connection {
    /// No response came yet.
    Connecting,
    /// The supervisor answers.
    Connected,
    /// The supervisor does not answer, or its response has no state.
    Lost,
    /// The supervisor rejects the key.
    Refused,
}

impl Connection {
    /// All states with their JSON names. `/metrics` needs all of them.
    pub(crate) const ALL: [(Self, &'static str); 4] = [
        (Self::Connecting, "connecting"),
        (Self::Connected, "connected"),
        (Self::Lost, "lost"),
        (Self::Refused, "refused"),
    ];
}

/// The last error of the supervisor.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct LastError {
    /// When it occurred.
    pub(crate) time: Timestamp,
    /// Its kind.
    #[serde(serialize_with = "kind_in_words")]
    pub(crate) kind: ErrorKind,
    /// Its message.
    pub(crate) message: String,
}

impl LastError {
    pub(crate) fn new(error: &Error, time: Timestamp) -> Self {
        Self { time, kind: error.kind(), message: error.to_string() }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn kind_in_words<S: serde::Serializer>(kind: &ErrorKind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.as_str())
}

/// The connection to the supervisor, as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct SupervisorView<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a str>,
    connected: bool,
    state: Connection,
    since: Timestamp,
    last_contact: Option<Timestamp>,
    last_error: Option<&'a LastError>,
}

/// The state of the device when the supervisor last told it.
#[derive(Debug, Clone)]
pub(crate) struct LastKnown {
    pub(crate) device: Option<Arc<DeviceState>>,
    pub(crate) applications: Option<Arc<Applications>>,
}

/// The state of the device at one time. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    /// Number of changes sent to subscribers. A gap shows a subscriber that it missed some.
    pub(crate) revision: u64,
    /// When the snapshot last changed.
    pub(crate) changed: Timestamp,
    /// State of the connection to the supervisor.
    pub(crate) supervisor: Connection,
    /// When the connection entered this state.
    pub(crate) since: Timestamp,
    /// When the supervisor last answered.
    pub(crate) last_contact: Option<Timestamp>,
    /// The last error, also after recovery.
    pub(crate) last_error: Option<LastError>,
    /// The response of `/v1/device`; `None` before the first one and while the supervisor does not answer.
    pub(crate) device: Option<Arc<DeviceState>>,
    /// The applications; `None` before the first response and while the supervisor does not answer.
    pub(crate) applications: Option<Arc<Applications>>,
    /// What was known when the supervisor stopped answering; `None` while it answers. Not shown as the present state.
    pub(crate) last_known: Option<LastKnown>,
    /// Number of failed polls since the last successful one.
    pub(crate) failures: u32,
}

impl Snapshot {
    /// Returns the snapshot before the first poll.
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            revision: 0,
            changed: now,
            supervisor: Connection::Connecting,
            since: now,
            last_contact: None,
            last_error: None,
            device: None,
            applications: None,
            last_known: None,
            failures: 0,
        }
    }

    /// Applies a successful poll. Returns whether subscribers get an event.
    pub(crate) fn succeed(
        &mut self,
        applications: Applications,
        device: Option<DeviceState>,
        now: Timestamp,
    ) -> bool {
        self.failures = 0;
        self.last_contact = Some(now);
        self.last_known = None;
        let mut changed = self.turn(Connection::Connected, now);
        if self.applications.as_deref() != Some(&applications) {
            self.applications = Some(Arc::new(applications));
            changed = true;
        }
        if let Some(device) = device
            && self.device.as_deref() != Some(&device)
        {
            self.device = Some(Arc::new(device));
            changed = true;
        }
        self.count(changed, now)
    }

    /// Applies a failed poll. Returns whether subscribers get an event.
    pub(crate) fn fail(&mut self, error: &Error, now: Timestamp) -> bool {
        self.failures = self.failures.saturating_add(1);
        self.last_error = Some(LastError::new(error, now));
        let connection = match error.kind() {
            // Definite at the first response: a further attempt with the same key gives the same.
            ErrorKind::Unauthorized => Some(Connection::Refused),
            _ if self.failures >= FAILURES_UNTIL_LOST => Some(Connection::Lost),
            _ => None,
        };
        let changed = connection.is_some_and(|connection| self.turn(connection, now));
        if connection.is_some() && self.applications.is_some() {
            self.last_known =
                Some(LastKnown { device: self.device.take(), applications: self.applications.take() });
        }
        self.count(changed, now)
    }

    /// Returns the applications, also if they are those of before an outage.
    pub(crate) fn last_known_applications(&self) -> Option<&Arc<Applications>> {
        self.applications.as_ref().or_else(|| self.last_known.as_ref()?.applications.as_ref())
    }

    /// Returns the device's own state, also if it is that of before an outage.
    pub(crate) fn last_known_device(&self) -> Option<&Arc<DeviceState>> {
        self.device.as_ref().or_else(|| self.last_known.as_ref()?.device.as_ref())
    }

    fn turn(&mut self, connection: Connection, now: Timestamp) -> bool {
        if self.supervisor == connection {
            return false;
        }
        self.supervisor = connection;
        self.since = now;
        true
    }

    fn count(&mut self, changed: bool, now: Timestamp) -> bool {
        if changed {
            self.revision += 1;
            self.changed = now;
        }
        changed
    }

    /// Returns the connection for JSON, with `address` if it is given.
    pub(crate) fn supervisor_view<'a>(&'a self, address: Option<&'a str>) -> SupervisorView<'a> {
        SupervisorView {
            address,
            connected: self.supervisor == Connection::Connected,
            state: self.supervisor,
            since: self.since,
            last_contact: self.last_contact,
            last_error: self.last_error.as_ref(),
        }
    }

    /// Returns whether the supervisor has loaded its state. It answers some seconds earlier.
    pub(crate) fn is_loaded(&self) -> bool {
        self.applications.is_some()
            && self.device.as_ref().is_some_and(|device| device.update_downloaded.is_some())
    }

    /// Returns whether an update or a service is in transition.
    pub(crate) fn is_moving(&self) -> bool {
        self.applications.iter().flat_map(|applications| applications.values()).any(|application| {
            matches!(
                application.update_status,
                Some(UpdateStatus::Downloading | UpdateStatus::ApplyingChanges)
            ) || application.services.values().any(|service| !is_at_rest(&service.status))
        })
    }
}

/// Returns whether a service keeps this status without an action from outside.
fn is_at_rest(status: &ServiceStatus) -> bool {
    matches!(
        status,
        ServiceStatus::Running
            | ServiceStatus::Idle
            | ServiceStatus::Downloaded
            | ServiceStatus::Aborted
            | ServiceStatus::Dead
            | ServiceStatus::Exited
            | ServiceStatus::Paused
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    /// One application `shop` with these services.
    pub(crate) fn shop(commit: &str, update: &str, services: &[(&str, &str)]) -> Applications {
        let services: serde_json::Map<_, _> =
            services.iter().map(|(name, status)| ((*name).into(), json!({ "status": status }))).collect();
        let shop = json!({ "appId": 7, "commit": commit, "updateStatus": update, "services": services });
        serde_json::from_value(json!({ "shop": shop })).unwrap()
    }

    pub(crate) fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn loaded() -> DeviceState {
        DeviceState { update_downloaded: Some(false), ..DeviceState::default() }
    }

    #[test]
    fn a_single_failure_is_no_outage() {
        let error = Error::new(ErrorKind::Unreachable, "connection refused");
        let mut snapshot = Snapshot::new(at(0));
        assert!(snapshot.succeed(shop("a", "done", &[("main", "Running")]), Some(loaded()), at(1)));
        assert!(!snapshot.succeed(shop("a", "done", &[("main", "Running")]), None, at(2)));
        assert_eq!((snapshot.revision, snapshot.since, snapshot.last_contact), (1, at(1), Some(at(2))));
        assert!(!snapshot.fail(&error, at(3)), "one");
        assert_eq!(snapshot.supervisor, Connection::Connected);
        assert!(snapshot.applications.is_some(), "one failure withdraws nothing");
        assert!(snapshot.fail(&error, at(4)), "two");
        assert!(snapshot.applications.is_none() && snapshot.device.is_none(), "withdrawn, not frozen");
        assert!(snapshot.last_known_applications().is_some() && snapshot.last_known_device().is_some());
        assert!(!snapshot.fail(&error, at(5)), "told once");
        assert_eq!((snapshot.supervisor, snapshot.since), (Connection::Lost, at(4)));
        assert_eq!(snapshot.last_error.as_ref().unwrap().time, at(5));
        assert!(snapshot.succeed(shop("a", "done", &[("main", "Running")]), None, at(6)));
        assert_eq!((snapshot.revision, snapshot.failures), (3, 0));
        assert!(snapshot.applications.is_some() && snapshot.last_known.is_none());
        assert!(snapshot.device.is_none(), "not told again yet");
        assert!(snapshot.last_error.is_some(), "what went wrong last stays visible");
    }

    #[test]
    fn a_refused_key_is_told_at_once_and_apart_from_an_outage() {
        let refused = Error::new(ErrorKind::Unauthorized, "refused the key (401)");
        let away = Error::new(ErrorKind::Unreachable, "connection refused");
        let mut snapshot = Snapshot::new(at(0));
        assert!(snapshot.fail(&refused, at(1)), "one is enough");
        assert_eq!((snapshot.supervisor, snapshot.revision), (Connection::Refused, 1));
        assert!(!snapshot.fail(&refused, at(2)), "told once");
        assert!(snapshot.fail(&away, at(3)) && snapshot.fail(&refused, at(4)));
        assert_eq!((snapshot.supervisor, snapshot.since), (Connection::Refused, at(4)));
        for (connection, word) in Connection::ALL {
            assert_eq!(json!(connection), json!(word));
        }
    }

    #[test]
    fn loaded_means_that_the_device_told_all() {
        let mut snapshot = Snapshot::new(at(0));
        snapshot.succeed(Applications::new(), Some(DeviceState::default()), at(1));
        assert!(!snapshot.is_loaded());
        snapshot.succeed(Applications::new(), Some(loaded()), at(1));
        assert!(snapshot.is_loaded());
    }

    #[test]
    fn what_counts_as_moving() {
        let moving = |update: &str, status: &str| {
            let mut snapshot = Snapshot::new(at(0));
            snapshot.succeed(shop("a", update, &[("main", "Running"), ("x", status)]), None, at(1));
            snapshot.is_moving()
        };
        assert!(!moving("done", "Running") && !moving("done", "exited"));
        assert!(!moving("downloaded", "Running"), "an update that waits for a lock may wait for days");
        assert!(moving("downloading", "Running") && moving("applying changes", "Running"));
        assert!(moving("done", "Starting") && moving("done", "restarting") && moving("done", "levitating"));
    }
}

//! What is known of the device: the snapshot on the bus and how a poll changes it. Pure: no clock, no input,
//! no output.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use crate::error::{Error, ErrorKind};
use crate::supervisor::{ApplicationState, DeviceState, ServiceStatus, UpdateStatus};

/// Applications by name.
pub(crate) type Applications = BTreeMap<String, ApplicationState>;

/// One failed poll does not make an outage: a busy supervisor may miss a deadline once.
const FAILURES_UNTIL_LOST: u32 = 2;

/// How it stands with the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Connection {
    /// It has not answered yet.
    Connecting,
    /// It answers.
    Connected,
    /// It does not answer, or not with its state.
    Lost,
    /// It refuses the key.
    Refused,
}

impl Connection {
    /// As it is written in JSON, where every other one has to be named as well.
    pub(crate) const ALL: [(Self, &'static str); 4] = [
        (Self::Connecting, "connecting"),
        (Self::Connected, "connected"),
        (Self::Lost, "lost"),
        (Self::Refused, "refused"),
    ];
}

/// The last thing that went wrong.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct LastError {
    /// When.
    pub(crate) time: Timestamp,
    /// The kind of [`Error`].
    #[serde(serialize_with = "kind_in_words")]
    pub(crate) kind: ErrorKind,
    /// Its text.
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

/// How it stands with the supervisor, as JSON.
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

/// Everything that is known. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    /// Counts the changes that were told to subscribers: whoever finds a gap has missed some.
    pub(crate) revision: u64,
    /// When it last changed.
    pub(crate) changed: Timestamp,
    /// How it stands with the supervisor.
    pub(crate) supervisor: Connection,
    /// Since when it stands so.
    pub(crate) since: Timestamp,
    /// When the supervisor last answered.
    pub(crate) last_contact: Option<Timestamp>,
    /// The last failure, even if it is over.
    pub(crate) last_error: Option<LastError>,
    /// The device in short.
    pub(crate) device: Option<Arc<DeviceState>>,
    /// The applications; `None` as long as they were never told.
    pub(crate) applications: Option<Arc<Applications>>,
    /// Failed polls since the last good one.
    pub(crate) failures: u32,
}

impl Snapshot {
    /// Before the first poll.
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
            failures: 0,
        }
    }

    /// The supervisor answered. Returns whether anything changed that subscribers are told of.
    pub(crate) fn succeed(
        &mut self,
        applications: Applications,
        device: Option<DeviceState>,
        now: Timestamp,
    ) -> bool {
        self.failures = 0;
        self.last_contact = Some(now);
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

    /// A poll failed. Returns whether that changed anything that subscribers are told of.
    pub(crate) fn fail(&mut self, error: &Error, now: Timestamp) -> bool {
        self.failures = self.failures.saturating_add(1);
        self.last_error = Some(LastError::new(error, now));
        let connection = match error.kind() {
            // An answer that leaves nothing open: a second one would say the same.
            ErrorKind::Unauthorized => Some(Connection::Refused),
            _ if self.failures >= FAILURES_UNTIL_LOST => Some(Connection::Lost),
            _ => None,
        };
        let changed = connection.is_some_and(|connection| self.turn(connection, now));
        self.count(changed, now)
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

    /// How it stands with the supervisor, for readers; `address` where they are to have it.
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

    /// Whether the supervisor has told all it knows: it answers some seconds before it has loaded its state.
    pub(crate) fn is_loaded(&self) -> bool {
        self.applications.is_some()
            && self.device.as_ref().is_some_and(|device| device.update_downloaded.is_some())
    }

    /// Whether an update or a service is on its way from one state to another.
    pub(crate) fn is_moving(&self) -> bool {
        self.applications.iter().flat_map(|applications| applications.values()).any(|application| {
            matches!(
                application.update_status,
                Some(UpdateStatus::Downloading | UpdateStatus::ApplyingChanges)
            ) || application.services.values().any(|service| !is_at_rest(&service.status))
        })
    }
}

/// Whether a service with this status stays so unless somebody does something.
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
        assert!(snapshot.fail(&error, at(4)), "two");
        assert!(!snapshot.fail(&error, at(5)), "told once");
        assert_eq!((snapshot.supervisor, snapshot.since), (Connection::Lost, at(4)));
        assert_eq!(snapshot.last_error.as_ref().unwrap().time, at(5));
        assert!(snapshot.succeed(shop("a", "done", &[("main", "Running")]), None, at(6)));
        assert_eq!((snapshot.revision, snapshot.failures), (3, 0));
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

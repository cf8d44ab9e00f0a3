//! The events about the device: what changed between two snapshots, and the snapshot itself.

use jiff::Timestamp;
use serde::Serialize;

use super::id::EventId;
use super::kind::EventKind;
use super::log::{EventLog, json};
use crate::service::device::{Applications, Change, Snapshot, SupervisorView, diff};
use crate::supervisor::DeviceState;

#[derive(Serialize)]
#[serde(tag = "type", rename = "snapshot")]
struct SnapshotEvent<'a> {
    id: EventId,
    time: Timestamp,
    supervisor: SupervisorView<'a>,
    device: Option<&'a DeviceState>,
    applications: Option<&'a Applications>,
}

#[derive(Serialize)]
struct ChangeEvent<'a> {
    #[serde(flatten)]
    change: &'a Change<'a>,
    id: EventId,
    time: Timestamp,
}

/// Publishes what changed from `before` to `present`. The first state, and the first one after an outage, is
/// published whole: clients have none, or gave up the one they had.
pub(crate) fn publish_changes(log: &EventLog, before: &Snapshot, present: &Snapshot) {
    let changes = diff(before, present);
    for change in changes.iter().flatten() {
        log.add(kind(change), |id| json(&ChangeEvent { change, id, time: present.changed }));
    }
    let is_first = before.applications.is_none() && present.applications.is_some();
    if changes.is_none() || is_first {
        log.add(EventKind::Snapshot, |id| snapshot_text(present, id));
    }
}

/// Returns the snapshot as an event.
pub(super) fn snapshot_text(snapshot: &Snapshot, id: EventId) -> String {
    json(&SnapshotEvent {
        id,
        time: snapshot.changed,
        supervisor: snapshot.supervisor_view(None),
        device: snapshot.device.as_deref(),
        applications: snapshot.applications.as_deref(),
    })
}

fn kind(change: &Change<'_>) -> EventKind {
    match change {
        Change::SupervisorLost { .. } => EventKind::SupervisorLost,
        Change::SupervisorRefused { .. } => EventKind::SupervisorRefused,
        Change::SupervisorBack => EventKind::SupervisorBack,
        Change::ApplicationAppeared { .. } => EventKind::ApplicationAppeared,
        Change::ApplicationGone { .. } => EventKind::ApplicationGone,
        Change::ReleaseChanged { .. } => EventKind::ReleaseChanged,
        Change::UpdateStatusChanged { .. } => EventKind::UpdateStatusChanged,
        Change::ServiceAppeared { .. } => EventKind::ServiceAppeared,
        Change::ServiceGone { .. } => EventKind::ServiceGone,
        Change::ServiceStatusChanged { .. } => EventKind::ServiceStatusChanged,
        Change::DownloadProgress { .. } => EventKind::DownloadProgress,
        Change::DeviceChanged { .. } => EventKind::DeviceChanged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, ErrorKind};
    use crate::service::device::tests::{at, shop};
    use crate::service::events::log::Next;
    use serde_json::{Value, json};

    /// The events that lead from one snapshot to the other.
    fn published(before: &Snapshot, present: &Snapshot) -> Vec<Value> {
        let log = EventLog::new(256);
        publish_changes(&log, before, present);
        let mut events = Vec::new();
        while let Next::Event(event) = log.after(events.len() as u64) {
            let value: Value = serde_json::from_str(&event.text).unwrap();
            assert_eq!(value["type"], event.kind.as_str(), "the kind is that of the change");
            assert_eq!(value["id"], event.id.to_string());
            events.push(value);
        }
        events
    }

    fn types(events: &[Value]) -> Vec<&str> {
        events.iter().map(|event| event["type"].as_str().unwrap()).collect()
    }

    #[test]
    fn the_first_state_is_whole_and_then_changes_follow() {
        let empty = Snapshot::new(at(0));
        let mut one = empty.clone();
        one.succeed(shop("a", "done", &[("main", "Running")]), None, at(1));
        let first = published(&empty, &one);
        assert_eq!(types(&first), ["snapshot"]);
        assert_eq!(first[0]["applications"]["shop"]["services"]["main"]["status"], "Running");
        assert_eq!(first[0]["supervisor"]["connected"], true);
        let mut two = one.clone();
        two.succeed(shop("a", "done", &[("main", "exited")]), None, at(2));
        let mut change = published(&one, &two);
        assert!(change[0].as_object_mut().unwrap().remove("id").is_some());
        assert_eq!(
            change,
            [json!({
                "type": "service_status_changed", "time": "1970-01-01T00:00:02Z", "application": "shop",
                "app_id": 7, "service": "main", "status": "exited", "was": "Running",
            })]
        );
    }

    #[test]
    fn after_an_outage_the_changes_and_the_whole_state_follow() {
        let mut up = Snapshot::new(at(0));
        up.succeed(shop("a", "done", &[("main", "Running")]), Some(DeviceState::default()), at(1));
        let mut down = up.clone();
        let error = Error::new(ErrorKind::Unreachable, "connection refused");
        down.fail(&error, at(2));
        down.fail(&error, at(3));
        assert_eq!(types(&published(&up, &down)), ["supervisor_lost"]);
        let id = EventLog::new(1).last();
        let withdrawn: Value = serde_json::from_str(&snapshot_text(&down, id)).unwrap();
        assert_eq!((&withdrawn["device"], &withdrawn["applications"]), (&Value::Null, &Value::Null));
        assert_eq!(withdrawn["supervisor"]["since"], "1970-01-01T00:00:03Z", "unknown since then");
        let mut back = down.clone();
        back.succeed(shop("b", "done", &[("main", "Running")]), None, at(4));
        let events = published(&down, &back);
        assert_eq!(types(&events), ["supervisor_back", "release_changed", "snapshot"]);
        assert_eq!(events[2]["applications"]["shop"]["commit"], "b");
    }
}

//! The differences between two snapshots, as the events that `/events` sends. Does no I/O.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::state::{Applications, Connection, Snapshot};
use crate::supervisor::{DeviceState, ServiceState, ServiceStatus, UpdateStatus};

type Services = BTreeMap<String, ServiceState>;

static NONE: Services = BTreeMap::new();

/// One difference between two snapshots.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Change<'a> {
    /// The supervisor stopped answering, or its responses carry no state.
    SupervisorLost { error: Option<&'a str> },
    /// The supervisor rejects the key.
    SupervisorRefused { error: Option<&'a str> },
    /// The supervisor answers again.
    SupervisorBack,
    /// An application is new in the state.
    ApplicationAppeared { application: &'a str, app_id: i64, release: Option<&'a str> },
    /// An application left the state.
    ApplicationGone { application: &'a str, app_id: i64 },
    /// The target release of an application changed.
    ReleaseChanged { application: &'a str, app_id: i64, release: Option<&'a str>, was: Option<&'a str> },
    /// The update status of an application changed.
    UpdateStatusChanged {
        application: &'a str,
        app_id: i64,
        status: Option<&'a UpdateStatus>,
        was: Option<&'a UpdateStatus>,
    },
    /// A service is new in its application.
    ServiceAppeared { application: &'a str, app_id: i64, service: &'a str, status: &'a ServiceStatus },
    /// A service left its application.
    ServiceGone { application: &'a str, app_id: i64, service: &'a str, was: &'a ServiceStatus },
    /// The status of a service changed.
    ServiceStatusChanged {
        application: &'a str,
        app_id: i64,
        service: &'a str,
        status: &'a ServiceStatus,
        was: &'a ServiceStatus,
    },
    /// The download progress of a service's image changed, in percent; `null` when the download ended.
    DownloadProgress { application: &'a str, app_id: i64, service: &'a str, percent: Option<f64> },
    /// The device's own state changed: addresses, versions or a pending update.
    DeviceChanged { device: Option<&'a DeviceState> },
}

/// Returns the changes from `old` to `new`. After an outage, `old` is what was known before it. Returns `None` if
/// nothing was known: then only the whole new snapshot is meaningful.
pub(crate) fn diff<'a>(old: &'a Snapshot, new: &'a Snapshot) -> Option<Vec<Change<'a>>> {
    let mut changes = Vec::new();
    if old.supervisor != new.supervisor {
        let error = new.last_error.as_ref().map(|error| error.message.as_str());
        match new.supervisor {
            Connection::Lost => changes.push(Change::SupervisorLost { error }),
            Connection::Refused => changes.push(Change::SupervisorRefused { error }),
            Connection::Connected => changes.push(Change::SupervisorBack),
            Connection::Connecting => {}
        }
    }
    match (old.last_known_applications(), &new.applications) {
        (Some(old), Some(new)) if !Arc::ptr_eq(old, new) => diff_applications(old, new, &mut changes),
        (None, Some(_)) => return None,
        _ => {}
    }
    if let Some(device) = &new.device
        && old.last_known_device() != Some(device)
    {
        changes.push(Change::DeviceChanged { device: Some(device) });
    }
    Some(changes)
}

fn diff_applications<'a>(old: &'a Applications, new: &'a Applications, changes: &mut Vec<Change<'a>>) {
    for (application, gone) in old.iter().filter(|(name, _)| !new.contains_key(*name)) {
        let app_id = gone.app_id.get();
        diff_services(application, app_id, &gone.services, &NONE, changes);
        changes.push(Change::ApplicationGone { application, app_id });
    }
    for (application, new) in new {
        let app_id = new.app_id.get();
        let release = new.commit.as_deref();
        let Some(old) = old.get(application) else {
            changes.push(Change::ApplicationAppeared { application, app_id, release });
            diff_services(application, app_id, &NONE, &new.services, changes);
            continue;
        };
        if old.commit != new.commit {
            let was = old.commit.as_deref();
            changes.push(Change::ReleaseChanged { application, app_id, release, was });
        }
        if old.update_status != new.update_status {
            let (status, was) = (new.update_status.as_ref(), old.update_status.as_ref());
            changes.push(Change::UpdateStatusChanged { application, app_id, status, was });
        }
        diff_services(application, app_id, &old.services, &new.services, changes);
    }
}

fn diff_services<'a>(
    application: &'a str,
    app_id: i64,
    old: &'a Services,
    new: &'a Services,
    changes: &mut Vec<Change<'a>>,
) {
    for (service, gone) in old.iter().filter(|(name, _)| !new.contains_key(*name)) {
        changes.push(Change::ServiceGone { application, app_id, service, was: &gone.status });
    }
    for (service, new) in new {
        let status = &new.status;
        let Some(old) = old.get(service) else {
            changes.push(Change::ServiceAppeared { application, app_id, service, status });
            continue;
        };
        if old.status != new.status {
            let was = &old.status;
            changes.push(Change::ServiceStatusChanged { application, app_id, service, status, was });
        }
        if old.download_progress != new.download_progress {
            let percent = new.download_progress;
            changes.push(Change::DownloadProgress { application, app_id, service, percent });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, ErrorKind};
    use crate::service::device::tests::{at, shop};
    use serde_json::{Value, json};

    fn snapshot(applications: Applications) -> Snapshot {
        let mut snapshot = Snapshot::new(at(0));
        snapshot.succeed(applications, Some(DeviceState::default()), at(1));
        snapshot
    }

    fn told(old: &Snapshot, new: &Snapshot) -> Value {
        json!(diff(old, new).unwrap())
    }

    #[test]
    fn nothing_new_is_no_event_and_the_first_state_has_no_diff() {
        let one = snapshot(shop("a", "done", &[("main", "Running")]));
        let mut same = one.clone();
        same.succeed(shop("a", "done", &[("main", "Running")]), Some(DeviceState::default()), at(2));
        assert_eq!(told(&one, &same), json!([]));
        assert!(diff(&Snapshot::new(at(0)), &one).is_none());
    }

    #[test]
    fn release_update_and_services() {
        let old = snapshot(shop("a", "done", &[("main", "Running"), ("old", "Running")]));
        let new = snapshot(shop("b", "downloading", &[("main", "exited"), ("new", "Downloading")]));
        let app = |mut event: Value| {
            event["application"] = json!("shop");
            event["app_id"] = json!(7);
            event
        };
        assert_eq!(
            told(&old, &new),
            json!([
                app(json!({ "type": "release_changed", "release": "b", "was": "a" })),
                app(json!({ "type": "update_status_changed", "status": "downloading", "was": "done" })),
                app(json!({ "type": "service_gone", "service": "old", "was": "Running" })),
                app(
                    json!({ "type": "service_status_changed", "service": "main", "status": "exited", "was": "Running" })
                ),
                app(json!({ "type": "service_appeared", "service": "new", "status": "Downloading" })),
            ])
        );
    }

    #[test]
    fn applications_progress_and_device() {
        let old = snapshot(shop("a", "done", &[("main", "Downloading")]));
        let mut applications = shop("a", "done", &[("main", "Downloading")]);
        applications.get_mut("shop").unwrap().services.get_mut("main").unwrap().download_progress =
            Some(42.0);
        applications.extend(serde_json::from_value::<Applications>(json!({ "x": { "appId": 8 } })).unwrap());
        let mut new = old.clone();
        let device = DeviceState { ip_address: Some("10.0.0.7".into()), ..DeviceState::default() };
        new.succeed(applications, Some(device), at(2));
        let events = told(&old, &new);
        assert_eq!(events[0]["type"], "download_progress");
        assert_eq!(events[0]["percent"], 42.0);
        assert_eq!(
            events[1],
            json!({ "type": "application_appeared", "application": "x", "app_id": 8, "release": null })
        );
        assert_eq!(events[2], json!({ "type": "device_changed", "device": { "ip_address": "10.0.0.7" } }));
        assert_eq!(
            told(&new, &old)[0],
            json!({ "type": "application_gone", "application": "x", "app_id": 8 })
        );
    }

    #[test]
    fn the_supervisor_is_lost_and_comes_back() {
        let up = snapshot(shop("a", "done", &[]));
        let mut down = up.clone();
        let error = Error::new(ErrorKind::Unreachable, "connection refused");
        down.fail(&error, at(2));
        down.fail(&error, at(3));
        assert_eq!(told(&up, &down), json!([{ "type": "supervisor_lost", "error": "connection refused" }]));
        let mut back = down.clone();
        back.succeed(shop("b", "done", &[]), None, at(4));
        assert_eq!(told(&down, &back)[0], json!({ "type": "supervisor_back" }));
        assert_eq!(told(&down, &back)[1]["type"], "release_changed", "what changed meanwhile is told too");
        let mut refused = down.clone();
        refused.fail(&Error::new(ErrorKind::Unauthorized, "refused the key"), at(4));
        let event = json!({ "type": "supervisor_refused", "error": "refused the key" });
        assert_eq!(told(&down, &refused), json!([event]));
        assert_eq!(told(&up, &refused), json!([event]));
    }
}

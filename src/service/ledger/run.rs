//! What happened to the agent between its last run and this one. Does no I/O and reads no clock.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::entry::{Containers, Evidence, Observation};
use crate::service::clock::{BootId, ClockReading};

/// A boot this long after the agent was stopped need not have to do with it.
const SHUTDOWN_LIMIT: SignedDuration = SignedDuration::from_mins(15);

/// What the agent knows of the device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// Release of the application that the agent belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) release: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) os_version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) supervisor_version: Option<String>,
    /// Whether the supervisor answered: `connected`, `lost` …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) supervisor: Option<String>,
    /// Containers of the services, as far as they were asked for.
    #[serde(default, skip_serializing_if = "Containers::is_empty")]
    pub(crate) containers: Containers,
}

/// What the journal says of one run of the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunRecord {
    pub(crate) boot_id: BootId,
    pub(crate) started: Timestamp,
    /// When this record was last written while the agent ran.
    pub(crate) last_seen: Timestamp,
    /// Whether the wall clock was plausible at `last_seen`.
    #[serde(default)]
    pub(crate) trusted: bool,
    /// Seconds since the boot at `last_seen`.
    #[serde(default)]
    pub(crate) uptime_seconds: u64,
    /// When the agent was told to stop; absent while it runs, and if it was never told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stopped: Option<Timestamp>,
    /// The agent's own container; absent if it can't be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) container: Option<String>,
    /// Version of the agent.
    #[serde(default)]
    pub(crate) version: String,
    #[serde(default)]
    pub(crate) facts: Facts,
}

impl RunRecord {
    /// Returns the record of a run that starts now.
    pub(crate) fn new(now: &ClockReading, container: Option<String>, version: &str) -> Self {
        Self {
            boot_id: now.boot_id.clone(),
            started: now.wall,
            last_seen: now.wall,
            trusted: now.trusted,
            uptime_seconds: now.boot.as_secs(),
            stopped: None,
            container,
            version: version.to_owned(),
            facts: Facts::default(),
        }
    }

    /// Records that the agent runs now, with these facts.
    pub(crate) fn touch(&mut self, now: &ClockReading) {
        (self.last_seen, self.trusted, self.uptime_seconds) = (now.wall, now.trusted, now.boot.as_secs());
    }
}

/// Returns what happened between the last run and this one.
///
/// | boot id | SIGTERM | then it was |
/// |---|---|---|
/// | other | seen | an orderly reboot or shutdown |
/// | other | not seen | an unclean one: power loss, watchdog, kernel panic |
/// | same | seen | the container was stopped: update, restart, a changed variable |
/// | same | not seen | the agent crashed, or was killed: `kill -9`, out of memory |
pub(crate) fn explain(previous: &RunRecord, present: &RunRecord, now: &ClockReading) -> Observation {
    let is_same_boot = previous.boot_id == present.boot_id;
    let mut evidence = vec![match previous.stopped {
        Some(stopped) => Evidence::new("sigterm", format!("SIGTERM was seen at {stopped:.0}")),
        None => Evidence::new("sigterm", "no SIGTERM was seen"),
    }];
    evidence.push(if is_same_boot {
        Evidence::new("boot_id", format!("the device did not reboot: boot id {}", present.boot_id))
    } else {
        let text = format!("boot id {} instead of {}", present.boot_id, previous.boot_id);
        Evidence::new("boot_id", text)
    });
    let (action, detail) = match (is_same_boot, previous.stopped) {
        (false, Some(stopped)) => rebooted(stopped, now),
        (false, None) => (
            "reboot",
            "the device went down without a warning: power loss, watchdog or kernel panic".to_owned(),
        ),
        (true, Some(_)) => ("stop", stopped(previous, present).to_owned()),
        (true, None) => ("crash", killed(previous, present).to_owned()),
    };
    last_known(previous, now, &mut evidence);
    changes(previous, present, &mut evidence);
    let target = is_same_boot.then(|| "agent".to_owned());
    Observation { action, target, detail, evidence }
}

/// A stop and then another boot. The agent can't see a device go down that it has left before.
fn rebooted(stopped: Timestamp, now: &ClockReading) -> (&'static str, String) {
    let gap = booted(now).map(|booted| booted.duration_since(stopped));
    let detail = match gap {
        Some(gap) if gap > SHUTDOWN_LIMIT => format!(
            "the agent was stopped, and {} min later the device booted; how it went down in between was not seen",
            gap.as_secs() / 60
        ),
        _ => "the device was rebooted or shut down in an orderly way".to_owned(),
    };
    ("reboot", detail)
}

/// Returns when this boot began; `None` if the clock is wrong.
fn booted(now: &ClockReading) -> Option<Timestamp> {
    now.wall.checked_sub(now.boot).ok().filter(|_| now.trusted)
}

fn stopped(previous: &RunRecord, present: &RunRecord) -> &'static str {
    match is_other_container(previous, present) {
        _ if is_other_release(previous, present) => {
            "the agent's container was replaced by that of a new release"
        }
        Some(true) => {
            "the agent's container was recreated: a restart of the application, a purge or a changed variable"
        }
        Some(false) => {
            "the agent's container was stopped and started again: the engine, or start and stop by hand"
        }
        None => "the agent's container was stopped: an update, a restart or a changed variable",
    }
}

fn killed(previous: &RunRecord, present: &RunRecord) -> &'static str {
    match is_other_container(previous, present) {
        _ if is_other_release(previous, present) => {
            "the agent was killed, and its container replaced by that of a new release"
        }
        Some(true) => "the agent was killed, and its container recreated",
        _ => {
            "the agent ended without being asked: a crash, kill -9 or out of memory; the engine started it again"
        }
    }
}

/// Returns whether the container is another one; `None` if that can't be told.
fn is_other_container(previous: &RunRecord, present: &RunRecord) -> Option<bool> {
    Some(previous.container.as_ref()? != present.container.as_ref()?)
}

fn is_other_release(previous: &RunRecord, present: &RunRecord) -> bool {
    let releases = previous.facts.release.as_ref().zip(present.facts.release.as_ref());
    releases.is_some_and(|(was, is)| was != is)
}

/// Adds when the agent was last seen, and what it knew then.
fn last_known(previous: &RunRecord, now: &ClockReading, evidence: &mut Vec<Evidence>) {
    let clock = if previous.trusted { "" } else { " by a clock that was not set" };
    let text = format!(
        "the agent was last seen at {:.0}{clock}, {} min after the boot",
        previous.last_seen,
        previous.uptime_seconds / 60
    );
    evidence.push(Evidence::new("last_seen", text));
    if let Some(supervisor) = &previous.facts.supervisor {
        evidence.push(Evidence::new("supervisor", format!("the supervisor was {supervisor}")));
    }
    match booted(now) {
        Some(booted) => evidence.push(Evidence::new("booted", format!("the device booted at {booted:.0}"))),
        None => evidence.push(Evidence::new("clock", "the clock is not set yet, so times may be wrong")),
    }
}

fn changes(previous: &RunRecord, present: &RunRecord, evidence: &mut Vec<Evidence>) {
    let (was, is) = (&previous.facts, &present.facts);
    let table = [
        ("container", "container", &previous.container, &present.container),
        ("release", "release", &was.release, &is.release),
        ("os_version", "host OS", &was.os_version, &is.os_version),
        ("supervisor_version", "supervisor", &was.supervisor_version, &is.supervisor_version),
    ];
    for (fact, what, was, is) in table {
        let text = match (was, is) {
            (Some(was), Some(is)) if was == is => format!("the same {what}: {is}"),
            (Some(was), Some(is)) => format!("{what} {is} instead of {was}"),
            _ => continue,
        };
        evidence.push(Evidence::new(fact, text));
    }
    let replaced: Vec<&str> = is
        .containers
        .iter()
        .filter(|(service, id)| was.containers.get(*service).is_some_and(|old| old != *id))
        .map(|(service, _)| service.as_str())
        .collect();
    if !replaced.is_empty() {
        let text = format!("services with new containers: {}", replaced.join(", "));
        evidence.push(Evidence::new("container", text));
    }
    if previous.version != present.version {
        let text = format!("agent {} instead of {}", present.version, previous.version);
        evidence.push(Evidence::new("agent_version", text));
    }
}

#[cfg(test)]
mod tests;

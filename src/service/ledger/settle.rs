//! What came of the acts that were about to begin when the agent last ended. Nothing is done again: the ledger only
//! tells. Does no I/O and reads no clock.

use std::collections::BTreeMap;
use std::time::Duration;

use super::entry::{Containers, Entry, Evidence, Outcome};
use crate::service::clock::ClockReading;

/// Time in which a device that was told to reboot goes down. The agent may be started again before that.
const REBOOT_LIMIT: Duration = Duration::from_secs(300);

/// Whether the supervisor may still tell more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// It has not answered with all of its state yet.
    Waiting,
    /// It has answered, or waiting longer makes no sense.
    Over,
}

/// What is seen after the start.
#[derive(Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) now: &'a ClockReading,
    /// Containers by service; `None` if they could not be asked for.
    pub(crate) containers: Option<&'a Containers>,
    /// Whether each service runs; `None` if nothing is known.
    pub(crate) running: Option<&'a BTreeMap<String, bool>>,
    pub(crate) patience: Patience,
}

/// Returns what came of an intent of an earlier run; `None` if it is too early to tell.
pub(crate) fn settle(intent: &Entry, seen: &Seen<'_>) -> Option<(Outcome, Vec<Evidence>)> {
    match intent.action.as_str() {
        "reboot" | "shutdown" => reboot(intent, seen.now),
        _ if seen.patience == Patience::Waiting => None,
        "restart" | "purge" => Some(restart(intent, seen)),
        "start" => Some(status(intent, seen, Running::Yes)),
        "stop" => Some(status(intent, seen, Running::No)),
        _ => Some((Outcome::Unknown("the agent ended before it saw the result".to_owned()), Vec::new())),
    }
}

fn reboot(intent: &Entry, now: &ClockReading) -> Option<(Outcome, Vec<Evidence>)> {
    if intent.boot_id != now.boot_id {
        let text = format!("boot id {} instead of {}", now.boot_id, intent.boot_id);
        return Some((Outcome::Done, vec![Evidence::new("boot_id", text)]));
    }
    let since = now.boot.saturating_sub(Duration::from_secs(intent.uptime_seconds));
    (since >= REBOOT_LIMIT).then(|| {
        let text = format!("still boot id {}, {} s after the intent", now.boot_id, since.as_secs());
        let outcome = Outcome::Failed("the device did not go down".to_owned());
        (outcome, vec![Evidence::new("boot_id", text)])
    })
}

/// A restart gives each service a new container.
fn restart(intent: &Entry, seen: &Seen<'_>) -> (Outcome, Vec<Evidence>) {
    let (Some(before), Some(after)) = (&intent.before, seen.containers) else {
        let why = "the containers before or after are not known, so there is nothing to compare";
        return (Outcome::Unknown(why.to_owned()), Vec::new());
    };
    let (mut same, mut other, mut evidence) = (0, 0, Vec::new());
    for (service, was) in before {
        if intent.target.as_ref().is_some_and(|target| target != service) {
            continue;
        }
        let Some(is) = after.get(service) else { continue };
        let text = if was == is {
            same += 1;
            format!("{service} still has container {was}")
        } else {
            other += 1;
            format!("{service} has container {is} instead of {was}")
        };
        evidence.push(Evidence::new("container", text));
    }
    let outcome = match (same, other) {
        (0, 0) => Outcome::Unknown("no container is known before and after".to_owned()),
        (0, _) => Outcome::Done,
        (_, 0) => Outcome::Failed("no container was replaced".to_owned()),
        _ => Outcome::Unknown("only some containers were replaced".to_owned()),
    };
    (outcome, evidence)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Running {
    Yes,
    No,
}

/// A start or stop is seen in the status.
fn status(intent: &Entry, seen: &Seen<'_>, wanted: Running) -> (Outcome, Vec<Evidence>) {
    let runs = intent.target.as_ref().and_then(|service| seen.running?.get(service));
    let Some(&runs) = runs else {
        return (Outcome::Unknown("the status of the service is not known".to_owned()), Vec::new());
    };
    let text = if runs { "the service runs" } else { "the service does not run" };
    let outcome =
        if runs == (wanted == Running::Yes) { Outcome::Done } else { Outcome::Failed(text.to_owned()) };
    (outcome, vec![Evidence::new("status", text)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::ledger::tests::reading;

    const START: &str = "2026-11-29T03:00:00Z";

    fn containers(pairs: &[(&str, &str)]) -> Containers {
        pairs.iter().map(|(service, id)| ((*service).to_owned(), (*id).to_owned())).collect()
    }

    fn intent(action: &str, target: Option<&str>) -> Entry {
        let mut intent = Entry::new(1, &reading(START, "a", 1000), "main".into(), action.into());
        intent.target = target.map(Into::into);
        intent.before = Some(containers(&[("main", "m1"), ("db", "d1")]));
        intent
    }

    fn word(settled: Option<(Outcome, Vec<Evidence>)>) -> &'static str {
        match settled.map(|(outcome, _)| outcome) {
            None => "wait",
            Some(Outcome::Done) => "done",
            Some(Outcome::Failed(_)) => "failed",
            Some(Outcome::Refused(_)) => "refused",
            Some(Outcome::Unknown(_)) => "unknown",
        }
    }

    #[test]
    fn a_reboot_is_seen_by_the_boot_id() {
        for (action, boot_id, uptime, expected) in [
            ("reboot", "b", 10, "done"),
            ("shutdown", "b", 10, "done"),
            ("reboot", "a", 1002, "wait"),
            ("reboot", "a", 1301, "failed"),
        ] {
            let now = reading(START, boot_id, uptime);
            let seen = Seen { now: &now, containers: None, running: None, patience: Patience::Waiting };
            assert_eq!(word(settle(&intent(action, None), &seen)), expected, "{action} {boot_id} {uptime}");
        }
    }

    #[test]
    fn what_the_supervisor_tells_closes_the_others() {
        type Pairs = &'static [(&'static str, &'static str)];
        type Row = (&'static str, Option<&'static str>, Option<Pairs>, Option<bool>, &'static str);
        let table: [Row; 13] = [
            ("restart", Some("main"), Some(&[("main", "m2"), ("db", "d1")]), None, "done"),
            ("restart", Some("main"), Some(&[("main", "m1"), ("db", "d2")]), None, "failed"),
            ("restart", Some("main"), Some(&[("db", "d1")]), None, "unknown"),
            ("restart", Some("main"), None, None, "unknown"),
            ("restart", None, Some(&[("main", "m2"), ("db", "d2")]), None, "done"),
            ("restart", None, Some(&[("main", "m2"), ("db", "d1")]), None, "unknown"),
            ("purge", None, Some(&[("main", "m2"), ("db", "d2")]), None, "done"),
            ("start", Some("main"), None, Some(true), "done"),
            ("start", Some("main"), None, Some(false), "failed"),
            ("stop", Some("main"), None, Some(false), "done"),
            ("stop", Some("main"), None, Some(true), "failed"),
            ("stop", Some("main"), None, None, "unknown"),
            ("update", None, None, None, "unknown"),
        ];
        for (action, target, after, runs, expected) in table {
            let now = reading(START, "a", 1010);
            let after = after.map(containers);
            let running = runs.map(|runs| BTreeMap::from([("main".to_owned(), runs)]));
            let mut seen = Seen {
                now: &now,
                containers: after.as_ref(),
                running: running.as_ref(),
                patience: Patience::Waiting,
            };
            assert_eq!(word(settle(&intent(action, target), &seen)), "wait", "{action}");
            seen.patience = Patience::Over;
            assert_eq!(
                word(settle(&intent(action, target), &seen)),
                expected,
                "{action} {target:?} {after:?}"
            );
        }
    }

    #[test]
    fn without_the_containers_of_before_a_restart_is_unknown() {
        let now = reading(START, "a", 1010);
        let after = containers(&[("main", "m2")]);
        let mut intent = intent("restart", None);
        intent.before = None;
        let seen = Seen { now: &now, containers: Some(&after), running: None, patience: Patience::Over };
        assert_eq!(word(settle(&intent, &seen)), "unknown");
    }
}

//! What happened to the services without the agent, from two looks at the device. Does no I/O and reads no clock.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::entry::{Containers, Evidence, Observation};
use crate::service::device::Applications;
use crate::supervisor::ServiceStatus;

/// An act of the agent explains what is seen within this time after it. An application with many services takes
/// minutes to restart.
const ACT_EXPLAINS: Duration = Duration::from_secs(300);
/// Number of the agent's last acts that are remembered.
const ACTS: usize = 32;
/// The same observation is written at most once in this time. A service in a restart loop must not fill the ledger.
const REPEAT_INTERVAL: Duration = Duration::from_secs(3600);
/// Number of different observations that are counted. Beyond that the oldest is forgotten.
const COUNTED: usize = 64;

/// One look at the device while nothing was in transition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Look {
    /// Release by application.
    releases: BTreeMap<String, String>,
    /// Whether each service runs.
    pub(crate) runs: BTreeMap<String, bool>,
    /// Containers by service; empty if they were not asked for.
    pub(crate) containers: Containers,
}

impl Look {
    pub(crate) fn new(applications: &Applications, containers: Containers) -> Self {
        let releases = applications
            .iter()
            .filter_map(|(name, application)| Some((name.clone(), application.commit.clone()?)))
            .collect();
        let runs = applications
            .values()
            .flat_map(|application| &application.services)
            .map(|(name, service)| (name.clone(), service.status == ServiceStatus::Running))
            .collect();
        Self { releases, runs, containers }
    }
}

/// Returns what changed between two looks.
pub(crate) fn observe(was: &Look, is: &Look) -> Vec<Observation> {
    let mut seen = Vec::new();
    let replaced: Vec<Evidence> = is
        .containers
        .iter()
        .filter_map(|(service, new)| {
            let old = was.containers.get(service).filter(|old| *old != new)?;
            Some(Evidence::new("container", format!("{service} has container {new} instead of {old}")))
        })
        .collect();
    for (application, release) in &is.releases {
        if let Some(old) = was.releases.get(application).filter(|old| *old != release) {
            let mut evidence = vec![Evidence::new("release", format!("release {release} instead of {old}"))];
            evidence.extend(replaced.iter().cloned());
            let detail = format!("{application} was updated");
            seen.push(Observation { action: "update", target: Some(application.clone()), detail, evidence });
        }
    }
    if !seen.is_empty() {
        // An update replaces, starts and stops services; those are no events of their own.
        return seen;
    }
    for (service, runs) in &is.runs {
        let new = is.containers.get(service).zip(was.containers.get(service)).filter(|(new, old)| new != old);
        let container = |text: String| vec![Evidence::new("container", text)];
        let (action, detail, evidence) = match (was.runs.get(service), runs, new) {
            (Some(_), true, Some((new, old))) => {
                let text = format!("container {new} instead of {old}");
                ("restart", format!("{service} was restarted in a new container"), container(text))
            }
            (Some(true), false, _) => ("stop", format!("{service} stopped"), Vec::new()),
            (Some(false), true, _) => ("start", format!("{service} was started"), Vec::new()),
            _ => continue,
        };
        seen.push(Observation { action, target: Some(service.clone()), detail, evidence });
    }
    seen
}

/// The agent's last acts, and how often each observation was written. Tells which observations are news.
#[derive(Debug, Default)]
pub(crate) struct News {
    acts: VecDeque<(Duration, String, Option<String>)>,
    written: VecDeque<Written>,
}

#[derive(Debug)]
struct Written {
    action: &'static str,
    target: Option<String>,
    at: Duration,
    /// Times that it was seen since.
    again: u32,
}

impl News {
    /// Remembers an act of the agent. `now` is the boot clock.
    pub(crate) fn acted(&mut self, action: &str, target: Option<&str>, now: Duration) {
        self.acts.truncate(ACTS - 1);
        self.acts.push_front((now, action.to_owned(), target.map(str::to_owned)));
    }

    /// Returns the observation if it is to be written: not explained by an act of the agent, and not written within
    /// the last hour. Otherwise it is only counted.
    pub(crate) fn filter(&mut self, mut seen: Observation, now: Duration) -> Option<Observation> {
        if self.acts.iter().any(|(at, action, target)| {
            now.saturating_sub(*at) <= ACT_EXPLAINS && explains(action, target.as_deref(), &seen)
        }) {
            return None;
        }
        let known =
            self.written.iter_mut().find(|known| known.action == seen.action && known.target == seen.target);
        if let Some(known) = known {
            if now.saturating_sub(known.at) < REPEAT_INTERVAL {
                known.again = known.again.saturating_add(1);
                return None;
            }
            if known.again > 0 {
                let text = format!("seen {} times more since it was last written", known.again);
                seen.evidence.push(Evidence::new("repeated", text));
            }
            (known.at, known.again) = (now, 0);
            return Some(seen);
        }
        self.written.truncate(COUNTED - 1);
        let (action, target) = (seen.action, seen.target.clone());
        self.written.push_front(Written { action, target, at: now, again: 0 });
        Some(seen)
    }
}

/// Returns whether an act of the agent explains what is seen. A triggered update does not: which release comes in is
/// decided elsewhere.
fn explains(action: &str, target: Option<&str>, seen: &Observation) -> bool {
    let is_same_target = target.is_none() || target == seen.target.as_deref();
    match action {
        // An application restart starts stopped services as well. A restart may be seen as a stop in between.
        "restart" | "purge" => matches!(seen.action, "restart" | "start" | "stop") && is_same_target,
        "start" | "stop" => seen.action == action && is_same_target,
        "reboot" | "shutdown" => matches!(seen.action, "stop" | "start"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::device::tests::shop;

    fn look(release: &str, services: &[(&str, &str)], containers: &[(&str, &str)]) -> Look {
        let containers = containers.iter().map(|(name, id)| ((*name).into(), (*id).into())).collect();
        Look::new(&shop(release, "done", services), containers)
    }

    fn words(seen: &[Observation]) -> Vec<String> {
        seen.iter()
            .map(|seen| format!("{} {}", seen.action, seen.target.as_deref().unwrap_or_default()))
            .collect()
    }

    #[test]
    fn what_two_looks_tell() {
        let was = look("a", &[("db", "Running"), ("main", "Running")], &[("db", "d1"), ("main", "m1")]);
        let table: [(Look, &[&str]); 6] = [
            (was.clone(), &[]),
            (look("a", &[("db", "exited"), ("main", "Running")], &[]), &["stop db"]),
            (look("a", &[("db", "Running"), ("main", "Running")], &[("main", "m2")]), &["restart main"]),
            (look("b", &[("db", "Running"), ("new", "Running")], &[("db", "d2")]), &["update shop"]),
            (look("a", &[("db", "Running")], &[]), &[]),
            (
                look("a", &[("db", "Running"), ("main", "exited")], &[("db", "d2"), ("main", "m1")]),
                &["restart db", "stop main"],
            ),
        ];
        for (is, expected) in table {
            assert_eq!(words(&observe(&was, &is)), expected, "{is:?}");
        }
        let stopped = look("a", &[("db", "exited"), ("main", "Running")], &[]);
        assert_eq!(words(&observe(&stopped, &was)), ["start db"]);
        let update = observe(&was, &look("b", &[("db", "Running")], &[("db", "d2")]));
        assert_eq!(update[0].evidence.len(), 2, "the replaced container is evidence of the update");
    }

    #[test]
    fn own_acts_are_no_news() {
        let seen = |action, target: &str| Observation {
            action,
            target: Some(target.into()),
            detail: String::new(),
            evidence: Vec::new(),
        };
        let second = Duration::from_secs;
        let mut news = News::default();
        news.acted("restart", Some("main"), second(100));
        assert_eq!(news.filter(seen("restart", "main"), second(110)), None);
        assert!(news.filter(seen("restart", "db"), second(110)).is_some());
        assert!(news.filter(seen("restart", "main"), second(401)).is_some(), "long after");
        news.acted("restart", None, second(500));
        assert_eq!(news.filter(seen("start", "db"), second(510)), None, "all services");
        news.acted("update", None, second(500));
        assert!(news.filter(seen("update", "shop"), second(510)).is_some(), "a trigger names no release");
        for _ in 0..100 {
            news.acted("start", Some("x"), second(600));
        }
        assert_eq!(news.acts.len(), ACTS);
    }

    #[test]
    fn a_restart_loop_is_written_once_an_hour() {
        let mut news = News::default();
        let seen = || Observation {
            action: "stop",
            target: Some("main".into()),
            detail: String::new(),
            evidence: Vec::new(),
        };
        let written: Vec<Observation> =
            (0..24 * 60).filter_map(|minute| news.filter(seen(), Duration::from_secs(60 * minute))).collect();
        assert_eq!(written.len(), 24);
        assert_eq!(written[1].evidence[0].text, "seen 59 times more since it was last written");
        for number in 0..1000 {
            let other = Observation { target: Some(format!("s{number}")), ..seen() };
            news.filter(other, Duration::ZERO);
        }
        assert_eq!(news.written.len(), COUNTED);
    }
}

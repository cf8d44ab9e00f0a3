use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::entry::ResultWord::{Done, Failed, Pending, Refused};
use super::entry::{Containers, Evidence, OUTSIDE, Observation, ResultWord};
use super::run::Facts;
use super::settle::{Patience, Seen};
use super::*;
use crate::service::clock::{BootId, ClockReading, ServiceClock};
use crate::service::config::LedgerLimits;
use crate::service::events::EventLog;
use crate::service::journal::{Durability, Journal, Kind};

pub(super) const LIMITS: LedgerLimits =
    LedgerLimits { entries: 1000, bytes: 256 * 1024, age: Duration::from_secs(90 * 24 * 3600) };

const KEY: &str = "k3ykeyk3y0123456789abcdefk3ykeyk";

/// A reading of a clock that is right.
pub(super) fn reading(wall: &str, boot_id: &str, uptime: u64) -> ClockReading {
    ClockReading {
        wall: wall.parse().unwrap(),
        boot: Duration::from_secs(uptime),
        boot_id: BootId::from(boot_id),
        trusted: true,
    }
}

/// A clock that tests set.
#[derive(Debug)]
struct Set(Mutex<ClockReading>);

impl ServiceClock for Set {
    fn read(&self) -> ClockReading {
        self.0.lock().unwrap().clone()
    }
}

/// A device with a journal that survives, and the present run of the agent.
struct Device {
    journal: Journal,
    clock: Arc<Set>,
    containers: Containers,
    runs: bool,
    ledger: Ledger,
}

impl Device {
    fn new() -> Self {
        let journal = Journal::in_memory();
        let clock = Arc::new(Set(Mutex::new(reading("2026-11-29T03:00:00Z", "a", 1000))));
        let containers =
            [("main", "m1"), ("db", "d1")].map(|(name, id)| (name.to_owned(), id.to_owned())).into();
        let ledger = opened(&journal, &clock);
        Self { journal, clock, containers, runs: true, ledger }
    }

    /// Starts a run and lets it learn what the device is like.
    async fn start(&mut self) {
        self.ledger = opened(&self.journal, &self.clock);
        self.ledger.begin_in(Some("agent1".into())).await.unwrap();
    }

    async fn learn(&self) {
        let facts = Facts { containers: self.containers.clone(), ..Facts::default() };
        self.ledger.complete_first_line(facts, Vec::new()).await.unwrap();
    }

    async fn settle(&self) -> bool {
        let now = self.clock.read();
        let running = [("main".to_owned(), self.runs)].into();
        let seen = Seen {
            now: &now,
            containers: Some(&self.containers),
            running: Some(&running),
            patience: Patience::Over,
        };
        self.ledger.settle(&seen).await.unwrap()
    }

    fn pass(&self, seconds: u64) {
        let mut now = self.clock.0.lock().unwrap();
        now.wall = now.wall.checked_add(Duration::from_secs(seconds)).unwrap();
        now.boot += Duration::from_secs(seconds);
    }

    fn reboot(&self) {
        self.pass(60);
        let mut now = self.clock.0.lock().unwrap();
        (now.boot_id, now.boot) = (BootId::from("b"), Duration::from_secs(20));
    }

    fn lines(&self) -> Vec<(String, String, ResultWord)> {
        let mut lines: Vec<_> = self
            .ledger
            .list(&LedgerFilter::default())
            .into_iter()
            .map(|line| (line.actor, line.action, line.result))
            .collect();
        lines.reverse();
        lines
    }
}

fn opened(journal: &Journal, clock: &Arc<Set>) -> Ledger {
    let secrets = Secrets::new([KEY.to_owned().into()]);
    let ledger = Ledger::new(EventLog::new(16), clock.clone(), secrets, LIMITS);
    ledger.open(journal.clone());
    ledger
}

fn intent(action: &str, target: Option<&str>) -> Intent {
    Intent {
        actor: "backup".into(),
        action: action.into(),
        target: target.map(Into::into),
        reason: Some("nightly".into()),
        forced: false,
    }
}

fn line(actor: &str, action: &str, result: ResultWord) -> (String, String, ResultWord) {
    (actor.into(), action.into(), result)
}

/// How far an act came before the agent was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Step {
    IntentWritten,
    ActDone,
    CloseWritten,
}

#[tokio::test]
async fn killed_at_each_step_of_an_act_the_ledger_tells_what_came_of_it() {
    let acts = [("reboot", None), ("restart", Some("main")), ("restart", None), ("stop", Some("main"))];
    for (action, target) in acts {
        for step in [Step::IntentWritten, Step::ActDone, Step::CloseWritten] {
            let mut device = Device::new();
            device.start().await;
            device.learn().await;
            let (id, _) = device.ledger.intend(intent(action, target)).await.unwrap();
            if step >= Step::ActDone {
                match (action, target) {
                    ("reboot", _) => device.reboot(),
                    ("stop", _) => device.runs = false,
                    (_, Some(_)) => drop(device.containers.insert("main".into(), "m2".into())),
                    _ => device.containers.values_mut().for_each(|id| id.push('2')),
                }
            }
            if step == Step::CloseWritten {
                device.ledger.close(id, Outcome::Done).await.unwrap();
            }
            // Killed, and started again: once, and once more before the result is settled.
            device.start().await;
            device.start().await;
            device.pass(301);
            assert!(!device.settle().await, "nothing is left open");
            let expected = if step == Step::IntentWritten { Failed } else { Done };
            let lines = device.lines();
            let own: Vec<_> = lines.iter().filter(|(actor, ..)| actor == "backup").collect();
            assert_eq!(own, [&line("backup", action, expected)], "{action} {target:?} {step:?}: {lines:?}");
            assert!(!device.settle().await);
            assert_eq!(device.lines(), lines, "a second look changes nothing");
        }
    }
}

#[tokio::test]
async fn an_asked_reboot_is_one_line_with_the_evidence() {
    let mut device = Device::new();
    device.start().await;
    device.learn().await;
    device.ledger.intend(intent("reboot", None)).await.unwrap();
    device.ledger.stopped().await.unwrap();
    device.reboot();
    device.start().await;
    device.settle().await;
    assert_eq!(device.lines(), [line("agent", "start", Done), line("backup", "reboot", Done)]);
    let reboot = device.ledger.list(&LedgerFilter::default()).remove(0);
    let facts: Vec<&str> = reboot.evidence.iter().map(|evidence| evidence.fact.as_str()).collect();
    assert!(facts.contains(&"sigterm") && facts.contains(&"boot_id"), "{facts:?}");
    assert!(facts.contains(&"last_seen"), "{facts:?}");
    assert_eq!(reboot.reason.as_deref(), Some("nightly"));
}

#[tokio::test]
async fn a_power_cut_is_told_with_what_was_last_known() {
    let mut device = Device::new();
    device.start().await;
    device.learn().await;
    device.reboot();
    device.start().await;
    assert_eq!(device.lines()[1], line(OUTSIDE, "reboot", Done));
    let replaced = [("main", "m2"), ("db", "d1")].map(|(name, id)| (name.to_owned(), id.to_owned()));
    device.containers = replaced.into();
    device.learn().await;
    let lines = device.ledger.list(&LedgerFilter::default());
    assert_eq!(lines.len(), 2, "completed, not written again");
    assert!(!lines[0].through_agent && lines[0].detail.as_ref().unwrap().contains("power loss"));
    let texts: Vec<&str> = lines[0].evidence.iter().map(|evidence| evidence.text.as_str()).collect();
    assert!(texts.contains(&"no SIGTERM was seen"), "{texts:#?}");
    assert!(texts.contains(&"services with new containers: main"), "{texts:#?}");
}

#[tokio::test]
async fn results_are_written_once_and_secrets_never() {
    let mut device = Device::new();
    device.start().await;
    let asked = Intent {
        reason: Some(format!("{KEY}\nsaid so {}", "x".repeat(5000))),
        actor: format!("backup {KEY}"),
        target: Some(KEY.into()),
        ..intent("restart", None)
    };
    let (id, durability) = device.ledger.intend(asked).await.unwrap();
    assert_eq!(durability, Durability::MemoryOnly, "said, and no error");
    assert_eq!(device.lines()[1].2, Pending);
    device.ledger.close(id, Outcome::Refused(format!("locked, key {KEY}"))).await.unwrap();
    device.ledger.close(id, Outcome::Done).await.unwrap();
    assert_eq!(device.lines()[1].2, Refused, "the first result stays");
    let detail = format!("stopped by {KEY}");
    let evidence = vec![Evidence::new("journal", KEY)];
    let seen = Observation { action: "stop", target: Some("db".into()), detail, evidence };
    device.ledger.observe(seen).await.unwrap();
    let bytes: Vec<u8> = [Kind::LEDGER, Kind::BOOT]
        .into_iter()
        .flat_map(|kind| device.journal.entries(kind))
        .flat_map(|(_, value)| value)
        .collect();
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains("[REDACTED]") && !text.contains(KEY), "{text}");
    let line = &device.ledger.list(&LedgerFilter::default())[1];
    assert!(line.reason.as_ref().unwrap().chars().count() <= text::LONGEST);
}

#[tokio::test]
async fn a_start_costs_two_commits_and_an_act_two() {
    let mut device = Device::new();
    let commits = |device: &Device| device.journal.status().commits;
    device.start().await;
    device.learn().await;
    assert_eq!(commits(&device), 2);
    let (id, _) = device.ledger.intend(intent("restart", Some("main"))).await.unwrap();
    device.ledger.close(id, Outcome::Done).await.unwrap();
    assert_eq!(commits(&device), 4);
    device.settle().await;
    assert_eq!(commits(&device), 4);
    device.ledger.stopped().await.unwrap();
    device.ledger.touch(Facts::default()).await.unwrap();
    assert_eq!(commits(&device), 5, "the stop is the last word");
}

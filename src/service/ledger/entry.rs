//! One line of the ledger: who did what to what, why, and what came of it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::service::clock::{BootId, ClockReading};

/// The actor of what happened without the agent. No client can have this name.
pub(crate) const OUTSIDE: &str = "not-through-agent";

/// Containers by service, by the first 12 digits of their ids.
pub(crate) type Containers = BTreeMap<String, String>;

/// What came of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ResultWord {
    /// The act was about to begin; its end was not seen yet.
    Pending,
    /// It took effect.
    Done,
    /// It took no effect.
    Failed,
    /// It was refused, e.g. because of an update lock.
    Refused,
    /// It can't be told. Also what a newer release writes.
    #[serde(other)]
    Unknown,
}

/// One thing that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Evidence {
    /// What kind of thing: `sigterm`, `boot_id`, `last_seen`, `release`, `container`, `supervisor`, `journal` …
    pub(crate) fact: String,
    /// A sentence for people.
    pub(crate) text: String,
}

impl Evidence {
    pub(crate) fn new(fact: &str, text: impl Into<String>) -> Self {
        Self { fact: fact.to_owned(), text: text.into() }
    }
}

/// One line of the ledger, as the journal stores it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Position in the ledger; the first line has 1.
    pub(crate) id: u64,
    /// Wall clock when the line was written.
    pub(crate) time: Timestamp,
    /// Whether the wall clock was plausible then.
    #[serde(default)]
    pub(crate) trusted: bool,
    pub(crate) boot_id: BootId,
    /// Seconds since that boot.
    #[serde(default)]
    pub(crate) uptime_seconds: u64,
    /// Name of the client, `agent`, or [`OUTSIDE`].
    pub(crate) actor: String,
    /// What was done: `reboot`, `restart`, `update` …
    pub(crate) action: String,
    /// What it was done to, e.g. a service. Absent for the whole application or device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<String>,
    /// Why, in the actor's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// Whether update locks of others were overridden.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) forced: bool,
    pub(crate) result: ResultWord,
    /// Why it failed, was refused or is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    /// When the result was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) closed: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) evidence: Vec<Evidence>,
    /// The containers when the act was about to begin, while it is pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<Containers>,
}

/// What is about to be done.
#[derive(Debug, Clone, Default)]
pub(crate) struct Intent {
    pub(crate) actor: String,
    pub(crate) action: String,
    pub(crate) target: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) forced: bool,
}

/// What came of an intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    Failed(String),
    Refused(String),
    Unknown(String),
}

impl Outcome {
    /// Returns the word and the detail.
    pub(super) fn parts(self) -> (ResultWord, Option<String>) {
        match self {
            Self::Done => (ResultWord::Done, None),
            Self::Failed(why) => (ResultWord::Failed, Some(why)),
            Self::Refused(why) => (ResultWord::Refused, Some(why)),
            Self::Unknown(why) => (ResultWord::Unknown, Some(why)),
        }
    }
}

/// What happened without the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Observation {
    pub(crate) action: &'static str,
    pub(crate) target: Option<String>,
    /// What it was, in a sentence.
    pub(crate) detail: String,
    pub(crate) evidence: Vec<Evidence>,
}

impl Entry {
    /// Returns an entry without a result, of this time.
    pub(super) fn new(id: u64, now: &ClockReading, actor: String, action: String) -> Self {
        Self {
            id,
            time: now.wall,
            trusted: now.trusted,
            boot_id: now.boot_id.clone(),
            uptime_seconds: now.boot.as_secs(),
            actor,
            action,
            target: None,
            reason: None,
            forced: false,
            result: ResultWord::Pending,
            detail: None,
            closed: None,
            evidence: Vec::new(),
            before: None,
        }
    }

    /// Returns the time of the line. If the clock was wrong then, and it is the same boot, that is now known.
    pub(crate) fn corrected_time(&self, now: &ClockReading) -> (Timestamp, bool) {
        if !self.trusted && now.trusted && self.boot_id == now.boot_id {
            let age = now.boot.saturating_sub(Duration::from_secs(self.uptime_seconds));
            if let Ok(time) = now.wall.checked_sub(age) {
                return (time, true);
            }
        }
        (self.time, self.trusted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::ledger::tests::reading;

    #[test]
    fn what_a_newer_release_writes_can_be_read() {
        let text = r#"{"id":7,"time":"2026-11-29T03:00:00Z","boot_id":"a","actor":"main","action":"melt",
            "result":"postponed","priority":3,"evidence":[{"fact":"x","text":"y","more":1}]}"#;
        let entry: Entry = serde_json::from_str(text).unwrap();
        assert_eq!((entry.id, entry.result, entry.forced), (7, ResultWord::Unknown, false));
        assert_eq!(entry.evidence, [Evidence::new("x", "y")]);
    }

    #[test]
    fn a_time_of_a_wrong_clock_is_corrected_within_the_boot() {
        let mut early = reading("1970-01-01T00:00:20Z", "a", 20);
        early.trusted = false;
        let entry = Entry::new(1, &early, "agent".into(), "start".into());
        let later = reading("2026-11-29T03:01:00Z", "a", 80);
        let corrected: Timestamp = "2026-11-29T03:00:00Z".parse().unwrap();
        assert_eq!(entry.corrected_time(&later), (corrected, true));
        let another_boot = reading("2026-11-29T03:01:00Z", "b", 80);
        assert_eq!(entry.corrected_time(&another_boot), (early.wall, false));
    }
}

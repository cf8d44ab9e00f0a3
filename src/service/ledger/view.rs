//! A line of the ledger as clients see it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::entry::{Entry, Evidence, OUTSIDE, ResultWord};
use crate::service::clock::ClockReading;

/// A line of the ledger as clients see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EntryView {
    pub(crate) id: u64,
    pub(crate) time: Timestamp,
    /// Whether the clock was right when the line was written, or is known since.
    pub(crate) time_trusted: bool,
    pub(crate) boot_id: String,
    /// Name of the client, `agent`, or `not-through-agent`.
    pub(crate) actor: String,
    pub(crate) through_agent: bool,
    pub(crate) action: String,
    pub(crate) target: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) forced: bool,
    pub(crate) result: ResultWord,
    pub(crate) detail: Option<String>,
    pub(crate) closed: Option<Timestamp>,
    pub(crate) evidence: Vec<Evidence>,
}

/// The line as an event. `time` and `id` of an event are its own.
#[derive(Debug, Serialize)]
pub(crate) struct LedgerEvent<'a> {
    entry: &'a EntryView,
}

impl EntryView {
    pub(super) fn new(entry: Entry, now: &ClockReading) -> Self {
        let (time, time_trusted) = entry.corrected_time(now);
        Self {
            id: entry.id,
            time,
            time_trusted,
            boot_id: entry.boot_id.as_str().to_owned(),
            through_agent: entry.actor != OUTSIDE,
            actor: entry.actor,
            action: entry.action,
            target: entry.target,
            reason: entry.reason,
            forced: entry.forced,
            result: entry.result,
            detail: entry.detail,
            closed: entry.closed,
            evidence: entry.evidence,
        }
    }

    pub(super) fn as_event(&self) -> LedgerEvent<'_> {
        LedgerEvent { entry: self }
    }
}

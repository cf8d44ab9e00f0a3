//! The first and the last line of a run: what happened since the last one, what came of open intents, and that the
//! agent was told to stop.

use super::container;
use super::entry::{Entry, Evidence, OUTSIDE, Observation, ResultWord};
use super::run::{Facts, RunRecord, explain};
use super::settle::{Seen, settle};
use super::store::{Ledger, RUN_KEY, State, put};
use crate::service::clock::ClockReading;
use crate::service::journal::{Durability, Kind, Need, StorageError};

/// The actor of what the agent does by itself.
const AGENT: &str = "agent";

/// What the first line of a run became.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FirstLine {
    /// The line about the time between two runs; `None` if an intent explains it.
    pub(super) id: Option<u64>,
}

impl Ledger {
    /// Writes what happened since the last run, and the record of this one, in one commit. Comes before anything else
    /// that writes to the ledger.
    ///
    /// # Errors
    /// If the journal takes no further entry.
    pub(super) async fn begin(&self) -> Result<FirstLine, StorageError> {
        self.begin_in(container::own()).await
    }

    pub(super) async fn begin_in(&self, container: Option<String>) -> Result<FirstLine, StorageError> {
        let now = self.0.clock.read();
        let mut run = RunRecord::new(&now, container, env!("CARGO_PKG_VERSION"));
        let (entry, mut changes) = {
            let mut state = self.state();
            if state.run.is_some() {
                // The task was started again.
                return Ok(FirstLine { id: state.first_line });
            }
            // Until the supervisor tells, the containers of the last run are the last known ones.
            run.facts.containers.clone_from(&state.containers);
            state.run = Some(run.clone());
            let entry = if let Some(previous) = state.previous.clone() {
                let seen = explain(&previous, &run, &now);
                let open = state.book.open_before(state.first_of_run);
                let is_intended = open.iter().any(|intent| is_explained_by(&seen, intent));
                (!is_intended).then(|| self.outside(state.book.take_id(), &now, seen))
            } else {
                let id = state.book.take_id();
                let mut entry = Entry::new(id, &now, AGENT.to_owned(), "start".to_owned());
                entry.result = ResultWord::Done;
                entry.detail = Some("first start, or nothing is kept of earlier runs".to_owned());
                Some(entry)
            };
            state.first_line = entry.as_ref().map(|entry| entry.id);
            let changes = entry.iter().flat_map(|entry| state.put(entry, &now)).collect::<Vec<_>>();
            (entry, changes)
        };
        changes.push(put(Kind::BOOT, RUN_KEY.to_owned(), &run));
        match &entry {
            Some(entry) => self.commit(changes, entry).await?,
            None => self.journal().commit(changes, Need::BestEffort).await?,
        };
        Ok(FirstLine { id: entry.map(|entry| entry.id) })
    }

    /// Adds to the first line what was found out since: the facts of this run, and lines of the host's journal. Writes
    /// the facts into the record of the run as well.
    ///
    /// # Errors
    /// If the journal takes no further entry.
    pub(super) async fn complete_first_line(
        &self,
        facts: Facts,
        more: Vec<Evidence>,
    ) -> Result<(), StorageError> {
        let now = self.0.clock.read();
        let (entry, mut changes, run) = {
            let mut state = self.state();
            let Some(run) = state.learn(&now, facts) else { return Ok(()) };
            let entry = state.first_line.take().zip(state.previous.clone()).map(|(id, previous)| {
                let mut entry = self.outside(id, &now, explain(&previous, &run, &now));
                entry.evidence.extend(more);
                if let Some(stored) = self.stored(id) {
                    (entry.time, entry.trusted) = (stored.time, stored.trusted);
                    entry.uptime_seconds = stored.uptime_seconds;
                }
                entry
            });
            let changes = entry.iter().flat_map(|entry| state.put(entry, &now)).collect::<Vec<_>>();
            (entry, changes, run)
        };
        changes.push(put(Kind::BOOT, RUN_KEY.to_owned(), &run));
        match &entry {
            Some(entry) => self.commit(changes, entry).await.map(drop),
            None => self.journal().commit(changes, Need::BestEffort).await.map(drop),
        }
    }

    fn stored(&self, id: u64) -> Option<Entry> {
        let value = self.journal().get(Kind::LEDGER, &super::book::key(id))?;
        serde_json::from_slice(&value).ok()
    }

    /// Closes the intents of earlier runs of which can be told now what came of them. Returns whether some are left.
    ///
    /// # Errors
    /// If the journal takes no further entry.
    pub(super) async fn settle(&self, seen: &Seen<'_>) -> Result<bool, StorageError> {
        let (open, previous) = {
            let state = self.state();
            (state.book.open_before(state.first_of_run), state.previous.clone())
        };
        let mut is_left = false;
        for intent in open {
            let Some((outcome, mut evidence)) = settle(&intent, seen) else {
                is_left = true;
                continue;
            };
            let run = self.state().run.clone();
            if let (Some(previous), Some(run)) = (&previous, run) {
                let explained = explain(previous, &run, seen.now);
                if is_explained_by(&explained, &intent) {
                    evidence.extend(explained.evidence);
                }
            }
            self.close_with(intent.id, outcome, evidence).await?;
        }
        Ok(is_left)
    }

    /// Writes that the agent was told to stop.
    ///
    /// # Errors
    /// If the journal takes no further entry.
    pub(crate) async fn stopped(&self) -> Result<Durability, StorageError> {
        let now = self.0.clock.read();
        let run = {
            let mut state = self.state();
            let Some(run) = &mut state.run else { return Ok(Durability::MemoryOnly) };
            run.touch(&now);
            run.stopped = Some(now.wall);
            run.clone()
        };
        let record = put(Kind::BOOT, RUN_KEY.to_owned(), &run);
        self.journal().commit(vec![record], Need::BestEffort).await
    }

    /// Writes that the agent still runs, with what it knows of the device.
    ///
    /// # Errors
    /// If the journal takes no further entry.
    pub(super) async fn touch(&self, facts: Facts) -> Result<Durability, StorageError> {
        let now = self.0.clock.read();
        let Some(run) = self.state().learn(&now, facts) else { return Ok(Durability::MemoryOnly) };
        let record = put(Kind::BOOT, RUN_KEY.to_owned(), &run);
        self.journal().commit(vec![record], Need::BestEffort).await
    }
}

impl State {
    /// Takes facts into the record of this run, and returns it. `None` before the run begins, and once it was told to
    /// stop: that is the last word.
    fn learn(&mut self, now: &ClockReading, facts: Facts) -> Option<RunRecord> {
        self.containers.clone_from(&facts.containers);
        let run = self.run.as_mut().filter(|run| run.stopped.is_none())?;
        run.touch(now);
        run.facts = facts;
        Some(run.clone())
    }
}

/// Returns whether an open intent of the last run is why the agent, or the device, went down.
fn is_explained_by(seen: &Observation, intent: &Entry) -> bool {
    let is_of_a_client = intent.actor != OUTSIDE;
    is_of_a_client
        && match seen.action {
            "reboot" => matches!(intent.action.as_str(), "reboot" | "shutdown"),
            // Others restart or update a service that is not the agent, and then did not end it.
            "stop" => matches!(intent.action.as_str(), "restart" | "stop" | "purge" | "update"),
            _ => false,
        }
}

//! The ledger itself: writes intents, results and observations, and lists the lines.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::book::{Book, key};
use super::entry::{Containers, Entry, Evidence, Intent, OUTSIDE, Observation, Outcome, ResultWord};
use super::filter::LedgerFilter;
use super::observe::News;
use super::run::{Facts, RunRecord};
use super::text::Secrets;
use super::view::EntryView;
use crate::service::clock::{ClockReading, ServiceClock};
use crate::service::config::LedgerLimits;
use crate::service::events::{EventKind, EventLog};
use crate::service::journal::{Change, Durability, Journal, Kind, Need, StorageError};

/// Key of the record of the run, of kind [`Kind::BOOT`].
pub(super) const RUN_KEY: &str = "run";
fn stored_run(journal: &Journal) -> Option<RunRecord> {
    serde_json::from_slice(&journal.get(Kind::BOOT, RUN_KEY)?).ok()
}

/// An intent in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub(crate) struct IntentId(u64);

/// The ledger. All clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct Ledger(pub(super) Arc<Shared>);

#[derive(Debug)]
pub(super) struct Shared {
    /// Set by [`Ledger::open`]; in memory if nothing is opened.
    journal: OnceLock<Journal>,
    events: EventLog,
    pub(super) clock: Arc<dyn ServiceClock>,
    secrets: Secrets,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct State {
    /// Whether the journal was read.
    is_read: bool,
    /// The last run, as the journal told at the start.
    pub(super) previous: Option<RunRecord>,
    /// Lines from this id on are of this run.
    pub(super) first_of_run: u64,
    pub(super) book: Book,
    news: News,
    /// The containers of the services when they were last asked for.
    pub(super) containers: Containers,
    /// The record of this run; `None` before it begins.
    pub(super) run: Option<RunRecord>,
    /// The line about the time before this run, until it is complete.
    pub(super) first_line: Option<u64>,
}

impl Ledger {
    /// Creates the ledger without a journal.
    pub(crate) fn new(
        events: EventLog,
        clock: Arc<dyn ServiceClock>,
        secrets: Secrets,
        limits: LedgerLimits,
    ) -> Self {
        let (journal, state) = (OnceLock::new(), Mutex::new(State::unread(limits)));
        Self(Arc::new(Shared { journal, events, clock, secrets, state }))
    }

    /// Takes the journal, once this agent owns it. Comes before any other use.
    pub(crate) fn open(&self, journal: Journal) {
        if let Some(run) = stored_run(self.0.journal.get_or_init(|| journal)).filter(|run| run.trusted) {
            self.0.clock.record(run.last_seen);
        }
    }

    pub(super) fn journal(&self) -> &Journal {
        self.0.journal.get_or_init(Journal::in_memory)
    }

    /// Writes that something is about to be done. Has to resolve before the act begins.
    ///
    /// Without durable storage the line is in memory only; the act may go on.
    ///
    /// # Errors
    /// If the journal takes no further entry.
    pub(crate) async fn intend(&self, intent: Intent) -> Result<(IntentId, Durability), StorageError> {
        let now = self.0.clock.read();
        let secrets = &self.0.secrets;
        let (id, changes, entry) = {
            let mut state = self.state();
            let id = state.book.take_id();
            let actor = secrets.clean(&intent.actor);
            let mut entry = Entry::new(id, &now, actor, secrets.clean(&intent.action));
            entry.target = intent.target.map(|target| secrets.clean(&target));
            entry.reason = intent.reason.map(|reason| secrets.clean(&reason));
            entry.forced = intent.forced;
            entry.before = Some(state.containers.clone()).filter(|containers| !containers.is_empty());
            state.news.acted(&entry.action, entry.target.as_deref(), now.boot);
            let changes = state.put(&entry, &now);
            (id, changes, entry)
        };
        let durability = self.commit(changes, &entry).await?;
        Ok((IntentId(id), durability))
    }

    /// Writes what came of an intent. Does nothing if the intent has a result, or is too old to be in the ledger.
    ///
    /// # Errors
    /// If the journal takes no further entry. The intent is then open until the next start.
    pub(crate) async fn close(&self, id: IntentId, outcome: Outcome) -> Result<Durability, StorageError> {
        self.close_with(id.0, outcome, Vec::new()).await
    }

    pub(super) async fn close_with(
        &self,
        id: u64,
        outcome: Outcome,
        evidence: Vec<Evidence>,
    ) -> Result<Durability, StorageError> {
        let now = self.0.clock.read();
        let closed = {
            let mut state = self.state();
            let Some(mut entry) = state.book.open(id).cloned() else { return Ok(Durability::Durable) };
            let (result, detail) = outcome.parts();
            entry.result = result;
            entry.detail = detail.map(|why| self.0.secrets.clean(&why));
            entry.closed = Some(now.wall);
            entry.before = None;
            entry.evidence.extend(evidence.into_iter().map(|seen| self.cleaned(seen)));
            // What follows from the act may come after its end.
            state.news.acted(&entry.action, entry.target.as_deref(), now.boot);
            (state.put(&entry, &now), entry)
        };
        self.commit(closed.0, &closed.1).await
    }

    /// Writes what happened without the agent, unless an act of the agent explains it or it was written within the
    /// last hour.
    ///
    /// # Errors
    /// If the journal takes no further entry.
    pub(crate) async fn observe(&self, seen: Observation) -> Result<(), StorageError> {
        let now = self.0.clock.read();
        let written = {
            let mut state = self.state();
            let Some(seen) = state.news.filter(seen, now.boot) else { return Ok(()) };
            let entry = self.outside(state.book.take_id(), &now, seen);
            (state.put(&entry, &now), entry)
        };
        self.commit(written.0, &written.1).await.map(drop)
    }

    pub(super) fn outside(&self, id: u64, now: &ClockReading, seen: Observation) -> Entry {
        let secrets = &self.0.secrets;
        let mut entry = Entry::new(id, now, OUTSIDE.to_owned(), seen.action.to_owned());
        entry.target = seen.target.map(|target| secrets.clean(&target));
        entry.result = ResultWord::Done;
        entry.detail = Some(secrets.clean(&seen.detail));
        entry.evidence = seen.evidence.into_iter().map(|seen| self.cleaned(seen)).collect();
        entry
    }

    fn cleaned(&self, seen: Evidence) -> Evidence {
        Evidence { text: self.0.secrets.clean(&seen.text), ..seen }
    }

    /// Returns the lines that a client asks for, the newest first.
    pub(crate) fn list(&self, filter: &LedgerFilter) -> Vec<EntryView> {
        let now = self.0.clock.read();
        let stored = self.journal().entries(Kind::LEDGER);
        let entries = stored.iter().rev().filter_map(|(_, value)| serde_json::from_slice(value).ok());
        let asked = entries.filter(|entry: &Entry| filter.passes(entry, &now));
        asked.take(filter.limit).map(|entry| EntryView::new(entry, &now)).collect()
    }

    /// Returns the facts that the record of this run has.
    pub(super) fn facts(&self) -> Facts {
        self.state().run.as_ref().map(|run| run.facts.clone()).unwrap_or_default()
    }

    pub(super) fn previous_run(&self) -> Option<RunRecord> {
        self.state().previous.clone()
    }

    pub(super) fn secrets(&self) -> &Secrets {
        &self.0.secrets
    }

    /// Commits the changes, and publishes the line.
    pub(super) async fn commit(
        &self,
        changes: Vec<Change>,
        entry: &Entry,
    ) -> Result<Durability, StorageError> {
        let durability = self.journal().commit(changes, Need::BestEffort).await?;
        let view = EntryView::new(entry.clone(), &self.0.clock.read());
        self.0.events.publish(EventKind::LedgerEntry, &view.as_event());
        Ok(durability)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.is_read {
            state.read(self.journal());
        }
        state
    }
}

impl State {
    fn unread(limits: LedgerLimits) -> Self {
        Self {
            is_read: false,
            previous: None,
            first_of_run: 0,
            book: Book::new(limits),
            news: News::default(),
            containers: Containers::new(),
            run: None,
            first_line: None,
        }
    }

    fn read(&mut self, journal: &Journal) {
        self.is_read = true;
        self.book.read(&journal.entries(Kind::LEDGER));
        self.first_of_run = self.book.next_id();
        self.previous = stored_run(journal);
        self.containers = self.previous.iter().flat_map(|run| run.facts.containers.clone()).collect();
    }

    /// Takes a line into the book. Returns what the journal has to change.
    pub(super) fn put(&mut self, entry: &Entry, now: &ClockReading) -> Vec<Change> {
        let line = put(Kind::LEDGER, key(entry.id), entry);
        let bytes = line.value().map_or(0, <[u8]>::len);
        let gone = self.book.put(entry, bytes, now);
        let gone = gone.into_iter().map(|id| Change::Delete { kind: Kind::LEDGER, key: key(id) });
        std::iter::once(line).chain(gone).collect()
    }
}

pub(super) fn put(kind: Kind, key: String, value: &impl serde::Serialize) -> Change {
    // Serializing these types can't fail.
    Change::Put { kind, key, value: serde_json::to_vec(value).unwrap_or_default() }
}

//! The report of a batch.

use std::fmt;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::resource::keys::DeviceKey;

use super::BatchKey;
use super::token::{Checkpoint, ResumeToken};

/// State of a chunk or an item of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BatchState {
    /// The API accepted it, and a check or the response itself confirmed the effect. For items of
    /// `device().each(…)`: the call returned without an error; nothing else is checked.
    Done,
    /// The API accepted it, but its effect could not be checked; the error has the reason.
    Sent,
    /// Refused, or not sent; the error has the reason.
    Failed,
    /// Sent without a response: it may have had its effect.
    Unknown,
    /// Not tried, because the batch ended before.
    NotTried,
}

impl BatchState {
    /// Returns the name of the state, stable, for logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::NotTried => "not_tried",
        }
    }

    fn checkpoint(self) -> Checkpoint {
        match self {
            Self::Done => Checkpoint::Done,
            Self::Unknown | Self::Sent => Checkpoint::Unknown,
            Self::Failed | Self::NotTried => Checkpoint::Open,
        }
    }
}

impl fmt::Display for BatchState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Number of items in each state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BatchCounts {
    /// Number done, in this run or the runs that it resumes.
    pub done: usize,
    /// Number accepted by the API without a check of the effect.
    pub sent: usize,
    /// Number refused or not sent.
    pub failed: usize,
    /// Number sent without a response.
    pub unknown: usize,
    /// Number not tried.
    pub not_tried: usize,
}

impl BatchCounts {
    /// Returns the number of all items.
    pub fn total(&self) -> usize {
        self.done + self.sent + self.failed + self.unknown + self.not_tried
    }

    fn add(&mut self, state: BatchState) {
        *match state {
            BatchState::Done => &mut self.done,
            BatchState::Sent => &mut self.sent,
            BatchState::Failed => &mut self.failed,
            BatchState::Unknown => &mut self.unknown,
            BatchState::NotTried => &mut self.not_tried,
        } += 1;
    }
}

/// Displays as `9600 of 10000 done, 200 failed, 200 not tried`.
impl fmt::Display for BatchCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} done", self.done, self.total())?;
        for (count, what) in [
            (self.sent, "sent"),
            (self.failed, "failed"),
            (self.unknown, "unknown"),
            (self.not_tried, "not tried"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}

/// Where the state of an item is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StateSource {
    /// Known from an earlier run.
    EarlierRun(BatchState),
    /// In the chunk with this index.
    Chunk(usize),
    /// In no chunk: nothing was planned for it.
    Unplanned,
}

/// The states of all chunks and items, during the run and after it.
#[derive(Debug)]
pub(super) struct ItemStates {
    pub(super) fingerprint: u64,
    pub(super) sources: Vec<StateSource>,
    pub(super) chunks: Vec<BatchChunk>,
}

impl ItemStates {
    pub(super) fn state(&self, place: StateSource) -> BatchState {
        match place {
            StateSource::EarlierRun(state) => state,
            StateSource::Chunk(chunk) => {
                self.chunks.get(chunk).map_or(BatchState::NotTried, |chunk| chunk.state)
            }
            StateSource::Unplanned => BatchState::NotTried,
        }
    }

    fn states(&self) -> impl Iterator<Item = BatchState> + '_ {
        self.sources.iter().map(|place| self.state(*place))
    }

    pub(super) fn counts(&self) -> BatchCounts {
        let mut counts = BatchCounts::default();
        self.states().for_each(|state| counts.add(state));
        counts
    }

    pub(super) fn token(&self) -> ResumeToken {
        ResumeToken::new(self.fingerprint, self.states().map(BatchState::checkpoint))
    }
}

/// A chunk of a batch: the items of one request.
#[derive(Debug)]
pub struct BatchChunk {
    pub(super) state: BatchState,
    pub(super) error: Option<Error>,
    /// Indexes of its items in the list.
    pub(super) items: Vec<usize>,
}

impl BatchChunk {
    /// Returns the state of the chunk.
    pub fn state(&self) -> BatchState {
        self.state
    }

    /// Returns the error of a failed, unknown or unchecked chunk.
    pub fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    /// Returns the indexes of its items in the list, from 0.
    pub fn items(&self) -> &[usize] {
        &self.items
    }
}

/// An item of a batch.
#[derive(Debug)]
#[non_exhaustive]
pub struct BatchItem<'a, K> {
    /// The key that the caller gave.
    pub key: &'a K,
    /// State of the item.
    pub state: BatchState,
    /// Error of a failed, unknown or unchecked item.
    pub error: Option<&'a Error>,
}

/// The report of a batch: the state of each chunk and each item.
///
/// Its memory, and that of its [token](Self::resume_token), grows with the list: the keys and a few words per item.
#[derive(Debug)]
pub struct BatchReport<K = DeviceKey> {
    keys: Vec<K>,
    ledger: ItemStates,
    /// Index of the chunk whose error ended the batch.
    stopped_by: Option<usize>,
}

impl<K> BatchReport<K> {
    pub(super) fn new(keys: Vec<K>, ledger: ItemStates, stopped_by: Option<usize>) -> Self {
        Self { keys, ledger, stopped_by }
    }

    /// Returns the number of items in each state.
    pub fn counts(&self) -> BatchCounts {
        self.ledger.counts()
    }

    /// Returns whether all items are done.
    pub fn is_complete(&self) -> bool {
        let counts = self.counts();
        counts.done == counts.total()
    }

    /// Returns the items, in the order of the list.
    pub fn items(&self) -> impl Iterator<Item = BatchItem<'_, K>> {
        self.keys.iter().zip(&self.ledger.sources).map(|(key, place)| {
            let chunk = match place {
                StateSource::Chunk(chunk) => self.ledger.chunks.get(*chunk),
                _ => None,
            };
            let error = chunk.and_then(|chunk| chunk.error.as_ref());
            BatchItem { key, state: self.ledger.state(*place), error }
        })
    }

    /// Returns the chunks of this run, in the order in which they were sent. Chunks of earlier runs are not
    /// included.
    pub fn chunks(&self) -> &[BatchChunk] {
        &self.ledger.chunks
    }

    /// Returns the first error, in the order of the chunks.
    pub fn error(&self) -> Option<&Error> {
        self.ledger.chunks.iter().find_map(|chunk| chunk.error.as_ref())
    }

    /// Returns the error that ended the batch early. `None` if all chunks were tried.
    pub fn stopped_by(&self) -> Option<&Error> {
        self.stopped_by.and_then(|chunk| self.ledger.chunks.get(chunk)?.error.as_ref())
    }

    /// Returns the token that resumes the same call: [`Batch::resume`](super::Batch::resume).
    pub fn resume_token(&self) -> ResumeToken {
        self.ledger.token()
    }

    /// Converts the report to a result: `Ok` if all items are done, otherwise the first error with the number of
    /// items that are done.
    ///
    /// # Errors
    /// The first error, unless all items are done.
    pub fn into_result(mut self) -> Result<()>
    where
        K: BatchKey,
    {
        let counts = self.counts();
        let in_order = self.ledger.states().take(counts.done).all(|state| state == BatchState::Done);
        let Some(chunk) = self.ledger.chunks.iter_mut().find(|chunk| chunk.error.is_some()) else {
            return if counts.unknown > 0 { Err(unknown_before::<K>(&counts)) } else { Ok(()) };
        };
        let who = match chunk.items.as_slice() {
            [item] if self.keys.len() > 1 => self.keys.get(*item),
            _ => None,
        };
        let Some(error) = chunk.error.take() else { return Ok(()) };
        let mut advice: Vec<String> = error.advice().map(str::to_owned).into_iter().collect();
        advice.extend(who.map(|key| format!("this is about {} {key}", K::NOUN)));
        match counts.done {
            0 => {}
            done if in_order && done > 1 => {
                advice.push(format!("the first {done} {}s of the list are changed already", K::NOUN));
            }
            done => advice.push(format!(
                "{done} of the {} {}s of the list are changed already",
                counts.total(),
                K::NOUN
            )),
        }
        Err(if advice.is_empty() { error } else { error.with_help(advice.join("; ")) })
    }
}

/// Builds the error for items that an earlier run left unknown and that were not repeated.
fn unknown_before<K: BatchKey>(counts: &BatchCounts) -> Error {
    let text = format!("an earlier run sent {} {}s and received no response", counts.unknown, K::NOUN);
    Error::new(ErrorKind::UnknownOutcome, text)
        .with_help("check their state, and repeat them with retry_unknown")
}

/// Progress of a batch, just before a chunk is sent.
#[derive(Debug)]
pub struct BatchProgress<'a>(pub(super) &'a ItemStates);

impl BatchProgress<'_> {
    /// Returns the number of items in each state. Items in flight count as unknown.
    pub fn counts(&self) -> BatchCounts {
        self.0.counts()
    }

    /// Returns the token that resumes the same call if this process ends now.
    pub fn resume_token(&self) -> ResumeToken {
        self.0.token()
    }
}

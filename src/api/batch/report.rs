//! What became of a batch.

use std::fmt;

use serde::Serialize;

use crate::api::keys::DeviceKey;
use crate::error::{Error, ErrorKind, Result};

use super::BatchKey;
use super::token::{Mark, ResumeToken};

/// What became of a part of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BatchState {
    /// The server said that it is done, and a look, or the answer itself, showed it.
    Done,
    /// The server took it, and nobody could look whether it did anything; its error says why.
    Sent,
    /// Refused, or never sent; its error says why.
    Failed,
    /// Sent, and the answer never came: it may have happened.
    Unknown,
    /// The batch ended before.
    NotTried,
}

impl BatchState {
    /// The state in words, stable, for logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::NotTried => "not_tried",
        }
    }

    fn mark(self) -> Mark {
        match self {
            Self::Done => Mark::Done,
            Self::Unknown | Self::Sent => Mark::Unknown,
            Self::Failed | Self::NotTried => Mark::Open,
        }
    }
}

impl fmt::Display for BatchState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How many of the list are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BatchCounts {
    /// Done, in this run or in those that it goes on from.
    pub done: usize,
    /// Taken by the server, and nobody could look.
    pub sent: usize,
    /// Refused, or never sent.
    pub failed: usize,
    /// Sent, without an answer.
    pub unknown: usize,
    /// Not tried.
    pub not_tried: usize,
}

impl BatchCounts {
    /// All of them.
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

/// `9600 of 10000 done, 200 failed, 200 not tried`.
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

/// Where the state of one of the list is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Known from an earlier run.
    Before(BatchState),
    /// With the part that it is in.
    Chunk(usize),
    /// In no part: nothing was planned for it.
    Nowhere,
}

/// The state of everything, while it runs and after.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) belongs: u64,
    pub(super) places: Vec<Place>,
    pub(super) chunks: Vec<BatchChunk>,
}

impl Ledger {
    pub(super) fn state(&self, place: Place) -> BatchState {
        match place {
            Place::Before(state) => state,
            Place::Chunk(chunk) => self.chunks.get(chunk).map_or(BatchState::NotTried, |chunk| chunk.state),
            Place::Nowhere => BatchState::NotTried,
        }
    }

    fn states(&self) -> impl Iterator<Item = BatchState> + '_ {
        self.places.iter().map(|place| self.state(*place))
    }

    pub(super) fn counts(&self) -> BatchCounts {
        let mut counts = BatchCounts::default();
        self.states().for_each(|state| counts.add(state));
        counts
    }

    pub(super) fn token(&self) -> ResumeToken {
        ResumeToken::new(self.belongs, self.states().map(BatchState::mark))
    }
}

/// One part of a batch: what went out, or would have, in one request.
#[derive(Debug)]
pub struct BatchChunk {
    pub(super) state: BatchState,
    pub(super) error: Option<Error>,
    /// Places in the list.
    pub(super) items: Vec<usize>,
}

impl BatchChunk {
    /// What became of it.
    pub fn state(&self) -> BatchState {
        self.state
    }

    /// Why, where it failed or where nobody knows.
    pub fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    /// The places in the list of those that it is for, from 0.
    pub fn items(&self) -> &[usize] {
        &self.items
    }
}

/// One of the list.
#[derive(Debug)]
#[non_exhaustive]
pub struct BatchItem<'a, K> {
    /// As the caller named it.
    pub key: &'a K,
    /// What became of it.
    pub state: BatchState,
    /// Why, where it failed or where nobody knows.
    pub error: Option<&'a Error>,
}

/// What became of a batch: of every part, and of every one of the list.
///
/// It needs memory for the list and a few words for each of it, and so does its
/// [token](Self::resume_token).
#[derive(Debug)]
pub struct BatchReport<K = DeviceKey> {
    keys: Vec<K>,
    ledger: Ledger,
    /// The part whose error ended the batch.
    stopped_by: Option<usize>,
}

impl<K> BatchReport<K> {
    pub(super) fn new(keys: Vec<K>, ledger: Ledger, stopped_by: Option<usize>) -> Self {
        Self { keys, ledger, stopped_by }
    }

    /// How many are in which state.
    pub fn counts(&self) -> BatchCounts {
        self.ledger.counts()
    }

    /// Whether all of the list is done.
    pub fn is_complete(&self) -> bool {
        let counts = self.counts();
        counts.done == counts.total()
    }

    /// Every one of the list, in its order.
    pub fn items(&self) -> impl Iterator<Item = BatchItem<'_, K>> {
        self.keys.iter().zip(&self.ledger.places).map(|(key, place)| {
            let chunk = match place {
                Place::Chunk(chunk) => self.ledger.chunks.get(*chunk),
                _ => None,
            };
            let error = chunk.and_then(|chunk| chunk.error.as_ref());
            BatchItem { key, state: self.ledger.state(*place), error }
        })
    }

    /// The parts of this run, in the order in which they were sent. What an earlier run did is in none.
    pub fn chunks(&self) -> &[BatchChunk] {
        &self.ledger.chunks
    }

    /// The first error, in the order of the parts.
    pub fn error(&self) -> Option<&Error> {
        self.ledger.chunks.iter().find_map(|chunk| chunk.error.as_ref())
    }

    /// The error that ended the batch before its end; `None` when every part was tried.
    pub fn stopped_by(&self) -> Option<&Error> {
        self.stopped_by.and_then(|chunk| self.ledger.chunks.get(chunk)?.error.as_ref())
    }

    /// With which the same call goes on: [`Batch::resume`](super::Batch::resume).
    pub fn resume_token(&self) -> ResumeToken {
        self.ledger.token()
    }

    /// The first error as the error of all, with how much of it is done.
    ///
    /// # Errors
    /// That one, unless all is done.
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
        Err(if advice.is_empty() { error } else { error.help(advice.join("; ")) })
    }
}

/// An earlier run left some unknown, and they were not tried again.
fn unknown_before<K: BatchKey>(counts: &BatchCounts) -> Error {
    let text = format!("what became of {} {}s is unknown since an earlier run", counts.unknown, K::NOUN);
    Error::new(ErrorKind::UnknownOutcome, text).help("look, and try them again with retry_unknown")
}

/// How far a batch is, just before a part of it is sent.
#[derive(Debug)]
pub struct BatchProgress<'a>(pub(super) &'a Ledger);

impl BatchProgress<'_> {
    /// How many are in which state. What is on its way counts as unknown.
    pub fn counts(&self) -> BatchCounts {
        self.0.counts()
    }

    /// With which the same call goes on if this process ends now.
    pub fn resume_token(&self) -> ResumeToken {
        self.0.token()
    }
}

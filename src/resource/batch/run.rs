//! Runs a batch: sends chunks concurrently until all are done or an error ends it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::http::may_have_taken_effect;
use crate::resource::write_request::RowWriter;

use super::in_flight::InFlight;
use super::plan::{Chunk, ChunkOutcome, Operation, PendingItem, Plan, RunOptions};
use super::rate_limit::RetryAfterPolicy;
use super::report::{BatchChunk, BatchProgress, BatchReport, BatchState, ItemStates, StateSource};
use super::token::{Checkpoint, Fingerprint};
use super::{BatchKey, MAX_CONCURRENCY, Options};

pub(super) async fn run<K: BatchKey>(
    core: &Arc<Core>,
    keys: Vec<K>,
    operation: &dyn Operation<K>,
    mut options: Options,
    patience: RetryAfterPolicy,
) -> Result<BatchReport<K>> {
    if !(1..=MAX_CONCURRENCY).contains(&options.concurrency) {
        let why = format_args!("{} is none of 1 to {MAX_CONCURRENCY}", options.concurrency);
        return Err(Error::argument("concurrency", why));
    }
    let fingerprint = fingerprint(core, &keys, operation);
    let marks = match &options.resume {
        Some(token) => token.marks(fingerprint, keys.len())?,
        None => vec![Checkpoint::Open; keys.len()],
    };
    let again = operation.is_idempotent() || options.retry_unknown;
    let mut ledger = ItemStates { fingerprint, sources: Vec::with_capacity(keys.len()), chunks: Vec::new() };
    let mut open = Vec::new();
    for (item, mark) in marks.into_iter().enumerate() {
        ledger.sources.push(match mark {
            Checkpoint::Done => StateSource::EarlierRun(BatchState::Done),
            Checkpoint::Unknown if !again => StateSource::EarlierRun(BatchState::Unknown),
            mark => {
                open.push(PendingItem { item, unknown: mark == Checkpoint::Unknown });
                StateSource::Unplanned
            }
        });
    }
    let clock = &*core.http.clock;
    let Options { concurrency, keep_going, confirm, .. } = options;
    let run_options = RunOptions { concurrency, keep_going, confirm, rate_limit_wait: patience, clock };
    let writer = RowWriter::new(core, confirm);
    let plan =
        if open.is_empty() { Plan::default() } else { operation.plan(&keys, open, &run_options).await? };
    let chunks = ledger.enter(plan);
    let stopped_by = drive(&keys, operation, &chunks, &writer, &mut ledger, &run_options, &mut options).await;
    Ok(BatchReport::new(keys, ledger, stopped_by))
}

/// Returns the checksum that binds a token to its call.
fn fingerprint<K: BatchKey>(core: &Core, keys: &[K], operation: &dyn Operation<K>) -> u64 {
    let call = Fingerprint::default().with(core.settings().api()).with(K::NOUN).with(operation.identity());
    keys.iter().fold(call, Fingerprint::with).sum()
}

impl ItemStates {
    /// Records the plan, and returns the chunks to send, which are recorded first.
    fn enter(&mut self, plan: Plan) -> Vec<Chunk> {
        self.put(&plan.done, StateSource::EarlierRun(BatchState::Done));
        for chunk in &plan.chunks {
            self.put(&chunk.items, StateSource::Chunk(self.chunks.len()));
            let items = chunk.items.clone();
            self.chunks.push(BatchChunk { state: BatchState::NotTried, error: None, items });
        }
        for (items, error) in plan.refused {
            self.put(&items, StateSource::Chunk(self.chunks.len()));
            self.chunks.push(BatchChunk { state: BatchState::Failed, error: Some(error), items });
        }
        plan.chunks
    }

    fn put(&mut self, items: &[usize], place: StateSource) {
        for item in items {
            if let Some(known) = self.sources.get_mut(*item) {
                *known = place;
            }
        }
    }

    /// Records the result of a chunk. Items without an effect become chunks of their own; returns the first of
    /// these.
    fn answered(&mut self, number: usize, answered: ChunkOutcome) -> Option<usize> {
        let state = if answered.not_confirmed.is_some() { BatchState::Sent } else { BatchState::Done };
        self.set(number, state, answered.not_confirmed);
        let mut first = None;
        for (item, error) in answered.unchanged {
            let Some(chunk) = self.chunks.get_mut(number) else { break };
            let at = if chunk.items == [item] {
                number
            } else {
                chunk.items.retain(|known| *known != item);
                self.chunks.push(BatchChunk { state: BatchState::Failed, error: None, items: vec![item] });
                self.chunks.len() - 1
            };
            self.put(&[item], StateSource::Chunk(at));
            self.set(at, BatchState::Failed, Some(error));
            first = first.or(Some(at));
        }
        first
    }

    fn set(&mut self, chunk: usize, state: BatchState, error: Option<Error>) {
        if let Some(chunk) = self.chunks.get_mut(chunk) {
            (chunk.state, chunk.error) = (state, error);
        }
    }
}

/// Sends the chunks. Returns the index of the chunk that ended the batch early, if any.
async fn drive<K>(
    keys: &[K],
    operation: &dyn Operation<K>,
    chunks: &[Chunk],
    writer: &RowWriter,
    ledger: &mut ItemStates,
    run_options: &RunOptions<'_>,
    options: &mut Options,
) -> Option<usize> {
    let mut queue: VecDeque<usize> = (0..chunks.len()).collect();
    let mut in_flight = InFlight::new();
    let mut stopped_by = None;
    let mut pause: Option<Duration> = None;
    let mut waits = 0;
    loop {
        while stopped_by.is_none() && pause.is_none() && in_flight.len() < run_options.concurrency {
            let Some(number) = queue.pop_front() else { break };
            let Some(chunk) = chunks.get(number) else { break };
            ledger.set(number, BatchState::Unknown, None);
            if let Some(progress) = &mut options.progress {
                progress(&BatchProgress(ledger));
            }
            in_flight.push(number, operation.send(keys, chunk, writer, run_options));
        }
        let Some((number, result)) = in_flight.next().await else {
            // No request is running: all chunks are done, one has ended the batch, or all must wait.
            match pause.take() {
                Some(wait) if stopped_by.is_none() => {
                    tracing::debug!(?wait, "too many requests, the batch waits as asked");
                    run_options.clock.sleep(wait).await;
                    waits += 1;
                    continue;
                }
                _ => return stopped_by,
            }
        };
        let error = match result {
            Ok(answered) => {
                waits = 0;
                let first = ledger.answered(number, answered);
                if !run_options.keep_going {
                    stopped_by = stopped_by.or(first);
                }
                continue;
            }
            Err(error) => error,
        };
        if let Some(wait) = run_options.rate_limit_wait.wait(&error, waits) {
            ledger.set(number, BatchState::NotTried, None);
            queue.push_front(number);
            pause = pause.max(Some(wait));
            continue;
        }
        if is_fatal(&error) || !run_options.keep_going {
            stopped_by = stopped_by.or(Some(number));
        }
        ledger.set(number, state(&error), Some(error));
    }
}

/// Returns whether all further chunks would fail too.
fn is_fatal(error: &Error) -> bool {
    match error.kind() {
        // A 403 concerns the rows of this chunk only.
        ErrorKind::Unauthorized => error.status() != Some(403),
        ErrorKind::Unreachable | ErrorKind::RateLimited | ErrorKind::Config | ErrorKind::Cancelled => true,
        _ => false,
    }
}

fn state(error: &Error) -> BatchState {
    if may_have_taken_effect(error) { BatchState::Unknown } else { BatchState::Failed }
}

//! The journal: a durable store of small entries with a kind and a key. Leases, the ledger, asked actions and budgets
//! live in it.
//!
//! All live entries are in memory. A commit changes several of them, all or none, and resolves after they are synced.
//! Commits that wait at the same time share one write and one sync.
//!
//! # Why not a database
//!
//! Flash and size. A durable commit of one small entry writes 4.6 KB here (one page of 4 KiB, at times two); redb writes
//! 28 KB for it and adds 572 KB to the binary, `SQLite` adds 1,065 KB. The few hundred entries that the service has
//! need neither an index nor a cache.
//!
//! # The file
//!
//! `journal` in the state directory is a header and a log of frames ([`frame`] has the bytes). A frame is one group of
//! commits, with a mark, its length, a sequence and two checks. Behind the last frame are zeros, into which the next
//! frames are written: this changes no metadata of the file system, and works when it is full. The last 16 KiB of
//! them are for removals only, so that a lease can be released on a full disk.
//!
//! When much of the file is no longer live, a new file with all live entries is written beside it, synced, and renamed
//! over it. The same is done after a write or a sync has failed: what the page cache says of the old file is then
//! not trusted any more, and nothing more is written to it.
//!
//! # What is found at the start
//!
//! A last frame that was not written whole was never acknowledged: it is overwritten with zeros
//! ([`Recovery::TornTail`]). Where other bytes can't be read, reading goes on at the next valid frame, and the damaged
//! file is kept as `journal.damaged-<number>`, at most three of them ([`Recovery::Gap`]).
//!
//! # Other releases
//!
//! Kinds, operations and minor versions that this release does not know are kept and written back. A larger major
//! version is refused, and the file is left as it is.

#[cfg(test)]
mod bench;
mod change;
mod directory;
#[cfg(test)]
mod disk;
mod error;
mod frame;
mod group;
mod live;
mod mounts;
mod owner;
#[cfg(test)]
mod process_tests;
mod replay;
mod start;
mod status;
mod storage;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot, watch};
use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result};
use crate::tasks::{self, StopSignal, lock};

pub(crate) use change::{Change, Durability, Kind, Need};
pub(crate) use directory::{DEFAULT as DEFAULT_STATE_DIRECTORY, StateDirectory, prepare};
pub(crate) use error::StorageError;
#[cfg(feature = "cli")]
pub(crate) use owner::is_owned;
pub(crate) use owner::{OwnedBy, Owner};
pub(crate) use start::{OwnedJournal, open_owned};
pub(crate) use status::{JournalStatus, Recovery};

use group::Waiting;
use live::LiveEntries;
use replay::{NewerFormat, Replayed, replay};
use storage::{FileStorage, Storage};
use writer::{Attempt, FILE_LIMIT, Writer};

/// Largest key, in bytes.
pub(crate) const KEY_LIMIT: usize = 512;
/// Largest key and value together, in bytes.
pub(crate) const ENTRY_LIMIT: usize = 64 * 1024;
/// Most bytes that all live entries count together.
pub(crate) const LIVE_LIMIT: usize = 4 * 1024 * 1024;

/// Most bytes that the changes of one commit count together.
pub(crate) const COMMIT_LIMIT: usize = 256 * 1024;
/// Most bytes of commits that wait for the storage. Further commits wait for room.
const WAITING_LIMIT: usize = 512 * 1024;
/// Bytes that a commit counts beside its changes.
const COMMIT_OVERHEAD: usize = 256;
/// Pause after a failed write of a new file. It doubles with each failure, up to five minutes.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// A durable store of small entries. Clones share one store.
#[derive(Debug, Clone)]
pub(crate) struct Journal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    live: Mutex<LiveEntries>,
    queue: Mutex<Queue>,
    /// Bytes of commits that may still wait.
    room: Arc<Semaphore>,
    facts: Mutex<JournalStatus>,
    /// When the next attempt to write a new file is due.
    retry_at: watch::Sender<Option<Instant>>,
    recovery: Recovery,
}

#[derive(Debug)]
struct Queue {
    waiting: Vec<Waiting>,
    turn: Turn,
}

/// Who writes.
#[derive(Debug)]
enum Turn {
    /// Nobody. The writer is `None` in a journal in memory only.
    Free(Option<Box<Writer>>),
    /// A thread that takes what waits, until nothing does.
    Taken,
}

impl Journal {
    /// Creates an empty journal that keeps its entries in memory only.
    pub(crate) fn in_memory() -> Self {
        Self::with(LiveEntries::default(), None, Recovery::Fresh, None)
    }

    /// Opens the journal in this directory, or creates it. The caller owns the directory: see `owner`.
    ///
    /// A storage that can be read but not written is no error: changes are then kept in memory only until it can.
    ///
    /// # Errors
    /// `is_io` if the file can't be read, `is_unsupported` if a newer release wrote it in a format that this one
    /// does not read. The file is unchanged.
    pub(crate) async fn open(directory: &Path) -> Result<Self> {
        let (answer, opened) = oneshot::channel();
        let path = directory.to_owned();
        tasks::spawn_blocking(move || {
            let _ =
                answer.send(Self::open_storage(Box::new(FileStorage::new(&path)), Some(path), FIRST_PAUSE));
        });
        opened.await.unwrap_or_else(|_| Err(Error::new(ErrorKind::Cancelled, "the runtime ends")))
    }

    /// Opens the journal of this storage. Blocks.
    fn open_storage(
        mut storage: Box<dyn Storage>,
        directory: Option<PathBuf>,
        first_pause: Duration,
    ) -> Result<Self> {
        let path = storage.path().to_owned();
        let read = storage.read(FILE_LIMIT).map_err(|cause| crate::fs::failed("read", &path, cause))?;
        let mut replayed = match &read {
            Some(bytes) => replay(bytes).map_err(|NewerFormat(major)| newer_format(&path, major))?,
            None => Replayed::fresh(),
        };
        let recovery = replayed.recovery;
        if recovery.may_have_lost() {
            tracing::warn!(path = %path.display(), ?recovery, "the journal is damaged; what can be read is used");
        }
        let live = Mutex::new(std::mem::take(&mut replayed.live));
        let length = read.map_or(0, |bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        let writer = Writer::new(storage, &mut replayed, length, &live, first_pause);
        let live = live.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        Ok(Self::with(live, Some(Box::new(writer)), recovery, directory))
    }

    fn with(
        live: LiveEntries,
        writer: Option<Box<Writer>>,
        recovery: Recovery,
        directory: Option<PathBuf>,
    ) -> Self {
        let facts = JournalStatus::new(directory, recovery);
        let inner = Inner {
            live: Mutex::new(live),
            queue: Mutex::new(Queue { waiting: Vec::new(), turn: Turn::Taken }),
            room: Arc::new(Semaphore::new(WAITING_LIMIT)),
            facts: Mutex::new(facts),
            retry_at: watch::Sender::new(None),
            recovery,
        };
        inner.note(writer.as_deref(), 0);
        lock(&inner.queue).turn = Turn::Free(writer);
        Self(Arc::new(inner))
    }

    /// Returns the entries of one kind in key order.
    pub(crate) fn entries(&self, kind: Kind) -> Vec<(String, Vec<u8>)> {
        let live = lock(&self.0.live);
        live.of_kind(kind).map(|(key, value)| (key.to_owned(), value.to_vec())).collect()
    }

    /// Returns the value of one entry.
    pub(crate) fn get(&self, kind: Kind, key: &str) -> Option<Vec<u8>> {
        lock(&self.0.live).get(kind, key).map(|value| value.to_vec())
    }

    /// Makes all these changes or none. Resolves when they are synced, or kept in memory only. Before that
    /// [`Journal::entries`] does not show them. A commit goes on when its future is dropped.
    ///
    /// # Errors
    /// Nothing has changed. With [`Need::Durable`] if the storage fails or there is none; with both needs if it is
    /// too large. Never for a commit that only removes entries.
    pub(crate) async fn commit(&self, changes: Vec<Change>, need: Need) -> Result<Durability, StorageError> {
        if changes.is_empty() {
            let is_durable = lock(&self.0.facts).durable;
            return Ok(if is_durable { Durability::Durable } else { Durability::MemoryOnly });
        }
        self.submit(changes, need, Attempt::WhenDue).await
    }

    /// Tries at once to write what is in memory only.
    ///
    /// # Errors
    /// Why the storage does not work.
    pub(crate) async fn flush(&self) -> Result<(), StorageError> {
        self.submit(Vec::new(), Need::BestEffort, Attempt::Now).await?;
        lock(&self.0.facts).fault.clone().map_or(Ok(()), Err)
    }

    /// Writes what is in memory only when the storage works again. Runs until `stop`, and then tries once more.
    pub(crate) async fn run(&self, stop: StopSignal) -> Result<()> {
        let mut retry_at = self.0.retry_at.subscribe();
        loop {
            let due = *retry_at.borrow_and_update();
            let wait = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.requested() => {
                    // Why it failed is in the log and in the status.
                    let _ = self.flush().await;
                    return Ok(());
                }
                () = wait => drop(self.flush().await),
                changed = retry_at.changed() => if changed.is_err() { return Ok(()) },
            }
        }
    }

    async fn submit(
        &self,
        changes: Vec<Change>,
        need: Need,
        attempt: Attempt,
    ) -> Result<Durability, StorageError> {
        let bytes = changes.iter().map(live::cost_of).fold(COMMIT_OVERHEAD, usize::saturating_add);
        if bytes > COMMIT_LIMIT {
            return Err(StorageError::too_large("the commit", bytes, COMMIT_LIMIT));
        }
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        // It fails only if the semaphore is closed, which nobody does.
        let room = self.0.room.clone().acquire_many_owned(permits).await.ok();
        let (answer, answered) = oneshot::channel();
        let writer = {
            let mut queue = lock(&self.0.queue);
            queue.waiting.push(Waiting { changes, need, attempt, answer, room });
            std::mem::replace(&mut queue.turn, Turn::Taken)
        };
        if let Turn::Free(writer) = writer {
            let inner = self.0.clone();
            match writer {
                Some(writer) => tasks::spawn_blocking(move || inner.write_all(Some(writer))),
                None => inner.write_all(None),
            }
        }
        answered.await.unwrap_or_else(|_| Err(StorageError::stopped()))
    }

    /// Returns what was found when the journal was opened.
    pub(crate) fn recovery(&self) -> Recovery {
        self.0.recovery
    }

    /// Returns the state of the journal.
    pub(crate) fn status(&self) -> JournalStatus {
        let mut status = lock(&self.0.facts).clone();
        let live = lock(&self.0.live);
        (status.entries, status.live_bytes) = (live.count(), live.bytes());
        status
    }
}

impl Inner {
    /// Writes what waits, group by group, until nothing does.
    fn write_all(&self, mut writer: Option<Box<Writer>>) {
        loop {
            let group = {
                let mut queue = lock(&self.queue);
                if queue.waiting.is_empty() {
                    queue.turn = Turn::Free(writer);
                    return;
                }
                std::mem::take(&mut queue.waiting)
            };
            let answers = group::write_group(writer.as_deref_mut(), &self.live, group);
            let accepted = answers.iter().filter(|answer| answer.is_accepted()).count();
            self.note(writer.as_deref(), u64::try_from(accepted).unwrap_or(u64::MAX));
            answers.into_iter().for_each(group::Answered::send);
            if let Some(writer) = writer.as_deref_mut() {
                writer.compact(&self.live);
            }
            self.note(writer.as_deref(), 0);
        }
    }

    /// Keeps what the status shows.
    fn note(&self, writer: Option<&Writer>, accepted: u64) {
        let mut facts = lock(&self.facts);
        facts.commits = facts.commits.saturating_add(accepted);
        if let Some(writer) = writer {
            facts.durable = writer.is_complete();
            facts.file_bytes = writer.file_bytes();
            facts.bytes_written = writer.counts.bytes_written;
            facts.compactions = writer.counts.compactions;
            facts.last_error = writer.last_error.as_ref().map(ToString::to_string);
            facts.fault.clone_from(&writer.last_error);
            let retry_at = writer.retry_at();
            self.retry_at.send_if_modified(|known| std::mem::replace(known, retry_at) != retry_at);
        }
    }
}

fn newer_format(path: &Path, major: u8) -> Error {
    let message = format!("its format has version {major}, this release reads {}", frame::MAJOR);
    Error::new(ErrorKind::Unsupported, message)
        .with_operation(format!("read {}", path.display()))
        .with_help("run the release that wrote it or a newer one, or move the file away: leases and the ledger in it are then forgotten")
}

#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod tests;

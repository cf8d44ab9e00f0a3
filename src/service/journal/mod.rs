//! The journal: a durable store of small entries with a kind and a key. Leases, the ledger, asked actions and budgets
//! live in it.
//!
//! All live entries are in memory. A commit changes several of them, all or none.
#![allow(dead_code, unused_imports, reason = "called by the locks, the ledger and the gateway, next commits")]

mod change;
mod error;
mod live;
mod status;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) use change::{Change, Durability, Kind, Need};
pub(crate) use error::{StorageError, StorageFault};
pub(crate) use status::{JournalStatus, Recovery};

use live::{LiveEntries, Projection};

/// Largest key, in bytes.
pub(crate) const KEY_LIMIT: usize = 512;
/// Largest key and value together, in bytes.
pub(crate) const ENTRY_LIMIT: usize = 64 * 1024;
/// Most bytes that all live entries count together.
pub(crate) const LIVE_LIMIT: usize = 4 * 1024 * 1024;

/// A durable store of small entries. Clones share one store.
#[derive(Debug, Clone)]
pub(crate) struct Journal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    recovery: Recovery,
}

#[derive(Debug, Default)]
struct State {
    live: LiveEntries,
    commits: u64,
}

impl Journal {
    /// Creates an empty journal that keeps its entries in memory only.
    pub(crate) fn in_memory() -> Self {
        Self(Arc::new(Inner { state: Mutex::default(), recovery: Recovery::Fresh }))
    }

    /// Returns the entries of one kind in key order.
    pub(crate) fn entries(&self, kind: Kind) -> Vec<(String, Vec<u8>)> {
        let state = self.state();
        state.live.of_kind(kind).map(|(key, value)| (key.to_owned(), value.to_vec())).collect()
    }

    /// Returns the value of one entry.
    pub(crate) fn get(&self, kind: Kind, key: &str) -> Option<Vec<u8>> {
        self.state().live.get(kind, key).map(|value| value.to_vec())
    }

    /// Makes all these changes or none. Resolves when they are synced, or kept in memory only. A commit goes on when
    /// its future is dropped.
    ///
    /// # Errors
    /// Nothing has changed. With [`Need::Durable`] if the storage fails or there is none; with both needs if it is
    /// too large. Never for a commit that only removes entries.
    #[expect(clippy::unused_async, reason = "the durable journal waits here for the storage")]
    pub(crate) async fn commit(&self, changes: Vec<Change>, need: Need) -> Result<Durability, StorageError> {
        let mut state = self.state();
        Projection::new(&state.live).add(&changes)?;
        let only_removes = changes.iter().all(|change| change.value().is_none());
        if need == Need::Durable && !only_removes {
            return Err(StorageError::no_directory());
        }
        for change in &changes {
            state.live.apply(change);
        }
        state.commits = state.commits.saturating_add(1);
        Ok(Durability::MemoryOnly)
    }

    /// Returns what was found when the journal was opened.
    pub(crate) fn recovery(&self) -> Recovery {
        self.0.recovery
    }

    /// Returns the state of the journal.
    pub(crate) fn status(&self) -> JournalStatus {
        let state = self.state();
        JournalStatus {
            directory: None,
            durable: false,
            recovery: self.0.recovery,
            entries: state.live.count(),
            live_bytes: state.live.bytes(),
            file_bytes: 0,
            commits: state.commits,
            bytes_written: 0,
            compactions: 0,
            last_error: None,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;

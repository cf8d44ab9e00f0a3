//! The one update lock of the agent and its holders: the lock file exists exactly while there is a holder.

use std::collections::BTreeSet;
use std::fmt;

use crate::error::Result;
use crate::supervisor::{HeldLock, LockState, UpdateLock};

use super::lease::LeaseKey;

/// Who needs the lock to be held. The gates of updates become further kinds of holders.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum HolderId {
    /// A lease of a client.
    Lease(LeaseKey),
}

/// A lock file: created, locked by `flock`, and deleted as one. Tests replace it.
pub(crate) trait LockFile: Send + fmt::Debug {
    /// Takes the lock, also from an ended process of this service that left its file behind. Does not wait.
    ///
    /// # Errors
    /// `is_locked` if another program or the supervisor holds it; others if the directory can't be used.
    fn take(&mut self) -> Result<()>;

    /// Returns whether an ended process of this service left its file behind.
    fn is_left_behind(&self) -> bool;

    /// Returns whether this process holds the lock: the file is there and is the one it made.
    fn is_held(&self) -> bool;

    /// Deletes the file if this process holds it.
    fn release(&mut self);

    /// Leaves the file where it is and lets go of the `flock`: the next agent takes it over.
    fn leave(&mut self);
}

/// What a look at the lock file shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// Held, or not needed.
    AsExpected,
    /// It was held for somebody and was taken away.
    TakenAway,
}

/// The lock file and its holders.
#[derive(Debug)]
pub(crate) struct SharedLock {
    file: Box<dyn LockFile>,
    holders: BTreeSet<HolderId>,
}

impl SharedLock {
    pub(crate) fn new(file: Box<dyn LockFile>) -> Self {
        Self { file, holders: BTreeSet::new() }
    }

    /// Adds a holder. The lock is really held when this returns without an error.
    ///
    /// # Errors
    /// Those of [`LockFile::take`]. Nothing has changed then.
    pub(crate) fn hold(&mut self, holder: HolderId) -> Result<()> {
        if self.holders.is_empty() || !self.file.is_held() {
            self.file.take()?;
        }
        self.holders.insert(holder);
        Ok(())
    }

    /// Removes a holder; with the last one the file is deleted.
    pub(crate) fn let_go(&mut self, holder: &HolderId) {
        if self.holders.remove(holder) && self.holders.is_empty() {
            self.file.release();
        }
    }

    /// Returns whether an earlier process of this service left its file behind.
    pub(crate) fn is_left_behind(&self) -> bool {
        self.file.is_left_behind()
    }

    /// Deletes a file that an earlier process left behind and that nobody needs.
    pub(crate) fn clear_leftover(&mut self) {
        if self.holders.is_empty() && self.file.is_left_behind() && self.file.take().is_ok() {
            self.file.release();
        }
    }

    /// Looks whether the lock is still held.
    pub(crate) fn look(&self) -> Look {
        if self.holders.is_empty() || self.file.is_held() { Look::AsExpected } else { Look::TakenAway }
    }

    /// Returns whether anybody holds the lock.
    pub(crate) fn is_needed(&self) -> bool {
        !self.holders.is_empty()
    }

    /// Leaves the file for the next agent.
    pub(crate) fn leave(&mut self) {
        self.holders.clear();
        self.file.leave();
    }
}

/// The update lock of this service.
#[derive(Debug)]
pub(crate) struct ServiceLockFile {
    lock: UpdateLock,
    held: Option<HeldLock>,
}

/// How the agent names itself in the lock file.
const OWNER: &str = "balena-agent run";
const REASON: &str = "leases of its clients";

impl ServiceLockFile {
    pub(crate) fn new(lock: UpdateLock) -> Self {
        Self { lock, held: None }
    }
}

impl LockFile for ServiceLockFile {
    fn take(&mut self) -> Result<()> {
        // The old file is not there any more, or is another's by now: dropping it deletes nothing.
        self.held = None;
        let held = self.lock.acquire().owner(OWNER).reason(REASON).take_over_stale().try_now()?;
        self.held = Some(held);
        Ok(())
    }

    fn is_left_behind(&self) -> bool {
        self.lock.status().is_ok_and(|status| status.state == LockState::Stale)
    }

    fn is_held(&self) -> bool {
        self.held.as_ref().is_some_and(HeldLock::is_held)
    }

    fn release(&mut self) {
        // Dropping it deletes the file, if it is still the one that was made, and logs a failure.
        self.held = None;
    }

    fn leave(&mut self) {
        if let Some(held) = self.held.take() {
            held.leave();
        }
    }
}

/// A service that ends leaves its leases to the next one.
impl Drop for ServiceLockFile {
    fn drop(&mut self) {
        self.leave();
    }
}

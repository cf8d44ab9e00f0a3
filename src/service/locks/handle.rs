//! The leases as the rest of the service uses them: with the clock, the journal, and waiting.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout_at};

use crate::error::Error;
use crate::service::clock::{ClockReading, ServiceClock};
use crate::service::journal::{Change, Durability, Journal, Kind, Need};
use crate::supervisor::{LockState, LockWatch, UpdateLock};

use super::adopt::Records;
use super::event::LeaseEvent;
use super::holder::{ServiceLockFile, SharedLock};
use super::lease::{LeaseKey, LeaseState};
use super::leases::Leases;
use super::request::{LeaseRequest, Refusal};
use super::table::{LeaseLimits, Parked, Step};
use super::view::{LeaseView, Viewer};

/// Receives what happens to leases. Must not block.
pub(crate) type EventSink = Box<dyn Fn(LeaseEvent) + Send + Sync>;

/// The leases of the update lock. Refuses everything before [`start`](Self::start).
pub(crate) struct Locks {
    lock: UpdateLock,
    limits: LeaseLimits,
    clock: Arc<dyn ServiceClock>,
    journal: OnceLock<Journal>,
    leases: Mutex<Option<Leases>>,
    /// One commit at a time, so that the journal gets the states of a lease in their order.
    commits: Semaphore,
    /// Whether the last commit is on the disk.
    is_durable: AtomicBool,
    /// Counts what happened to leases.
    revision: watch::Sender<u64>,
    sink: EventSink,
}

impl fmt::Debug for Locks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Locks")
            .field("lock", &self.lock)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// A granted or renewed lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct LeaseAnswer {
    #[serde(flatten)]
    pub(crate) lease: LeaseView,
    /// Whether the lease survives a power loss. It survives a restart of the agent only then, too.
    pub(crate) durable: bool,
    /// Which locks the agent can see: those in other services' directories only show when they refuse something.
    pub(crate) visible: &'static str,
}

/// All leases, and who has the lock.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct LeaseList {
    pub(crate) leases: Vec<LeaseView>,
    /// The lock in the agent's own directory; absent if it can't be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lock: Option<LockView>,
    pub(crate) durable: bool,
    pub(crate) visible: &'static str,
}

/// The lock in the agent's own directory.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct LockView {
    /// `free`, `this_process` (held for the leases), `supervisor`, `held` (by another program), `stale`.
    pub(crate) state: LockState,
    /// Who holds it, in words.
    pub(crate) holder: String,
}

/// The directory of the agent's own service is mounted into its container, those of other services are not.
const VISIBLE: &str = "own directory";

impl Locks {
    pub(crate) fn new(
        lock: UpdateLock,
        limits: LeaseLimits,
        clock: Arc<dyn ServiceClock>,
        sink: EventSink,
    ) -> Self {
        Self {
            lock,
            limits,
            clock,
            journal: OnceLock::new(),
            leases: Mutex::new(None),
            commits: Semaphore::new(1),
            is_durable: AtomicBool::new(false),
            revision: watch::Sender::new(0),
            sink,
        }
    }

    /// Continues the leases in the journal, before the service does anything else. This process has to own the state
    /// directory and the lock.
    pub(crate) async fn start(&self, journal: &Journal, parked: Parked) {
        let entries = journal.entries(Kind::LEASE);
        let records = if journal.recovery().may_have_lost() { Records::WithGap } else { Records::Complete };
        let file = ServiceLockFile::new(self.lock.clone());
        let lock = SharedLock::new(Box::new(file));
        // A second start would take the lock twice.
        if self.journal.set(journal.clone()).is_err() {
            return;
        }
        // What was read is on the disk.
        self.is_durable.store(journal.status().directory.is_some(), Ordering::Relaxed);
        let now = self.clock.read();
        *self.leases() = Some(Leases::start(lock, self.limits, &entries, records, parked, &now));
        self.tell();
        self.write().await;
    }

    /// Grants or renews a lease. While another program or the supervisor holds the lock, waits for up to `wait`.
    /// Dropping the future ends the wait; a lease that was granted stays until its TTL is over.
    ///
    /// # Errors
    /// The reason of the refusal; nothing has changed then.
    pub(crate) async fn request(
        &self,
        request: &LeaseRequest,
        wait: Duration,
    ) -> Result<(Step, LeaseAnswer), Refusal> {
        let until = Instant::now() + wait;
        let mut changes = None;
        loop {
            match self.try_request(request) {
                Ok((step, lease)) => {
                    // If this future is dropped now, the task writes it.
                    self.revise();
                    let durable = self.write().await == Durability::Durable;
                    return Ok((step, LeaseAnswer { lease, durable, visible: VISIBLE }));
                }
                Err(Refusal::NotHeld(error)) if error.is_locked() && Instant::now() < until => {}
                Err(refusal) => return Err(refusal),
            }
            // One more try after the watch began, so that no change is missed.
            match &mut changes {
                None => changes = Some(LockWatch::new(self.lock.path())),
                Some(changes) => drop(timeout_at(until, changes.changed()).await),
            }
        }
    }

    fn try_request(&self, request: &LeaseRequest) -> Result<(Step, LeaseView), Refusal> {
        let id = new_id().map_err(Refusal::NotHeld)?;
        let now = self.clock.read();
        let mut leases = self.leases();
        let answer = match &mut *leases {
            Some(leases) => leases.request(&now, request, id),
            None => Err(Refusal::Starting),
        };
        drop(leases);
        self.tell();
        answer.map(|(step, lease)| (step, LeaseView::new(&lease, &now, Viewer::Owner)))
    }

    /// Releases a lease, and the lock with the last one. Returns the lease as it is now; `None` if there is none of
    /// this name.
    pub(crate) async fn release(&self, key: &LeaseKey) -> Option<LeaseAnswer> {
        let now = self.clock.read();
        let lease = self.leases().as_mut()?.release(&now, key);
        self.tell();
        let durable = self.write().await == Durability::Durable;
        let lease = LeaseView::new(&lease?, &now, Viewer::Owner);
        Some(LeaseAnswer { lease, durable, visible: VISIBLE })
    }

    /// Returns all leases, ended ones for an hour too. `client` sees its own in full, `None` all of them.
    pub(crate) fn list(&self, client: Option<&str>) -> LeaseList {
        let now = self.settle();
        let leases = self.leases();
        let leases = leases.iter().flat_map(|leases| leases.table().list(&now));
        let leases = leases.map(|lease| {
            let is_owner = client.is_none_or(|client| client == lease.key.client);
            LeaseView::new(lease, &now, if is_owner { Viewer::Owner } else { Viewer::Other })
        });
        let leases = leases.collect();
        let lock = self
            .lock
            .status()
            .ok()
            .map(|status| LockView { state: status.state, holder: status.to_string() });
        let durable = self.is_durable.load(Ordering::Relaxed);
        LeaseList { leases, lock, durable, visible: VISIBLE }
    }

    /// Returns a held lease, which keeps the supervisor from stopping containers. Its reason is not part of it.
    pub(crate) fn blocking_lease(&self) -> Option<LeaseView> {
        let now = self.settle();
        let leases = self.leases();
        let lease = leases.as_ref()?.table().held().next()?;
        Some(LeaseView::new(lease, &now, Viewer::Other))
    }

    /// Announces that the leases with a TTL end after `notice`.
    #[cfg_attr(not(test), expect(dead_code, reason = "the deadline of an update revokes leases"))]
    pub(crate) async fn revoke(&self, notice: Duration) {
        let now = self.clock.read();
        if let Some(leases) = &mut *self.leases() {
            leases.revoke(&now, notice);
        }
        self.tell();
        self.write().await;
    }

    /// Stops in an orderly way: the lock file of held leases stays for the next agent, and later requests are refused.
    pub(crate) async fn stop(&self) {
        let now = self.clock.read();
        if let Some(leases) = &mut *self.leases() {
            leases.stop(&now);
        }
        self.tell();
        self.write().await;
    }

    /// Resolves with a new number when something happened to a lease.
    pub(crate) fn changed(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    /// Brings the leases up to now.
    fn settle(&self) -> ClockReading {
        let now = self.clock.read();
        if let Some(leases) = &mut *self.leases() {
            leases.settle(&now);
        }
        self.tell();
        now
    }

    /// Brings the leases up to now, also in the journal. Returns the time until the next lease ends, and whether
    /// anybody holds the lock.
    pub(super) async fn settled(&self) -> (Option<Duration>, LockNeed) {
        self.settle();
        self.write().await;
        let now = self.clock.read();
        let leases = self.leases();
        match &*leases {
            Some(leases) if leases.is_lock_needed() => (leases.table().next_end(&now), LockNeed::Needed),
            _ => (None, LockNeed::None),
        }
    }

    /// Watches the directory of the lock.
    pub(super) fn watch(&self, poll: Duration) -> LockWatch {
        LockWatch::new(self.lock.path()).poll_every(poll)
    }

    /// Gives what happened to the subscribers.
    fn tell(&self) {
        let events = match &mut *self.leases() {
            Some(leases) => leases.take_events(),
            None => return,
        };
        if events.is_empty() {
            return;
        }
        for event in events {
            let lease = &event.lease;
            match lease.state {
                LeaseState::Lost | LeaseState::Revoked => {
                    tracing::warn!(client = %lease.client, lease = %lease.name, what = ?event.what, ended = lease.ended, "lease of the update lock");
                }
                _ => {
                    tracing::info!(client = %lease.client, lease = %lease.name, what = ?event.what, "lease of the update lock");
                }
            }
            (self.sink)(event);
        }
        self.revise();
    }

    fn revise(&self) {
        self.revision.send_modify(|revision| *revision = revision.wrapping_add(1));
    }

    /// Writes what is not up to date in the journal. Returns whether all of it is on the disk.
    async fn write(&self) -> Durability {
        let Some(journal) = self.journal.get() else { return Durability::MemoryOnly };
        // Never closed, so there is always a turn.
        let _turn = self.commits.acquire().await;
        let (keys, entries) = {
            let now = self.clock.read();
            let mut leases = self.leases();
            let Some(leases) = &mut *leases else { return Durability::MemoryOnly };
            let keys: Vec<LeaseKey> = leases.dirty().cloned().collect();
            (keys, leases.take_entries(&now))
        };
        if !entries.is_empty() {
            let kind = Kind::LEASE;
            let changes = entries.into_iter().map(|(key, value)| match value {
                Some(value) => Change::Put { kind, key, value },
                None => Change::Delete { kind, key },
            });
            let durability = journal.commit(changes.collect(), Need::BestEffort).await;
            let durability = durability.unwrap_or_else(|error| {
                tracing::warn!(%error, "leases could not be written to the journal");
                if let Some(leases) = &mut *self.leases() {
                    leases.not_written(keys);
                }
                Durability::MemoryOnly
            });
            self.is_durable.store(durability == Durability::Durable, Ordering::Relaxed);
        }
        if self.is_durable.load(Ordering::Relaxed) { Durability::Durable } else { Durability::MemoryOnly }
    }

    fn leases(&self) -> MutexGuard<'_, Option<Leases>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether anybody holds the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LockNeed {
    Needed,
    None,
}

fn new_id() -> Result<String, Error> {
    let random = getrandom::u64();
    random.map(|id| format!("{id:016x}")).map_err(|cause| Error::new(crate::ErrorKind::Io, cause.to_string()))
}

#[cfg(test)]
mod tests;

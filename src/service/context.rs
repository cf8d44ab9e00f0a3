//! What all parts of the service share.

use std::sync::{Arc, OnceLock, Weak};

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

use super::actions::Actions;
use super::clock::ServiceClock;
use super::config::{Checked, Faults};
use super::device::{Progress, Snapshot, readiness};
use super::events::{EventLog, publish_changes};
use super::gateway::{Clients, ConnectionSlots};
use super::journal::Journal;
use super::ledger::Ledger;
use super::locks::Locks;
use super::metrics::Metrics;
use super::standby::Standby;
use crate::Balena;
use crate::tasks::{StopSignal, TaskSet};

/// What all parts of the service share.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) balena: Balena,
    pub(crate) config: Checked,
    /// Faults that the service works with; `/ready` tells them.
    pub(crate) faults: Faults,
    pub(crate) clock: Arc<dyn ServiceClock>,
    /// Leases of the update lock.
    pub(crate) locks: Arc<Locks>,
    /// Asked actions.
    pub(crate) actions: Arc<Actions>,
    /// Whether this agent acts yet.
    pub(crate) standby: Standby,
    /// The journal, once this agent owns it.
    pub(crate) journal: OnceLock<Journal>,
    /// The latest snapshot.
    pub(crate) bus: watch::Sender<Snapshot>,
    /// The recent events. Whoever changes something publishes it here.
    pub(crate) events: EventLog,
    /// Who did what, and why.
    pub(crate) ledger: Ledger,
    pub(crate) meters: Metrics,
    pub(crate) progress: Progress,
    /// Who may ask for what.
    pub(crate) gateway: Arc<Clients>,
    /// Slots of the `/events` clients.
    pub(crate) clients: ConnectionSlots,
    pub(crate) started: Instant,
    pub(crate) started_at: Timestamp,
    pub(crate) stop: StopSignal,
    /// Weak, because the tasks hold this context: a strong reference would be a cycle that is never dropped.
    pub(crate) tasks: Weak<TaskSet>,
}

impl Context {
    /// Returns the latest snapshot.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.bus.borrow().clone()
    }

    /// Changes the snapshot and publishes the difference. Returns what `change` returns: whether it changed anything.
    ///
    /// Both happen under the lock of the bus: who reads snapshot and last event under it gets no event twice and
    /// misses none.
    pub(crate) fn update_snapshot(&self, change: impl FnOnce(&mut Snapshot) -> bool) -> bool {
        self.bus.send_if_modified(|snapshot| {
            let before = snapshot.clone();
            let changed = change(snapshot);
            if changed {
                publish_changes(&self.events, &before, snapshot);
            }
            changed
        })
    }

    /// Returns `Err` with the reason if the state of the device is unknown or the service is stopping.
    pub(crate) fn readiness(&self) -> Result<(), String> {
        if let Some(reason) = self.standby.reason()
            && !self.stop.is_requested()
        {
            return Err(reason);
        }
        readiness(&self.bus.borrow(), self.progress.liveness(), self.stop.is_requested())
    }

    /// Returns the number of `/events` clients.
    pub(crate) fn events_clients(&self) -> usize {
        self.clients.held()
    }

    /// Returns the supervisor's address without path and query, which may contain a key.
    pub(crate) fn supervisor_address(&self) -> Option<&str> {
        self.balena.supervisor().address()?.split(['?', '#']).next()
    }
}

//! The leases together with the lock that they hold: what each operation does, without waiting and without clocks of
//! its own. Remembers which leases differ from the journal.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::service::clock::ClockReading;

use super::adopt::{Records, StopRecord, adopted};
use super::event::{LeaseChange, LeaseEvent};
use super::holder::{HolderId, Look, SharedLock};
use super::lease::{Lease, LeaseKey, LeaseRecord, LeaseState};
use super::request::{LeaseRequest, Refusal};
use super::table::{LeaseLimits, LeaseTable, Parked, Step};
use super::view::{LeaseView, Viewer};

/// Journal key of the orderly stop. Those of leases contain a slash.
const STOP: &str = "stop";
const TAKEN_AWAY: &str = "the lock file was taken away, as by a forced call of somebody else: what it guarded may have been interrupted";
const TAKEN_AWAY_BEFORE: &str = "the lock file was taken away while the agent was not running";

/// An entry of the journal to write; without a value it is deleted.
pub(crate) type Entry = (String, Option<Vec<u8>>);

/// The leases and their lock.
#[derive(Debug)]
pub(crate) struct Leases {
    table: LeaseTable,
    lock: SharedLock,
    /// Leases whose journal entry is not up to date.
    dirty: BTreeSet<LeaseKey>,
    stop: StopEntry,
    /// What happened since [`take_events`](Self::take_events).
    events: Vec<LeaseEvent>,
}

/// The journal entry of the orderly stop.
#[derive(Debug, PartialEq, Eq)]
enum StopEntry {
    /// As it should be while the agent runs: absent.
    Absent,
    /// To be deleted.
    Outdated,
    /// To be written: the agent has stopped.
    Stopped(Option<StopRecord>),
}

impl Leases {
    /// Continues the leases in the journal `entries`: adopts the lock file of the earlier process, or takes the lock
    /// again after a reboot. A file that nobody needs is deleted.
    pub(crate) fn start(
        lock: SharedLock,
        limits: LeaseLimits,
        entries: &[(String, Vec<u8>)],
        records: Records,
        parked: Parked,
        now: &ClockReading,
    ) -> Self {
        let table = LeaseTable::new(limits);
        let mut leases =
            Self { table, lock, dirty: BTreeSet::new(), stop: StopEntry::Absent, events: Vec::new() };
        let stop = entries.iter().find(|(key, _)| key == STOP).map(|(_, value)| value);
        if stop.is_some() {
            leases.stop = StopEntry::Outdated;
        }
        let stop: Option<StopRecord> = stop.and_then(|value| serde_json::from_slice(value).ok());
        let mut from_this_boot = BTreeSet::new();
        for (key, value) in entries.iter().filter(|(key, _)| key != STOP) {
            match serde_json::from_slice::<LeaseRecord>(value) {
                Ok(record) => {
                    let before = record.clone().into_lease();
                    let is_of_this_boot = record.boot_id == now.boot_id;
                    let lease = adopted(record, stop.as_ref(), records, now);
                    if is_of_this_boot {
                        from_this_boot.insert(lease.key.clone());
                    }
                    if lease != before || !is_of_this_boot {
                        leases.dirty.insert(lease.key.clone());
                    }
                    leases.table.insert(lease);
                }
                // Perhaps of a newer release: it stays in the journal.
                Err(error) => tracing::warn!(lease = %key, %error, "a lease in the journal can't be read"),
            }
        }
        leases.dirty.extend(leases.table.set_parked(now, parked));
        leases.expire(now);
        leases.take_again(now, &from_this_boot);
        leases.lock.clear_leftover();
        leases.dirty.extend(leases.table.forget(now));
        leases
    }

    /// Holds the lock for the leases of an earlier process.
    fn take_again(&mut self, now: &ClockReading, from_this_boot: &BTreeSet<LeaseKey>) {
        let held: Vec<LeaseKey> = self.table.held().map(|lease| lease.key.clone()).collect();
        // A reboot empties the directory of the lock. Without one, a missing file was taken away.
        let is_left_behind = self.lock.is_left_behind();
        let mut refused = None;
        for key in held {
            let is_lost = from_this_boot.contains(&key) && !is_left_behind && !self.lock.is_needed();
            if is_lost {
                refused = Some(TAKEN_AWAY_BEFORE.to_owned());
            } else if let Err(error) = self.lock.hold(HolderId::Lease(key)) {
                refused = Some(format!("the lock could not be taken again when the agent started: {error}"));
            }
            if refused.is_some() {
                break;
            }
        }
        if let Some(why) = refused {
            self.lose(now, &why);
        }
        let held: Vec<Lease> = self.table.held().cloned().collect();
        for lease in held {
            self.tell(LeaseChange::Adopted, &lease, now);
        }
    }

    /// Brings everything up to this time: leases whose lock file was taken away are lost, those whose time is over
    /// expire, and a lock that nobody needs is released.
    pub(crate) fn settle(&mut self, now: &ClockReading) {
        if self.lock.look() == Look::TakenAway {
            self.lose(now, TAKEN_AWAY);
        }
        self.expire(now);
    }

    fn lose(&mut self, now: &ClockReading, why: &str) {
        for lease in self.table.lose(now, why) {
            self.ended(LeaseChange::Lost, &lease, now);
        }
    }

    fn expire(&mut self, now: &ClockReading) {
        for lease in self.table.expire(now) {
            let what = match lease.state {
                LeaseState::Revoked => LeaseChange::Revoked,
                _ => LeaseChange::Expired,
            };
            self.ended(what, &lease, now);
        }
    }

    /// Grants or renews. The lock is really held when this returns a lease. `id` names a new grant.
    ///
    /// # Errors
    /// The reason of the refusal; nothing has changed then.
    pub(crate) fn request(
        &mut self,
        now: &ClockReading,
        request: &LeaseRequest,
        id: String,
    ) -> Result<(Step, Lease), Refusal> {
        self.refuse_when_stopped()?;
        self.settle(now);
        let step = self.table.check(now, request)?;
        if step == Step::Grant {
            self.lock.hold(HolderId::Lease(request.key.clone())).map_err(Refusal::NotHeld)?;
        }
        let (lease, forgotten) = self.table.apply(now, request, id);
        self.dirty.insert(request.key.clone());
        self.dirty.extend(forgotten);
        if step == Step::Grant {
            self.tell(LeaseChange::Granted, &lease, now);
        }
        Ok((step, lease))
    }

    /// Releases a lease, and the lock with the last one. Returns the lease as it is now; one that had ended already
    /// is unchanged. `None` if there is none of this name.
    pub(crate) fn release(&mut self, now: &ClockReading, key: &LeaseKey) -> Option<Lease> {
        self.settle(now);
        let was_held = self.table.find(now, key).is_some_and(|lease| lease.state == LeaseState::Held);
        let lease = self.table.release(now, key)?;
        if was_held {
            self.ended(LeaseChange::Released, &lease, now);
        } else if lease.state != LeaseState::Released {
            // It is forgotten now.
            self.dirty.insert(key.clone());
        }
        Some(lease)
    }

    /// Announces that the leases with a TTL end after `notice`.
    pub(crate) fn revoke(&mut self, now: &ClockReading, notice: Duration) {
        self.settle(now);
        for lease in self.table.revoke(now, notice) {
            self.dirty.insert(lease.key.clone());
            self.tell(LeaseChange::RevocationAnnounced, &lease, now);
        }
    }

    /// Stops in an orderly way: the lock file stays, for the next agent. Every later request is refused.
    pub(crate) fn stop(&mut self, now: &ClockReading) {
        if matches!(self.stop, StopEntry::Stopped(_)) {
            return;
        }
        self.settle(now);
        let needs_record = self.lock.is_needed();
        self.lock.leave();
        self.stop = StopEntry::Stopped(needs_record.then(|| StopRecord::new(now)));
    }

    fn refuse_when_stopped(&self) -> Result<(), Refusal> {
        if matches!(self.stop, StopEntry::Stopped(_)) { Err(Refusal::Stopping) } else { Ok(()) }
    }

    fn ended(&mut self, what: LeaseChange, lease: &Lease, now: &ClockReading) {
        self.lock.let_go(&HolderId::Lease(lease.key.clone()));
        self.dirty.insert(lease.key.clone());
        self.tell(what, lease, now);
    }

    fn tell(&mut self, what: LeaseChange, lease: &Lease, now: &ClockReading) {
        self.events.push(LeaseEvent { what, lease: LeaseView::new(lease, now, Viewer::Other) });
    }

    /// Returns what happened since the last call.
    pub(crate) fn take_events(&mut self) -> Vec<LeaseEvent> {
        std::mem::take(&mut self.events)
    }

    /// Returns the journal entries that are not up to date, and counts them as written: see
    /// [`not_written`](Self::not_written).
    pub(crate) fn take_entries(&mut self, now: &ClockReading) -> Vec<Entry> {
        let mut entries = Vec::new();
        for key in std::mem::take(&mut self.dirty) {
            let lease = self.table.find(now, &key).filter(|lease| lease.state != LeaseState::Released);
            let value = lease.and_then(|lease| serde_json::to_vec(&LeaseRecord::new(lease, now)).ok());
            entries.push((key.to_string(), value));
        }
        match &mut self.stop {
            StopEntry::Absent => {}
            StopEntry::Outdated => {
                entries.push((STOP.to_owned(), None));
                self.stop = StopEntry::Absent;
            }
            StopEntry::Stopped(record) => {
                let value = record.take().and_then(|record| serde_json::to_vec(&record).ok());
                entries.extend(value.map(|value| (STOP.to_owned(), Some(value))));
            }
        }
        entries
    }

    /// Takes back that these leases were written.
    pub(crate) fn not_written(&mut self, keys: impl IntoIterator<Item = LeaseKey>) {
        self.dirty.extend(keys);
    }

    /// Returns the leases that are not up to date in the journal.
    pub(crate) fn dirty(&self) -> impl Iterator<Item = &LeaseKey> {
        self.dirty.iter()
    }

    /// Returns the leases, the ended ones for a while too.
    pub(crate) fn table(&self) -> &LeaseTable {
        &self.table
    }

    /// Returns whether anybody holds the lock.
    pub(crate) fn is_lock_needed(&self) -> bool {
        self.lock.is_needed()
    }
}

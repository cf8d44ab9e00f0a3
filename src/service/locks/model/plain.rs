//! The plain model: for each lease its state and the seconds that are left.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::fake::World;
use crate::service::clock::ClockReading;
use crate::service::locks::lease::{Lease, LeaseKey, LeaseState, Term};

/// A lease, and how it is in the journal.
#[derive(Debug, Clone, Copy)]
struct PlainLease {
    state: LeaseState,
    /// `None`: does not expire. May be negative.
    left: Option<i64>,
    not_after: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy)]
struct Written {
    lease: PlainLease,
    /// Seconds that passed in this boot since it was written.
    age: i64,
}

#[derive(Debug, Default)]
pub(crate) struct Plain {
    leases: BTreeMap<LeaseKey, PlainLease>,
    written: BTreeMap<LeaseKey, Written>,
    /// Leases that are not as written.
    changed: std::collections::BTreeSet<LeaseKey>,
    /// What was left at an orderly stop, until the next process has written something.
    stopped: Option<BTreeMap<LeaseKey, PlainLease>>,
    /// Whether what is written is of an earlier boot.
    is_rebooted: bool,
}

fn seconds(time: Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap()
}

impl Plain {
    pub(crate) fn settle(&mut self, world: &World, process: u64, now: &ClockReading) {
        let is_lost = self.holds_any() && !world.is_held_by(process);
        for (key, lease) in &mut self.leases {
            let end = ended(lease, now).or(is_lost.then_some(LeaseState::Lost));
            let end = if is_lost { Some(LeaseState::Lost) } else { end };
            if lease.state == LeaseState::Held
                && let Some(end) = end
            {
                lease.state = end;
                self.changed.insert(key.clone());
            }
        }
    }

    pub(crate) fn grant(&mut self, lease: &Lease, not_after: Option<Timestamp>) {
        let left = match lease.term {
            Term::Ttl(ttl) => Some(seconds(ttl)),
            Term::Keep => None,
        };
        let before = self.leases.get(&lease.key).filter(|lease| lease.state == LeaseState::Held);
        let not_after = not_after.or(before.and_then(|lease| lease.not_after));
        self.leases.insert(lease.key.clone(), PlainLease { state: LeaseState::Held, left, not_after });
        self.changed.insert(lease.key.clone());
    }

    pub(crate) fn release(&mut self, key: &LeaseKey) {
        match self.leases.get_mut(key) {
            Some(lease) if lease.state == LeaseState::Held => lease.state = LeaseState::Released,
            // The end is acknowledged and forgotten.
            Some(lease) if lease.state != LeaseState::Released => drop(self.leases.remove(key)),
            _ => return,
        }
        self.changed.insert(key.clone());
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        let time = seconds(time);
        self.leases.values_mut().for_each(|lease| lease.left = lease.left.map(|left| left - time));
        self.written.values_mut().for_each(|written| written.age += time);
    }

    pub(crate) fn commit(&mut self) {
        (self.stopped, self.is_rebooted) = (None, false);
        for key in std::mem::take(&mut self.changed) {
            match self.leases.get(&key) {
                Some(lease) if lease.state != LeaseState::Released => {
                    self.written.insert(key, Written { lease: *lease, age: 0 });
                }
                _ => drop(self.written.remove(&key)),
            }
        }
    }

    pub(crate) fn stop(&mut self) {
        self.stopped = Some(self.leases.clone());
    }

    pub(crate) fn reboot(&mut self) {
        self.is_rebooted = true;
    }

    /// The next process reads what was written.
    pub(crate) fn start(&mut self, left_behind: bool, is_free: bool, now: &ClockReading) {
        let boot = seconds(now.boot);
        self.leases.clear();
        self.changed.clear();
        for (key, written) in &self.written {
            let mut lease = written.lease;
            let at_stop =
                self.stopped.as_ref().and_then(|leases| leases.get(key)).and_then(|lease| lease.left);
            lease.left = lease.left.map(|left| match (self.is_rebooted, at_stop) {
                (false, _) => left - written.age,
                (true, Some(at_stop)) => at_stop,
                (true, None) => left - 600 - boot,
            });
            if lease.state == LeaseState::Held {
                let is_there = if self.is_rebooted { is_free } else { left_behind };
                lease.state =
                    ended(&lease, now).unwrap_or(if is_there { lease.state } else { LeaseState::Lost });
            }
            if self.is_rebooted || lease.state != written.lease.state {
                self.changed.insert(key.clone());
            }
            self.leases.insert(key.clone(), lease);
        }
    }

    pub(crate) fn is_held(&self, key: &LeaseKey) -> bool {
        self.state(key) == Some(LeaseState::Held)
    }

    pub(crate) fn state(&self, key: &LeaseKey) -> Option<LeaseState> {
        self.leases.get(key).map(|lease| lease.state)
    }

    /// The seconds left of a held lease; `u64::MAX` if it does not expire.
    pub(crate) fn left(&self, key: &LeaseKey) -> Option<u64> {
        let lease = self.leases.get(key).filter(|lease| lease.state == LeaseState::Held)?;
        Some(lease.left.map_or(u64::MAX, |left| u64::try_from(left).unwrap()))
    }

    pub(crate) fn held(&self) -> usize {
        self.leases.values().filter(|lease| lease.state == LeaseState::Held).count()
    }

    pub(crate) fn holds_any(&self) -> bool {
        self.held() > 0
    }

    pub(crate) fn held_of(&self, client: &str) -> usize {
        let held = self.leases.iter().filter(|(_, lease)| lease.state == LeaseState::Held);
        held.filter(|(key, _)| key.client == client).count()
    }
}

fn ended(lease: &PlainLease, now: &ClockReading) -> Option<LeaseState> {
    let is_over = lease.left.is_some_and(|left| left <= 0)
        || now.trusted && lease.not_after.is_some_and(|end| now.wall >= end);
    is_over.then_some(LeaseState::Expired)
}

//! All leases, and what an operation makes of them. Does no I/O and reads no clock.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::service::clock::ClockReading;

use super::lease::{Lease, LeaseKey, LeaseState, Term};
use super::request::{LeaseRequest, Refusal, Verb};

/// How long the end of a lease is remembered, so that a late renewal learns the reason.
pub(crate) const REMEMBERED: Duration = Duration::from_secs(3600);
/// How long a parked agent honours leases: the correction of its settings must be able to arrive.
pub(crate) const PARKED_LIMIT: Duration = Duration::from_secs(3600);

/// Limits from the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LeaseLimits {
    /// Held leases of one client; as many ended ones are remembered.
    pub(crate) per_client: usize,
    /// Longest TTL.
    pub(crate) max_ttl: Duration,
}

/// What a permitted request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Extends a held lease.
    Renew,
    /// Makes a new lease; the lock has to be held first.
    Grant,
}

/// The leases by client and name, the ended ones for a while too.
#[derive(Debug, Clone)]
pub(crate) struct LeaseTable {
    leases: BTreeMap<LeaseKey, Lease>,
    limits: LeaseLimits,
    /// When a parked agent ends all leases; `None` unless it is parked.
    parked_until: Option<Duration>,
}

impl LeaseTable {
    pub(crate) fn new(limits: LeaseLimits) -> Self {
        Self { leases: BTreeMap::new(), limits, parked_until: None }
    }

    /// Returns whether the request is permitted, and what it does. Changes nothing.
    pub(crate) fn check(&self, now: &ClockReading, request: &LeaseRequest) -> Result<Step, Refusal> {
        request.check(now, self.limits.max_ttl)?;
        let known = self.leases.get(&request.key).filter(|lease| !is_forgotten(lease, now));
        let held = known.filter(|lease| lease.state == LeaseState::Held);
        if let Some(id) = &request.id
            && held.is_none_or(|lease| lease.id != *id)
        {
            // The caller holds on to a grant that is over, whatever became of its name since.
            let ended = known.filter(|lease| lease.id == *id);
            return Err(Refusal::ended(&request.key, ended));
        }
        match (held, known) {
            (Some(_), _) => return Ok(Step::Renew),
            (None, Some(ended)) if request.verb == Verb::Put && ended.state != LeaseState::Released => {
                return Err(Refusal::ended(&request.key, Some(ended)));
            }
            _ => {}
        }
        if self.parked_until.is_some() {
            return Err(Refusal::Parked);
        }
        let of_client = self.held().filter(|lease| lease.key.client == request.key.client).count();
        if of_client >= self.limits.per_client {
            return Err(Refusal::TooMany { limit: self.limits.per_client });
        }
        Ok(Step::Grant)
    }

    /// Renews or grants, after [`check`](Self::check) permitted it and the lock is held. `id` is for a new grant.
    /// Returns the lease and the keys that it displaced from memory.
    pub(crate) fn apply(
        &mut self,
        now: &ClockReading,
        request: &LeaseRequest,
        id: String,
    ) -> (Lease, Vec<LeaseKey>) {
        let deadline = match request.term {
            Term::Ttl(ttl) => Some(now.boot.saturating_add(ttl)),
            Term::Keep => None,
        };
        let held = self.leases.remove(&request.key).filter(|lease| lease.state == LeaseState::Held);
        let is_new = held.is_none();
        let mut lease = held.unwrap_or_else(|| Lease {
            key: request.key.clone(),
            id,
            reason: None,
            state: LeaseState::Held,
            term: request.term,
            deadline,
            not_after: None,
            revoked_at: None,
            parked_until: self.parked_until,
            since: now.trusted.then_some(now.wall),
            ended: None,
        });
        lease.term = request.term;
        lease.deadline = deadline;
        // What a renewal does not name stays as it was.
        lease.not_after = request.not_after.or(lease.not_after);
        if request.reason.is_some() {
            lease.reason.clone_from(&request.reason);
        }
        self.leases.insert(request.key.clone(), lease.clone());
        let displaced = if is_new { self.forget(now) } else { Vec::new() };
        (lease, displaced)
    }

    /// Releases a lease. One that has ended already is returned as it is, and forgotten; `None` if there is none.
    pub(crate) fn release(&mut self, now: &ClockReading, key: &LeaseKey) -> Option<Lease> {
        let lease = self.leases.get_mut(key).filter(|lease| !is_forgotten(lease, now))?;
        if lease.state == LeaseState::Held {
            lease.end(LeaseState::Released, "its client released it", now);
            return Some(lease.clone());
        }
        let ended = lease.clone();
        if ended.state != LeaseState::Released {
            self.leases.remove(key);
        }
        Some(ended)
    }

    /// Ends the leases whose time is over. Returns them.
    pub(crate) fn expire(&mut self, now: &ClockReading) -> Vec<Lease> {
        let mut ended = Vec::new();
        for lease in self.leases.values_mut() {
            if let Some((state, why)) = lease.due(now) {
                lease.end(state, why, now);
                ended.push(lease.clone());
            }
        }
        ended
    }

    /// Ends all held leases, because the lock file was taken away. Returns them.
    pub(crate) fn lose(&mut self, now: &ClockReading, why: &str) -> Vec<Lease> {
        let mut ended = Vec::new();
        for lease in self.leases.values_mut().filter(|lease| lease.state == LeaseState::Held) {
            lease.end(LeaseState::Lost, why, now);
            ended.push(lease.clone());
        }
        ended
    }

    /// Announces that all leases with a TTL end after `notice`; those without expiry stay. Returns the announced
    /// ones. A second announcement does not postpone the first.
    pub(crate) fn revoke(&mut self, now: &ClockReading, notice: Duration) -> Vec<Lease> {
        let at = now.boot.saturating_add(notice);
        let mut announced = Vec::new();
        for lease in self.leases.values_mut() {
            let is_affected = lease.state == LeaseState::Held && lease.term != Term::Keep;
            if is_affected && lease.revoked_at.is_none_or(|earlier| at < earlier) {
                lease.revoked_at = Some(at);
                announced.push(lease.clone());
            }
        }
        announced
    }

    /// Sets whether the agent is parked. Parking ends every lease after [`PARKED_LIMIT`], counted from the first time
    /// in this boot; none is granted meanwhile. Returns the leases that this changed.
    pub(crate) fn set_parked(&mut self, now: &ClockReading, is_parked: Parked) -> Vec<LeaseKey> {
        let first = self.held().filter_map(|lease| lease.parked_until).min();
        self.parked_until = match is_parked {
            Parked::Yes => Some(first.unwrap_or_else(|| now.boot.saturating_add(PARKED_LIMIT))),
            Parked::No => None,
        };
        let mut changed = Vec::new();
        for lease in self.leases.values_mut().filter(|lease| lease.parked_until != self.parked_until) {
            lease.parked_until = self.parked_until;
            changed.push(lease.key.clone());
        }
        changed
    }

    /// Puts a lease in as it is, from the journal.
    pub(crate) fn insert(&mut self, lease: Lease) {
        self.leases.insert(lease.key.clone(), lease);
    }

    /// Forgets ended leases: those that ended long ago, and of each client all but the latest. Returns their keys.
    pub(crate) fn forget(&mut self, now: &ClockReading) -> Vec<LeaseKey> {
        let mut ended: Vec<(&str, Duration, &LeaseKey)> = self
            .leases
            .iter()
            .filter_map(|(key, lease)| Some((key.client.as_str(), lease.ended.as_ref()?.at, key)))
            .collect();
        ended.sort_by(|one, other| (one.0, other.1).cmp(&(other.0, one.1)));
        let mut displaced = Vec::new();
        let mut of_client = ("", 0);
        for (client, at, key) in ended {
            of_client = if of_client.0 == client { (client, of_client.1 + 1) } else { (client, 1) };
            if of_client.1 > self.limits.per_client || now.boot.saturating_sub(at) >= REMEMBERED {
                displaced.push(key.clone());
            }
        }
        for key in &displaced {
            self.leases.remove(key);
        }
        displaced
    }

    /// Returns the lease with this key, ended ones for a while too.
    pub(crate) fn find(&self, now: &ClockReading, key: &LeaseKey) -> Option<&Lease> {
        self.leases.get(key).filter(|lease| !is_forgotten(lease, now))
    }

    /// Returns all leases by client and name, ended ones for a while too.
    pub(crate) fn list(&self, now: &ClockReading) -> impl Iterator<Item = &Lease> {
        self.leases.values().filter(move |lease| !is_forgotten(lease, now))
    }

    /// Returns the held leases.
    pub(crate) fn held(&self) -> impl Iterator<Item = &Lease> {
        self.leases.values().filter(|lease| lease.state == LeaseState::Held)
    }

    /// Returns the time until the next lease ends by itself.
    pub(crate) fn next_end(&self, now: &ClockReading) -> Option<Duration> {
        self.held().filter_map(|lease| lease.left(now)).min()
    }
}

/// Whether the agent is parked: its settings can't work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parked {
    Yes,
    No,
}

fn is_forgotten(lease: &Lease, now: &ClockReading) -> bool {
    lease.ended.as_ref().is_some_and(|ended| now.boot.saturating_sub(ended.at) >= REMEMBERED)
}

#[cfg(test)]
mod tests;

//! A request for a lease, and why one is refused.

use std::time::Duration;

use jiff::Timestamp;

use crate::error::Error;
use crate::service::REASON_LIMIT;
use crate::service::clock::ClockReading;

use super::lease::{Lease, LeaseKey, Term};

/// Shortest TTL: a client must be able to renew in time.
pub(crate) const SHORTEST_TTL: Duration = Duration::from_secs(1);
/// Longest name, in bytes.
const NAME_LIMIT: usize = 64;

/// How a lease is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    /// A new request: after a loss it takes the lock again.
    Post,
    /// A grant or a renewal: after a loss it is refused with the reason.
    Put,
}

/// A request for a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeaseRequest {
    pub(crate) verb: Verb,
    pub(crate) key: LeaseKey,
    /// Id of the grant to renew; `None` renews any held one of this name.
    pub(crate) id: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) term: Term,
    pub(crate) not_after: Option<Timestamp>,
}

impl LeaseRequest {
    /// Checks the values, without the leases.
    pub(super) fn check(&self, now: &ClockReading, max_ttl: Duration) -> Result<(), Refusal> {
        let name = &self.key.name;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let is_dots = name.chars().all(|c| c == '.');
        if name.len() > NAME_LIMIT || is_dots || !name.chars().all(is_plain) {
            return Err(Refusal::invalid(
                "name",
                format!("a name has 1 to {NAME_LIMIT} letters, digits, `.`, `_`, `-`, e.g. `flash-modem`"),
            ));
        }
        if self.reason.as_ref().is_some_and(|reason| reason.chars().count() > REASON_LIMIT) {
            return Err(Refusal::invalid("reason", format!("it has at most {REASON_LIMIT} characters")));
        }
        if let Term::Ttl(ttl) = self.term
            && !(SHORTEST_TTL..=max_ttl).contains(&ttl)
        {
            let longest = max_ttl.as_secs();
            return Err(Refusal::invalid(
                "ttl",
                format!("it has to be 1 s to {longest} s (AGENT_LOCK_MAX_TTL), e.g. \"10m\""),
            ));
        }
        if now.trusted && self.not_after.is_some_and(|end| end <= now.wall) {
            return Err(Refusal::invalid("not_after", format!("it is over: the time here is {}", now.wall)));
        }
        Ok(())
    }
}

/// Why a request for a lease is refused. Nothing has changed then.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// A value is wrong: 400.
    Invalid { field: &'static str, why: String },
    /// The lease to renew has ended: 409.
    Ended { key: LeaseKey, ended: Option<Box<Lease>> },
    /// The client has as many leases as it may have: 429.
    TooMany { limit: usize },
    /// The agent is parked by a fault in its settings: 503.
    Parked,
    /// The agent is starting, or waits for another agent that owns the lock: 503.
    Starting,
    /// The agent is stopping: 503. The next one continues the held leases.
    Stopping,
    /// The lock is held by another program or the supervisor, or can't be taken: 423 if
    /// [`is_locked`](Error::is_locked), else 503.
    NotHeld(Error),
}

impl Refusal {
    pub(super) fn invalid(field: &'static str, why: String) -> Self {
        Self::Invalid { field, why }
    }

    pub(super) fn ended(key: &LeaseKey, ended: Option<&Lease>) -> Self {
        Self::Ended { key: key.clone(), ended: ended.cloned().map(Box::new) }
    }
}

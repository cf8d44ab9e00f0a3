//! A lease in JSON.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::service::clock::ClockReading;

use super::lease::{Lease, LeaseState, Term};

/// Who looks at a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Viewer {
    /// Its client, or the administrator.
    Owner,
    /// Another client: it sees that the lease is there, and for how long, but neither reason nor id.
    Other,
}

/// A lease in JSON. Durations are in seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct LeaseView {
    /// Name that the client chose.
    pub(crate) name: String,
    /// The client.
    pub(crate) client: String,
    /// `held`, `lost`, `expired`, `released` or `revoked`.
    pub(crate) state: LeaseState,
    /// Id of this grant; the owner can send it with a renewal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    /// Why the client holds it. Only for the owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// The TTL; `null` if it does not expire.
    pub(crate) ttl: Option<u64>,
    /// Whether it does not expire (`locks:keep`).
    pub(crate) keep: bool,
    /// When it was granted; absent if the wall clock was not trusted then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<Timestamp>,
    /// Seconds until it ends without a renewal; `null` if nothing ends it. Rounded down.
    pub(crate) seconds_left: Option<u64>,
    /// That time by the wall clock; absent if the clock is not trusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<Timestamp>,
    /// Seconds after which to renew it: a third of what is left after this answer. Absent if nothing ends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) renew_after: Option<u64>,
    /// Never held beyond this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) not_after: Option<Timestamp>,
    /// Whether `not_after` is observed now: not while the wall clock is not trusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) not_after_observed: Option<bool>,
    /// Seconds until the agent ends it, if that is announced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) revoked_in: Option<u64>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ended: Option<String>,
}

impl LeaseView {
    pub(crate) fn new(lease: &Lease, now: &ClockReading, viewer: Viewer) -> Self {
        let is_held = lease.state == LeaseState::Held;
        let left = lease.left(now).filter(|_| is_held);
        let is_owner = viewer == Viewer::Owner;
        let expires_at = left.filter(|_| now.trusted).and_then(|left| {
            let end = now.wall.checked_add(SignedDuration::try_from(left).ok()?).ok()?;
            Timestamp::from_second(end.as_second()).ok()
        });
        let until = |end: Duration| end.saturating_sub(now.boot).as_secs();
        Self {
            name: lease.key.name.clone(),
            client: lease.key.client.clone(),
            state: lease.state,
            id: is_owner.then(|| lease.id.clone()),
            reason: lease.reason.clone().filter(|_| is_owner),
            ttl: match lease.term {
                Term::Ttl(ttl) => Some(ttl.as_secs()),
                Term::Keep => None,
            },
            keep: lease.term == Term::Keep,
            since: lease.since,
            seconds_left: left.map(|left| left.as_secs()),
            expires_at,
            renew_after: left.map(|left| (left.as_secs() / 3).max(1)),
            not_after: lease.not_after,
            not_after_observed: lease.not_after.map(|_| now.trusted),
            revoked_in: lease.revoked_at.filter(|_| is_held).map(until),
            ended: lease.ended.as_ref().map(|ended| ended.why.clone()),
        }
    }
}

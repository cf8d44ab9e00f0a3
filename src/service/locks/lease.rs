//! One lease: who holds the update lock for what, and until when on the boot clock.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::service::clock::{BootId, ClockReading};

/// What a lease is known by: unique for the client that asks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LeaseKey {
    /// Name of the client in the settings.
    pub(crate) client: String,
    /// Name that the client chose.
    pub(crate) name: String,
}

impl LeaseKey {
    pub(crate) fn new(client: impl Into<String>, name: impl Into<String>) -> Self {
        Self { client: client.into(), name: name.into() }
    }
}

/// As in the journal. Neither part contains a slash.
impl fmt::Display for LeaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.client, self.name)
    }
}

/// How long a lease lasts without a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Term {
    /// This long.
    Ttl(Duration),
    /// Until it is released (scope `locks:keep`).
    Keep,
}

/// State of a lease. All but the first are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LeaseState {
    /// The update lock is held for it.
    Held,
    /// The lock file was taken away, as by a forced call.
    Lost,
    /// It was not renewed in time, or `not_after` is over.
    Expired,
    /// Its client released it.
    Released,
    /// The agent ended it, as announced 60 s before.
    Revoked,
}

impl LeaseState {
    /// Returns the word in JSON and messages.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Lost => "lost",
            Self::Expired => "expired",
            Self::Released => "released",
            Self::Revoked => "revoked",
        }
    }
}

/// A lease. Times are on the boot clock of the current boot unless they are timestamps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) key: LeaseKey,
    /// Unique for each grant: a renewal with the id of an earlier grant is refused.
    pub(crate) id: String,
    pub(crate) reason: Option<String>,
    pub(crate) state: LeaseState,
    pub(crate) term: Term,
    /// When the term ends; `None` for [`Term::Keep`].
    pub(crate) deadline: Option<Duration>,
    /// Never held beyond this wall clock time, while the wall clock is trusted.
    pub(crate) not_after: Option<Timestamp>,
    /// When the agent ends it; set by an announced revocation.
    pub(crate) revoked_at: Option<Duration>,
    /// When a parked agent ends it.
    pub(crate) parked_until: Option<Duration>,
    /// When it was granted, by the wall clock; `None` if that was not trusted.
    pub(crate) since: Option<Timestamp>,
    /// When and why it ended.
    pub(crate) ended: Option<Ended>,
}

/// The end of a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) at: Duration,
    pub(crate) why: String,
}

impl Lease {
    /// Returns how it ends at this time, if it does: the final state and the reason.
    pub(crate) fn due(&self, now: &ClockReading) -> Option<(LeaseState, &'static str)> {
        if self.state != LeaseState::Held {
            return None;
        }
        let is_over = |time: Option<Duration>| time.is_some_and(|time| now.boot >= time);
        if is_over(self.revoked_at) {
            Some((LeaseState::Revoked, "the agent ended it, as announced before"))
        } else if is_over(self.parked_until) {
            Some((
                LeaseState::Expired,
                "the agent is parked by a fault in its settings, and honours leases for one hour then",
            ))
        } else if is_over(self.deadline) {
            Some((LeaseState::Expired, "it was not renewed in time"))
        } else if now.trusted && self.not_after.is_some_and(|end| now.wall >= end) {
            Some((LeaseState::Expired, "its not_after is over"))
        } else {
            None
        }
    }

    /// Returns the time until it ends without a renewal; `None` if nothing ends it.
    pub(crate) fn left(&self, now: &ClockReading) -> Option<Duration> {
        let until_not_after = self.not_after.filter(|_| now.trusted).map(|end| {
            let left = end.duration_since(now.wall);
            Duration::try_from(left).unwrap_or(Duration::ZERO)
        });
        let ends = [self.deadline, self.revoked_at, self.parked_until];
        let boot = ends.into_iter().flatten().map(|end| end.saturating_sub(now.boot));
        boot.chain(until_not_after).min()
    }

    /// Ends it.
    pub(crate) fn end(&mut self, state: LeaseState, why: impl Into<String>, now: &ClockReading) {
        self.state = state;
        self.ended = Some(Ended { at: now.boot, why: why.into() });
    }
}

/// A lease in the journal. Fields are only added; unknown ones are ignored, so that the previous release reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeaseRecord {
    client: String,
    name: String,
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    state: LeaseState,
    /// The boot whose clock the times are of.
    pub(crate) boot_id: BootId,
    /// The boot clock when this was written.
    pub(crate) recorded_ms: u64,
    /// Absent: without expiry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ttl_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deadline_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_after: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoked_at_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parked_until_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended_why: Option<String>,
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl LeaseRecord {
    /// Describes `lease` at this time.
    pub(crate) fn new(lease: &Lease, now: &ClockReading) -> Self {
        let ttl = match lease.term {
            Term::Ttl(ttl) => Some(ttl),
            Term::Keep => None,
        };
        Self {
            client: lease.key.client.clone(),
            name: lease.key.name.clone(),
            id: lease.id.clone(),
            reason: lease.reason.clone(),
            state: lease.state,
            boot_id: now.boot_id.clone(),
            recorded_ms: ms(now.boot),
            ttl_ms: ttl.map(ms),
            deadline_ms: lease.deadline.map(ms),
            not_after: lease.not_after,
            revoked_at_ms: lease.revoked_at.map(ms),
            parked_until_ms: lease.parked_until.map(ms),
            since: lease.since,
            ended_ms: lease.ended.as_ref().map(|ended| ms(ended.at)),
            ended_why: lease.ended.as_ref().map(|ended| ended.why.clone()),
        }
    }

    /// Returns the lease with the times as written, which are of the boot clock of [`boot_id`](Self::boot_id).
    pub(crate) fn into_lease(self) -> Lease {
        let time = Duration::from_millis;
        Lease {
            key: LeaseKey::new(self.client, self.name),
            id: self.id,
            reason: self.reason,
            state: self.state,
            term: self.ttl_ms.map_or(Term::Keep, |ttl| Term::Ttl(time(ttl))),
            deadline: self.deadline_ms.map(time),
            not_after: self.not_after,
            revoked_at: self.revoked_at_ms.map(time),
            parked_until: self.parked_until_ms.map(time),
            since: self.since,
            ended: self.ended_ms.map(|at| Ended { at: time(at), why: self.ended_why.unwrap_or_default() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_and_has_room_for_more_fields() {
        let now = ClockReading {
            wall: "2026-11-29T12:00:00Z".parse().unwrap(),
            boot: Duration::from_secs(100),
            boot_id: BootId::from("b1"),
            trusted: true,
        };
        let mut lease = Lease {
            key: LeaseKey::new("modem", "flash"),
            id: "a1".into(),
            reason: Some("firmware".into()),
            state: LeaseState::Held,
            term: Term::Ttl(Duration::from_secs(60)),
            deadline: Some(Duration::from_secs(160)),
            not_after: Some("2026-11-29T12:00:30Z".parse().unwrap()),
            revoked_at: None,
            parked_until: None,
            since: Some(now.wall),
            ended: None,
        };
        assert_eq!(lease.left(&now), Some(Duration::from_secs(30)), "not_after comes first");
        assert_eq!(
            lease.left(&ClockReading { trusted: false, ..now.clone() }),
            Some(Duration::from_secs(60))
        );
        lease.end(LeaseState::Lost, "forced away", &now);
        let mut json = serde_json::to_value(LeaseRecord::new(&lease, &now)).unwrap();
        json["of_a_newer_release"] = true.into();
        let record: LeaseRecord = serde_json::from_value(json).unwrap();
        assert_eq!((record.boot_id.as_str(), record.recorded_ms), ("b1", 100_000));
        assert_eq!(record.into_lease(), lease);

        let keep = Lease { term: Term::Keep, deadline: None, not_after: None, ended: None, ..lease };
        assert_eq!(keep.left(&now), None);
        assert_eq!(LeaseRecord::new(&keep, &now).into_lease(), keep);
    }
}

//! What becomes of the leases of an earlier process: how much of a TTL is left after a restart of the agent or of the
//! device. Does no I/O and reads no clock.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::service::clock::{BootId, ClockReading};

use super::lease::{Lease, LeaseRecord, LeaseState, Term};

/// What a boot costs of a TTL if the agent did not stop in an orderly way before: how long the device was on or off
/// is not known then.
pub(crate) const COST_OF_UNCLEAN_BOOT: Duration = Duration::from_secs(600);

/// The journal entry of an orderly stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StopRecord {
    boot_id: BootId,
    /// The boot clock at the stop.
    stopped_ms: u64,
}

impl StopRecord {
    pub(crate) fn new(now: &ClockReading) -> Self {
        Self {
            boot_id: now.boot_id.clone(),
            stopped_ms: u64::try_from(now.boot.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// Whether the journal has all that was written into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Records {
    /// It has.
    Complete,
    /// Something in the middle could not be read: a renewal or the stop may be missing.
    WithGap,
}

/// Returns the lease with its times on the clock of this boot.
///
/// In the same boot the clock has gone on. After an orderly stop and a boot a TTL goes on where it stood at the stop;
/// else this boot costs [`COST_OF_UNCLEAN_BOOT`] and the time since it began. After a gap in the journal it gets its
/// whole TTL: the latest renewal may be missing. Never more than the TTL.
pub(crate) fn adopted(
    record: LeaseRecord,
    stop: Option<&StopRecord>,
    records: Records,
    now: &ClockReading,
) -> Lease {
    let recorded = Duration::from_millis(record.recorded_ms);
    let is_same_boot = record.boot_id == now.boot_id && recorded <= now.boot;
    let stopped = stop.filter(|stop| stop.boot_id == record.boot_id).map(|stop| stop.stopped_ms);
    let mut lease = record.into_lease();
    let on_this_clock = |end: Duration| {
        if is_same_boot {
            return end;
        }
        match stopped {
            Some(stopped) => now.boot.saturating_add(end.saturating_sub(Duration::from_millis(stopped))),
            None => end.saturating_sub(recorded).saturating_sub(COST_OF_UNCLEAN_BOOT),
        }
    };
    lease.revoked_at = lease.revoked_at.map(on_this_clock);
    lease.parked_until = lease.parked_until.map(on_this_clock);
    lease.deadline = match lease.term {
        Term::Keep => None,
        Term::Ttl(ttl) => {
            let longest = now.boot.saturating_add(ttl);
            let end = lease.deadline.map_or(longest, on_this_clock);
            Some(if records == Records::WithGap { longest } else { end.min(longest) })
        }
    };
    if lease.state != LeaseState::Held
        && !is_same_boot
        && let Some(ended) = &mut lease.ended
    {
        // Remembered once more from here: the time since the end is not known.
        ended.at = now.boot;
    }
    lease
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::locks::lease::{Ended, LeaseKey};

    fn at(boot_id: &str, boot: u64) -> ClockReading {
        ClockReading {
            wall: "1970-01-01T00:00:00Z".parse().unwrap(),
            boot: Duration::from_secs(boot),
            boot_id: BootId::from(boot_id),
            trusted: false,
        }
    }

    /// A lease of an hour, granted at 1000 s.
    fn lease() -> Lease {
        Lease {
            key: LeaseKey::new("modem", "flash"),
            id: "a1".into(),
            reason: None,
            state: LeaseState::Held,
            term: Term::Ttl(Duration::from_secs(3600)),
            deadline: Some(Duration::from_secs(4600)),
            not_after: None,
            revoked_at: None,
            parked_until: None,
            since: None,
            ended: None,
        }
    }

    fn left(stop: Option<u64>, records: Records, now: &ClockReading) -> u64 {
        let stop = stop.map(|at_second| StopRecord::new(&at("b1", at_second)));
        let record = LeaseRecord::new(&lease(), &at("b1", 1000));
        let lease = adopted(record, stop.as_ref(), records, now);
        lease.deadline.unwrap().saturating_sub(now.boot).as_secs()
    }

    #[test]
    fn in_the_same_boot_the_clock_has_gone_on() {
        for stop in [None, Some(1100)] {
            assert_eq!(left(stop, Records::Complete, &at("b1", 1600)), 3000);
        }
        assert_eq!(left(None, Records::Complete, &at("b1", 9000)), 0);
    }

    #[test]
    fn after_an_orderly_stop_and_a_boot_a_ttl_goes_on_where_it_stood() {
        assert_eq!(left(Some(1600), Records::Complete, &at("b2", 30)), 3000);
        let of_another_boot = StopRecord::new(&at("b0", 1600));
        let record = LeaseRecord::new(&lease(), &at("b1", 1000));
        let lease = adopted(record, Some(&of_another_boot), Records::Complete, &at("b2", 30));
        assert_eq!(
            lease.deadline,
            Some(Duration::from_secs(3000)),
            "a stop of another boot is none of this one"
        );
    }

    #[test]
    fn each_boot_after_a_power_loss_costs_ten_minutes_and_its_own_time() {
        assert_eq!(left(None, Records::Complete, &at("b2", 30)), 3000 - 30);
        let mut record = LeaseRecord::new(&lease(), &at("b1", 1000));
        let mut boots = 0;
        loop {
            boots += 1;
            let now = at(&format!("b{}", boots + 1), 0);
            let lease = adopted(record, None, Records::Complete, &now);
            if lease.due(&now).is_some() {
                break;
            }
            record = LeaseRecord::new(&lease, &now);
        }
        assert_eq!(boots, 6, "an hour is six times ten minutes");
    }

    #[test]
    fn after_a_gap_it_gets_its_ttl_and_never_more() {
        assert_eq!(left(None, Records::WithGap, &at("b1", 1600)), 3600);
        assert_eq!(left(None, Records::WithGap, &at("b2", 30)), 3600);
        let longer = Lease { deadline: Some(Duration::from_secs(99_999)), ..lease() };
        let record = LeaseRecord::new(&longer, &at("b1", 1000));
        let now = at("b1", 1600);
        assert_eq!(
            adopted(record, None, Records::Complete, &now).left(&now),
            Some(Duration::from_secs(3600))
        );
    }

    #[test]
    fn a_boot_clock_that_went_back_is_another_boot_and_an_end_is_remembered() {
        // Without a readable boot id.
        let record = LeaseRecord::new(&lease(), &at("", 1000));
        let lease_now = adopted(record, None, Records::Complete, &at("", 30));
        assert_eq!(lease_now.deadline, Some(Duration::from_secs(3000)));
        let ended = Ended { at: Duration::from_secs(900), why: "forced".into() };
        let lost = Lease { state: LeaseState::Lost, ended: Some(ended), ..lease() };
        let adopted =
            adopted(LeaseRecord::new(&lost, &at("b1", 1000)), None, Records::Complete, &at("b2", 5));
        assert_eq!(adopted.ended.map(|ended| ended.at), Some(Duration::from_secs(5)));
    }
}

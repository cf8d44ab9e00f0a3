//! The time as one value: wall clock, boot clock, boot id. Decisions take a [`ClockReading`]; only the shell reads the
//! clocks.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use nix::time::{ClockId, clock_gettime};

/// The release of this code is younger. A device without a battery-backed clock starts in 1970, or at the time of its
/// OS image.
const EARLIEST_WALL_SECOND: i64 = 1_767_225_600; // 2026-01-01T00:00:00Z
/// How far the wall clock may be set back by its synchronisation before it counts as wrong.
const TOLERATED_STEP_SECONDS: i64 = 60;
/// File with the kernel's id of this boot.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// The boot id if the kernel's can't be read.
const UNKNOWN_BOOT: &str = "unknown";

/// The kernel's id of a boot: a random uuid. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct BootId(Arc<str>);

impl BootId {
    /// Returns the id of the boot in which this process runs; `unknown` if it can't be read.
    pub(crate) fn current() -> Self {
        Self::from(std::fs::read_to_string(BOOT_ID).unwrap_or_default().trim())
    }

    /// Returns the id as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for BootId {
    fn from(id: &str) -> Self {
        Self(if id.is_empty() { UNKNOWN_BOOT } else { id }.into())
    }
}

impl fmt::Display for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for BootId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for BootId {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Ok(Self::from(&*std::borrow::Cow::<'de, str>::deserialize(input)?))
    }
}

/// All clocks at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClockReading {
    /// The wall clock, in UTC. May be wrong: see [`trusted`](Self::trusted).
    pub(crate) wall: Timestamp,
    /// Time since the boot, time in suspend included (`CLOCK_BOOTTIME`). Nobody can set it.
    pub(crate) boot: Duration,
    /// The boot that [`boot`](Self::boot) counts from.
    pub(crate) boot_id: BootId,
    /// Whether the wall clock is plausible: see [`is_plausible`].
    pub(crate) trusted: bool,
}

/// Returns whether a wall clock can be right: not before the release of this code, and not before `recorded`, the
/// latest time that was written down while the clock was plausible (`None`: nothing is). Steps back of up to a minute
/// are normal when the clock is synchronised.
pub(crate) fn is_plausible(wall: Timestamp, recorded: Option<Timestamp>) -> bool {
    let wall = wall.as_second();
    let recorded = recorded.map_or(i64::MIN, Timestamp::as_second);
    wall >= EARLIEST_WALL_SECOND && wall >= recorded.saturating_sub(TOLERATED_STEP_SECONDS)
}

/// Source of clock readings. Tests make readings by hand.
pub(crate) trait ServiceClock: Send + Sync + fmt::Debug {
    /// Reads all clocks. Costs two system calls.
    fn read(&self) -> ClockReading;

    /// Tells a wall clock time that was written to disk while the clock was plausible. Earlier readings are not trusted.
    fn record(&self, _wall: Timestamp) {}
}

/// The clocks of the kernel.
#[derive(Debug)]
pub(crate) struct SystemClock {
    boot_id: BootId,
    /// Latest recorded wall clock, in seconds since 1970.
    recorded: AtomicI64,
}

impl SystemClock {
    /// Reads the boot id, which does not change while this process runs.
    pub(crate) fn new() -> Self {
        Self { boot_id: BootId::current(), recorded: AtomicI64::new(i64::MIN) }
    }
}

impl ServiceClock for SystemClock {
    fn record(&self, wall: Timestamp) {
        self.recorded.fetch_max(wall.as_second(), Ordering::Relaxed);
    }

    fn read(&self) -> ClockReading {
        let wall = Timestamp::now();
        let recorded = Timestamp::from_second(self.recorded.load(Ordering::Relaxed)).ok();
        // The kernel has had this clock since 2.6.39. Zero would let no lease expire early.
        let boot = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from);
        ClockReading { wall, boot, boot_id: self.boot_id.clone(), trusted: is_plausible(wall, recorded) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_wall_clock_before_the_release_or_before_what_was_recorded_is_not_trusted() {
        let recorded = Some(at("2026-11-29T12:00:00Z"));
        for (wall, recorded, plausible) in [
            ("1970-01-01T00:00:10Z", None, false),
            ("2025-12-31T23:59:59Z", None, false),
            ("2026-01-01T00:00:00Z", None, true),
            ("2026-11-29T12:00:00Z", recorded, true),
            ("2026-11-29T11:59:00Z", recorded, true),
            ("2026-11-29T11:58:59Z", recorded, false),
            ("2036-01-01T00:00:00Z", recorded, true),
        ] {
            assert_eq!(is_plausible(at(wall), recorded), plausible, "{wall} after {recorded:?}");
        }
    }

    #[test]
    fn the_system_clock_counts_from_one_boot_and_forgets_no_record() {
        let clock = SystemClock::new();
        let (first, second) = (clock.read(), clock.read());
        assert!(first.trusted && first.boot <= second.boot && first.boot > Duration::ZERO);
        assert_eq!(first.boot_id, second.boot_id);
        assert_eq!(first.boot_id.as_str().len(), 36);
        clock.record(at("2100-01-01T00:00:00Z"));
        clock.record(at("2026-11-29T12:00:00Z"));
        assert!(!clock.read().trusted);
    }

    #[test]
    fn a_boot_id_is_plain_text_in_json() {
        let id: BootId = serde_json::from_str("\"0b9a\"").unwrap();
        assert_eq!((serde_json::to_string(&id).unwrap(), id.to_string()), ("\"0b9a\"".into(), "0b9a".into()));
        assert_eq!(BootId::from("").as_str(), "unknown");
    }
}

//! What there is to do, alike for everyone, and what it took.

use std::fmt;
use std::str::FromStr;
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};

use crate::Outcome;

/// The device of all works.
pub(crate) const UUID: &str = "8deb12a58e3b6d3920db1c2b6303d1ff";
pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const GETS: usize = 200;
pub(crate) const AT_ONCE: usize = 64;
pub(crate) const ROWS: usize = 10_000;
pub(crate) const TAGS: usize = 1_000;
pub(crate) const LINES: usize = 100_000;

/// One work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// A device 200 times, one after the other.
    Gets,
    /// A device 64 times at once.
    AtOnce,
    /// 10,000 devices in one answer.
    List,
    /// A tag of a device 1,000 times, one after the other.
    Tags,
    /// 100,000 lines of a device's log.
    Logs,
}

impl FromStr for Work {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "gets" => Ok(Self::Gets),
            "at_once" => Ok(Self::AtOnce),
            "list" => Ok(Self::List),
            "tags" => Ok(Self::Tags),
            "logs" => Ok(Self::Logs),
            _ => Err(format!("there is no work `{name}`")),
        }
    }
}

/// Seconds on the clock and of CPU, and the most memory that the process ever held.
#[derive(Debug)]
pub(crate) struct Spent {
    wall: f64,
    cpu: f64,
    peak_kib: u64,
}

impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, r#"{{"wall":{:.6},"cpu":{:.6},"peak_kib":{}}}"#, self.wall, self.cpu, self.peak_kib)
    }
}

/// From the first call on; a client is made, and has made one call, by then.
#[derive(Debug)]
pub(crate) struct Started(Instant, f64);

impl Started {
    pub(crate) fn now() -> Outcome<Self> {
        Ok(Self(Instant::now(), cpu()?))
    }

    pub(crate) fn done(&self) -> Outcome<Spent> {
        let (wall, cpu) = (self.0.elapsed().as_secs_f64(), cpu()? - self.1);
        let status = std::fs::read_to_string("/proc/self/status")?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
        Ok(Spent { wall, cpu, peak_kib: peak.trim().trim_end_matches(" kB").parse()? })
    }
}

fn cpu() -> Outcome<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

//! Which process this is, and whether another one is alive.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

/// What can be seen of a process by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// It is there, and started at this time, in clock ticks since boot.
    Started(u64),
    /// It is there. More than that this user may not see.
    There,
    /// There is none, or one that has ended and that its parent has not yet asked about.
    Ended,
    /// The processes of this container can't be looked at.
    Unknown,
}

/// When this process started, in clock ticks since boot.
pub(super) fn own_start() -> Option<u64> {
    started("self").and_then(|(_, started)| started)
}

/// The kernel's number of this process's PID namespace: ids of processes mean something within one only.
pub(super) fn own_namespace() -> Option<u64> {
    fs::metadata("/proc/self/ns/pid").ok().map(|meta| meta.ino())
}

/// Looks for a process of this PID namespace.
pub(super) fn look(pid: u32) -> Seen {
    // `/proc` may be another namespace's, and its ids too.
    let ours =
        fs::read_link("/proc/self").is_ok_and(|own| own.as_os_str() == &*std::process::id().to_string());
    if !ours {
        return Seen::Unknown;
    }
    match started(&pid.to_string()) {
        // A zombie: it does nothing any more, and a parent that never asks keeps it for ever.
        Some(('Z' | 'X', _)) => Seen::Ended,
        Some((_, Some(started))) => Seen::Started(started),
        Some((_, None)) => Seen::There,
        // `/proc` may hide the processes of other users; the kernel knows.
        None => match i32::try_from(pid).map(|pid| kill(Pid::from_raw(pid), None)) {
            Ok(Ok(()) | Err(Errno::EPERM)) if pid != 0 => Seen::There,
            _ => Seen::Ended,
        },
    }
}

/// State and start time of a process; `None` if it is not there.
fn started(process: &str) -> Option<(char, Option<u64>)> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field is the name in brackets and may hold brackets and spaces itself; the state is the
    // first after it, and `starttime` field 22, so the 20th.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18).and_then(|started| started.parse().ok())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dead_are_told_from_the_living() {
        let own = std::process::id();
        assert_eq!(Some(look(own)), own_start().map(Seen::Started));
        assert!(own_namespace().is_some());
        for nobody in [0, u32::MAX, i32::MAX as u32] {
            assert_eq!(look(nobody), Seen::Ended, "{nobody}");
        }
        // Ended, and not yet waited for.
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let by = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while look(child.id()) != Seen::Ended {
            assert!(std::time::Instant::now() < by, "a zombie counts as alive");
            std::thread::yield_now();
        }
        child.wait().unwrap();
    }
}

//! Identity of this process, and whether another one is alive.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

/// What is visible of a process id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProcessStatus {
    /// The process exists and started at this time, in clock ticks since boot.
    Started(u64),
    /// The process exists. This user may not see more.
    There,
    /// There is no such process, or it is a zombie.
    Ended,
    /// The processes of this container are not visible.
    Unknown,
}

/// Returns the start time of this process, in clock ticks since boot.
pub(super) fn own_start() -> Option<u64> {
    started("self").and_then(|(_, started)| started)
}

/// Returns the id of this process's PID namespace. Process ids are valid only within one namespace.
pub(super) fn own_namespace() -> Option<u64> {
    fs::metadata("/proc/self/ns/pid").ok().map(|meta| meta.ino())
}

/// Looks up a process of this PID namespace.
pub(super) fn look(pid: u32) -> ProcessStatus {
    // `/proc` may be that of another namespace, with other ids.
    let ours =
        fs::read_link("/proc/self").is_ok_and(|own| own.as_os_str() == &*std::process::id().to_string());
    if !ours {
        return ProcessStatus::Unknown;
    }
    match started(&pid.to_string()) {
        // A zombie: the process has ended, but its parent has not waited for it.
        Some(('Z' | 'X', _)) => ProcessStatus::Ended,
        Some((_, Some(started))) => ProcessStatus::Started(started),
        Some((_, None)) => ProcessStatus::There,
        // `/proc` may hide the processes of other users; `kill` does not.
        None => match i32::try_from(pid).map(|pid| kill(Pid::from_raw(pid), None)) {
            Ok(Ok(()) | Err(Errno::EPERM)) if pid != 0 => ProcessStatus::There,
            _ => ProcessStatus::Ended,
        },
    }
}

/// Returns state and start time of a process; `None` if it does not exist.
fn started(process: &str) -> Option<(char, Option<u64>)> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field is the name in parentheses, which may contain parentheses and spaces. The state is the first
    // field after it; `starttime` is field 22, so the 20th after it.
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
        assert_eq!(Some(look(own)), own_start().map(ProcessStatus::Started));
        assert!(own_namespace().is_some());
        for nobody in [0, u32::MAX, i32::MAX as u32] {
            assert_eq!(look(nobody), ProcessStatus::Ended, "{nobody}");
        }
        // Ended, but its parent has not waited for it.
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let by = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while look(child.id()) != ProcessStatus::Ended {
            assert!(std::time::Instant::now() < by, "a zombie counts as alive");
            std::thread::yield_now();
        }
        child.wait().unwrap();
    }
}

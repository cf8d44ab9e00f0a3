//! The holder of a lock, as written in the lock file.

use std::fmt;
use std::fs;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::is_hidden;

use super::process::{self, ProcessStatus};

/// Longest owner or reason, in characters.
const TEXT_LIMIT: usize = 200;
/// Number of bytes read from a lock file. The line of this library is shorter.
pub(super) const LINE_LIMIT: u64 = 8 * 1024;
/// Marks a file of this library, whose holder keeps an `flock` while it lives. Only such a lock can be recognized as
/// stale.
const FLOCK_MARKER: &str = "balena-agent/1";

/// The holder of a lock, in its own words. Only locks of this library have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LockOwner {
    /// Name of the service (`BALENA_SERVICE_NAME`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Host name of the container, by default the short form of its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Process id inside its container.
    pub pid: u32,
    /// Start time of the process, in clock ticks since boot. Distinguishes it from a later process with the same id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process_started: Option<u64>,
    /// Id of the process's PID namespace, in which the process id is valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid_namespace: Option<u64>,
    /// The kernel's id of the boot in which the process ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_id: Option<String>,
    /// Name of the program, without its arguments, which may contain secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// Name of the holder, as set when the lock was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Reason, as set when the lock was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When the lock was taken, by the device's clock, which may have been wrong.
    pub since: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Line<T> {
    maker: String,
    owner: T,
}

impl LockOwner {
    /// Describes this process at this time.
    pub(super) fn here(service: Option<&str>, owner: Option<&str>, reason: Option<&str>) -> Self {
        let now = Timestamp::now();
        Self {
            service: service.map(tidy),
            container: read_line("/proc/sys/kernel/hostname"),
            pid: std::process::id(),
            process_started: process::own_start(),
            pid_namespace: process::own_namespace(),
            boot_id: read_line("/proc/sys/kernel/random/boot_id"),
            program: std::env::args_os().next().and_then(|path| {
                let name = std::path::Path::new(&path).file_name()?;
                Some(tidy(&name.to_string_lossy()))
            }),
            owner: owner.map(tidy),
            reason: reason.map(tidy),
            // For people, whole seconds suffice.
            since: Timestamp::from_second(now.as_second()).unwrap_or(now),
        }
    }

    /// Returns the content of the lock file: one line, so that it is readable even if longer old content follows.
    pub(super) fn to_line(&self) -> Vec<u8> {
        let line = Line { maker: FLOCK_MARKER.to_owned(), owner: self };
        let mut line = serde_json::to_vec(&line).unwrap_or_default();
        line.push(b'\n');
        line
    }

    /// Parses the content of a lock file. Returns `None` if it is not of this library: empty, of another program, or
    /// damaged.
    pub(super) fn from_content(content: &[u8]) -> Option<Self> {
        let line = content.split(|byte| *byte == b'\n').next()?;
        let line: Line<Self> = serde_json::from_slice(line).ok()?;
        if line.maker != FLOCK_MARKER {
            return None;
        }
        // Any writer of the file controls the text, which may be printed on a terminal.
        let owner = line.owner;
        Some(Self {
            service: owner.service.as_deref().map(tidy),
            container: owner.container.as_deref().map(tidy),
            boot_id: owner.boot_id.as_deref().map(tidy),
            program: owner.program.as_deref().map(tidy),
            owner: owner.owner.as_deref().map(tidy),
            reason: owner.reason.as_deref().map(tidy),
            ..owner
        })
    }

    /// Returns whether this describes the current process.
    pub(super) fn is_this_process(&self, here: &Self) -> bool {
        self.pid == here.pid
            && self.process_started == here.process_started
            && self.boot_id == here.boot_id
            && self.same_namespace(here)
    }

    fn same_namespace(&self, here: &Self) -> bool {
        match (self.pid_namespace, here.pid_namespace) {
            (Some(theirs), Some(ours)) => theirs == ours,
            // Earlier versions did not write it.
            _ => !differ(self.container.as_ref(), here.container.as_ref()),
        }
    }

    /// Returns whether the process is alive, as visible from `here`.
    pub(super) fn liveness(&self, here: &Self) -> Liveness {
        if differ(self.boot_id.as_ref(), here.boot_id.as_ref()) {
            return Liveness::Ended("the device has rebooted since it was taken".to_owned());
        }
        if !self.same_namespace(here) {
            return Liveness::Elsewhere;
        }
        match (process::look(self.pid), self.process_started) {
            (ProcessStatus::Ended, _) => {
                Liveness::Ended(format!("its holder, process {}, has ended", self.pid))
            }
            (ProcessStatus::Started(now), Some(then)) if now != then => Liveness::Ended(format!(
                "its holder has ended; process id {} is now another process",
                self.pid
            )),
            (ProcessStatus::Started(_), Some(_)) => Liveness::Alive,
            _ => Liveness::Unknown,
        }
    }
}

/// Whether the process named in a lock file is alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Liveness {
    Alive,
    /// It has ended; the text says how that is known.
    Ended(String),
    /// It runs or ran in another container or PID namespace, where its id has another meaning.
    Elsewhere,
    /// A process with this id exists, but it may be another one.
    Unknown,
}

fn differ<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
    matches!((one, other), (Some(one), Some(other)) if one != other)
}

fn read_line(path: &str) -> Option<String> {
    let text = tidy(fs::read_to_string(path).ok()?.trim());
    (!text.is_empty()).then_some(text)
}

/// Returns one line of bounded length without invisible characters.
pub(super) fn tidy(text: &str) -> String {
    text.chars().take(TEXT_LIMIT).map(|c| if is_hidden(c) { ' ' } else { c }).collect()
}

impl fmt::Display for LockOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.owner.as_deref().or(self.program.as_deref()).unwrap_or("a program"))?;
        f.write_str(" (")?;
        if let Some(service) = &self.service {
            write!(f, "service {service}, ")?;
        }
        write!(f, "process {}", self.pid)?;
        if let Some(container) = &self.container {
            write!(f, " in container {container}")?;
        }
        write!(f, ") since {}", self.since)?;
        match &self.reason {
            Some(reason) => write!(f, ": {reason}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> LockOwner {
        LockOwner::here(Some("main"), Some("flasher"), Some("modem\nfirmware\u{1b}[31m"))
    }

    #[test]
    fn a_line_reads_back_even_with_rests_of_an_older_one_behind_it() {
        let owner = here();
        assert_eq!(owner.reason.as_deref(), Some("modem firmware [31m"));
        let mut content = owner.to_line();
        content.extend_from_slice(b"rest of a longer line\"}}");
        assert_eq!(LockOwner::from_content(&content), Some(owner));
    }

    #[test]
    fn foreign_and_damaged_content_is_nobody() {
        let line = here().to_line();
        let other = String::from_utf8(line.clone()).unwrap().replace(FLOCK_MARKER, "other/1");
        let half = line.get(..line.len() / 2).unwrap();
        for content in [b"".as_slice(), b"0", b"12345\n", b"{}", b"\xff\xfe", half, other.as_bytes()] {
            assert_eq!(LockOwner::from_content(content), None);
        }
    }

    #[test]
    fn long_and_wild_text_in_a_file_is_tamed() {
        let mut owner = here();
        owner.owner = Some("x\u{7}".repeat(5000));
        let read = LockOwner::from_content(&owner.to_line()).unwrap().owner.unwrap();
        assert_eq!(read.chars().count(), TEXT_LIMIT);
        assert!(!read.chars().any(char::is_control));
    }

    #[test]
    fn a_process_is_known_by_boot_container_id_and_start() {
        let me = here();
        assert!(me.process_started.is_some() && me.boot_id.is_some() && me.container.is_some());
        assert!(me.is_this_process(&here()) && me.liveness(&here()) == Liveness::Alive);

        let ended = |owner: &LockOwner| match owner.liveness(&me) {
            Liveness::Ended(why) => why,
            life => panic!("{life:?}"),
        };
        let reused = LockOwner { process_started: Some(1), ..here() };
        assert!(ended(&reused).contains("now another process") && !reused.is_this_process(&me));
        assert!(ended(&LockOwner { pid: u32::MAX, ..here() }).contains("has ended"));
        assert!(ended(&LockOwner { boot_id: Some("other".into()), ..here() }).contains("rebooted"));

        // Another namespace, whatever the container names; the names count if no namespace was written.
        let other = Some("0123456789ab".to_owned());
        let moved = [
            LockOwner { pid_namespace: Some(1), ..here() },
            LockOwner { pid_namespace: None, container: other.clone(), ..here() },
        ];
        for moved in moved {
            assert!(moved.liveness(&me) == Liveness::Elsewhere && !moved.is_this_process(&me));
        }
        assert_eq!(LockOwner { container: other, ..here() }.liveness(&me), Liveness::Alive);
        // An unknown value proves nothing.
        let unknown = LockOwner { process_started: None, pid_namespace: None, container: None, ..here() };
        assert_eq!(unknown.liveness(&me), Liveness::Unknown);
    }

    #[test]
    fn display_is_one_line_for_people() {
        let owner =
            LockOwner { pid: 7, container: Some("ab12".into()), since: Timestamp::UNIX_EPOCH, ..here() };
        assert_eq!(
            owner.to_string(),
            "flasher (service main, process 7 in container ab12) since 1970-01-01T00:00:00Z: modem firmware [31m"
        );
    }
}

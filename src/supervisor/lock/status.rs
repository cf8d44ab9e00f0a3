//! The state of an update lock: its files and their holders.

use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

use crate::error::LockHolder;

use super::SUPERVISOR_UID;
use super::owner::LockOwner;

/// State of an update lock at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LockStatus {
    /// Path of the lock file, whether it exists or not.
    pub path: PathBuf,
    /// State for the supervisor and for [`acquire`](super::UpdateLock::acquire): that of [`file`](Self::file) or
    /// [`legacy`](Self::legacy), whichever blocks the lock.
    pub state: LockState,
    /// The file at the path.
    pub file: Option<LockFile>,
    /// The file with the other name: `resin-updates.lock` locks like `updates.lock`, except that the host OS ignores
    /// it.
    pub legacy: Option<LockFile>,
}

impl LockStatus {
    /// Returns whether anything locks.
    pub fn is_locked(&self) -> bool {
        self.state != LockState::Free
    }

    /// Returns what blocks the lock. If both files exist, the one in use; a stale one may be taken over.
    pub(super) fn obstacle(&self) -> Option<&LockFile> {
        let mut files = self.file.iter().chain(&self.legacy);
        files.clone().find(|file| file.state != LockState::Stale).or_else(|| files.next())
    }
}

/// Holder of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LockState {
    /// No holder.
    Free,
    /// This process.
    ThisProcess,
    /// The supervisor, during an update, restart or reboot. It releases the lock by itself.
    Supervisor,
    /// Another program.
    Held,
    /// No living holder: a process of this library left it behind. See
    /// [`take_over_stale`](super::AcquireLock::take_over_stale).
    Stale,
}

/// Type of the directory entry at a lock's path. Every type locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PathKind {
    /// A regular file.
    File,
    /// A directory. `force` removes it only if it is empty.
    Directory,
    /// A symbolic link, whatever its target.
    Symlink,
    /// A socket, pipe or device.
    Other,
}

/// A file with one of the lock names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LockFile {
    /// Path of the file.
    pub path: PathBuf,
    /// Holder of the lock.
    pub state: LockState,
    /// Type of the directory entry.
    pub kind: PathKind,
    /// User id of its owner; 65534 is the supervisor.
    pub uid: u32,
    /// When the lock was taken, according to the holder; else the time of the file's last change.
    pub since: Option<Timestamp>,
    /// Seconds since then, by the device's clock; 0 if the clock was set back.
    pub age_seconds: Option<u64>,
    /// Whether a process has an `flock` on it, which prevents the host OS from rebooting. `None` if that can't be
    /// checked, e.g. because the file is not readable.
    pub flock: Option<bool>,
    /// The holder's description of itself. Only locks of this library have it.
    pub owner: Option<LockOwner>,
    /// Whether the process named in [`owner`](Self::owner) is alive. `None` if that is not visible from here, because
    /// it is in another container or PID namespace.
    pub owner_alive: Option<bool>,
    /// How it is known that the process named in [`owner`](Self::owner) has ended.
    pub stale: Option<String>,
}

impl LockFile {
    /// Returns the holder for [`Error::lock_holder`](crate::Error::lock_holder).
    pub(super) fn holder(&self, app_id: Option<i64>) -> LockHolder {
        match app_id {
            Some(app_id) if self.state == LockState::Supervisor => LockHolder::SupervisorOperation { app_id },
            _ => LockHolder::Process(self.who()),
        }
    }

    fn who(&self) -> String {
        if self.state == LockState::Supervisor {
            return format!("the supervisor (user {SUPERVISOR_UID})");
        }
        if let Some(owner) = &self.owner {
            return owner.to_string();
        }
        let what = match self.kind {
            PathKind::File => "an unknown program",
            PathKind::Directory => "a directory",
            PathKind::Symlink => "a symbolic link",
            PathKind::Other => "a socket, pipe or device",
        };
        let since = self.since.map(|since| format!(" since {since}")).unwrap_or_default();
        format!("{what} of user {}{since}", self.uid)
    }
}

impl fmt::Display for LockFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = self.who();
        match (self.state, &self.stale) {
            (LockState::ThisProcess, _) => write!(f, "held by this process, {who}"),
            // The holder's file descriptor was inherited by a program that is still alive.
            (_, Some(why)) if self.flock == Some(true) => {
                write!(f, "held by a program that was started by {who}; {why}")
            }
            (_, Some(why)) => write!(f, "left behind by {who}; {why}"),
            _ => {
                write!(f, "held by {who}")?;
                let unknown = self.owner.is_some() && self.owner_alive.is_none();
                f.write_str(if unknown {
                    " (whether that process is alive is not visible from here)"
                } else {
                    ""
                })
            }
        }
    }
}

impl fmt::Display for LockStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut files = self.file.iter().chain(&self.legacy);
        match files.next() {
            Some(first) => write!(f, "{}: {first}", first.path.display())?,
            None => write!(f, "{}: free", self.path.display())?,
        }
        files.try_for_each(|file| write!(f, "\n{}: {file}", file.path.display()))
    }
}

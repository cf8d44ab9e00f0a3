//! Reads the state of a lock without changing it.

use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use serde::Serialize;

use crate::error::{LockHolder, Result};
use crate::fs::directory_of;

use super::owner::{LINE_LIMIT, Liveness, LockOwner};
use super::{SUPERVISOR_UID, UpdateLock, error};

/// Maximum number of attempts to read a file that changes meanwhile. Each takes a few system calls.
const MAX_READS: u32 = 4;

/// State of an update lock at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LockStatus {
    /// Path of the lock file, whether it exists or not.
    pub path: PathBuf,
    /// State for the supervisor and for [`acquire`](UpdateLock::acquire): that of [`file`](Self::file) or
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

/// Reads both files. `verb` names the operation in errors.
pub(super) fn read(lock: &UpdateLock, verb: &str) -> Result<LockStatus> {
    // "Free" would be true but useless for a file that does not lock.
    error::check_place(lock, verb)?;
    let trouble = |cause| error::directory(lock, verb, cause);
    // A missing directory is not a free lock: no file in it could lock.
    if !fs::metadata(directory_of(&lock.path)).map_err(trouble)?.is_dir() {
        return Err(trouble(Errno::ENOTDIR.into()));
    }
    let file = inspect(lock, &lock.path).map_err(trouble)?;
    let legacy = inspect(lock, &lock.other_path()).map_err(trouble)?;
    let mut status = LockStatus { path: lock.path.clone(), state: LockState::Free, file, legacy };
    status.state = status.obstacle().map_or(LockState::Free, |file| file.state);
    Ok(status)
}

/// Returns the state of the file at this path; `None` if there is none.
pub(super) fn inspect(lock: &UpdateLock, path: &Path) -> io::Result<Option<LockFile>> {
    for _ in 0..MAX_READS {
        let Some(meta) = at(path)? else { return Ok(None) };
        let seen = OpenLockFile::of(path, &meta);
        // The file was released, removed or replaced between two reads: the results do not belong together.
        if at(path)?.is_some_and(|now| same(&now, &meta)) {
            return Ok(Some(classify(lock, path, &meta, seen)));
        }
    }
    // The file changes too often; it is enough to report it as held.
    Ok(at(path)?.map(|meta| classify(lock, path, &meta, OpenLockFile { owner: None, flock: None })))
}

fn at(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(meta) => Ok(Some(meta)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Opens a file that should be regular: follows no link and does not block on a pipe.
pub(super) fn open(path: &Path, write: bool) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(write)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
        .open(path)
}

pub(super) fn read_owner(file: &File) -> Option<LockOwner> {
    let mut content = Vec::new();
    file.take(LINE_LIMIT).read_to_end(&mut content).ok()?;
    LockOwner::from_content(&content)
}

/// Properties that need the open file.
pub(super) struct OpenLockFile {
    pub(super) owner: Option<LockOwner>,
    pub(super) flock: Option<bool>,
}

impl OpenLockFile {
    fn of(path: &Path, meta: &Metadata) -> Self {
        let nothing = Self { owner: None, flock: None };
        if !meta.is_file() {
            return nothing;
        }
        let Ok(file) = open(path, false) else { return nothing };
        let owner = read_owner(&file);
        // A shared `flock`, released at once: it disturbs neither another reader nor a holder. If the host OS checks
        // in this moment, it retries after 5 s.
        let flock = match Flock::lock(file, FlockArg::LockSharedNonblock) {
            Ok(_free) => Some(false),
            Err((_, Errno::EWOULDBLOCK)) => Some(true),
            Err(_) => None,
        };
        Self { owner, flock }
    }
}

/// Combines what was read.
pub(super) fn classify(lock: &UpdateLock, path: &Path, meta: &Metadata, seen: OpenLockFile) -> LockFile {
    let here = LockOwner::here(lock.service.as_deref(), None, None);
    let kind = if meta.is_file() {
        PathKind::File
    } else if meta.is_dir() {
        PathKind::Directory
    } else if meta.is_symlink() {
        PathKind::Symlink
    } else {
        PathKind::Other
    };
    let life = seen.owner.as_ref().map(|owner| owner.life(&here));
    let (owner_alive, stale) = match life {
        Some(Liveness::Alive) => (Some(true), None),
        Some(Liveness::Ended(why)) => (Some(false), Some(why)),
        // Its creator keeps an `flock` while it lives, which is visible from every container.
        Some(Liveness::Elsewhere) if seen.flock == Some(false) => {
            let container = seen.owner.as_ref().and_then(|owner| owner.container.as_deref());
            let container = container.map(|name| format!(" ({name})")).unwrap_or_default();
            (Some(false), Some(format!("its holder ran in another container{container} and has ended")))
        }
        Some(Liveness::Elsewhere | Liveness::Unknown) | None => (None, None),
    };
    let state = match &seen.owner {
        _ if meta.uid() == SUPERVISOR_UID => LockState::Supervisor,
        Some(owner) if seen.flock == Some(true) && owner.is_this_process(&here) => LockState::ThisProcess,
        Some(owner) if seen.flock == Some(false) && owner.service == here.service && stale.is_some() => {
            LockState::Stale
        }
        _ => LockState::Held,
    };
    let since =
        seen.owner.as_ref().map(|owner| owner.since).or_else(|| Timestamp::from_second(meta.mtime()).ok());
    let age = since.map(|since| here.since.as_second().saturating_sub(since.as_second()));
    LockFile {
        path: path.to_owned(),
        state,
        kind,
        uid: meta.uid(),
        since,
        age_seconds: age.map(|age| u64::try_from(age).unwrap_or(0)),
        flock: seen.flock,
        owner: seen.owner,
        owner_alive,
        stale,
    }
}

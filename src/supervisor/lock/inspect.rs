//! Reads the state of a lock without changing it.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use jiff::Timestamp;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};

use crate::error::Result;
use crate::fs::directory_of;

use super::owner::{LINE_LIMIT, Liveness, LockOwner};
use super::status::{LockFile, LockState, LockStatus, PathKind};
use super::{SUPERVISOR_UID, UpdateLock, error};

/// Maximum number of attempts to read a file that changes meanwhile. Each takes a few system calls.
const MAX_READS: u32 = 4;

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
fn inspect(lock: &UpdateLock, path: &Path) -> io::Result<Option<LockFile>> {
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
    let life = seen.owner.as_ref().map(|owner| owner.liveness(&here));
    let is_left_here = || {
        let is_ours = seen.owner.as_ref().is_some_and(|owner| owner.is_this_process(&here));
        is_ours && seen.flock == Some(false)
    };
    let (owner_alive, stale) = match life {
        // A lock is never without its `flock` while its holder has it.
        Some(Liveness::Alive) if is_left_here() => {
            (Some(false), Some("this process left it behind".to_owned()))
        }
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

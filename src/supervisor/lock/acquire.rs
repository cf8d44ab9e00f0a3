//! One attempt to take the lock.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::error::{Error, ErrorKind, Result};
use crate::fs::{TempFile, directory_of};

use super::held::HeldLock;
use super::inspect::{self, OpenLockFile, classify, same};
use super::owner::LockOwner;
use super::status::{LockFile, LockState, LockStatus};
use super::{AcquireLock, StalePolicy, error};

/// Mode of the lock file: everyone may read who holds the lock; only its owner may write.
const FILE_MODE: u32 = 0o644;
/// Number of rounds when others take and release the lock between the steps.
const MAX_TRIES: u32 = 4;

pub(super) enum Attempt {
    Held(HeldLock),
    /// Another holder has it; `None` if the holder changed too often to identify it.
    Busy(Option<LockFile>),
}

impl AcquireLock {
    pub(super) fn attempt(&self) -> Result<Attempt> {
        error::check(&self.lock)?;
        for _ in 0..MAX_TRIES {
            let status = inspect::read(&self.lock, "take")?;
            match status.obstacle() {
                Some(file) if file.state != LockState::Stale || self.stale == StalePolicy::Refuse => {
                    return Ok(Attempt::Busy(Some(file.clone())));
                }
                _ => {}
            }
            if let Some(held) = self.take(&status)? {
                return Ok(Attempt::Held(held));
            }
        }
        Ok(Attempt::Busy(None))
    }

    /// Takes a free lock, or a stale one if the policy allows. Returns `None` if another process was faster.
    fn take(&self, status: &LockStatus) -> Result<Option<HeldLock>> {
        // A stale lock under the other name is deleted only after this one exists, so that a lock exists all the
        // time.
        let left = match &status.legacy {
            Some(legacy) => match self.take_over(&legacy.path)? {
                Some(left) => Some(left),
                None => return Ok(None),
            },
            None => None,
        };
        let held = if status.file.is_some() { self.take_over(&self.lock.path)? } else { self.create()? };
        drop(left);
        let Some(held) = held else { return Ok(None) };
        // Two processes that take different names at the same time both see this and both release. The supervisor
        // then can't get its second name and releases the first, too.
        let other = inspect::read(&self.lock, "take")?.legacy;
        Ok(other.is_none_or(|other| other.state == LockState::Supervisor).then_some(held))
    }

    fn note(&self) -> LockOwner {
        LockOwner::here(self.lock.service.as_deref(), self.owner.as_deref(), self.reason.as_deref())
    }

    /// Creates the lock file. Returns `None` if another process was faster.
    ///
    /// The file gets its `flock` and content first and its name last, by `link`, which is as exclusive as `O_EXCL`.
    /// So at no time does a file exist that looks stale: to another process that may take over, to the host OS, or
    /// after a crash of this process.
    fn create(&self) -> Result<Option<HeldLock>> {
        let path = &self.lock.path;
        let trouble = |cause| error::directory(&self.lock, "take", cause);
        let owner = self.note();
        let (draft, file) = TempFile::beside(path, FILE_MODE).map_err(trouble)?;
        let file =
            Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| trouble(errno.into()))?;
        // On a full disk the lock matters more than its content: it locks with any content.
        if let Err(error) = write_owner(&file, &owner) {
            tracing::debug!(path = %path.display(), %error, "can't write the owner into the lock file");
        }
        match draft.persist_noclobber(path) {
            Ok(()) => Ok(Some(HeldLock::new(path.clone(), file, owner))),
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(None),
            Err(cause) => Err(trouble(cause)),
        }
    }

    /// Takes over a stale lock file. Returns `None` if it is not stale or does not exist any more.
    ///
    /// The file stays and changes its holder by `flock`. Deleting it and creating a new one would let the supervisor
    /// proceed in between, and two processes that take over could delete each other's file.
    fn take_over(&self, path: &Path) -> Result<Option<HeldLock>> {
        let trouble = |cause| error::directory(&self.lock, "take over", cause);
        let file = match inspect::open(path, true) {
            Ok(file) => file,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(cause) if cause.kind() == io::ErrorKind::PermissionDenied => {
                return Err(not_ours(path, cause));
            }
            Err(cause) => return Err(trouble(cause)),
        };
        let file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => file,
            Err((_, Errno::EWOULDBLOCK)) => return Ok(None),
            Err((_, errno)) => return Err(trouble(errno.into())),
        };
        // From here on no other holder of this library can take it; check once more which file was locked.
        let meta = file.metadata().map_err(trouble)?;
        let seen = OpenLockFile { owner: inspect::read_owner(&file), flock: Some(false) };
        let found = classify(&self.lock, path, &meta, seen);
        if found.state != LockState::Stale {
            return Ok(None);
        }
        if !may_delete(&meta, path) {
            return Err(not_ours(path, Errno::EPERM.into()));
        }
        let still_there = fs::symlink_metadata(path).is_ok_and(|now| same(&now, &meta));
        if !still_there {
            return Ok(None);
        }
        let owner = self.note();
        write_owner(&file, &owner).map_err(trouble)?;
        let left_by = found.owner.map(|owner| owner.to_string());
        tracing::warn!(path = %path.display(), left_by, "took over a stale update lock");
        Ok(Some(HeldLock::new(path.to_owned(), file, owner)))
    }
}

fn not_ours(path: &Path, cause: io::Error) -> Error {
    let path = path.display();
    let user = nix::unistd::geteuid();
    Error::new(
        ErrorKind::Locked,
        format!("the lock is stale, but belongs to another user than {user} ({cause})"),
    )
    .with_operation(format!("take over update lock {path}"))
    .with_help(format!("take it over as that user or as root, or `rm {path}` as one of them"))
    .with_source(cause)
}

/// Returns whether this process could delete the file: in a sticky directory only the owner of the file or the
/// directory, and root can.
fn may_delete(meta: &fs::Metadata, path: &Path) -> bool {
    let user = nix::unistd::geteuid();
    let sticky = |directory: fs::Metadata| directory.mode() & 0o1000 != 0 && directory.uid() != user.as_raw();
    user.is_root() || meta.uid() == user.as_raw() || !fs::metadata(directory_of(path)).is_ok_and(sticky)
}

/// Overwrites the content and then truncates: after a crash in between, the line is still readable.
fn write_owner(file: &File, owner: &LockOwner) -> io::Result<()> {
    let line = owner.to_line();
    file.write_all_at(&line, 0)?;
    file.set_len(u64::try_from(line.len()).unwrap_or(u64::MAX))
}

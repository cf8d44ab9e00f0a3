//! A lock that is ours.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use nix::fcntl::Flock;
#[cfg(feature = "cli")]
use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use crate::error::{Error, ErrorKind, Result};

use super::owner::LockOwner;
use super::status::same;
use super::trouble;
use super::watch::LockWatch;

/// An update lock that is held until this is dropped.
///
/// A panic that unwinds releases it; a process that is killed, or aborts, does not, and the lock file then
/// stays until [`take_over_stale`](super::AcquireLock::take_over_stale) or a reboot of the device. So end
/// on SIGTERM in an orderly way.
///
/// The supervisor asks before it acts, and with `force` it deletes the lock and acts all the same: whoever
/// must know [looks](Self::is_held) or [waits for it](Self::lost).
///
/// Releasing does not make the supervisor act at once: it notices at its next try, minutes later at worst,
/// unless it is told with [`Supervisor::update`](crate::supervisor::Supervisor::update) and `cancel`.
#[derive(Debug)]
#[must_use = "dropping it releases the lock"]
pub struct HeldLock {
    path: PathBuf,
    /// Has the `flock`, and keeps the inode from being used again, so that it identifies our file.
    file: Flock<File>,
    owner: LockOwner,
    released: bool,
}

impl HeldLock {
    pub(super) fn new(path: PathBuf, file: Flock<File>, owner: LockOwner) -> Self {
        Self { path, file, owner, released: false }
    }

    /// Where the lock file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the lock file says of us.
    pub fn owner(&self) -> &LockOwner {
        &self.owner
    }

    /// Whether it is still ours: `false` once the file was deleted or replaced, as `force` does. Costs two
    /// system calls.
    pub fn is_held(&self) -> bool {
        match (fs::symlink_metadata(&self.path), self.file.metadata()) {
            (Ok(there), Ok(ours)) => same(&there, &ours),
            _ => false,
        }
    }

    /// Lets the programs that this process starts from now on keep the `flock` too: if we are killed, the
    /// lock counts as in use until they have ended. Once it is released their `flock` is on no lock any more.
    #[cfg(feature = "cli")]
    pub(crate) fn share_with_children(&self) -> Result<()> {
        fcntl(&*self.file, FcntlArg::F_SETFD(FdFlag::empty())).map_err(|errno| {
            Error::new(ErrorKind::Io, format!("the lock can't be shared with a command ({errno})"))
                .operation(format!("take update lock {}", self.path.display()))
                .because(errno)
        })?;
        Ok(())
    }

    /// Resolves when the lock is not ours any more: at once where inotify works, within a second elsewhere.
    /// Meant for `select!`, beside the work that the lock guards. The supervisor does not wait for anyone:
    /// what `force` was for follows within moments. Needs a tokio runtime with I/O and time.
    pub async fn lost(&self) {
        let mut watch = LockWatch::new(&self.path);
        while self.is_held() {
            watch.changed().await;
        }
    }

    /// Releases the lock and tells how that went; dropping it only logs that.
    ///
    /// # Errors
    /// `is_conflict` when it had been taken away before, so that the work it guarded was not guarded to the
    /// end; somebody else's lock that is there now is left alone. `is_io` when the file can't be deleted.
    pub fn release(mut self) -> Result<()> {
        self.give_up()
    }

    fn give_up(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.released, true) {
            return Ok(());
        }
        if !self.is_held() {
            return Err(trouble::taken_away(&self.path));
        }
        // Deleted first and the `flock` given back after: a file of ours without `flock` would look stale.
        // Between the look and this, `force` may still put another file there; no system call does both.
        match fs::remove_file(&self.path) {
            Ok(()) => Ok(()),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Err(trouble::taken_away(&self.path)),
            Err(cause) => {
                let error = Error::new(ErrorKind::Io, format!("the lock file can't be deleted ({cause})"))
                    .operation(format!("release update lock {}", self.path.display()))
                    .help(format!("it locks on until the device reboots: `rm {}`", self.path.display()))
                    .because(cause);
                Err(error)
            }
        }
    }
}

impl Drop for HeldLock {
    fn drop(&mut self) {
        // Nobody is left to tell but the log, and a lock that stays is news.
        match self.give_up() {
            Ok(()) => {}
            Err(error) if error.is_conflict() => tracing::debug!(%error, "update lock"),
            Err(error) => tracing::warn!(%error, "an update lock stays behind"),
        }
    }
}

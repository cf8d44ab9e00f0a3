//! A lock held by this process.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use nix::fcntl::Flock;
#[cfg(feature = "cli")]
use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use crate::error::{Error, ErrorKind, Result};

use super::error;
use super::inspect::same;
use super::owner::LockOwner;
use super::watch::LockWatch;

/// An update lock that is held until this value is dropped.
///
/// A panic that unwinds releases it. If the process is killed or aborts, the lock file stays until
/// [`take_over_stale`](super::AcquireLock::take_over_stale) or a reboot of the device. Handle SIGTERM to avoid that.
///
/// The supervisor checks the lock before it acts. With `force` it deletes the lock and acts:
/// [`is_held`](Self::is_held) and [`lost`](Self::lost) detect that.
///
/// After the release the supervisor acts at its next attempt, which may be minutes later. Call
/// [`Supervisor::update`](crate::supervisor::Supervisor::update) with `cancel` to make it act at once.
#[derive(Debug)]
#[must_use = "dropping it releases the lock"]
pub struct HeldLock {
    path: PathBuf,
    /// Holds the `flock`. The open file also prevents reuse of its inode number, which identifies the file.
    file: Flock<File>,
    owner: LockOwner,
    released: bool,
}

impl HeldLock {
    pub(super) fn new(path: PathBuf, file: Flock<File>, owner: LockOwner) -> Self {
        Self { path, file, owner, released: false }
    }

    /// Returns the path of the lock file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the holder as written in the lock file.
    pub fn owner(&self) -> &LockOwner {
        &self.owner
    }

    /// Returns whether the lock is still held: `false` once the file was deleted or replaced, as by `force`. Costs
    /// two system calls.
    pub fn is_held(&self) -> bool {
        match (fs::symlink_metadata(&self.path), self.file.metadata()) {
            (Ok(there), Ok(ours)) => same(&there, &ours),
            _ => false,
        }
    }

    /// Lets programs started by this process from now on inherit the `flock`: if this process is killed, the lock
    /// counts as in use until they end. After a release their `flock` has no effect.
    #[cfg(feature = "cli")]
    pub(crate) fn share_with_children(&self) -> Result<()> {
        fcntl(&*self.file, FcntlArg::F_SETFD(FdFlag::empty())).map_err(|errno| {
            Error::new(ErrorKind::Io, format!("the lock can't be shared with a command ({errno})"))
                .with_operation(format!("take update lock {}", self.path.display()))
                .with_source(errno)
        })?;
        Ok(())
    }

    /// Resolves when the lock is lost: immediately if inotify works, else within a second. For `select!` next to the
    /// guarded work. The supervisor does not wait: the forced action follows within moments. Requires a tokio runtime
    /// with I/O and time.
    pub async fn lost(&self) {
        let mut watch = LockWatch::new(&self.path);
        while self.is_held() {
            watch.changed().await;
        }
    }

    /// Lets go of the `flock` and leaves the file: the lock stays for the supervisor, and the next process of this
    /// service that takes over stale locks continues it.
    #[cfg(feature = "service")]
    pub(crate) fn leave(mut self) {
        self.released = true;
    }

    /// Releases the lock and returns the result. Dropping the lock releases it too, and only logs an error.
    ///
    /// # Errors
    /// `is_conflict` if the lock was lost before, so that the work was not guarded to the end; another holder's lock
    /// is left alone. `is_io` if the file can't be deleted.
    pub fn release(mut self) -> Result<()> {
        self.give_up()
    }

    fn give_up(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.released, true) {
            return Ok(());
        }
        if !self.is_held() {
            return Err(error::taken_away(&self.path));
        }
        // The file is deleted before the `flock` is released: a file without `flock` would look stale. Between the
        // check and the delete, `force` and another holder may replace the file; no system call does both at once.
        match fs::remove_file(&self.path) {
            Ok(()) => Ok(()),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Err(error::taken_away(&self.path)),
            Err(cause) => {
                let error = Error::new(ErrorKind::Io, format!("the lock file can't be deleted ({cause})"))
                    .with_operation(format!("release update lock {}", self.path.display()))
                    .with_help(format!(
                        "it stays locked until the device reboots: `rm {}`",
                        self.path.display()
                    ))
                    .with_source(cause);
                Err(error)
            }
        }
    }
}

impl Drop for HeldLock {
    fn drop(&mut self) {
        // There is no caller to return the error to, and a lock that remains is important.
        match self.give_up() {
            Ok(()) => {}
            Err(error) if error.is_conflict() => tracing::debug!(%error, "update lock"),
            Err(error) => tracing::warn!(%error, "an update lock was not released"),
        }
    }
}

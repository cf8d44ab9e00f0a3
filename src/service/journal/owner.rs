//! One agent at a time: two file locks that end with the process, however it ends.
//!
//! During a hand-over the supervisor runs the old and the new container of a service at the same time. Both have the
//! same state volume and the same update-lock directory. The agent that has locked a file in each of them is the
//! owner; another waits and touches nothing. The files are never removed: a lock on a removed file would exclude
//! nobody.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use serde::{Deserialize, Serialize};

/// Name of the file. The supervisor and the host OS look only at `updates.lock` and `resin-updates.lock`.
const NAME: &str = ".balena-agent-owner";
/// Readable for the other agent, whatever its user.
const MODE: u32 = 0o644;
/// Bytes read of the file.
const CONTENT_LIMIT: u64 = 4096;
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_secs(1);
/// Attempts to open a file that is created and removed meanwhile.
const OPEN_TRIES: usize = 8;

/// This process is the owner until the value is dropped.
#[derive(Debug)]
#[must_use = "dropping it lets another agent take over"]
pub(crate) struct Owner {
    locks: Vec<Flock<File>>,
    faults: Vec<String>,
}

/// Another agent is the owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwnedBy {
    /// The directory that it owns.
    pub(crate) directory: PathBuf,
    /// What it wrote about itself. `None` if it was not readable.
    pub(crate) holder: Option<Holder>,
}

/// An agent, in its own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Holder {
    /// Process id in its container.
    pub(crate) pid: u32,
    /// Host name of its container.
    #[serde(default)]
    pub(crate) host: String,
    /// The kernel's id of the boot.
    #[serde(default)]
    pub(crate) boot_id: String,
}

impl Holder {
    fn here() -> Self {
        let line = |path| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        Self {
            pid: std::process::id(),
            host: line("/proc/sys/kernel/hostname"),
            boot_id: line("/proc/sys/kernel/random/boot_id"),
        }
    }
}

impl fmt::Display for OwnedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "another agent owns {}", self.directory.display())?;
        match &self.holder {
            Some(holder) => {
                write!(f, ": process {} in container {}", holder.pid, crate::error::escaped(&holder.host))
            }
            None => Ok(()),
        }
    }
}

impl Owner {
    /// Locks a file in each of these directories, or none. A directory that can't be used is not locked, and is in
    /// [`Owner::faults`]: with it the other agent could not work either.
    ///
    /// # Errors
    /// [`OwnedBy`] another agent.
    pub(crate) fn try_take(
        state_directory: Option<&Path>,
        lock_directory: Option<&Path>,
    ) -> Result<Self, OwnedBy> {
        let mut owner = Self { locks: Vec::new(), faults: Vec::new() };
        // One directory for both purposes, perhaps mounted twice, is locked once: the second lock would wait for the first.
        let lock_directory = lock_directory.filter(|lock| !is_same(state_directory, lock));
        // All agents take them in this order.
        for directory in [state_directory, lock_directory].into_iter().flatten() {
            match lock_file(&directory.join(NAME)) {
                Ok(Taken::Locked(lock)) => owner.locks.push(lock),
                Ok(Taken::Busy(holder)) => return Err(OwnedBy { directory: directory.to_owned(), holder }),
                Err(cause) => owner.faults.push(format!(
                    "no owner lock in {}: {cause}; a second agent of this service would not be noticed there",
                    directory.display()
                )),
            }
        }
        owner.locks.iter().for_each(write_holder);
        Ok(owner)
    }

    /// Waits until this process is the owner. Calls `busy` for each new owner that it waits for. Looks every second;
    /// dropping the future ends the wait.
    pub(crate) async fn wait(
        state_directory: Option<&Path>,
        lock_directory: Option<&Path>,
        mut busy: impl FnMut(&OwnedBy),
    ) -> Self {
        let mut known = None;
        loop {
            match Self::try_take(state_directory, lock_directory) {
                Ok(owner) => return owner,
                Err(other) => {
                    if known.as_ref() != Some(&other) {
                        busy(&other);
                        known = Some(other);
                    }
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Returns the directories that could not be locked, with the reasons.
    pub(crate) fn faults(&self) -> &[String] {
        &self.faults
    }
}

/// Returns whether a living agent owns this directory. Changes nothing. An agent that starts at this very moment
/// takes this look for another agent, and tries again a second later.
#[cfg(feature = "cli")]
pub(crate) fn is_owned(directory: &Path) -> bool {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits());
    let file = options.open(directory.join(NAME));
    file.is_ok_and(|file| {
        let is_file = file.metadata().is_ok_and(|found| found.is_file());
        is_file && matches!(Flock::lock(file, FlockArg::LockSharedNonblock), Err((_, Errno::EWOULDBLOCK)))
    })
}

/// Returns whether both paths lead to one directory.
fn is_same(one: Option<&Path>, other: &Path) -> bool {
    let id = |path: &Path| fs::metadata(path).map(|found| (found.dev(), found.ino())).ok();
    one.and_then(id).is_some_and(|one| id(other) == Some(one))
}

enum Taken {
    Locked(Flock<File>),
    Busy(Option<Holder>),
}

fn lock_file(path: &Path) -> io::Result<Taken> {
    for _ in 0..OPEN_TRIES {
        let file = match open(path) {
            // It was created or removed between two calls.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists) => {
                if path.parent().is_some_and(Path::is_dir) {
                    continue;
                }
                return Err(error);
            }
            file => file?,
        };
        let ours = file.metadata()?;
        if !ours.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{NAME} is not a regular file")));
        }
        let lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => lock,
            Err((file, Errno::EWOULDBLOCK)) => return Ok(Taken::Busy(read_holder(&file))),
            Err((_, errno)) => return Err(errno.into()),
        };
        // Somebody may have removed the file before it was locked.
        let is_there = fs::symlink_metadata(path)
            .is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino()));
        if is_there {
            return Ok(Taken::Locked(lock));
        }
    }
    Err(io::Error::new(io::ErrorKind::ResourceBusy, format!("{NAME} is removed again and again")))
}

/// Opens the file, or creates it. Only an existing one is opened without `O_CREAT`: in a directory that all may write
/// to, the kernel refuses that flag for a file of another user.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits());
    match options.clone().write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            options.write(true).create_new(true).mode(MODE).open(path)
        }
        // A lock needs no right to write.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
            ) =>
        {
            options.open(path)
        }
        file => file,
    }
}

fn read_holder(file: &File) -> Option<Holder> {
    let mut text = Vec::new();
    file.take(CONTENT_LIMIT).read_to_end(&mut text).ok()?;
    serde_json::from_slice(text.split(|byte| *byte == b'\n').next()?).ok()
}

/// Says who has the lock. It locks with any content.
fn write_holder(file: &Flock<File>) {
    let mut line = serde_json::to_vec(&Holder::here()).unwrap_or_default();
    line.push(b'\n');
    let length = u64::try_from(line.len()).unwrap_or_default();
    if let Err(error) = file.write_all_at(&line, 0).and_then(|()| file.set_len(length)) {
        tracing::debug!(%error, "can't write the owner into its lock file");
    }
}

#[cfg(test)]
mod tests;

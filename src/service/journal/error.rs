//! Why a commit was refused.

use std::fmt;
use std::io;

use crate::fs::advice_on;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StorageFault {
    /// No space is left on the file system, or a quota is used up.
    NoSpace,
    /// The file system is mounted read-only.
    ReadOnly,
    /// Reading, writing or syncing failed.
    Io,
    /// The entry, the commit or all entries together are larger than the journal takes.
    TooLarge,
    /// There is no state directory: nothing is durable.
    NoDirectory,
}

/// A commit was refused. Nothing has changed in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StorageError {
    fault: StorageFault,
    message: String,
    uncertain: bool,
}

impl StorageError {
    /// An entry or a commit is too large.
    pub(super) fn too_large(what: impl fmt::Display, bytes: usize, limit: usize) -> Self {
        Self {
            fault: StorageFault::TooLarge,
            message: format!("{what} would have {bytes} bytes; the journal takes at most {limit}"),
            uncertain: false,
        }
    }

    /// There is no state directory.
    pub(super) fn no_directory() -> Self {
        Self {
            fault: StorageFault::NoDirectory,
            message: "this must be kept durably, and the agent has no state directory: mount a volume at /data, or set AGENT_STATE_DIRECTORY to a directory on a volume".to_owned(),
            uncertain: false,
        }
    }

    /// The process ends.
    pub(super) fn stopped() -> Self {
        let message = "the agent stops: the change may or may not have been written".to_owned();
        Self { fault: StorageFault::Io, message, uncertain: true }
    }

    /// Returns the kind of the fault.
    #[cfg(test)]
    pub(super) fn fault(&self) -> StorageFault {
        self.fault
    }

    /// Returns whether the change may still appear after a restart: it was handed to the file system, which then
    /// failed, and could not be taken back.
    pub(crate) fn is_uncertain(&self) -> bool {
        self.uncertain
    }
}

impl StorageError {
    /// A system call failed. `doing` names the attempt and the file.
    pub(super) fn io(doing: impl fmt::Display, cause: &io::Error) -> Self {
        let fault = match cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StorageFault::NoSpace,
            io::ErrorKind::ReadOnlyFilesystem => StorageFault::ReadOnly,
            _ => StorageFault::Io,
        };
        let advice = advice_on(cause).unwrap_or("check the storage of the device");
        Self { fault, message: format!("{doing}: {cause}; {advice}"), uncertain: false }
    }

    /// The same error, of a change that could not be taken back.
    pub(super) fn uncertain(mut self) -> Self {
        self.uncertain = true;
        self
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for StorageError {}

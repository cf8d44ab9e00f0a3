//! What the journal says about itself.

use std::path::PathBuf;

use serde::Serialize;

use super::error::StorageError;

/// What was found when the journal was opened.
///
/// After a [`Recovery::Gap`] changes may be missing: a lease gets at most its TTL, a budget counts as spent, an
/// idempotent write is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "found")]
pub(crate) enum Recovery {
    /// There was no journal, or there is no state directory.
    Fresh,
    /// Everything was read.
    Clean,
    /// The last write was not complete, as after a power cut. It was never acknowledged, and was cut off.
    TornTail {
        /// Bytes cut off.
        bytes: u64,
    },
    /// Something in the file was damaged. What could not be read is kept in a file beside it.
    Gap {
        /// Commit groups that are known to be missing. At the end of the file their number can't be known.
        frames: u64,
        /// Bytes that could not be read.
        bytes: u64,
    },
}

impl Recovery {
    /// Returns whether acknowledged changes may be missing.
    pub(crate) fn may_have_lost(self) -> bool {
        matches!(self, Self::Gap { .. })
    }
}

/// State of the journal, as `/status` shows it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct JournalStatus {
    /// The state directory. `None`: memory only.
    pub(crate) directory: Option<PathBuf>,
    /// Whether everything that was committed is on the storage.
    pub(crate) durable: bool,
    /// What was found when it was opened.
    pub(crate) recovery: Recovery,
    /// Number of live entries.
    pub(crate) entries: usize,
    /// How many bytes the live entries count.
    pub(crate) live_bytes: usize,
    /// Size of the file, with the room prepared for further commits.
    pub(crate) file_bytes: u64,
    /// Commits accepted since the start.
    pub(crate) commits: u64,
    /// Bytes handed to the file system since the start, also those of failed writes.
    pub(crate) bytes_written: u64,
    /// Writes of a whole new file since the start.
    pub(crate) compactions: u64,
    /// Why the storage does not work. `None` while it works.
    pub(crate) last_error: Option<String>,
    /// The same as an error.
    #[serde(skip)]
    pub(super) fault: Option<StorageError>,
}

impl JournalStatus {
    /// The state of a journal that has committed nothing.
    pub(super) fn new(directory: Option<PathBuf>, recovery: Recovery) -> Self {
        Self {
            directory,
            durable: false,
            recovery,
            entries: 0,
            live_bytes: 0,
            file_bytes: 0,
            commits: 0,
            bytes_written: 0,
            compactions: 0,
            last_error: None,
            fault: None,
        }
    }
}

//! What a commit changes, and what it needs of the storage.

use std::fmt;

/// What an entry is about. Entries of other kinds, written by a newer release, are kept as they are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Kind(u8);

impl Kind {
    /// A lease of the update lock.
    pub(crate) const LEASE: Self = Self(1);
    /// A line of the ledger: an intent, its outcome, something observed.
    pub(crate) const LEDGER: Self = Self(2);
    /// An asked action, with its idempotency key.
    pub(crate) const ACTION: Self = Self(3);
    /// What is known of this boot and the one before.
    pub(crate) const BOOT: Self = Self(4);
    /// How much of a budget is spent.
    pub(crate) const BUDGET: Self = Self(5);
    /// A write that waits for the cloud.
    pub(crate) const OUTBOX: Self = Self(6);

    /// Returns the kind with this number in the file.
    pub(super) const fn from_number(number: u8) -> Self {
        Self(number)
    }

    /// Returns the number in the file.
    pub(super) const fn number(self) -> u8 {
        self.0
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Self::LEASE => "LEASE",
            Self::LEDGER => "LEDGER",
            Self::ACTION => "ACTION",
            Self::BOOT => "BOOT",
            Self::BUDGET => "BUDGET",
            Self::OUTBOX => "OUTBOX",
            Self(number) => return write!(f, "Kind({number})"),
        };
        f.write_str(name)
    }
}

/// One change of an entry. `Debug` shows no value.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// Creates or replaces the entry.
    Put {
        /// What it is about.
        kind: Kind,
        /// Its name among those of its kind; at most [`KEY_LIMIT`](super::KEY_LIMIT) bytes.
        key: String,
        /// JSON; key and value together at most [`ENTRY_LIMIT`](super::ENTRY_LIMIT) bytes.
        value: Vec<u8>,
    },
    /// Removes the entry. No error if there is none.
    Delete {
        /// What it is about.
        kind: Kind,
        /// Its name among those of its kind.
        key: String,
    },
}

impl Change {
    /// Returns kind and key of the entry.
    pub(crate) fn target(&self) -> (Kind, &str) {
        match self {
            Self::Put { kind, key, .. } | Self::Delete { kind, key } => (*kind, key),
        }
    }

    /// Returns the value that the entry has afterwards; `None` if it is removed.
    pub(crate) fn value(&self) -> Option<&[u8]> {
        match self {
            Self::Put { value, .. } => Some(value),
            Self::Delete { .. } => None,
        }
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, key) = self.target();
        match self.value() {
            Some(value) => write!(f, "Put({kind:?} {key:?}, {} bytes)", value.len()),
            None => write!(f, "Delete({kind:?} {key:?})"),
        }
    }
}

/// What a commit needs. A commit that only removes entries is always accepted: it counts as [`Need::BestEffort`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Written to the storage and synced, or else an error and nothing changed.
    Durable,
    /// Kept in memory if the storage fails, and written when it works again.
    BestEffort,
}

/// What was achieved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Durability {
    /// The changes survive a power cut.
    Durable,
    /// The changes are lost if the process ends before the storage works again.
    MemoryOnly,
}

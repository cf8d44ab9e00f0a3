//! The live entries: what the journal says now, in memory.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::change::{Change, Kind};
use super::error::StorageError;
use super::{ENTRY_LIMIT, KEY_LIMIT, LIVE_LIMIT};

/// Bytes that an entry counts beside its key and its value: its share of the map and its head in the file.
const ENTRY_OVERHEAD: usize = 64;

/// All entries, in the order of kind and key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LiveEntries {
    entries: BTreeMap<Kind, BTreeMap<String, Arc<[u8]>>>,
    bytes: usize,
}

impl LiveEntries {
    /// Applies a change. Does not check limits.
    pub(super) fn apply(&mut self, change: &Change) {
        let (kind, key) = change.target();
        let of_kind = self.entries.entry(kind).or_default();
        let before = match change.value() {
            Some(value) => {
                self.bytes = self.bytes.saturating_add(cost(key, value));
                of_kind.insert(key.to_owned(), Arc::from(value))
            }
            None => of_kind.remove(key),
        };
        if let Some(before) = before {
            self.bytes = self.bytes.saturating_sub(cost(key, &before));
        }
        if of_kind.is_empty() {
            self.entries.remove(&kind);
        }
    }

    /// Returns the value of an entry.
    pub(super) fn get(&self, kind: Kind, key: &str) -> Option<&Arc<[u8]>> {
        self.entries.get(&kind)?.get(key)
    }

    /// Returns the entries of one kind in key order.
    pub(super) fn of_kind(&self, kind: Kind) -> impl Iterator<Item = (&str, &[u8])> {
        self.entries.get(&kind).into_iter().flatten().map(|(key, value)| (key.as_str(), &**value))
    }

    /// Calls `each` with the entries behind `after`, in order, until it returns `false`. Returns the last one it was
    /// called with; `None` if there was none.
    pub(super) fn walk(
        &self,
        after: Option<&(Kind, String)>,
        mut each: impl FnMut(Kind, &str, &[u8]) -> bool,
    ) -> Option<(Kind, String)> {
        let mut last = None;
        let first_kind = after.map_or(Kind::from_number(0), |(kind, _)| *kind);
        for (kind, of_kind) in self.entries.range(first_kind..) {
            let from = match after {
                Some((after, key)) if after == kind => Bound::Excluded(key.as_str()),
                _ => Bound::Unbounded,
            };
            for (key, value) in of_kind.range::<str, _>((from, Bound::Unbounded)) {
                let goes_on = each(*kind, key, value);
                last = Some((*kind, key));
                if !goes_on {
                    return last.map(|(kind, key)| (kind, key.clone()));
                }
            }
        }
        last.map(|(kind, key)| (kind, key.clone()))
    }

    /// Returns the number of entries.
    pub(super) fn count(&self) -> usize {
        self.entries.values().map(BTreeMap::len).sum()
    }

    /// Returns how many bytes all entries count.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Returns how many bytes a change counts.
pub(super) fn cost_of(change: &Change) -> usize {
    cost(change.target().1, change.value().unwrap_or_default())
}

/// Returns how many bytes an entry counts.
fn cost(key: &str, value: &[u8]) -> usize {
    key.len().saturating_add(value.len()).saturating_add(ENTRY_OVERHEAD)
}

/// The live entries with the changes of commits that are not applied yet, as far as limits need them.
#[derive(Debug)]
pub(super) struct Projection<'a> {
    live: &'a LiveEntries,
    changed: BTreeMap<(Kind, &'a str), Option<&'a [u8]>>,
    bytes: usize,
}

impl<'a> Projection<'a> {
    /// Starts with the live entries.
    pub(super) fn new(live: &'a LiveEntries) -> Self {
        Self { live, changed: BTreeMap::new(), bytes: live.bytes() }
    }

    /// Adds the changes of one commit, all or none. Returns whether one of them has an effect.
    ///
    /// # Errors
    /// `TooLarge` if an entry, or all entries together, would exceed their limit. A commit that only removes is
    /// never too large.
    pub(super) fn add(&mut self, changes: &'a [Change]) -> Result<bool, StorageError> {
        let mut bytes = self.bytes;
        let mut changed: BTreeMap<(Kind, &'a str), Option<&'a [u8]>> = BTreeMap::new();
        let mut has_effect = false;
        for change in changes {
            let (kind, key) = change.target();
            if let Some(value) = change.value() {
                check_entry(key, value)?;
            }
            let known = changed.get(&(kind, key)).or_else(|| self.changed.get(&(kind, key))).copied();
            let before = known.unwrap_or_else(|| self.live.get(kind, key).map(|value| &**value));
            has_effect |= before != change.value();
            bytes = bytes.saturating_add(change.value().map_or(0, |value| cost(key, value)));
            bytes = bytes.saturating_sub(before.map_or(0, |value| cost(key, value)));
            changed.insert((kind, key), change.value());
        }
        if bytes > LIVE_LIMIT && bytes > self.bytes {
            return Err(StorageError::too_large("all entries together", bytes, LIVE_LIMIT));
        }
        self.bytes = bytes;
        self.changed.append(&mut changed);
        Ok(has_effect)
    }
}

fn check_entry(key: &str, value: &[u8]) -> Result<(), StorageError> {
    if key.len() > KEY_LIMIT {
        return Err(StorageError::too_large("the key", key.len(), KEY_LIMIT));
    }
    let bytes = key.len().saturating_add(value.len());
    if bytes > ENTRY_LIMIT {
        return Err(StorageError::too_large("the entry", bytes, ENTRY_LIMIT));
    }
    Ok(())
}

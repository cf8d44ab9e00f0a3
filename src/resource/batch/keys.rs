//! The keys of a batch: one or many.

use std::fmt;
use std::hash::Hash;

use crate::error::Result;
use crate::ids::{ApplicationId, DeviceId, TeamMembershipId};
use crate::resource::keys::{ApplicationKey, DeviceKey, check_id};

/// A key type that batches accept. Implemented by this library only.
pub trait BatchKey: Clone + fmt::Display + Eq + Hash + Send + Sync + 'static {
    /// Noun for messages, e.g. `device`.
    const NOUN: &'static str;

    /// Checks the form of the key.
    ///
    /// # Errors
    /// `is_invalid_argument` if the key is empty or otherwise malformed.
    fn check(&self) -> Result<()>;
}

impl BatchKey for DeviceKey {
    const NOUN: &'static str = "device";

    fn check(&self) -> Result<()> {
        Self::check(self)
    }
}

impl BatchKey for ApplicationKey {
    const NOUN: &'static str = "application";

    fn check(&self) -> Result<()> {
        Self::check(self)
    }
}

impl BatchKey for TeamMembershipId {
    const NOUN: &'static str = "team membership";

    fn check(&self) -> Result<()> {
        check_id("membership", self.get()).map(drop)
    }
}

/// The rows that a batch changes: one, by any kind of key, or a list.
///
/// With an empty list nothing is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keys<K> {
    /// One row.
    One(K),
    /// Several rows.
    Several(Vec<K>),
}

/// The devices that a batch changes: one, by any [`DeviceKey`], or a list of ids or of full uuids.
///
/// With an empty list nothing is sent.
pub type DeviceKeys = Keys<DeviceKey>;

/// The applications that a batch changes: one, by any [`ApplicationKey`], or a list of ids, or of slugs and uuids.
///
/// With an empty list nothing is sent.
pub type ApplicationKeys = Keys<ApplicationKey>;

impl<K> Keys<K> {
    pub(crate) fn into_list(self) -> Vec<K> {
        match self {
            Self::One(key) => vec![key],
            Self::Several(keys) => keys,
        }
    }
}

macro_rules! from_one {
    ($key:ty: $($one:ty),*) => {$(
        impl From<$one> for Keys<$key> {
            fn from(key: $one) -> Self {
                Self::One(key.into())
            }
        }
    )*};
}

from_one!(DeviceKey: DeviceKey, DeviceId, &str, String, i32, u32, i64, u64);
from_one!(ApplicationKey: ApplicationKey, ApplicationId, &str, String, i32, u32, i64, u64);
from_one!(TeamMembershipId: TeamMembershipId, i32, i64);

impl<T: Into<K>, K> From<Vec<T>> for Keys<K> {
    fn from(keys: Vec<T>) -> Self {
        keys.into_iter().collect()
    }
}

impl<T: Into<K>, K, const N: usize> From<[T; N]> for Keys<K> {
    fn from(keys: [T; N]) -> Self {
        keys.into_iter().collect()
    }
}

impl<T: Clone + Into<K>, K> From<&[T]> for Keys<K> {
    fn from(keys: &[T]) -> Self {
        keys.iter().cloned().collect()
    }
}

impl<T: Into<K>, K> FromIterator<T> for Keys<K> {
    fn from_iter<I: IntoIterator<Item = T>>(keys: I) -> Self {
        Self::Several(keys.into_iter().map(Into::into).collect())
    }
}

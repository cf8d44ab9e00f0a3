//! How the caller names an asset.

use std::fmt;
use std::sync::Arc;

use crate::api::key_value::ParentKey as _;
use crate::api::keys::an_id;
use crate::api::read::Target;
use crate::api::release::ReleaseKey;
use crate::api::rows::ReleaseAsset;
use crate::core::Core;
use crate::error::{Error, Result, shown};
use crate::ids::ReleaseAssetId;
use crate::odata::{Key, Query};

/// An asset: its id, or a release and the asset's name there (`asset_key`).
///
/// ```
/// use balena_agent::ReleaseAssetKey;
///
/// let by_id = ReleaseAssetKey::from(8877);
/// let by_commit = ReleaseAssetKey::from(("45c9000", "notes.txt"));
/// let by_version = ReleaseAssetKey::from(("my_org/my_app", "1.2.3", "notes.txt"));
/// # let _ = (by_id, by_commit, by_version);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReleaseAssetKey {
    /// By its id.
    Id(ReleaseAssetId),
    /// By its name within a release.
    Name {
        /// The release.
        release: ReleaseKey,
        /// The asset's name there.
        asset_key: String,
    },
}

impl ReleaseAssetKey {
    /// The row's key. Asks for the release's id where it is named otherwise.
    pub(super) async fn key(&self, core: &Arc<Core>) -> Result<Key> {
        match self {
            Self::Id(id) => Ok(Key::id(an_id("asset", id.get())?)),
            Self::Name { release, asset_key } => {
                not_empty(asset_key)?;
                Ok(by_name(release.clone().resolve(core.clone()).await?, asset_key))
            }
        }
    }

    /// Where a read of this asset goes, with these defaults.
    pub(super) async fn target(&self, core: &Arc<Core>, defaults: Query) -> Result<Target> {
        Ok(Target::one::<ReleaseAsset>(Some(self.key(core).await?), defaults, self))
    }
}

/// The key of the asset of this name beside the release with this id.
pub(super) fn by_name(release: i64, asset_key: &str) -> Key {
    Key::of("asset_key", asset_key).and("release", release)
}

pub(super) fn not_empty(asset_key: &str) -> Result<()> {
    if asset_key.trim().is_empty() { Err(Error::argument("asset_key", "it is empty")) } else { Ok(()) }
}

impl fmt::Display for ReleaseAssetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Name { release, asset_key } => write!(f, "{} of {release}", shown(asset_key)),
        }
    }
}

impl From<ReleaseAssetId> for ReleaseAssetKey {
    fn from(id: ReleaseAssetId) -> Self {
        Self::Id(id)
    }
}

impl<R: Into<ReleaseKey>, K: Into<String>> From<(R, K)> for ReleaseAssetKey {
    fn from((release, asset_key): (R, K)) -> Self {
        Self::Name { release: release.into(), asset_key: asset_key.into() }
    }
}

impl<A, V, K: Into<String>> From<(A, V, K)> for ReleaseAssetKey
where
    (A, V): Into<ReleaseKey>,
{
    fn from((application, raw_version, asset_key): (A, V, K)) -> Self {
        Self::Name { release: (application, raw_version).into(), asset_key: asset_key.into() }
    }
}

macro_rules! from_numbers {
    ($($number:ty)*) => {$(
        impl From<$number> for ReleaseAssetKey {
            fn from(id: $number) -> Self {
                // A number beyond the range of ids is no id, and is refused as such.
                Self::Id(ReleaseAssetId::new(i64::try_from(id).unwrap_or(0)))
            }
        }
    )*};
}
from_numbers!(i32 u32 i64 u64);

//! Keys of release assets.

use std::fmt;
use std::sync::Arc;

use crate::api::release::ReleaseKey;
use crate::core::Core;
use crate::error::{Error, Result, escaped};
use crate::ids::ReleaseAssetId;
use crate::odata::{Key, Query};
use crate::resource::key_value::ParentKey as _;
use crate::resource::keys::check_id;
use crate::resource::read::ReadTarget;
use crate::rows::ReleaseAsset;

/// Key of an asset: its id, or a release and the asset's name in it (`asset_key`).
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
    /// The numeric id.
    Id(ReleaseAssetId),
    /// The asset's name in a release.
    Name {
        /// Key of the release.
        release: ReleaseKey,
        /// Name of the asset.
        asset_key: String,
    },
}

impl ReleaseAssetKey {
    /// Returns the row's key. Looks up the release's id if needed.
    pub(super) async fn key(&self, core: &Arc<Core>) -> Result<Key> {
        match self {
            Self::Id(id) => Ok(Key::id(check_id("asset", id.get())?)),
            Self::Name { release, asset_key } => {
                not_empty(asset_key)?;
                Ok(by_name(release.clone().resolve(core.clone()).await?, asset_key))
            }
        }
    }

    /// Returns the target of a read of this asset, with these default options.
    pub(super) async fn target(&self, core: &Arc<Core>, defaults: Query) -> Result<ReadTarget> {
        Ok(ReadTarget::one::<ReleaseAsset>(Some(self.key(core).await?), defaults, self))
    }
}

/// Returns the key of the asset with this name of the release with this id.
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
            Self::Name { release, asset_key } => write!(f, "{} of {release}", escaped(asset_key)),
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
                // An id out of range becomes 0, which is refused.
                Self::Id(ReleaseAssetId::new(i64::try_from(id).unwrap_or(0)))
            }
        }
    )*};
}
from_numbers!(i32 u32 i64 u64);

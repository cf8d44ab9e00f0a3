//! Keys of releases.

use std::fmt;
use std::sync::Arc;

use crate::core::Core;
use crate::error::{Error, Result, escaped};
use crate::http::BoxFuture;
use crate::ids::ReleaseId;
use crate::odata::{Key, Query};
use crate::resource::key_value::ParentKey;
use crate::resource::keys::{ApplicationKey, check_id};
use crate::resource::read::ReadTarget;
use crate::rows::{Application, Release};

/// Key of a release: its id, its commit or the start of it, or an application and the release's version in it.
///
/// ```
/// use balena_agent::ReleaseKey;
///
/// let by_id = ReleaseKey::from(465_307);
/// let by_commit = ReleaseKey::from("45c9000");
/// let by_version = ReleaseKey::from(("my_org/my_app", "1.2.3"));
/// # let _ = (by_id, by_commit, by_version);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReleaseKey {
    /// The numeric id.
    Id(ReleaseId),
    /// The commit, or the start of it.
    Commit(String),
    /// The version (`raw_version`) in an application.
    RawVersion {
        /// Key of the application.
        application: ApplicationKey,
        /// Version, e.g. `1.2.3`, or `1.2.3-1718452800000` for a draft.
        raw_version: String,
    },
}

impl ReleaseKey {
    /// Returns the target of a read of this release, with these default options. Looks up the application's id if
    /// needed.
    pub(crate) async fn target(&self, core: &Core, defaults: Query) -> Result<ReadTarget> {
        self.check()?;
        let filter = match self {
            Self::Id(id) => return Ok(ReadTarget::one::<Release>(Some(Key::id(*id)), defaults, self)),
            Self::Commit(start) => Release::COMMIT.starts_with(start.as_str()),
            Self::RawVersion { application, raw_version } => {
                let id = core.id_of(application.target::<Application>(Query::new())?).await?;
                let version_is = Release::RAW_VERSION.eq(raw_version.as_str());
                version_is.and(Release::BELONGS_TO_APPLICATION.id().eq(id))
            }
        };
        Ok(ReadTarget::one::<Release>(None, Query::new().filter(filter).merge(defaults)?, self))
    }

    /// # Errors
    /// `is_invalid_argument` if a text is blank or an id is invalid.
    pub(crate) fn check(&self) -> Result<()> {
        let (name, text) = match self {
            Self::Id(id) => return check_id("release", id.get()).map(drop),
            Self::Commit(commit) => ("release", commit),
            Self::RawVersion { raw_version, .. } => ("raw_version", raw_version),
        };
        if text.trim().is_empty() { Err(Error::argument(name, "it is empty")) } else { Ok(()) }
    }
}

impl fmt::Display for ReleaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Commit(commit) => escaped(commit).fmt(f),
            Self::RawVersion { application, raw_version } => {
                write!(f, "{} of {application}", escaped(raw_version))
            }
        }
    }
}

impl ParentKey for ReleaseKey {
    fn resolve(self, core: Arc<Core>) -> BoxFuture<'static, Result<i64>> {
        Box::pin(async move {
            match self {
                Self::Id(id) => self.check().map(|()| id.get()),
                _ => core.id_of(self.target(&core, Query::new()).await?).await,
            }
        })
    }
}

impl From<&str> for ReleaseKey {
    fn from(commit: &str) -> Self {
        Self::Commit(commit.to_owned())
    }
}

impl From<String> for ReleaseKey {
    fn from(commit: String) -> Self {
        Self::Commit(commit)
    }
}

impl From<ReleaseId> for ReleaseKey {
    fn from(id: ReleaseId) -> Self {
        Self::Id(id)
    }
}

impl<A: Into<ApplicationKey>, V: Into<String>> From<(A, V)> for ReleaseKey {
    fn from((application, raw_version): (A, V)) -> Self {
        Self::RawVersion { application: application.into(), raw_version: raw_version.into() }
    }
}

macro_rules! from_numbers {
    ($($number:ty)*) => {$(
        impl From<$number> for ReleaseKey {
            fn from(id: $number) -> Self {
                // An id out of range becomes 0, which is refused.
                Self::Id(ReleaseId::new(i64::try_from(id).unwrap_or(0)))
            }
        }
    )*};
}
from_numbers!(i32 u32 i64 u64);

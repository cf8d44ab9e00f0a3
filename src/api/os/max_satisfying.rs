//! The newest version of the host OS in a range.

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;

use crate::core::Core;
use crate::error::Result;
use crate::resource::keys::DeviceTypeKey;
use crate::version::Version;

use super::range::VersionRange;
use super::request::{ReleaseSelection, versions_of};
use super::slug_of;
use super::versions::{OsType, OsVersion, published_as};

/// A request for the newest version in a range: [`DeviceOs::get_max_satisfying_version`].
///
/// [`DeviceOs::get_max_satisfying_version`]: super::DeviceOs::get_max_satisfying_version
#[must_use = "nothing is sent before `.await`"]
pub struct MaxSatisfyingVersion {
    core: Arc<Core>,
    device_type: DeviceTypeKey,
    version_query: String,
    os_type: Option<OsType>,
}

/// The requested version.
enum VersionQuery {
    Latest,
    Recommended,
    Default,
    Within(VersionRange),
    /// A version in a form that ranges do not have: `2.98.33.prod`.
    Form,
}

impl MaxSatisfyingVersion {
    pub(super) fn new(core: &Arc<Core>, device_type: DeviceTypeKey) -> Self {
        Self { core: core.clone(), device_type, version_query: "latest".to_owned(), os_type: None }
    }

    /// Sets the version or range. The default is `latest`:
    ///
    /// * a version as published, which then is the only match, or in another form (`v2.98.33`, `2.98.33.prod`),
    /// * a range in npm's syntax: `^2.80.0`, `~2.80`, `2.x`, `>=2.80.0 <3 || 2021.1.x`; it includes pre-releases
    ///   only of a version that it names as a pre-release, and of one revision not the development variant unless
    ///   `dev` is named,
    /// * `latest`: the newest, including pre-releases,
    /// * `recommended`: the newest that is recommended,
    /// * `default`: the newest that is recommended, or the newest if none is.
    #[doc(alias = "versionOrRange")]
    pub fn version_or_range(mut self, version_or_range: impl Into<String>) -> Self {
        self.version_query = version_or_range.into();
        self
    }

    /// Limits the result to versions of this type.
    #[doc(alias = "osType")]
    pub fn os_type(mut self, os_type: OsType) -> Self {
        self.os_type = Some(os_type);
        self
    }

    async fn find(self) -> Result<Option<String>> {
        let version_query = match &*self.version_query {
            "latest" => VersionQuery::Latest,
            "recommended" => VersionQuery::Recommended,
            "default" => VersionQuery::Default,
            // `2.98.33` is a range too, of all its revisions.
            range => match VersionRange::parse("version_or_range", range) {
                Ok(range) => VersionQuery::Within(range),
                Err(_) if Version::parse_full(range).is_some() => VersionQuery::Form,
                Err(error) => return Err(error),
            },
        };
        let slug = slug_of(&self.core, self.device_type).await?;
        let mut versions = versions_of(&self.core, &slug, ReleaseSelection::Available).await?;
        versions.retain(|version| version.is_of(self.os_type.as_ref()));
        let raw = |version: &OsVersion| version.raw_version().to_owned();
        let recommended = || versions.iter().find(|version| version.is_recommended).map(raw);
        let latest = || versions.first().map(raw);
        Ok(match version_query {
            VersionQuery::Latest => latest(),
            VersionQuery::Recommended => recommended(),
            VersionQuery::Default => recommended().or_else(latest),
            VersionQuery::Within(_)
                if versions.iter().any(|version| version.raw_version() == self.version_query) =>
            {
                Some(self.version_query)
            }
            VersionQuery::Form => published_as(&versions, &self.version_query).map(raw),
            VersionQuery::Within(range) => {
                let wants_dev = self.version_query.contains("dev");
                let parsed = versions.iter().filter_map(|version| {
                    Some((Version::parse_full(version.raw_version())?, version.raw_version()))
                });
                let within = parsed.filter(|(version, _)| {
                    range.contains(version) && (!wants_dev || version.variant() == Some("dev"))
                });
                // The development variant sorts before the other of the same revision.
                within.max_by(|(left, _), (right, _)| left.cmp(right)).map(|(_, raw)| raw.to_owned())
            }
        })
    }
}

impl IntoFuture for MaxSatisfyingVersion {
    type Output = Result<Option<String>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.find())
    }
}

impl fmt::Debug for MaxSatisfyingVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MaxSatisfyingVersion")
            .field("version_query", &self.version_query)
            .finish_non_exhaustive()
    }
}

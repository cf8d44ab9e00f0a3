//! The versions to which a device can be updated.

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::core::Core;
use crate::error::{Error, Result};
use crate::resource::keys::DeviceTypeKey;
use crate::settings::ApiVersion;
use crate::version::Version;

use super::request::{ReleaseSelection, versions_of};
use super::rules::update_type;
use super::slug_of;
use super::versions::{OsType, OsVersion};

/// The versions to which a device can be updated, from
/// [`DeviceOs::get_supported_os_update_versions`](super::DeviceOs::get_supported_os_update_versions).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OsUpdateVersions {
    /// Target versions, newest first.
    pub versions: Vec<String>,
    /// Newest target version that is not a pre-release. Absent if there is none.
    pub recommended: Option<String>,
    /// Current version as published. Absent if it was not published.
    pub current: Option<String>,
}

/// A request for [`OsUpdateVersions`].
#[must_use = "nothing is sent before `.await`"]
pub struct SupportedOsUpdateVersions {
    core: Arc<Core>,
    device_type: DeviceTypeKey,
    current: String,
    os_type: Option<OsType>,
    wanted: ReleaseSelection,
}

impl SupportedOsUpdateVersions {
    pub(super) fn new(core: &Arc<Core>, device_type: DeviceTypeKey, current: String) -> Self {
        let os_type = Some(OsType::Default);
        Self { core: core.clone(), device_type, current, os_type, wanted: ReleaseSelection::Available }
    }

    /// Limits the versions to this type. The default is [`OsType::Default`].
    #[doc(alias = "osType")]
    pub fn os_type(mut self, os_type: OsType) -> Self {
        self.os_type = Some(os_type);
        self
    }

    /// Includes versions of every type.
    pub fn all_os_types(mut self) -> Self {
        self.os_type = None;
        self
    }

    /// Includes drafts.
    #[doc(alias = "includeDraft")]
    pub fn include_draft(mut self) -> Self {
        self.wanted = ReleaseSelection::WithDrafts;
        self
    }

    async fn find(self) -> Result<OsUpdateVersions> {
        let Some(current) = Version::parse_full(&self.current) else {
            let shown = self.current.escape_debug();
            let why = format_args!("\"{shown}\" is not a version of the host OS");
            return Err(Error::argument("current_version", why));
        };
        let slug = slug_of(&self.core, self.device_type).await?;
        let all = versions_of(&self.core, &slug, self.wanted).await?;
        let api = self.core.settings().api_version;
        let is_current =
            |version: &&OsVersion| Version::parse_full(version.raw_version()).as_ref() == Some(&current);
        let leads_to = |target: &str| update_type(api, &slug, &self.current, target).is_ok();
        let of_type = || all.iter().filter(|version| version.is_of(self.os_type.as_ref()));
        // Version 6 searches the current version among the offered ones.
        let found = match api {
            ApiVersion::V6 => of_type().find(is_current),
            ApiVersion::V7 => all.iter().find(is_current),
        };
        let versions: Vec<String> = of_type()
            .filter(|version| leads_to(version.raw_version()))
            .filter(|version| !asks_for_base(api, &current) || leads_to(&version.based_on_version))
            .map(|version| version.raw_version().to_owned())
            .collect();
        let is_release =
            |text: &&String| Version::parse(text).is_some_and(|version| !version.is_prerelease());
        Ok(OsUpdateVersions {
            recommended: versions.iter().find(is_release).cloned(),
            current: found.map(|version| version.raw_version().to_owned()),
            versions,
        })
    }
}

/// Returns whether the base version must be newer too: extended support versions are numbered by year and always
/// higher. Version 6 does not check it.
fn asks_for_base(api: ApiVersion, current: &Version) -> bool {
    api == ApiVersion::V7 && current.major() <= 2000
}

impl IntoFuture for SupportedOsUpdateVersions {
    type Output = Result<OsUpdateVersions>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.find())
    }
}

impl fmt::Debug for SupportedOsUpdateVersions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SupportedOsUpdateVersions").field("current", &self.current).finish_non_exhaustive()
    }
}

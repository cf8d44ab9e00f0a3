//! To which versions a device can be updated.

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::api::keys::DeviceTypeKey;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::settings::ApiVersion;
use crate::version::Version;

use super::request::{Wanted, versions_of};
use super::rules::update_type;
use super::slug_of;
use super::versions::{OsType, OsVersion};

/// To which versions a device can be updated: the answer of
/// [`DeviceOs::get_supported_os_update_versions`](super::DeviceOs::get_supported_os_update_versions).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OsUpdateVersions {
    /// The newest first.
    pub versions: Vec<String>,
    /// The newest of them that is no pre-release.
    pub recommended: Option<String>,
    /// The version that it has now, as it was published; `None` when it was not.
    pub current: Option<String>,
}

/// A request for [`OsUpdateVersions`].
#[must_use = "nothing is sent before `.await`"]
pub struct SupportedOsUpdateVersions {
    core: Arc<Core>,
    device_type: DeviceTypeKey,
    current: String,
    os_type: Option<OsType>,
    wanted: Wanted,
}

impl SupportedOsUpdateVersions {
    pub(super) fn new(core: &Arc<Core>, device_type: DeviceTypeKey, current: String) -> Self {
        let os_type = Some(OsType::Default);
        Self { core: core.clone(), device_type, current, os_type, wanted: Wanted::Available }
    }

    /// Versions of this type; [`OsType::Default`] unless told.
    #[doc(alias = "osType")]
    pub fn os_type(mut self, os_type: OsType) -> Self {
        self.os_type = Some(os_type);
        self
    }

    /// Versions of every type.
    pub fn all_os_types(mut self) -> Self {
        self.os_type = None;
        self
    }

    /// Drafts, too.
    #[doc(alias = "includeDraft")]
    pub fn include_draft(mut self) -> Self {
        self.wanted = Wanted::WithDrafts;
        self
    }

    async fn find(self) -> Result<OsUpdateVersions> {
        let Some(current) = Version::whole(&self.current) else {
            let shown = self.current.escape_debug();
            let why = format_args!("\"{shown}\" is no version of the host OS");
            return Err(Error::argument("current_version", why));
        };
        let slug = slug_of(&self.core, self.device_type).await?;
        let all = versions_of(&self.core, &slug, self.wanted).await?;
        let api = self.core.settings().api_version;
        let is_current =
            |version: &&OsVersion| Version::whole(version.raw_version()).as_ref() == Some(&current);
        let leads_to = |target: &str| update_type(api, &slug, &self.current, target).is_ok();
        let of_type = || all.iter().filter(|version| version.is_of(self.os_type.as_ref()));
        // Version 6 looks for the current one among those that it offers.
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

/// Whether what a version is based on has to be newer, too: the numbers of those of extended support are years,
/// and always higher. Version 6 does not ask.
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

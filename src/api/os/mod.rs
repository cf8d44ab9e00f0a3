//! The host OS of devices: its versions, what they can be updated to, and what a new device starts with.

mod config;
mod download;
mod max_satisfying;
mod range;
mod request;
mod rules;
mod supervisor;
#[cfg(test)]
mod tests;
mod update_versions;
mod versions;

use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::Value;

use crate::api::answer::decode;
use crate::api::answer::told;
use crate::api::device::runs;
use crate::api::device_type::DeviceTypes;
use crate::api::filled::Filled;
use crate::api::keys::DeviceTypeKey;
use crate::api::read::about;
use crate::api::request::Request;
use crate::core::{Core, Plain};
use crate::error::{Error, ErrorKind, Result};
use crate::version::Version;

pub use config::{ForNewDevices, Network, NewOsConfig, OsConfig};
pub use download::OsImage;
pub use max_satisfying::MaxSatisfyingVersion;
pub use request::{DeviceTypeSlugs, Form, One, OsVersions, Several};
pub(crate) use request::{Wanted, versions_of};
pub use rules::OsUpdateType;
pub(crate) use rules::update_type;
pub(crate) use supervisor::supervisor_releases;
pub use update_versions::{OsUpdateVersions, SupportedOsUpdateVersions};
pub(crate) use versions::published_as;
pub use versions::{OsLine, OsType, OsVersion};

/// The host OS of devices. From [`Balena::os`](crate::Balena::os).
#[derive(Debug, Clone)]
pub struct DeviceOs {
    core: Arc<Core>,
}

impl DeviceOs {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone() }
    }

    /// The versions that can be used, for a device type (a list) or for several (a map by slug), the newest
    /// first (`GET /v6/application`).
    ///
    /// # Errors
    /// `is_invalid_argument` for no device types, or an empty one.
    #[doc(alias = "getAvailableOsVersions")]
    pub fn get_available_os_versions<D: DeviceTypeSlugs>(&self, device_type: D) -> OsVersions<D::Form> {
        OsVersions::new(&self.core, device_type.slugs(), Wanted::Available)
    }

    /// All versions, drafts and withdrawn ones among them, for a device type (a list) or for several (a map by
    /// slug), the newest first (`GET /v6/application`).
    ///
    /// # Errors
    /// As [`get_available_os_versions`](Self::get_available_os_versions).
    #[doc(alias = "getAllOsVersions")]
    pub fn get_all_os_versions<D: DeviceTypeSlugs>(&self, device_type: D) -> OsVersions<D::Form> {
        OsVersions::new(&self.core, device_type.slugs(), Wanted::All)
    }

    /// How large the image of a version is once it is unpacked, in bytes; of the latest unless told
    /// (`GET /device-types/v1/:slug/images/:version/download-size`).
    ///
    /// # Errors
    /// `is_invalid_argument` when there is no such device type; `is_not_found` when it has no such version.
    #[doc(alias = "getDownloadSize")]
    pub fn get_download_size(&self, device_type: impl Into<DeviceTypeKey>) -> Filled<DownloadSize, u64> {
        let (core, device_type) = (self.core.clone(), device_type.into());
        Filled::new(move |given| async move {
            let version = given.get("version").and_then(Value::as_str).unwrap_or("latest");
            if version.trim().is_empty() {
                return Err(Error::argument("version", "it is empty"));
            }
            let slug = slug_of(&core, device_type).await?;
            let version = in_one_form(&core, &slug, version).await?;
            let part = |text| utf8_percent_encode(text, PATH);
            let path = format!("/device-types/v1/{}/images/{}/download-size", part(&slug), part(&version));
            let reply = core.plain(Plain::get(path)).await?;
            match decode::<Measured>(&reply)?.size {
                Size::Number(bytes) => Ok(bytes),
                Size::Text(text) => text.parse().map_err(|_| {
                    let shown = text.escape_debug();
                    about(&reply, ErrorKind::Decode, format!("the answer tells no size: \"{shown}\""))
                }),
            }
        })
    }

    /// The newest version within a range, `None` when there is none (`GET /v6/application`).
    ///
    /// # Errors
    /// `is_invalid_argument` for what is no range, and when there is no such device type.
    #[doc(alias = "getMaxSatisfyingVersion")]
    pub fn get_max_satisfying_version(&self, device_type: impl Into<DeviceTypeKey>) -> MaxSatisfyingVersion {
        MaxSatisfyingVersion::new(&self.core, device_type.into())
    }

    /// Whether the platform updates a device from one version to another. Asks nobody; what is no version is
    /// not updated.
    #[doc(alias = "isSupportedOsUpdate")]
    pub fn is_supported_os_update(
        &self,
        device_type: &str,
        current_version: &str,
        target_version: &str,
    ) -> bool {
        update_type(self.core.settings().api_version, device_type, current_version, target_version).is_ok()
    }

    /// How the platform updates a device from one version to another (`GET /v6/device_type`).
    ///
    /// # Errors
    /// `is_unsupported` when it does not: the text says why; `is_invalid_argument` when there is no such
    /// device type.
    #[doc(alias = "getOsUpdateType")]
    pub fn get_os_update_type(
        &self,
        device_type: impl Into<DeviceTypeKey>,
        current_version: impl Into<String>,
        target_version: impl Into<String>,
    ) -> Request<OsUpdateType> {
        let (core, device_type) = (self.core.clone(), device_type.into());
        let (current, target) = (current_version.into(), target_version.into());
        Request::new(async move {
            let slug = slug_of(&core, device_type).await?;
            update_type(core.settings().api_version, &slug, &current, &target)
        })
    }

    /// To which versions a device can be updated from the one that it has (`GET /v6/application`).
    ///
    /// # Errors
    /// `is_invalid_argument` for what is no version, and when there is no such device type.
    #[doc(alias = "getSupportedOsUpdateVersions")]
    pub fn get_supported_os_update_versions(
        &self,
        device_type: impl Into<DeviceTypeKey>,
        current_version: impl Into<String>,
    ) -> SupportedOsUpdateVersions {
        SupportedOsUpdateVersions::new(&self.core, device_type.into(), current_version.into())
    }

    /// Whether a host OS of one CPU architecture runs what was built for another. Asks nobody.
    #[doc(alias = "isArchitectureCompatibleWith")]
    pub fn is_architecture_compatible_with(
        &self,
        os_architecture: &str,
        application_architecture: &str,
    ) -> bool {
        runs(os_architecture, application_architecture)
    }
}

/// Marks the request of [`DeviceOs::get_download_size`].
#[derive(Debug)]
#[non_exhaustive]
pub struct DownloadSize;

impl Filled<DownloadSize, u64> {
    /// A published version, in any of its forms: `2.98.33+rev1`, `v2.98.33`, `2.98.33.prod`.
    pub fn version(self, version: impl Into<String>) -> Self {
        self.give("version", version.into())
    }
}

/// What stands in one part of a path as it is.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[derive(Deserialize)]
struct Measured {
    size: Size,
}

/// Some servers tell the number as a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Size {
    Number(u64),
    Text(String),
}

/// A version as the platform writes it. One that is written with a variant and without a revision, `2.98.33.prod`, is
/// looked for among those that are published; a word such as `latest` stays.
pub(crate) async fn in_one_form(core: &Core, slug: &str, text: &str) -> Result<String> {
    let Some(version) = Version::whole(text) else { return Ok(text.to_owned()) };
    if version.variant().is_none() || version.tells_revision() {
        return Ok(version.to_string());
    }
    let versions = versions_of(core, slug, Wanted::WithDrafts).await?;
    Ok(published_as(&versions, text)
        .map_or_else(|| version.to_string(), |known| known.raw_version().to_owned()))
}

/// The slug of a device type, whatever it is called by.
pub(crate) async fn slug_of(core: &Arc<Core>, device_type: DeviceTypeKey) -> Result<String> {
    let row = DeviceTypes::new(core).get(device_type).select(["slug"]).await?;
    told(row.slug, "slug")
}

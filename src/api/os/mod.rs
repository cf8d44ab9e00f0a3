//! The host OS of devices: versions, updates, images, configuration of new devices.

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

use crate::api::device::runs;
use crate::api::device_type::DeviceTypes;
use crate::core::{Core, EndpointRequest};
use crate::error::{Error, ErrorKind, Result};
use crate::resource::json_request::decode;
use crate::resource::json_request::required;
use crate::resource::keys::DeviceTypeKey;
use crate::resource::read::response_error;
use crate::resource::request::Request;
use crate::resource::request_builder::RequestBuilder;
use crate::version::Version;

pub use config::{ForNewDevices, Network, NewOsConfig, OsConfig};
pub use download::OsImage;
pub use max_satisfying::MaxSatisfyingVersion;
pub use request::{DeviceTypeSlugs, One, OsVersions, Several, VersionsOutput};
pub(crate) use request::{ReleaseSelection, versions_of};
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

    /// Lists the available versions for a device type (a list) or for several (a map by slug), newest first
    /// (`GET /v6/application`).
    ///
    /// # Errors
    /// `is_invalid_argument` if there are no device types, or one is empty.
    #[doc(alias = "getAvailableOsVersions")]
    pub fn get_available_os_versions<D: DeviceTypeSlugs>(&self, device_type: D) -> OsVersions<D::Form> {
        OsVersions::new(&self.core, device_type.slugs(), ReleaseSelection::Available)
    }

    /// Lists all versions, including drafts and invalidated ones, for a device type (a list) or for several (a map
    /// by slug), newest first (`GET /v6/application`).
    ///
    /// # Errors
    /// As [`get_available_os_versions`](Self::get_available_os_versions).
    #[doc(alias = "getAllOsVersions")]
    pub fn get_all_os_versions<D: DeviceTypeSlugs>(&self, device_type: D) -> OsVersions<D::Form> {
        OsVersions::new(&self.core, device_type.slugs(), ReleaseSelection::All)
    }

    /// Returns the size of a version's uncompressed image in bytes, by default of the latest version
    /// (`GET /device-types/v1/:slug/images/:version/download-size`).
    ///
    /// # Errors
    /// `is_invalid_argument` if the device type does not exist; `is_not_found` if it has no such version.
    #[doc(alias = "getDownloadSize")]
    pub fn get_download_size(
        &self,
        device_type: impl Into<DeviceTypeKey>,
    ) -> RequestBuilder<DownloadSize, u64> {
        let (core, device_type) = (self.core.clone(), device_type.into());
        RequestBuilder::new(move |given| async move {
            let version = given.get("version").and_then(Value::as_str).unwrap_or("latest");
            if version.trim().is_empty() {
                return Err(Error::argument("version", "it is empty"));
            }
            let slug = slug_of(&core, device_type).await?;
            let version = in_one_form(&core, &slug, version).await?;
            let part = |text| utf8_percent_encode(text, PATH);
            let path = format!("/device-types/v1/{}/images/{}/download-size", part(&slug), part(&version));
            let response = core.send(EndpointRequest::get(path)).await?;
            match decode::<Measured>(&response)?.size {
                Size::Number(bytes) => Ok(bytes),
                Size::Text(text) => text.parse().map_err(|_| {
                    let shown = text.escape_debug();
                    response_error(
                        &response,
                        ErrorKind::Decode,
                        format!("the response has no size: \"{shown}\""),
                    )
                }),
            }
        })
    }

    /// Returns the newest version in a range, or `None` if there is none (`GET /v6/application`).
    ///
    /// # Errors
    /// `is_invalid_argument` if the range is malformed or the device type does not exist.
    #[doc(alias = "getMaxSatisfyingVersion")]
    pub fn get_max_satisfying_version(&self, device_type: impl Into<DeviceTypeKey>) -> MaxSatisfyingVersion {
        MaxSatisfyingVersion::new(&self.core, device_type.into())
    }

    /// Returns whether the platform can update a device from one version to another. Sends no request. False if a
    /// version is malformed.
    #[doc(alias = "isSupportedOsUpdate")]
    pub fn is_supported_os_update(
        &self,
        device_type: &str,
        current_version: &str,
        target_version: &str,
    ) -> bool {
        update_type(self.core.settings().api_version, device_type, current_version, target_version).is_ok()
    }

    /// Returns how the platform updates a device from one version to another (`GET /v6/device_type`).
    ///
    /// # Errors
    /// `is_unsupported`, with the reason, if it can't; `is_invalid_argument` if the device type does not exist.
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

    /// Lists the versions to which a device can be updated from its current one (`GET /v6/application`).
    ///
    /// # Errors
    /// `is_invalid_argument` if the version is malformed or the device type does not exist.
    #[doc(alias = "getSupportedOsUpdateVersions")]
    pub fn get_supported_os_update_versions(
        &self,
        device_type: impl Into<DeviceTypeKey>,
        current_version: impl Into<String>,
    ) -> SupportedOsUpdateVersions {
        SupportedOsUpdateVersions::new(&self.core, device_type.into(), current_version.into())
    }

    /// Returns whether a host OS of one CPU architecture can run code for another. Sends no request.
    #[doc(alias = "isArchitectureCompatibleWith")]
    pub fn is_architecture_compatible_with(
        &self,
        os_architecture: &str,
        application_architecture: &str,
    ) -> bool {
        runs(os_architecture, application_architecture)
    }
}

/// Marker of the request of [`DeviceOs::get_download_size`].
#[derive(Debug)]
#[non_exhaustive]
pub struct DownloadSize;

impl RequestBuilder<DownloadSize, u64> {
    /// Sets a published version, in any form: `2.98.33+rev1`, `v2.98.33`, `2.98.33.prod`.
    pub fn version(self, version: impl Into<String>) -> Self {
        self.set("version", version.into())
    }
}

/// The characters not encoded in a path segment.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[derive(Deserialize)]
struct Measured {
    size: Size,
}

/// A size. Some servers send it as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Size {
    Number(u64),
    Text(String),
}

/// Converts a version to the platform's form. Looks up one with a variant and without a revision, `2.98.33.prod`,
/// among the published versions. A word such as `latest` stays.
pub(crate) async fn in_one_form(core: &Core, slug: &str, text: &str) -> Result<String> {
    let Some(version) = Version::parse_full(text) else { return Ok(text.to_owned()) };
    if version.variant().is_none() || version.has_revision() {
        return Ok(version.to_string());
    }
    let versions = versions_of(core, slug, ReleaseSelection::WithDrafts).await?;
    Ok(published_as(&versions, text)
        .map_or_else(|| version.to_string(), |known| known.raw_version().to_owned()))
}

/// Returns the slug of a device type, from any key of it.
pub(crate) async fn slug_of(core: &Arc<Core>, device_type: DeviceTypeKey) -> Result<String> {
    let row = DeviceTypes::new(core).get(device_type).select(["slug"]).await?;
    required(row.slug, "slug")
}

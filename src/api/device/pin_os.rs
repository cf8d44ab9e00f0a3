//! Which version of the host OS devices should run.

use std::sync::Arc;

use serde_json::json;

use crate::api::keys::OsReleaseKey;
use crate::api::os::{OsVersion, Wanted};
use crate::api::request::Request;
use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::settings::ApiVersion;
use crate::version::Version;

use super::Devices;
use super::batch::DeviceKeys;
use super::chosen::{chosen, give, groups};
use super::os_target::{Mode, Types, check};
use super::read::{columns, told};

impl Devices {
    /// Makes devices run a published version of the host OS, by that version or the id of its release
    /// (`PATCH /v7/device`). A device that is offline is updated when it is back.
    ///
    /// # Errors
    /// `is_not_found` when a device is not there, or there is no such release for its type; `is_unsupported`
    /// when the platform does not update a device from what it has to that, and with version 6 of the API.
    /// Nothing was changed then.
    #[doc(alias = "pinToOsRelease")]
    pub fn pin_to_os_release(
        &self,
        devices: impl Into<DeviceKeys>,
        os_release: impl Into<OsReleaseKey>,
    ) -> Request<()> {
        let (core, devices, release) = (self.core.clone(), devices.into(), os_release.into());
        Request::new(async move {
            release.check()?;
            if core.settings.api_version == ApiVersion::V6 {
                let text = "version 6 of the API can't tell which host OS a device should have";
                return Err(Error::new(ErrorKind::Unsupported, text)
                    .help("set api_version to version 7, or update it now with start_os_update"));
            }
            pin(&core, &devices, &release).await
        })
    }
}

async fn pin(core: &Arc<Core>, devices: &DeviceKeys, release: &OsReleaseKey) -> Result<()> {
    let query = columns(["uuid", "os_version", "os_variant", "is_of__device_type"]);
    let devices = chosen(core, devices, query).await?;
    let groups = groups(&devices, |device| told(device.is_of_device_type.id(), "is_of__device_type"))?;
    // Drafts have to be named as such.
    let wanted = match release {
        OsReleaseKey::Name(text) if Version::parse(text).is_none_or(|version| !version.is_prerelease()) => {
            Wanted::Available
        }
        _ => Wanted::WithDrafts,
    };
    let mut types = Types::new(core);
    let mut changes = Vec::new();
    for (_, devices) in groups {
        let slug = match devices.first() {
            Some(device) => told(types.slug(device).await?, "is_of__device_type")?,
            None => continue,
        };
        let is_it = |version: &&OsVersion| match release {
            OsReleaseKey::Id(id) => version.release.id == Some(*id),
            OsReleaseKey::Name(text) => version.raw_version() == text,
        };
        let Some(found) = types.versions(&slug, wanted).await?.iter().find(is_it) else {
            let text = format!("release {release} of the host OS for {slug} not found");
            return Err(Error::new(ErrorKind::NotFound, text)
                .sent(true)
                .help("os().get_available_os_versions(..) tells which there are"));
        };
        let target = (found.raw_version(), Some(&*found.based_on_version));
        for device in &devices {
            check(ApiVersion::V7, device, Some(&slug), target, Mode::Pin)?;
        }
        let id = told(found.release.id, "id")?;
        changes.push((devices, json!({ "should_be_operated_by__release": id })));
    }
    for (devices, change) in changes {
        give(core, &devices, &change).await?;
    }
    Ok(())
}

//! The target version of the host OS of devices.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use crate::api::os::{OsVersion, ReleaseSelection, published_as, slug_of, versions_of};
use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::http::BoxFuture;
use crate::ids::DeviceTypeId;
use crate::odata::Query;
use crate::resource::batch::{Batch, DeviceKeys, Grouped};
use crate::resource::json_request::required;
use crate::resource::keys::{DeviceTypeKey, OsReleaseKey};
use crate::resource::write_request::RowWriter;
use crate::rows::Device;
use crate::settings::ApiVersion;
use crate::version::Version;

use super::Devices;
use super::batch::one_of_group;
use super::os_target::{Mode, check};
use super::read::columns;

impl Devices {
    /// Sets the target version of the host OS of devices, by a published version or the id of its release
    /// (`PATCH /v7/device`). An offline device is updated once it is online.
    ///
    /// The devices are looked up first, and changed in chunks by type: for one type, all are changed or none.
    ///
    /// # Errors
    /// `is_not_found` if a device does not exist or its type has no such release; `is_unsupported` if the platform
    /// can't update a device from its current version, or with version 6 of the API.
    #[doc(alias = "pinToOsRelease")]
    pub fn pin_to_os_release(
        &self,
        devices: impl Into<DeviceKeys>,
        os_release: impl Into<OsReleaseKey>,
    ) -> Batch {
        let (core, release) = (self.core.clone(), os_release.into());
        let identity = json!(["pin_to_os_release", release.to_string()]);
        let checked = release.check().and_then(|()| offered(core.settings().api_version));
        let pin = PinOsRelease { core, release: release.clone(), rows: Mutex::default() };
        let one = move |writer: RowWriter, device| {
            let release = release.clone();
            async move {
                let pin = PinOsRelease { core: writer.core().clone(), release, rows: Mutex::default() };
                one_of_group(&writer, &device, &pin).await
            }
        };
        let batch = self.change_by_group(devices.into(), identity, one, pin);
        match checked {
            Ok(()) => batch,
            Err(error) => batch.refused(error),
        }
    }
}

fn offered(api: ApiVersion) -> Result<()> {
    if api == ApiVersion::V7 {
        return Ok(());
    }
    let text = "version 6 of the API has no target version of the host OS";
    Err(Error::new(ErrorKind::Unsupported, text)
        .with_help("set api_version to version 7, or update it now with start_os_update"))
}

/// The inputs of a check: device type, version and variant of the host OS.
type Kind = (i64, Option<String>, Option<String>);

/// Sets the target version of the host OS of devices.
struct PinOsRelease {
    core: Arc<Core>,
    release: OsReleaseKey,
    /// One device for each combination of inputs. They are checked once the version is looked up.
    rows: Mutex<HashMap<Kind, Device>>,
}

impl Grouped<Device> for PinOsRelease {
    fn columns(&self) -> Query {
        columns(["uuid", "os_version", "os_variant", "is_of__device_type"])
    }

    fn group(&self, row: &Device) -> Result<i64> {
        let group = required(row.is_of_device_type.id(), "is_of__device_type")?;
        let same = (group, row.os_version.clone(), row.os_variant.clone());
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.entry(same).or_insert_with(|| row.clone());
        Ok(group)
    }

    fn values(&self, group: i64) -> BoxFuture<'_, Result<Value>> {
        Box::pin(async move {
            let slug = slug_of(&self.core, DeviceTypeKey::Id(DeviceTypeId::new(group))).await?;
            let found = self.find(&slug).await?;
            let target = (found.raw_version(), Some(&*found.based_on_version));
            let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
            for (_, device) in rows.iter().filter(|((of, ..), _)| *of == group) {
                check(ApiVersion::V7, device, Some(&slug), target, Mode::Pin)?;
            }
            Ok(json!({ "should_be_operated_by__release": required(found.release.id, "id")? }))
        })
    }
}

impl PinOsRelease {
    async fn find(&self, slug: &str) -> Result<OsVersion> {
        // Drafts are included only if given explicitly.
        let wanted = match &self.release {
            OsReleaseKey::Name(text)
                if Version::parse(text).is_none_or(|version| !version.is_prerelease()) =>
            {
                ReleaseSelection::Available
            }
            _ => ReleaseSelection::WithDrafts,
        };
        let is_it = |version: &OsVersion| match &self.release {
            OsReleaseKey::Id(id) => version.release.id == Some(*id),
            OsReleaseKey::Name(text) => version.raw_version() == text,
        };
        let mut versions = versions_of(&self.core, slug, wanted).await?;
        if let Some(at) = versions.iter().position(is_it) {
            return Ok(versions.swap_remove(at));
        }
        let text = format!("release {} of the host OS for {slug} not found", self.release);
        let published = match &self.release {
            OsReleaseKey::Name(text) => published_as(&versions, text),
            OsReleaseKey::Id(_) => None,
        };
        Err(Error::new(ErrorKind::NotFound, text).with_sent(true).with_help(published.map_or_else(
            || "os().get_available_os_versions(..) lists the versions".to_owned(),
            |version| format!("it is published as {}", version.raw_version()),
        )))
    }
}

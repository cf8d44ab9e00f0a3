//! The target version of the supervisor of devices.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::api::os::{slug_of, supervisor_releases};
use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::http::BoxFuture;
use crate::ids::{CpuArchitectureId, DeviceTypeId, ReleaseId};
use crate::odata::Query;
use crate::resource::batch::{Batch, DeviceKeys, Grouped};
use crate::resource::json_request::required;
use crate::resource::keys::{CpuArchitectureKey, DeviceKey, DeviceTypeKey, SupervisorReleaseKey};
use crate::resource::read::ReadTarget;
use crate::resource::schema::Resource;
use crate::resource::write::RowSelector;
use crate::resource::write_request::RowWriter;
use crate::rows::{Device, DeviceType, Release, SupervisorRelease};
use crate::settings::ApiVersion;
use crate::version::{Precedence, strip_os_name};

use super::Devices;
use super::batch::one_of_group;
use super::read::columns;

impl Devices {
    /// Sets the target version of the supervisor of devices, by its version (`v13.0.0`) or id (`PATCH /v6/device`).
    /// With version 7 of the API the id is that of a release, as
    /// [`get_supervisor_releases_for_cpu_architecture`](crate::api::os::DeviceOs::get_supervisor_releases_for_cpu_architecture)
    /// returns it.
    ///
    /// The devices of a list are looked up first, and changed in chunks: by device type, and with version 7 of the
    /// API by CPU architecture.
    ///
    /// # Errors
    /// `is_not_found` if there is no such supervisor for the type of a device; `is_unsupported` if a device's
    /// current supervisor or host OS is too old.
    #[doc(alias = "setSupervisorRelease")]
    #[doc(alias = "pinToSupervisorRelease")]
    #[doc(alias = "pin_to_supervisor_release")]
    pub fn set_supervisor_release(
        &self,
        devices: impl Into<DeviceKeys>,
        release: impl Into<SupervisorReleaseKey>,
    ) -> Batch {
        let release = release.into();
        let identity = json!(["set_supervisor_release", release.to_string()]);
        let checked = release.check();
        let pin = PinSupervisor { core: self.core.clone(), release };
        let one = pin.clone();
        let one = move |writer, device| one.clone().one(writer, device);
        let batch = self.change_by_group(devices.into(), identity, one, pin);
        match checked {
            Ok(()) => batch,
            Err(error) => batch.refused(error),
        }
    }
}

/// Sets the target version of the supervisor of devices.
#[derive(Clone)]
struct PinSupervisor {
    core: Arc<Core>,
    release: SupervisorReleaseKey,
}

impl PinSupervisor {
    async fn one(self, writer: RowWriter, key: DeviceKey) -> Result<()> {
        if self.core.settings().api_version == ApiVersion::V7 {
            return one_of_group(&writer, &key, &self).await;
        }
        let query =
            columns(["id", "supervisor_version", "os_version"]).expand(Device::DEVICE_TYPE.select(["slug"]));
        let device: Device = self.core.row_of(key.target::<Device>(query)?).await?;
        let slug = device.is_of_device_type.get().and_then(|device_type| device_type.slug.as_deref());
        let change = self.of_device_type(required(slug, "is_of__device_type/slug")?).await?;
        is_new_enough(&device)?;
        let id = required(device.id, "id")?;
        writer.change(Device::NAME, &RowSelector::id(id.get()), &change).await
    }

    /// Finds the supervisor with version 6, where each device type has its own rows of a supervisor resource.
    async fn of_device_type(&self, slug: &str) -> Result<Value> {
        let this = match &self.release {
            SupervisorReleaseKey::Id(id) => SupervisorRelease::ID.eq(*id),
            SupervisorReleaseKey::Name(version) if version.starts_with('v') => {
                SupervisorRelease::SUPERVISOR_VERSION.eq(version.as_str())
            }
            // Versions have a `v` there.
            SupervisorReleaseKey::Name(version) => SupervisorRelease::SUPERVISOR_VERSION
                .is_in([format!("v{}", strip_os_name(version)), version.clone()]),
        };
        let query = Query::new()
            .filter(SupervisorRelease::DEVICE_TYPE.any(DeviceType::SLUG.eq(slug)).and(this))
            .top(1);
        let id = self.core.id_of(ReadTarget::one::<SupervisorRelease>(None, query, &self.release)).await?;
        Ok(json!({ "should_be_managed_by__supervisor_release": id }))
    }

    /// Finds the supervisor with version 7, where it is a release of an application for a CPU architecture.
    async fn of_architecture(&self, architecture: i64) -> Result<Value> {
        let this = match &self.release {
            SupervisorReleaseKey::Id(id) => Release::ID.eq(ReleaseId::new(id.get())),
            // Versions of releases have no `v`.
            SupervisorReleaseKey::Name(version) => Release::RAW_VERSION.eq(strip_os_name(version)),
        };
        let architecture = CpuArchitectureKey::Id(CpuArchitectureId::new(architecture));
        let found = supervisor_releases(&self.core, architecture).filter(this).top(1).await?;
        let id = found.into_iter().next().and_then(|release| release.id).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("supervisor release {} not found", self.release))
                .with_sent(true)
                .with_help("os().get_supervisor_releases_for_cpu_architecture(..) lists the versions")
        })?;
        Ok(json!({ "should_be_managed_by__release": id }))
    }
}

impl Grouped<Device> for PinSupervisor {
    fn columns(&self) -> Query {
        let versions = columns(["supervisor_version", "os_version"]);
        match self.core.settings().api_version {
            ApiVersion::V6 => versions.select([Device::DEVICE_TYPE.name()]),
            ApiVersion::V7 => {
                versions.expand(Device::DEVICE_TYPE.select([DeviceType::CPU_ARCHITECTURE.name()]))
            }
        }
    }

    fn group(&self, row: &Device) -> Result<i64> {
        is_new_enough(row)?;
        let device_type = &row.is_of_device_type;
        match self.core.settings().api_version {
            ApiVersion::V6 => required(device_type.id(), "is_of__device_type"),
            ApiVersion::V7 => {
                let architecture = device_type.get().and_then(|row| row.is_of_cpu_architecture.id());
                required(architecture, "is_of__device_type/is_of__cpu_architecture")
            }
        }
    }

    fn values(&self, group: i64) -> BoxFuture<'_, Result<Value>> {
        Box::pin(async move {
            if self.core.settings().api_version == ApiVersion::V7 {
                return self.of_architecture(group).await;
            }
            let slug = slug_of(&self.core, DeviceTypeKey::Id(DeviceTypeId::new(group))).await?;
            self.of_device_type(&slug).await
        })
    }
}

fn is_new_enough(device: &Device) -> Result<()> {
    require("supervisor", device.supervisor_version.as_deref(), "7.0.0")?;
    require("host OS", device.os_version.as_deref(), "2.12.0")
}

/// Checks a minimum version. An absent version passes; a malformed one counts as the oldest.
fn require(what: &str, version: Option<&str>, least: &str) -> Result<()> {
    match version {
        Some(version) if !version.is_empty() && Precedence::of(version) < Precedence::of(least) => {
            let version = version.escape_debug();
            let text = format!("the device's {what} is {version}, and this needs {least} or newer");
            Err(Error::new(ErrorKind::Unsupported, text)
                .with_sent(true)
                .with_help(format!("update the device's {what}")))
        }
        _ => Ok(()),
    }
}

//! Which supervisor devices should run.

use serde_json::json;

use crate::api::keys::{CpuArchitectureKey, SupervisorReleaseKey};
use crate::api::os::supervisor_releases;
use crate::api::read::Target;
use crate::api::request::Request;
use crate::api::rows::{Device, DeviceType, Release, SupervisorRelease};
use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::CpuArchitectureId;
use crate::odata::Query;
use crate::settings::ApiVersion;
use crate::version::{Precedence, bare};

use super::Devices;
use super::batch::DeviceKeys;
use super::chosen::{chosen, give, groups};
use super::read::{columns, told};

impl Devices {
    /// Makes devices run a released supervisor, by its version (`v13.0.0`) or id (`PATCH /v6/device`). With
    /// version 7 of the API the id is that of a release:
    /// [`get_supervisor_releases_for_cpu_architecture`](crate::api::os::DeviceOs::get_supervisor_releases_for_cpu_architecture)
    /// tells it.
    ///
    /// # Errors
    /// `is_not_found` when there is no such supervisor for the type of a device; `is_unsupported` when the
    /// supervisor or host OS that a device has now is too old to be told. Nothing was changed then.
    #[doc(alias = "setSupervisorRelease")]
    #[doc(alias = "pinToSupervisorRelease")]
    #[doc(alias = "pin_to_supervisor_release")]
    pub fn set_supervisor_release(
        &self,
        devices: impl Into<DeviceKeys>,
        release: impl Into<SupervisorReleaseKey>,
    ) -> Request<()> {
        let (core, devices, release) = (self.core.clone(), devices.into(), release.into());
        Request::new(async move {
            release.check()?;
            match core.settings.api_version {
                ApiVersion::V6 => by_device_type(&core, &devices, &release).await,
                ApiVersion::V7 => by_architecture(&core, &devices, &release).await,
            }
        })
    }
}

/// As version 6 has it: supervisors are a resource of their own, for a device type each.
async fn by_device_type(core: &Core, devices: &DeviceKeys, release: &SupervisorReleaseKey) -> Result<()> {
    let query =
        columns(["id", "supervisor_version", "os_version"]).expand(Device::DEVICE_TYPE.select(["slug"]));
    let devices = chosen(core, devices, query).await?;
    let groups = groups(&devices, |device| {
        let slug = device.is_of_device_type.get().and_then(|device_type| device_type.slug.clone());
        told(slug, "is_of__device_type/slug")
    })?;
    let mut changes = Vec::new();
    for (slug, devices) in groups {
        let this = match release {
            SupervisorReleaseKey::Id(id) => SupervisorRelease::ID.eq(*id),
            SupervisorReleaseKey::Name(version) => SupervisorRelease::SUPERVISOR_VERSION.eq(version.as_str()),
        };
        let query = Query::new()
            .filter(SupervisorRelease::DEVICE_TYPE.any(DeviceType::SLUG.eq(slug.as_str())).and(this))
            .top(1);
        let id = core.id_of(Target::one::<SupervisorRelease>(None, query, release)).await?;
        changes.push((devices, json!({ "should_be_managed_by__supervisor_release": id })));
    }
    devices.iter().try_for_each(is_new_enough)?;
    for (devices, change) in changes {
        give(core, &devices, &change).await?;
    }
    Ok(())
}

/// As version 7 has it: supervisors are releases of an application for a CPU architecture.
async fn by_architecture(
    core: &std::sync::Arc<Core>,
    devices: &DeviceKeys,
    release: &SupervisorReleaseKey,
) -> Result<()> {
    let query = columns(["id", "supervisor_version", "os_version"])
        .expand(Device::DEVICE_TYPE.select(["is_of__cpu_architecture"]));
    let devices = chosen(core, devices, query).await?;
    devices.iter().try_for_each(is_new_enough)?;
    let groups = groups(&devices, |device| {
        let architecture = device.is_of_device_type.get().and_then(|row| row.is_of_cpu_architecture.id());
        told(architecture, "is_of__device_type/is_of__cpu_architecture")
    })?;
    let mut changes = Vec::new();
    for (architecture, devices) in groups {
        let this = match release {
            SupervisorReleaseKey::Id(id) => Release::ID.eq(crate::ids::ReleaseId::new(id.get())),
            // The version of a release has no `v` before it.
            SupervisorReleaseKey::Name(version) => Release::RAW_VERSION.eq(bare(version)),
        };
        let architecture = CpuArchitectureKey::Id(CpuArchitectureId::new(architecture));
        let found = supervisor_releases(core, architecture).filter(this).top(1).await?;
        let id = found.into_iter().next().and_then(|release| release.id).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("supervisor release {release} not found"))
                .sent(true)
                .help("os().get_supervisor_releases_for_cpu_architecture(..) tells which there are")
        })?;
        changes.push((devices, json!({ "should_be_managed_by__release": id })));
    }
    for (devices, change) in changes {
        give(core, &devices, &change).await?;
    }
    Ok(())
}

fn is_new_enough(device: &Device) -> Result<()> {
    require("supervisor", device.supervisor_version.as_deref(), "7.0.0")?;
    require("host OS", device.os_version.as_deref(), "2.12.0")
}

/// One that the device has not reported yet passes; one that is no version is older than all.
fn require(what: &str, version: Option<&str>, least: &str) -> Result<()> {
    match version {
        Some(version) if !version.is_empty() && Precedence::of(version) < Precedence::of(least) => {
            let version = version.escape_debug();
            let text = format!("the device's {what} is {version}, and this needs {least} or newer");
            Err(Error::new(ErrorKind::Unsupported, text)
                .sent(true)
                .help(format!("update the device's {what}")))
        }
        _ => Ok(()),
    }
}

//! Which supervisor a device should run.

use serde_json::json;

use crate::api::keys::{DeviceKey, SupervisorReleaseKey};
use crate::api::read::Target;
use crate::api::request::Request;
use crate::api::resource::Resource;
use crate::api::rows::{Device, DeviceType, SupervisorRelease};
use crate::api::write::Rows;
use crate::error::{Error, ErrorKind, Result};
use crate::odata::Query;
use crate::settings::ApiVersion;
use crate::version::Version;

use super::Devices;
use super::read::{columns, told};

impl Devices {
    /// Makes a device run a released supervisor, by its version (`v13.0.0`) or id (`PATCH /v6/device`).
    ///
    /// # Errors
    /// `is_not_found` when there is no such supervisor for the device's type; `is_unsupported` when the
    /// supervisor or host OS it has now is too old to be told, or with version 7 of the API.
    #[doc(alias = "setSupervisorRelease")]
    #[doc(alias = "pinToSupervisorRelease")]
    pub fn set_supervisor_release(
        &self,
        device: impl Into<DeviceKey>,
        release: impl Into<SupervisorReleaseKey>,
    ) -> Request<()> {
        let (core, key, release) = (self.core.clone(), device.into(), release.into());
        Request::new(async move {
            release.check()?;
            if core.settings().api_version != ApiVersion::V6 {
                let text = "supervisor releases are asked for as version 6 of the API has them";
                return Err(Error::new(ErrorKind::Unsupported, text));
            }
            let query = columns(["id", "supervisor_version", "os_version"])
                .expand(Device::DEVICE_TYPE.select(["slug"]));
            let device: Device = core.row_of(key.target::<Device>(query)?).await?;
            let slug = device.is_of_device_type.get().and_then(|device_type| device_type.slug.as_deref());
            let slug = told(slug, "is_of__device_type/slug")?;
            let this = match &release {
                SupervisorReleaseKey::Id(id) => SupervisorRelease::ID.eq(*id),
                SupervisorReleaseKey::Name(version) => {
                    SupervisorRelease::SUPERVISOR_VERSION.eq(version.as_str())
                }
            };
            let query = Query::new()
                .filter(SupervisorRelease::DEVICE_TYPE.any(DeviceType::SLUG.eq(slug)).and(this))
                .top(1);
            let release = core.id_of(Target::one::<SupervisorRelease>(None, query, &release)).await?;
            require("supervisor", device.supervisor_version.as_deref(), "7.0.0")?;
            require("host OS", device.os_version.as_deref(), "2.12.0")?;
            let body = json!({ "should_be_managed_by__supervisor_release": release });
            let id = told(device.id, "id")?;
            core.change(Device::NAME, &Rows::id(id.get()), &body).await
        })
    }
}

/// One that the device has not reported yet passes; one that is no version is older than all.
fn require(what: &str, version: Option<&str>, least: &str) -> Result<()> {
    match version {
        Some(version) if !version.is_empty() && Version::parse(version) < Version::parse(least) => {
            let version = version.escape_debug();
            let text = format!("the device's {what} is {version}, and this needs {least} or newer");
            Err(Error::new(ErrorKind::Unsupported, text)
                .sent(true)
                .help(format!("update the device's {what}")))
        }
        _ => Ok(()),
    }
}

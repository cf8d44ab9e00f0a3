//! Updates of the host OS of devices.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::api::answer::decode;
use crate::api::answer::told;
use crate::api::batch::{DeviceKeys, Keys, listed};
use crate::api::config::Config;
use crate::api::filled::Filled;
use crate::api::keys::DeviceKey;
use crate::api::os::{Wanted, published_as};
use crate::api::request::Request;
use crate::api::rows::Device;
use crate::core::{Core, Plain};
use crate::error::{Error, ErrorKind, Result};
use crate::open_enum::open_enum;
use crate::settings::{ActionsVersion, ApiVersion};
use crate::version::Version;

use super::Devices;
use super::batch::is_looked_up;
use super::os_target::{Mode, Types, check};
use super::read::columns;

open_enum! {
    /// How far an update of the host OS is.
    OsUpdateStatus {
        /// None was asked for.
        Idle = "idle",
        /// It was asked for, and the device is told.
        TriggerSent = "trigger_sent",
        /// It was asked for.
        Triggered = "triggered",
        /// The device prepares for it.
        Configuring = "configuring",
        /// It runs.
        InProgress = "in_progress",
        /// It is done.
        Done = "done",
        /// It failed.
        Error = "error",
    }
}

/// What the platform says of an update of a device's host OS.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct OsUpdateAction {
    /// How far it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<OsUpdateStatus>,
    /// What is done: `resinhup`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Id of a detached one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action_id: Option<String>,
    /// What it was asked for with: `target_version`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Value>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether it can't be tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fatal: Option<bool>,
    /// What this version of the library has no name for.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Marks the request of [`Devices::start_os_update`].
#[derive(Debug)]
#[non_exhaustive]
pub struct NewOsUpdate;

impl Filled<NewOsUpdate, BTreeMap<String, OsUpdateAction>> {
    /// Has the platform stay connected to the device for as long as the update runs, instead of letting it run on
    /// its own: what version 6 of the API does anyway.
    #[doc(alias = "runDetached")]
    pub fn not_detached(self) -> Self {
        self.give("detached", false)
    }
}

impl Devices {
    /// Updates the host OS of devices to a published version
    /// (`POST https://actions.<devices' domain>/v1/:uuid/resinhup`). The answer has what the platform says, by the
    /// uuid of each device.
    ///
    /// All of them are checked before the first one is updated. Dropping the request leaves those alone that were
    /// not told yet.
    ///
    /// # Errors
    /// `is_unsupported` when the platform does not update a device from what it has to that: the text says why;
    /// `is_device_offline`; `is_invalid_argument` for a version that was not published; `is_not_found`,
    /// `is_ambiguous`.
    #[doc(alias = "startOsUpdate")]
    pub fn start_os_update(
        &self,
        devices: impl Into<DeviceKeys>,
        target_os_version: impl Into<String>,
    ) -> Filled<NewOsUpdate, BTreeMap<String, OsUpdateAction>> {
        let (core, devices, target) = (self.core.clone(), devices.into(), target_os_version.into());
        Filled::new(move |given| async move {
            let version = match given.get("detached") {
                Some(Value::Bool(false)) => ActionsVersion::V1,
                _ => core.settings().actions_version(),
            };
            if target.trim().is_empty() {
                return Err(Error::argument("target_os_version", "it is empty"));
            }
            let uuids = checked(&core, &devices, &target).await?;
            let mut started = BTreeMap::new();
            if uuids.is_empty() {
                return Ok(started);
            }
            let endpoint = endpoint(&core, version).await?;
            for (uuid, target) in uuids {
                let body = json!({ "parameters": { "target_version": target } });
                let action = endpoint.call(&core, Method::POST, &uuid, Some(body)).await;
                let action = action.map_err(|error| {
                    let told: Vec<&str> = started.keys().map(String::as_str).collect();
                    if told.is_empty() {
                        return error;
                    }
                    error.help(format!("the updates of these were started already: {}", told.join(", ")))
                })?;
                started.insert(uuid, action);
            }
            Ok(started)
        })
    }

    /// How far the update of a device's host OS is
    /// (`GET https://actions.<devices' domain>/v1/:uuid/resinhup`).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[doc(alias = "getOsUpdateStatus")]
    pub fn get_os_update_status(&self, device: impl Into<DeviceKey>) -> Request<OsUpdateAction> {
        let (core, key) = (self.core.clone(), device.into());
        Request::new(async move {
            let device: Device = core.row_of(key.target::<Device>(columns(["uuid"]))?).await?;
            let uuid = told(device.uuid, "uuid")?;
            let endpoint = endpoint(&core, core.settings().actions_version()).await?;
            endpoint.call(&core, Method::GET, &uuid, None).await
        })
    }
}

/// The uuids of the devices, with the version as it is published for each, once it is clear that all of them can be
/// updated to that.
async fn checked(core: &Arc<Core>, devices: &DeviceKeys, target: &str) -> Result<Vec<(String, String)>> {
    let api = core.settings().api_version;
    let query = match api {
        ApiVersion::V6 => columns(["uuid", "is_online", "os_version", "os_variant"])
            .expand(Device::DEVICE_TYPE.select(["slug"])),
        ApiVersion::V7 => columns([
            "uuid",
            "is_connected_to_vpn",
            "os_version",
            "supervisor_version",
            "os_variant",
            "is_of__device_type",
        ]),
    };
    let devices = match devices {
        Keys::One(key) if !is_looked_up(core, key) => {
            vec![core.row_of(key.target::<Device>(query)?).await?]
        }
        keys => listed::<Device>(core, keys, query).await?,
    };
    let mut types = Types::new(core);
    let mut checked = Vec::with_capacity(devices.len());
    for device in devices {
        let device = &device;
        // Version 6 checks what it was told, version 7 what was published.
        if api == ApiVersion::V6 {
            check(api, device, types.slug(device).await?.as_deref(), (target, None), Mode::Start)?;
        }
        let slug = types.slug(device).await?;
        let slug = told(slug, "is_of__device_type")?;
        let is_draft = Version::parse(target).is_some_and(|version| version.is_prerelease());
        let wanted = if api == ApiVersion::V7 && is_draft { Wanted::WithDrafts } else { Wanted::Available };
        let versions = types.versions(&slug, wanted).await?;
        let Some(release) = published_as(versions, target) else {
            let why = format_args!("\"{}\" is no published version for {slug}", target.escape_debug());
            return Err(Error::argument("target_os_version", why).sent(true));
        };
        if api == ApiVersion::V7 {
            let target = (release.raw_version(), Some(&*release.based_on_version));
            check(api, device, Some(&slug), target, Mode::Start)?;
        }
        checked.push((told(device.uuid.clone(), "uuid")?, release.raw_version().to_owned()));
    }
    Ok(checked)
}

/// Where actions on the host OS are asked for.
struct Endpoint {
    base: String,
    version: ActionsVersion,
}

async fn endpoint(core: &Arc<Core>, version: ActionsVersion) -> Result<Endpoint> {
    let domain = match &core.settings().device_urls_base {
        Some(domain) => domain.clone(),
        None => told(Config::new(core).get_all().await?.device_urls_base, "deviceUrlsBase")?,
    };
    // The token goes there: it has to be a domain and nothing else.
    if domain.is_empty() || !domain.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:".contains(&byte))
    {
        let text = format!("\"{}\" is no domain of devices", domain.escape_debug());
        return Err(Error::new(ErrorKind::Decode, text).sent(true));
    }
    Ok(Endpoint { base: format!("https://actions.{domain}"), version })
}

impl Endpoint {
    async fn call(
        &self,
        core: &Core,
        method: Method,
        uuid: &str,
        body: Option<Value>,
    ) -> Result<OsUpdateAction> {
        if !uuid.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            let text = format!("the answer has no uuid but \"{}\"", uuid.escape_debug());
            return Err(Error::new(ErrorKind::Decode, text).sent(true));
        }
        let path = format!("/{}/{uuid}/resinhup", self.version.as_str());
        let repeatable = method == Method::GET;
        let plain = Plain { base: Some(self.base.clone()), repeatable, ..Plain::post(method, path, body) };
        decode(&core.plain(plain).await?)
    }
}

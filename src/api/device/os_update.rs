//! Updates of the host OS of devices.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::api::config::Config;
use crate::api::os::{ReleaseSelection, published_as};
use crate::core::{Core, EndpointRequest};
use crate::error::{Error, ErrorKind, Result};
use crate::open_enum::open_enum;
use crate::resource::batch::{DeviceKeys, Keys, listed};
use crate::resource::json_request::decode;
use crate::resource::json_request::required;
use crate::resource::keys::DeviceKey;
use crate::resource::request::Request;
use crate::resource::request_builder::RequestBuilder;
use crate::rows::Device;
use crate::settings::{ActionsVersion, ApiVersion};
use crate::version::Version;

use super::Devices;
use super::batch::is_looked_up;
use super::os_target::{DeviceTypeCache, Mode, check};
use super::read::columns;

open_enum! {
    /// State of an update of the host OS.
    OsUpdateStatus {
        /// No update was requested.
        Idle = "idle",
        /// The update was requested and sent to the device.
        TriggerSent = "trigger_sent",
        /// The update was requested.
        Triggered = "triggered",
        /// The device prepares the update.
        Configuring = "configuring",
        /// The update is running.
        InProgress = "in_progress",
        /// The update succeeded.
        Done = "done",
        /// The update failed.
        Error = "error",
    }
}

/// State of the update of a device's host OS.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct OsUpdateAction {
    /// State of the update.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<OsUpdateStatus>,
    /// Kind of action: `resinhup`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Id of a detached update. Absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action_id: Option<String>,
    /// Parameters of the request: `target_version`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Value>,
    /// Error message of a failed update.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether a retry is impossible.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fatal: Option<bool>,
    /// Fields that this version of the library does not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Marker of the request of [`Devices::start_os_update`].
#[derive(Debug)]
#[non_exhaustive]
pub struct NewOsUpdate;

impl RequestBuilder<NewOsUpdate, BTreeMap<String, OsUpdateAction>> {
    /// Runs the update over a permanent connection between platform and device instead of detached. Version 6 of the
    /// API always does.
    #[doc(alias = "runDetached")]
    pub fn not_detached(self) -> Self {
        self.set("detached", false)
    }
}

impl Devices {
    /// Updates the host OS of devices to a published version
    /// (`POST https://actions.<devices' domain>/v1/:uuid/resinhup`). Returns the platform's response by the uuid of
    /// each device.
    ///
    /// All devices are checked before the first is updated. Dropping the request starts no further updates.
    ///
    /// # Errors
    /// `is_unsupported`, with the reason, if the platform can't update a device from its current version;
    /// `is_device_offline` if a device is offline; `is_invalid_argument` if the version was not published;
    /// `is_not_found` or `is_ambiguous` for a device.
    #[doc(alias = "startOsUpdate")]
    pub fn start_os_update(
        &self,
        devices: impl Into<DeviceKeys>,
        target_os_version: impl Into<String>,
    ) -> RequestBuilder<NewOsUpdate, BTreeMap<String, OsUpdateAction>> {
        let (core, devices, target) = (self.core.clone(), devices.into(), target_os_version.into());
        RequestBuilder::new(move |given| async move {
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
                    error.with_help(format!("updates already started: {}", told.join(", ")))
                })?;
                started.insert(uuid, action);
            }
            Ok(started)
        })
    }

    /// Reads the state of a device's host OS update (`GET https://actions.<devices' domain>/v1/:uuid/resinhup`).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[doc(alias = "getOsUpdateStatus")]
    pub fn get_os_update_status(&self, device: impl Into<DeviceKey>) -> Request<OsUpdateAction> {
        let (core, key) = (self.core.clone(), device.into());
        Request::new(async move {
            let device: Device = core.row_of(key.target::<Device>(columns(["uuid"]))?).await?;
            let uuid = required(device.uuid, "uuid")?;
            let endpoint = endpoint(&core, core.settings().actions_version()).await?;
            endpoint.call(&core, Method::GET, &uuid, None).await
        })
    }
}

/// Checks that all devices can be updated, and returns the uuid of each with the published version for it.
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
    let mut types = DeviceTypeCache::new(core);
    let mut checked = Vec::with_capacity(devices.len());
    for device in devices {
        let device = &device;
        // Version 6 checks the given version, version 7 the published one.
        if api == ApiVersion::V6 {
            check(api, device, types.slug(device).await?.as_deref(), (target, None), Mode::Start)?;
        }
        let slug = types.slug(device).await?;
        let slug = required(slug, "is_of__device_type")?;
        let is_draft = Version::parse(target).is_some_and(|version| version.is_prerelease());
        let wanted = if api == ApiVersion::V7 && is_draft {
            ReleaseSelection::WithDrafts
        } else {
            ReleaseSelection::Available
        };
        let versions = types.versions(&slug, wanted).await?;
        let Some(release) = published_as(versions, target) else {
            let why = format_args!("\"{}\" is no published version for {slug}", target.escape_debug());
            return Err(Error::argument("target_os_version", why).with_sent(true));
        };
        if api == ApiVersion::V7 {
            let target = (release.raw_version(), Some(&*release.based_on_version));
            check(api, device, Some(&slug), target, Mode::Start)?;
        }
        checked.push((required(device.uuid.clone(), "uuid")?, release.raw_version().to_owned()));
    }
    Ok(checked)
}

/// Endpoint of actions on the host OS.
struct Endpoint {
    base: String,
    version: ActionsVersion,
}

async fn endpoint(core: &Arc<Core>, version: ActionsVersion) -> Result<Endpoint> {
    let domain = match &core.settings().device_urls_base {
        Some(domain) => domain.clone(),
        None => required(Config::new(core).get_all().await?.device_urls_base, "deviceUrlsBase")?,
    };
    // The token is sent there, so it must be a domain and nothing else.
    if domain.is_empty() || !domain.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:".contains(&byte))
    {
        let text = format!("\"{}\" is no domain of devices", domain.escape_debug());
        return Err(Error::new(ErrorKind::Decode, text).with_sent(true));
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
            let text = format!("the response has \"{}\" instead of a uuid", uuid.escape_debug());
            return Err(Error::new(ErrorKind::Decode, text).with_sent(true));
        }
        let path = format!("/{}/{uuid}/resinhup", self.version.as_str());
        let repeatable = method == Method::GET;
        let plain = EndpointRequest {
            base_url: Some(self.base.clone()),
            idempotent: repeatable,
            ..EndpointRequest::new(method, path, body)
        };
        decode(&core.send(plain).await?)
    }
}

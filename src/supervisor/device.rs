//! The device as a whole: its actions and what it tells about itself (reference sections 3.1–3.3).

use std::collections::BTreeMap;
use std::fmt;

use secrecy::SecretString;
use serde::de::{Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use crate::checks;
use crate::error::Result;
use crate::ids::TagId;
use crate::maps::filled;

use super::answer::Answer;
use super::call::{Call, Forceable, Spec, Updating};
use super::endpoint as e;
use super::link::Supervisor;
use super::state::{ServiceStatus, null_is_none};

/// What the supervisor made of an update request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpdateTrigger {
    /// It asks the cloud now; whether there is an update, and whether it gets applied, shows in the state.
    Started,
    /// It ignored the request: instant updates are switched off on this device, and the call was not forced.
    Ignored,
    /// A proxy in front of the supervisor took it; what becomes of it shows in the state.
    Accepted,
}

/// The device as `GET /v1/device` tells it (reference 4.1). Fields the supervisor leaves out are `None`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DeviceState {
    /// Port of the supervisor API; older supervisors send it as text.
    #[serde(default, deserialize_with = "number_or_text", skip_serializing_if = "Option::is_none")]
    pub api_port: Option<u16>,
    /// Addresses, separated by spaces; IPv6 may be among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_address: Option<String>,
    /// MAC addresses, separated by spaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<String>,
    /// Hash of the running release; absent while an update is being applied, or retried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Status of the *first service of the first application*; `Running` is shown as `Idle`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<ServiceStatus>,
    /// Percent, while that service's image is downloaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub download_progress: Option<f64>,
    /// e.g. `balenaOS 6.5.24`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// Version of the supervisor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supervisor_version: Option<String>,
    /// An update is being applied or waits; with `update_failed`, a locked one looks like this too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_pending: Option<bool>,
    /// The last try to apply failed and will be repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_failed: Option<bool>,
    /// The images are here. Absent until the supervisor has finished starting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_downloaded: Option<bool>,
}

/// State of the device's VPN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct VpnState {
    /// Whether it is switched on.
    pub enabled: bool,
    /// Whether it is connected.
    pub connected: bool,
}

/// What kind of device this is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DeviceInfo {
    /// Architecture, e.g. `aarch64`, or `unknown`.
    pub arch: String,
    /// Device type slug, or `unknown`.
    #[serde(rename = "deviceType")]
    pub device_type: String,
}

/// A tag of the device as the cloud has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Tag {
    /// Id of the tag.
    pub id: TagId,
    /// Its key.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl Supervisor {
    /// Asks whether the supervisor answers (`GET /ping`; no key needed).
    pub fn ping(&self) -> Call<()> {
        Call::new(self, Ok(Spec::new(&e::PING, "/ping")), done)
    }

    /// Whether the supervisor finds itself healthy (`GET /v1/healthy`). That is about its contact with the
    /// cloud as much as about itself: `false` does not mean that its API is down.
    pub fn healthy(&self) -> Call<bool> {
        Call::new(self, Ok(Spec::new(&e::HEALTHY, "/v1/healthy")), |answer| {
            answer.done().map(|()| answer.status == 200)
        })
    }

    /// Blinks the device's LED for 15 s (`POST /v1/blink`); succeeds on devices without one.
    pub fn blink(&self) -> Call<()> {
        Call::new(self, Ok(Spec::new(&e::BLINK, "/v1/blink")), done)
    }

    /// Makes the supervisor ask the cloud for its target state now (`POST /v1/update`). Returns before
    /// anything came of it.
    pub fn update(&self) -> Call<UpdateTrigger, Updating> {
        let spec = Spec::new(&e::UPDATE, "/v1/update").body(json!({}));
        Call::new(self, Ok(spec), |answer| {
            answer.done()?;
            Ok(match answer.status {
                202 if answer.body.is_empty() => UpdateTrigger::Accepted,
                202 => UpdateTrigger::Ignored,
                _ => UpdateTrigger::Started,
            })
        })
    }

    /// Reboots the device (`POST /v1/reboot`). After success every further call is refused at once.
    ///
    /// # Errors
    /// `is_locked` when a service holds an update lock or the host OS is being updated; `is_server` when
    /// the supervisor can't ask the host.
    pub fn reboot(&self) -> Call<(), Forceable> {
        Call::new(self, Ok(Spec::new(&e::REBOOT, "/v1/reboot").body(json!({}))), data_or_error)
    }

    /// Shuts the device down (`POST /v1/shutdown`). Somebody has to switch it on again by hand.
    ///
    /// # Errors
    /// As [`reboot`](Self::reboot).
    pub fn shutdown(&self) -> Call<(), Forceable> {
        Call::new(self, Ok(Spec::new(&e::SHUTDOWN, "/v1/shutdown").body(json!({}))), data_or_error)
    }

    /// Replaces the key that this call is made with (`POST /v1/regenerate-api-key`) and returns the new one.
    ///
    /// The old key is refused at once, also to this client, and the container that holds it is recreated
    /// with the new one at the next update.
    pub fn regenerate_api_key(&self) -> Call<SecretString> {
        Call::new(self, Ok(Spec::new(&e::REGENERATE_API_KEY, "/v1/regenerate-api-key")), |answer| {
            let key = answer.text().trim().to_owned();
            if key.is_empty() || !key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                return Err(answer.unreadable("a key was expected"));
            }
            Ok(key.into())
        })
    }

    /// The device's state in short (`GET /v1/device`).
    pub fn device(&self) -> Call<DeviceState> {
        Call::new(self, Ok(Spec::new(&e::DEVICE, "/v1/device")), |answer| answer.json())
    }

    /// Version of the supervisor without a leading `v` (`GET /v2/version`); it may carry `+tag`.
    pub fn version(&self) -> Call<String> {
        #[derive(Deserialize)]
        struct Version {
            version: String,
        }
        Call::new(self, Ok(Spec::new(&e::VERSION, "/v2/version")), |answer| {
            let Version { version } = answer.json()?;
            Ok(version.strip_prefix('v').map_or_else(|| version.clone(), str::to_owned))
        })
    }

    /// Name of the device as last heard from the cloud (`GET /v2/device/name`); works offline.
    pub fn device_name(&self) -> Call<String> {
        #[derive(Deserialize)]
        struct Name {
            #[serde(rename = "deviceName")]
            device_name: String,
        }
        Call::new(self, Ok(Spec::new(&e::DEVICE_NAME, "/v2/device/name")), |answer| {
            answer.json().map(|Name { device_name }| device_name)
        })
    }

    /// The device's tags, asked of the cloud at this moment (`GET /v2/device/tags`).
    ///
    /// # Errors
    /// `is_server` (500) when the supervisor can't reach the cloud.
    pub fn tags(&self) -> Call<Vec<Tag>> {
        #[derive(Deserialize)]
        struct Tags {
            #[serde(deserialize_with = "null_is_none")]
            tags: Vec<Tag>,
        }
        Call::new(self, Ok(Spec::new(&e::TAGS, "/v2/device/tags")), |answer| {
            answer.json().map(|Tags { tags }| tags)
        })
    }

    /// Sets tags of the device (`PATCH /v2/device/tags`, supervisor ≥ 17.8). They are queued on the device
    /// and reach the cloud when it can be reached; nothing deletes a tag here.
    ///
    /// # Errors
    /// `is_invalid_argument` for a key that is empty or has white space.
    pub fn set_tags<K: Into<String>, V: Into<String>>(
        &self,
        tags: impl IntoIterator<Item = (K, V)>,
    ) -> Call<()> {
        let tags: BTreeMap<String, String> = filled(tags.into_iter().map(|(k, v)| (k.into(), v.into())));
        let checked = tags.keys().try_for_each(|key| checks::tag_key("tags", key));
        let spec = checked.map(|()| Spec::new(&e::SET_TAGS, "/v2/device/tags").body(json!(tags)));
        Call::new(self, spec, done)
    }

    /// State of the VPN (`GET /v2/device/vpn`).
    pub fn vpn(&self) -> Call<VpnState> {
        #[derive(Deserialize)]
        struct Vpn {
            vpn: VpnState,
        }
        Call::new(self, Ok(Spec::new(&e::VPN, "/v2/device/vpn")), |answer| {
            answer.json().map(|Vpn { vpn }| vpn)
        })
    }

    /// Architecture and type of the device (`GET /v2/local/device-info`); works outside local mode too.
    pub fn device_info(&self) -> Call<DeviceInfo> {
        #[derive(Deserialize)]
        struct Info {
            info: DeviceInfo,
        }
        Call::new(self, Ok(Spec::new(&e::DEVICE_INFO, "/v2/local/device-info")), |answer| {
            answer.json().map(|Info { info }| info)
        })
    }

    /// Deletes every volume that no container and no target state of the key's applications refers to
    /// (`GET /v2/cleanup-volumes`, a GET with an effect). **On a device with several applications this can
    /// delete unused volumes of the others.** Never sent twice.
    pub fn cleanup_volumes(&self) -> Call<()> {
        Call::new(self, Ok(Spec::new(&e::CLEANUP_VOLUMES, "/v2/cleanup-volumes")), done)
    }
}

/// For calls whose success is told by the status alone.
#[expect(clippy::needless_pass_by_value, reason = "the shape of every reader")]
pub(super) fn done(answer: Answer) -> Result<()> {
    answer.done()
}

/// For answers of the form `{"Data": …, "Error": …}`: an error told in a success status is an error.
#[expect(clippy::needless_pass_by_value, reason = "the shape of every reader")]
pub(super) fn data_or_error(answer: Answer) -> Result<()> {
    let said: Option<Value> = serde_json::from_slice(&answer.body).ok();
    match said.as_ref().and_then(|said| said.get("Error")?.as_str()) {
        Some(words) if !words.is_empty() => Err(answer.told(words)),
        _ => answer.done(),
    }
}

/// A port as a number or as decimal text.
pub(super) fn number_or_text<'de, D: Deserializer<'de>>(input: D) -> Result<Option<u16>, D::Error> {
    // A visitor and not an untagged enum: its errors know their place in the text.
    struct Port;

    impl Visitor<'_> for Port {
        type Value = Option<u16>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a port")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_u64<E: serde::de::Error>(self, port: u64) -> Result<Self::Value, E> {
            u16::try_from(port).map(Some).map_err(|_| E::invalid_value(Unexpected::Unsigned(port), &self))
        }

        fn visit_str<E: serde::de::Error>(self, port: &str) -> Result<Self::Value, E> {
            port.trim().parse().map(Some).map_err(|_| E::invalid_value(Unexpected::Str(port), &self))
        }
    }

    input.deserialize_any(Port)
}

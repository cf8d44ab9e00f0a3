//! The device: its actions and properties (reference sections 3.1–3.3).

use std::collections::BTreeMap;
use std::fmt;

use secrecy::SecretString;
use serde::de::{Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;

use crate::checks;
use crate::error::Result;
use crate::ids::TagId;
use crate::maps::collect_unsorted;

use super::call::{Call, ForceOptions, UpdateOptions};
use super::client::Supervisor;
use super::endpoint as e;
use super::request::RequestSpec;
use super::response::{data_or_error, done};
use super::state::{ServiceStatus, null_is_none};

/// Result of an update request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpdateTrigger {
    /// The supervisor now polls the cloud. The state shows whether there is an update and whether it is applied.
    Started,
    /// The supervisor ignored the request: instant updates are disabled on this device, and the call was not forced.
    Ignored,
    /// A proxy in front of the supervisor accepted the request. The state shows its effect.
    Accepted,
}

/// The device, from `GET /v1/device` (reference 4.1). Fields that the supervisor omits are `None`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DeviceState {
    /// Port of the supervisor API. Older supervisors send it as text.
    #[serde(default, deserialize_with = "number_or_text", skip_serializing_if = "Option::is_none")]
    pub api_port: Option<u16>,
    /// IP addresses, separated by spaces; may include IPv6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_address: Option<String>,
    /// MAC addresses, separated by spaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<String>,
    /// Commit hash of the running release; absent while an update is applied or retried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Status of the *first service of the first application*; `Running` is reported as `Idle`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<ServiceStatus>,
    /// Progress in percent while that service's image is downloaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub download_progress: Option<f64>,
    /// Version of the host OS, e.g. `balenaOS 6.5.24`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// Version of the supervisor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supervisor_version: Option<String>,
    /// Whether an update is being applied or is waiting. With `update_failed` it may be blocked by an update lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_pending: Option<bool>,
    /// Whether the last attempt to apply the update failed. The supervisor retries it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_failed: Option<bool>,
    /// Whether the images are downloaded. Absent until the supervisor has finished starting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_downloaded: Option<bool>,
}

/// State of the device's VPN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct VpnState {
    /// Whether the configuration enables it.
    pub enabled: bool,
    /// Whether it is connected.
    pub connected: bool,
}

/// Type of the device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DeviceInfo {
    /// CPU architecture, e.g. `aarch64`, or `unknown`.
    pub arch: String,
    /// Slug of the device type, or `unknown`.
    #[serde(rename = "deviceType")]
    pub device_type: String,
}

/// A tag of the device in the cloud.
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
    /// Checks whether the supervisor answers (`GET /ping`). Needs no key.
    pub fn ping(&self) -> Call<()> {
        Call::new(self, Ok(RequestSpec::new(&e::PING, "/ping")), done)
    }

    /// Returns whether the supervisor reports itself healthy (`GET /v1/healthy`). This includes its contact with the
    /// cloud: `false` does not mean that its API is down.
    pub fn healthy(&self) -> Call<bool> {
        Call::new(self, Ok(RequestSpec::new(&e::HEALTHY, "/v1/healthy")), |answer| {
            answer.expect_no_page().map(|()| answer.status == 200)
        })
    }

    /// Blinks the device's LED for 15 s (`POST /v1/blink`). Succeeds on devices without one.
    pub fn blink(&self) -> Call<()> {
        Call::new(self, Ok(RequestSpec::new(&e::BLINK, "/v1/blink")), done)
    }

    /// Makes the supervisor poll the cloud for its target state (`POST /v1/update`). Returns before the poll is
    /// complete.
    pub fn update(&self) -> Call<UpdateTrigger, UpdateOptions> {
        let spec = RequestSpec::new(&e::UPDATE, "/v1/update").body(json!({}));
        Call::new(self, Ok(spec), |answer| {
            answer.expect_no_page()?;
            Ok(match answer.status {
                202 if answer.body.is_empty() => UpdateTrigger::Accepted,
                202 => UpdateTrigger::Ignored,
                _ => UpdateTrigger::Started,
            })
        })
    }

    /// Reboots the device (`POST /v1/reboot`). After success the supervisor rejects every further call.
    ///
    /// # Errors
    /// `is_locked` if a service holds an update lock or the host OS is being updated; `is_server` if the supervisor
    /// can't reach the host.
    pub fn reboot(&self) -> Call<(), ForceOptions> {
        Call::new(self, Ok(RequestSpec::new(&e::REBOOT, "/v1/reboot").body(json!({}))), data_or_error)
    }

    /// Shuts the device down (`POST /v1/shutdown`). It must be switched on again by hand.
    ///
    /// # Errors
    /// Those of [`reboot`](Self::reboot).
    pub fn shutdown(&self) -> Call<(), ForceOptions> {
        Call::new(self, Ok(RequestSpec::new(&e::SHUTDOWN, "/v1/shutdown").body(json!({}))), data_or_error)
    }

    /// Replaces the key of this client (`POST /v1/regenerate-api-key`). Returns the new key.
    ///
    /// The old key is invalid at once, also for this client. The container with the old key is recreated with the new
    /// one at the next update.
    pub fn regenerate_api_key(&self) -> Call<SecretString> {
        Call::new(self, Ok(RequestSpec::new(&e::REGENERATE_API_KEY, "/v1/regenerate-api-key")), |answer| {
            let key = answer.text().trim().to_owned();
            if key.is_empty() || !key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                return Err(answer.decode_failure("a key was expected"));
            }
            Ok(key.into())
        })
    }

    /// Returns the device's state (`GET /v1/device`).
    pub fn device(&self) -> Call<DeviceState> {
        Call::new(self, Ok(RequestSpec::new(&e::DEVICE, "/v1/device")), |answer| answer.json())
    }

    /// Returns the version of the supervisor without a leading `v` (`GET /v2/version`); may include a `+tag`.
    pub fn version(&self) -> Call<String> {
        #[derive(Deserialize)]
        struct Version {
            version: String,
        }
        Call::new(self, Ok(RequestSpec::new(&e::VERSION, "/v2/version")), |answer| {
            let Version { version } = answer.json()?;
            Ok(version.strip_prefix('v').map_or_else(|| version.clone(), str::to_owned))
        })
    }

    /// Returns the name of the device as last received from the cloud (`GET /v2/device/name`). Works offline.
    pub fn device_name(&self) -> Call<String> {
        #[derive(Deserialize)]
        struct Name {
            #[serde(rename = "deviceName")]
            device_name: String,
        }
        Call::new(self, Ok(RequestSpec::new(&e::DEVICE_NAME, "/v2/device/name")), |answer| {
            answer.json().map(|Name { device_name }| device_name)
        })
    }

    /// Returns the device's tags, which the supervisor requests from the cloud (`GET /v2/device/tags`).
    ///
    /// # Errors
    /// `is_server` (500) if the supervisor can't reach the cloud.
    pub fn tags(&self) -> Call<Vec<Tag>> {
        #[derive(Deserialize)]
        struct Tags {
            #[serde(deserialize_with = "null_is_none")]
            tags: Vec<Tag>,
        }
        Call::new(self, Ok(RequestSpec::new(&e::TAGS, "/v2/device/tags")), |answer| {
            answer.json().map(|Tags { tags }| tags)
        })
    }

    /// Sets tags of the device (`PATCH /v2/device/tags`, supervisor ≥ 17.8). They are queued on the device and sent
    /// when the cloud is reachable. The supervisor API can't delete tags.
    ///
    /// # Errors
    /// `is_invalid_argument` if a key is empty or contains white space, or a value is longer than the cloud accepts.
    pub fn set_tags<K: Into<String>, V: Into<String>>(
        &self,
        tags: impl IntoIterator<Item = (K, V)>,
    ) -> Call<()> {
        let tags: BTreeMap<String, String> =
            collect_unsorted(tags.into_iter().map(|(k, v)| (k.into(), v.into())));
        let checked = tags.iter().try_for_each(|(key, value)| {
            checks::tag_key("tags", key)?;
            checks::tag_value("tags", value)
        });
        let spec = checked.map(|()| RequestSpec::new(&e::SET_TAGS, "/v2/device/tags").body(json!(tags)));
        Call::new(self, spec, done)
    }

    /// Returns the state of the VPN (`GET /v2/device/vpn`).
    pub fn vpn(&self) -> Call<VpnState> {
        #[derive(Deserialize)]
        struct Vpn {
            vpn: VpnState,
        }
        Call::new(self, Ok(RequestSpec::new(&e::VPN, "/v2/device/vpn")), |answer| {
            answer.json().map(|Vpn { vpn }| vpn)
        })
    }

    /// Returns architecture and type of the device (`GET /v2/local/device-info`). Works outside local mode too.
    pub fn device_info(&self) -> Call<DeviceInfo> {
        #[derive(Deserialize)]
        struct Info {
            info: DeviceInfo,
        }
        Call::new(self, Ok(RequestSpec::new(&e::DEVICE_INFO, "/v2/local/device-info")), |answer| {
            answer.json().map(|Info { info }| info)
        })
    }

    /// Deletes every volume that no container and no target state of the key's applications uses (`GET
    /// /v2/cleanup-volumes`, a GET with an effect). **On a device with several applications it can delete unused
    /// volumes of the others.** Never retried after it was sent.
    pub fn cleanup_volumes(&self) -> Call<()> {
        Call::new(self, Ok(RequestSpec::new(&e::CLEANUP_VOLUMES, "/v2/cleanup-volumes")), done)
    }
}

/// Deserializes a port from a number or from decimal text.
pub(super) fn number_or_text<'de, D: Deserializer<'de>>(input: D) -> Result<Option<u16>, D::Error> {
    // A visitor instead of an untagged enum, because its errors keep their position.
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

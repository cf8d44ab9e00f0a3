//! The configuration that a device starts with.

use std::fmt;

use http::Method;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::api::answer::decode;
use crate::api::filled::Filled;
use crate::api::key_value::ParentKey as _;
use crate::api::keys::ApplicationKey;
use crate::core::Plain;
use crate::error::Error;
use crate::open_enum::open_enum;

use super::DeviceOs;

open_enum! {
    /// The network that a device comes up with.
    Network {
        /// By cable.
        Ethernet = "ethernet",
        /// By radio; takes [`wifi_ssid`](Filled::wifi_ssid), too.
        Wifi = "wifi",
    }
}

/// Marks the request of [`DeviceOs::get_config`].
#[derive(Debug)]
#[non_exhaustive]
pub struct NewOsConfig;

/// The content of a `config.json`. It has a key with which devices join the application, and is for no log.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OsConfig(Map<String, Value>);

impl OsConfig {
    /// One value of it.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// All of it.
    pub fn into_json(self) -> Map<String, Value> {
        self.0
    }
}

/// The names and none of the values: there are keys and passwords among them.
impl fmt::Debug for OsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OsConfig").field(&self.0.keys()).finish()
    }
}

impl DeviceOs {
    /// The `config.json` for new devices of an application with this version of the host OS
    /// (`POST /download-config`). Every call makes a provisioning key.
    ///
    /// # Errors
    /// `is_not_found` when the application is not there; `is_unauthorized` also when the token may not make
    /// keys for it.
    #[doc(alias = "getConfig")]
    pub fn get_config(
        &self,
        application: impl Into<ApplicationKey>,
        version: impl Into<String>,
    ) -> Filled<NewOsConfig, OsConfig> {
        let (core, application, version) = (self.core.clone(), application.into(), version.into());
        Filled::new(move |mut body| async move {
            if version.trim().is_empty() {
                return Err(Error::argument("version", "it is empty").help("name a version of the host OS"));
            }
            let id = application.clone().resolve(core.clone()).await?;
            body.entry("network").or_insert_with(|| Network::Ethernet.as_str().into());
            body.insert("version".to_owned(), version.into());
            body.insert("appId".to_owned(), id.into());
            let plain = Plain::post(Method::POST, "/download-config", Some(Value::Object(body)));
            let reply = core.plain(plain).await;
            decode(&reply.map_err(|error| error.naming(format_args!("application {application}")))?)
        })
    }
}

/// Marks requests for what new devices start with: a configuration, or an image with one in it. Made by the
/// library only.
pub trait ForNewDevices {}

impl ForNewDevices for NewOsConfig {}

impl<K: ForNewDevices, T> Filled<K, T> {
    /// How often the device looks for updates, in minutes.
    #[doc(alias = "appUpdatePollInterval")]
    pub fn app_update_poll_interval(self, minutes: u32) -> Self {
        self.give("appUpdatePollInterval", minutes)
    }

    /// The key of the radio network.
    #[doc(alias = "wifiKey")]
    pub fn wifi_key(self, key: &SecretString) -> Self {
        self.give("wifiKey", key.expose_secret())
    }

    /// The name of the radio network.
    #[doc(alias = "wifiSsid")]
    pub fn wifi_ssid(self, ssid: impl Into<String>) -> Self {
        self.give("wifiSsid", ssid.into())
    }

    /// In development mode: who is in the same network can log in.
    #[doc(alias = "developmentMode")]
    pub fn development_mode(self, on: bool) -> Self {
        self.give("developmentMode", on)
    }
}

impl Filled<NewOsConfig, OsConfig> {
    /// The network; [`Network::Ethernet`] unless told, `None` leaves it to the server.
    pub fn network(self, network: impl Into<Option<Network>>) -> Self {
        self.give("network", network.into().map(|network| network.as_str().to_owned()))
    }

    /// A name for the provisioning key.
    #[doc(alias = "provisioningKeyName")]
    pub fn provisioning_key_name(self, name: impl Into<String>) -> Self {
        self.give("provisioningKeyName", name.into())
    }

    /// Until when the provisioning key is good.
    #[doc(alias = "provisioningKeyExpiryDate")]
    pub fn provisioning_key_expiry_date(self, expiry_date: Timestamp) -> Self {
        self.give("provisioningKeyExpiryDate", expiry_date.to_string())
    }

    /// What the provisioning key is for.
    #[doc(alias = "provisioningKeyDescription")]
    pub fn provisioning_key_description(self, description: impl Into<String>) -> Self {
        self.give("provisioningKeyDescription", description.into())
    }

    /// An address of its own, instead of one that the network gives.
    pub fn ip(self, ip: impl Into<String>) -> Self {
        self.give("ip", ip.into())
    }

    /// The router, for an address of its own.
    pub fn gateway(self, gateway: impl Into<String>) -> Self {
        self.give("gateway", gateway.into())
    }

    /// The mask of the network, for an address of its own.
    pub fn netmask(self, netmask: impl Into<String>) -> Self {
        self.give("netmask", netmask.into())
    }

    /// The device type, where it is not the application's.
    #[doc(alias = "deviceType")]
    pub fn device_type(self, slug: impl Into<String>) -> Self {
        self.give("deviceType", slug.into())
    }

    /// A value that this version of the library has no name for.
    pub fn option(self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.give(name, value)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn its_values_are_not_shown() {
        let config: OsConfig = serde_json::from_value(json!({ "apiKey": "secret", "appId": 5 })).unwrap();
        let shown = format!("{config:?}");
        assert!(shown.contains("apiKey") && !shown.contains("secret"), "{shown}");
        assert_eq!(config.get("appId"), Some(&json!(5)));
    }
}

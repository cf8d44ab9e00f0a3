//! The configuration of new devices.

use std::fmt;

use http::Method;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::core::EndpointRequest;
use crate::error::Error;
use crate::open_enum::open_enum;
use crate::resource::json_request::decode;
use crate::resource::key_value::ParentKey as _;
use crate::resource::keys::ApplicationKey;
use crate::resource::request_builder::RequestBuilder;

use super::DeviceOs;

open_enum! {
    /// The network of a new device.
    Network {
        /// A cable.
        Ethernet = "ethernet",
        /// Wi-Fi. Needs [`wifi_ssid`](RequestBuilder::wifi_ssid).
        Wifi = "wifi",
    }
}

/// Marker of the request of [`DeviceOs::get_config`].
#[derive(Debug)]
#[non_exhaustive]
pub struct NewOsConfig;

/// The content of a `config.json`. It contains a provisioning key, so do not log it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OsConfig(Map<String, Value>);

impl OsConfig {
    /// Returns one value.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Returns all values.
    pub fn into_json(self) -> Map<String, Value> {
        self.0
    }
}

/// Shows the names only: the values include keys and passwords.
impl fmt::Debug for OsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OsConfig").field(&self.0.keys()).finish()
    }
}

impl DeviceOs {
    /// Creates the `config.json` for new devices of an application with this version of the host OS
    /// (`POST /download-config`). Every call creates a provisioning key.
    ///
    /// # Errors
    /// `is_not_found` if the application does not exist; `is_unauthorized` also if the token may not create keys for
    /// it.
    #[doc(alias = "getConfig")]
    pub fn get_config(
        &self,
        application: impl Into<ApplicationKey>,
        version: impl Into<String>,
    ) -> RequestBuilder<NewOsConfig, OsConfig> {
        let (core, application, version) = (self.core.clone(), application.into(), version.into());
        RequestBuilder::new(move |mut body| async move {
            if version.trim().is_empty() {
                return Err(
                    Error::argument("version", "it is empty").with_help("give a version of the host OS")
                );
            }
            let id = application.clone().resolve(core.clone()).await?;
            body.entry("network").or_insert_with(|| Network::Ethernet.as_str().into());
            body.insert("version".to_owned(), version.into());
            body.insert("appId".to_owned(), id.into());
            let plain = EndpointRequest::new(Method::POST, "/download-config", Some(Value::Object(body)));
            let response = core.send(plain).await;
            decode(&response.map_err(|error| error.with_subject(format_args!("application {application}")))?)
        })
    }
}

/// Marker trait of requests for a configuration, or for an image with one. Implemented by this library only.
pub trait ForNewDevices {}

impl ForNewDevices for NewOsConfig {}

impl<K: ForNewDevices, T> RequestBuilder<K, T> {
    /// Sets the interval at which the device checks for updates, in minutes.
    #[doc(alias = "appUpdatePollInterval")]
    pub fn app_update_poll_interval(self, minutes: u32) -> Self {
        self.set("appUpdatePollInterval", minutes)
    }

    /// Sets the Wi-Fi passphrase.
    #[doc(alias = "wifiKey")]
    pub fn wifi_key(self, key: &SecretString) -> Self {
        self.set("wifiKey", key.expose_secret())
    }

    /// Sets the Wi-Fi network name (SSID).
    #[doc(alias = "wifiSsid")]
    pub fn wifi_ssid(self, ssid: impl Into<String>) -> Self {
        self.set("wifiSsid", ssid.into())
    }

    /// Sets development mode: anyone in the local network can log in.
    #[doc(alias = "developmentMode")]
    pub fn development_mode(self, on: bool) -> Self {
        self.set("developmentMode", on)
    }
}

impl RequestBuilder<NewOsConfig, OsConfig> {
    /// Sets the network: [`Network::Ethernet`] by default; `None` leaves it to the API.
    pub fn network(self, network: impl Into<Option<Network>>) -> Self {
        self.set("network", network.into().map(|network| network.as_str().to_owned()))
    }

    /// Sets the name of the provisioning key.
    #[doc(alias = "provisioningKeyName")]
    pub fn provisioning_key_name(self, name: impl Into<String>) -> Self {
        self.set("provisioningKeyName", name.into())
    }

    /// Sets the expiry date of the provisioning key.
    #[doc(alias = "provisioningKeyExpiryDate")]
    pub fn provisioning_key_expiry_date(self, expiry_date: Timestamp) -> Self {
        self.set("provisioningKeyExpiryDate", expiry_date.to_string())
    }

    /// Sets the description of the provisioning key.
    #[doc(alias = "provisioningKeyDescription")]
    pub fn provisioning_key_description(self, description: impl Into<String>) -> Self {
        self.set("provisioningKeyDescription", description.into())
    }

    /// Sets a static IP address in place of DHCP.
    pub fn ip(self, ip: impl Into<String>) -> Self {
        self.set("ip", ip.into())
    }

    /// Sets the gateway of a static address.
    pub fn gateway(self, gateway: impl Into<String>) -> Self {
        self.set("gateway", gateway.into())
    }

    /// Sets the netmask of a static address.
    pub fn netmask(self, netmask: impl Into<String>) -> Self {
        self.set("netmask", netmask.into())
    }

    /// Sets the device type, if it differs from the application's.
    #[doc(alias = "deviceType")]
    pub fn device_type(self, slug: impl Into<String>) -> Self {
        self.set("deviceType", slug.into())
    }

    /// Sets a value that this version of the library does not know.
    pub fn option(self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.set(name, value)
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

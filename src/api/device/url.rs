//! Addresses of devices: public URLs and dashboard pages.

use std::sync::Arc;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use crate::api::config::Config;
use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::resource::batch::{Batch, DeviceKeys};
use crate::resource::keys::DeviceKey;
use crate::resource::request::Request;
use crate::rows::Device;

use super::Devices;
use super::read::{columns, required};

impl Devices {
    /// Returns whether port 80 of a device is public at its [device URL](Self::get_device_url) (`GET /v6/device`).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[doc(alias = "hasDeviceUrl")]
    pub fn has_device_url(&self, device: impl Into<DeviceKey>) -> Request<bool> {
        let query = columns(["is_web_accessible"]);
        self.ask(device, query, |device| Ok(device.is_web_accessible == Some(true)))
    }

    /// Returns the public URL of a device (`GET /v6/device`, and `GET /config` unless the setting `device_urls_base`
    /// has the domain).
    ///
    /// # Errors
    /// `is_unsupported` if the device has none, until [`enable_device_url`](Self::enable_device_url), or if the
    /// server has no public URLs.
    #[doc(alias = "getDeviceUrl")]
    pub fn get_device_url(&self, device: impl Into<DeviceKey>) -> Request<String> {
        let (core, key) = (self.core.clone(), device.into());
        Request::new(async move {
            let query = columns(["uuid", "is_web_accessible"]);
            let device: Device = core.whole_row(key.target::<Device>(query)?).await?.one()?;
            if device.is_web_accessible != Some(true) {
                let text = format!("device {key} has no public URL");
                return Err(Error::new(ErrorKind::Unsupported, text)
                    .with_sent(true)
                    .with_help("enable it with enable_device_url"));
            }
            let uuid = required(device.uuid, "uuid")?;
            Ok(format!("https://{uuid}.{}", core.device_urls_base().await?))
        })
    }

    /// Enables the public URL of devices, which exposes their port 80 (`PATCH /v6/device`).
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    #[doc(alias = "enableDeviceUrl")]
    pub fn enable_device_url(&self, devices: impl Into<DeviceKeys>) -> Batch {
        self.set(devices, json!({ "is_web_accessible": true }))
    }

    /// Disables the public URL of devices (`PATCH /v6/device`).
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    #[doc(alias = "disableDeviceUrl")]
    pub fn disable_device_url(&self, devices: impl Into<DeviceKeys>) -> Batch {
        self.set(devices, json!({ "is_web_accessible": false }))
    }

    /// Returns the address of a device's page in the dashboard. Sends no request and therefore takes a uuid only.
    ///
    /// # Errors
    /// `is_invalid_argument` if the uuid is empty.
    #[doc(alias = "getDashboardUrl")]
    pub fn get_dashboard_url(&self, uuid: &str) -> Result<String> {
        if uuid.trim().is_empty() {
            return Err(Error::argument("uuid", "it is empty"));
        }
        let uuid = utf8_percent_encode(uuid, NON_ALPHANUMERIC);
        Ok(format!("{}/devices/{uuid}/summary", self.core.settings().dashboard()))
    }
}

impl Core {
    /// Returns the domain of the public URLs of devices.
    pub(crate) async fn device_urls_base(self: &Arc<Self>) -> Result<String> {
        if let Some(base) = &self.settings().device_urls_base {
            return Ok(base.clone());
        }
        let config = Config::new(self).get_all().await?;
        config.device_urls_base.filter(|base| !base.is_empty()).ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, "this server has no public URLs of devices").with_sent(true)
        })
    }
}

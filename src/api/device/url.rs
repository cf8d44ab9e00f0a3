//! Where devices can be seen: their public addresses, and their pages in the dashboard.

use std::sync::Arc;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use crate::api::batch::{Batch, DeviceKeys};
use crate::api::config::Config;
use crate::api::keys::DeviceKey;
use crate::api::request::Request;
use crate::api::rows::Device;
use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};

use super::Devices;
use super::read::{columns, told};

impl Devices {
    /// Whether everybody can reach port 80 of a device at its [device URL](Self::get_device_url)
    /// (`GET /v6/device`).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[doc(alias = "hasDeviceUrl")]
    pub fn has_device_url(&self, device: impl Into<DeviceKey>) -> Request<bool> {
        let query = columns(["is_web_accessible"]);
        self.ask(device, query, |device| Ok(device.is_web_accessible == Some(true)))
    }

    /// The public address of a device (`GET /v6/device`, and `GET /config` unless the setting `device_urls_base` tells
    /// the domain).
    ///
    /// # Errors
    /// `is_unsupported` when the device has none: [`enable_device_url`](Self::enable_device_url) gives it one;
    /// or when the server does not know of such addresses.
    #[doc(alias = "getDeviceUrl")]
    pub fn get_device_url(&self, device: impl Into<DeviceKey>) -> Request<String> {
        let (core, key) = (self.core.clone(), device.into());
        Request::new(async move {
            let query = columns(["uuid", "is_web_accessible"]);
            let device: Device = core.whole_row(key.target::<Device>(query)?).await?.one()?;
            if device.is_web_accessible != Some(true) {
                let text = format!("device {key} has no public address");
                return Err(Error::new(ErrorKind::Unsupported, text)
                    .sent(true)
                    .help("give it one with enable_device_url"));
            }
            let uuid = told(device.uuid, "uuid")?;
            Ok(format!("https://{uuid}.{}", core.device_urls_base().await?))
        })
    }

    /// Gives devices a public address: everybody can reach their port 80 there (`PATCH /v6/device`).
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    #[doc(alias = "enableDeviceUrl")]
    pub fn enable_device_url(&self, devices: impl Into<DeviceKeys>) -> Batch {
        self.set(devices, json!({ "is_web_accessible": true }))
    }

    /// Takes their public address from devices (`PATCH /v6/device`).
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    #[doc(alias = "disableDeviceUrl")]
    pub fn disable_device_url(&self, devices: impl Into<DeviceKeys>) -> Batch {
        self.set(devices, json!({ "is_web_accessible": false }))
    }

    /// The page of a device in the dashboard. Asks nobody, so it takes the uuid only.
    ///
    /// # Errors
    /// `is_invalid_argument` for an empty uuid.
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
    /// Domain below which devices have their public addresses.
    pub(crate) async fn device_urls_base(self: &Arc<Self>) -> Result<String> {
        if let Some(base) = &self.settings().device_urls_base {
            return Ok(base.clone());
        }
        let config = Config::new(self).get_all().await?;
        config.device_urls_base.filter(|base| !base.is_empty()).ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, "this server has no public addresses for devices").sent(true)
        })
    }
}

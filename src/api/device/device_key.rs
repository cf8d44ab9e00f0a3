//! API keys of devices.

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::Value;

use crate::api::new_key::{check_key, make_key};
use crate::resource::key_value::ParentKey;
use crate::resource::keys::DeviceKey;
use crate::resource::request_builder::RequestBuilder;

use super::Devices;

/// Marker of the request of [`Devices::generate_device_key`].
#[derive(Debug)]
#[non_exhaustive]
pub struct NewDeviceKey;

impl Devices {
    /// Creates a key for a device (`POST /api-key/device/:id/device-key`). Only this response contains the key.
    ///
    /// # Errors
    /// `is_not_found` if the device does not exist; `is_unauthorized` also if the token may not create keys for it.
    #[doc(alias = "generateDeviceKey")]
    pub fn generate_device_key(
        &self,
        device: impl Into<DeviceKey>,
    ) -> RequestBuilder<NewDeviceKey, SecretString> {
        let (core, device) = (self.core.clone(), device.into());
        RequestBuilder::new(move |mut body| async move {
            check_key(&core, &body)?;
            let id = device.clone().resolve(core.clone()).await?;
            // Unset values are sent as null, as the SDKs do.
            for name in ["name", "description", "expiryDate"] {
                body.entry(name).or_insert(Value::Null);
            }
            let path = format!("/api-key/device/{id}/device-key");
            make_key(&core, path, Value::Object(body), &format!("device {device}")).await
        })
    }
}

impl RequestBuilder<NewDeviceKey, SecretString> {
    /// Sets the name, of at most 50 characters.
    #[doc(alias = "keyName")]
    pub fn name(self, name: impl Into<String>) -> Self {
        self.set("name", name.into())
    }

    /// Sets the description, of at most 150 characters.
    #[doc(alias = "keyDescription")]
    pub fn description(self, description: impl Into<String>) -> Self {
        self.set("description", description.into())
    }

    /// Sets the expiry date. Default: never.
    #[doc(alias = "keyExpiryDate")]
    pub fn expiry_date(self, expiry_date: Timestamp) -> Self {
        self.set("expiryDate", expiry_date.to_string())
    }
}

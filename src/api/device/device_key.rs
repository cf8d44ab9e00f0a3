//! Keys with which one device speaks for itself.

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::Value;

use crate::api::filled::Filled;
use crate::api::key_value::ParentKey;
use crate::api::keys::DeviceKey;
use crate::api::new_key::{check_key, make_key};

use super::Devices;

/// Marks the request of [`Devices::generate_device_key`].
#[derive(Debug)]
#[non_exhaustive]
pub struct NewDeviceKey;

impl Devices {
    /// A new key for a device (`POST /api-key/device/:id/device-key`). Every call makes one; it is not shown
    /// again.
    ///
    /// # Errors
    /// `is_not_found` when the device is not there; `is_unauthorized` also when the token may not make keys
    /// for it.
    #[doc(alias = "generateDeviceKey")]
    pub fn generate_device_key(&self, device: impl Into<DeviceKey>) -> Filled<NewDeviceKey, SecretString> {
        let (core, device) = (self.core.clone(), device.into());
        Filled::new(move |mut body| async move {
            check_key(&core, &body)?;
            let id = device.clone().resolve(core.clone()).await?;
            // What was not told goes as null, as the SDKs send it.
            for name in ["name", "description", "expiryDate"] {
                body.entry(name).or_insert(Value::Null);
            }
            let path = format!("/api-key/device/{id}/device-key");
            make_key(&core, path, Value::Object(body), &format!("device {device}")).await
        })
    }
}

impl Filled<NewDeviceKey, SecretString> {
    /// A name to know it by; the server takes 50 characters.
    #[doc(alias = "keyName")]
    pub fn name(self, name: impl Into<String>) -> Self {
        self.give("name", name.into())
    }

    /// What it is for; the server takes 150 characters.
    #[doc(alias = "keyDescription")]
    pub fn description(self, description: impl Into<String>) -> Self {
        self.give("description", description.into())
    }

    /// Until when it is good; for ever unless told.
    #[doc(alias = "keyExpiryDate")]
    pub fn expiry_date(self, expiry_date: Timestamp) -> Self {
        self.give("expiryDate", expiry_date.to_string())
    }
}

//! Keys with which one device speaks for itself.

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::json;

use crate::api::key_value::ParentKey;
use crate::api::keys::DeviceKey;
use crate::api::new_key::make_key;
use crate::core::Core;
use crate::error::Result;

use super::Devices;

/// A request for a device's key. Nothing is sent before `.await`.
#[must_use = "nothing is sent before `.await`"]
pub struct GenerateDeviceKey {
    core: Arc<Core>,
    device: DeviceKey,
    name: Option<String>,
    description: Option<String>,
    expiry_date: Option<Timestamp>,
}

impl Devices {
    /// A new key for a device (`POST /api-key/device/:id/device-key`). Every call makes one; it is not shown
    /// again.
    ///
    /// # Errors
    /// `is_not_found` when the device is not there; `is_unauthorized` also when the token may not make keys
    /// for it.
    #[doc(alias = "generateDeviceKey")]
    pub fn generate_device_key(&self, device: impl Into<DeviceKey>) -> GenerateDeviceKey {
        GenerateDeviceKey {
            core: self.core.clone(),
            device: device.into(),
            name: None,
            description: None,
            expiry_date: None,
        }
    }
}

impl GenerateDeviceKey {
    /// A name to know it by; the server takes 50 characters.
    #[doc(alias = "keyName")]
    pub fn name(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// What it is for; the server takes 150 characters.
    #[doc(alias = "keyDescription")]
    pub fn description(self, description: impl Into<String>) -> Self {
        Self { description: Some(description.into()), ..self }
    }

    /// Until when it is good; for ever unless told.
    #[doc(alias = "keyExpiryDate")]
    pub fn expiry_date(self, expiry_date: Timestamp) -> Self {
        Self { expiry_date: Some(expiry_date), ..self }
    }

    async fn send(self) -> Result<SecretString> {
        let id = self.device.clone().resolve(self.core.clone()).await?;
        let path = format!("/api-key/device/{id}/device-key");
        let body = json!({
            "name": self.name,
            "description": self.description,
            "expiryDate": self.expiry_date,
        });
        make_key(&self.core, path, body, &format!("device {}", self.device)).await
    }
}

impl fmt::Debug for GenerateDeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GenerateDeviceKey").field("device", &self.device).finish_non_exhaustive()
    }
}

impl IntoFuture for GenerateDeviceKey {
    type Output = Result<SecretString>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<SecretString>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

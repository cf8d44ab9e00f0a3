//! Provisioning keys, with which devices join an application.

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::json;

use crate::api::new_key::make_key;
use crate::checks;
use crate::core::Core;
use crate::error::Result;
use crate::resource::key_value::ParentKey;
use crate::resource::keys::ApplicationKey;

use super::Applications;

/// A request for a provisioning key. Nothing is sent before `.await`.
#[must_use = "nothing is sent before `.await`"]
pub struct GenerateProvisioningKey {
    core: Arc<Core>,
    application: ApplicationKey,
    name: Option<String>,
    description: Option<String>,
    expiry_date: Option<Timestamp>,
}

impl Applications {
    /// Creates a provisioning key of an application (`POST /api-key/v1/`; version 7: `/api-key/v2/`). Only this
    /// response contains the key.
    ///
    /// # Errors
    /// `is_not_found` if the application does not exist; `is_unauthorized` also if the token may not create keys for
    /// it.
    #[doc(alias = "generateProvisioningKey")]
    pub fn generate_provisioning_key(
        &self,
        application: impl Into<ApplicationKey>,
    ) -> GenerateProvisioningKey {
        GenerateProvisioningKey {
            core: self.core.clone(),
            application: application.into(),
            name: None,
            description: None,
            expiry_date: None,
        }
    }
}

impl GenerateProvisioningKey {
    /// Sets the name, of at most 50 characters.
    #[doc(alias = "keyName")]
    pub fn key_name(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// Sets the description, of at most 150 characters.
    #[doc(alias = "keyDescription")]
    pub fn description(self, description: impl Into<String>) -> Self {
        Self { description: Some(description.into()), ..self }
    }

    /// Sets the expiry date. Default: never.
    #[doc(alias = "keyExpiryDate")]
    pub fn expiry_date(self, expiry_date: Timestamp) -> Self {
        Self { expiry_date: Some(expiry_date), ..self }
    }

    async fn send(self) -> Result<SecretString> {
        if let Some(name) = &self.name {
            checks::key_name("name", name)?;
        }
        if let Some(description) = &self.description {
            checks::key_description("description", description)?;
        }
        if let Some(date) = self.expiry_date {
            checks::expiry("expiry_date", date, self.core.http.clock.now())?;
        }
        let id = self.application.clone().resolve(self.core.clone()).await?;
        let path = self.core.settings().api_version.names().provisioning_keys;
        // Unset values are sent as null: version 2 refuses a request without an expiry date.
        let body = json!({
            "actorType": "application",
            "actorTypeId": id,
            "roles": ["provisioning-api-key"],
            "name": self.name,
            "description": self.description,
            "expiryDate": self.expiry_date,
        });
        make_key(&self.core, path, body, &format!("application {}", self.application)).await
    }
}

impl fmt::Debug for GenerateProvisioningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GenerateProvisioningKey")
            .field("application", &self.application)
            .finish_non_exhaustive()
    }
}

impl IntoFuture for GenerateProvisioningKey {
    type Output = Result<SecretString>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<SecretString>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

//! Beginning to tell how is paid.

use http::Method;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::api::filled::Filled;
use crate::api::keys::OrganizationKey;
use crate::api::read::about;
use crate::core::Plain;
use crate::error::ErrorKind;

use super::changes::RECAPTCHA;
use super::{Billing, account};

/// Marks the request of [`Billing::create_setup_intent`].
#[derive(Debug)]
#[non_exhaustive]
pub struct NewSetupIntent;

/// What was begun at the payment provider, to be ended there in the user's browser.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct SetupIntent {
    /// Id.
    pub id: String,
    /// What the browser shows to the payment provider.
    pub client_secret: SecretString,
}

impl Billing {
    /// Begins to tell how is paid (`POST /billing/v1/account/:organization/setup-intent`). Once that has ended
    /// at the payment provider, [`update_billing_info`](Self::update_billing_info) takes its id.
    #[doc(alias = "createSetupIntent")]
    pub fn create_setup_intent(
        &self,
        organization: impl Into<OrganizationKey>,
    ) -> Filled<NewSetupIntent, SetupIntent> {
        let (core, key) = (self.core.clone(), organization.into());
        Filled::new(move |given: Map<String, Value>| async move {
            let path = account(&core, &key, "/setup-intent").await?;
            let reply = core.plain(Plain::post(Method::POST, path, Some(given.into()))).await?;
            // Without what was answered: there may be a secret in it.
            serde_json::from_slice(&reply.body)
                .map_err(|_| about(&reply, ErrorKind::Decode, "the answer is not a setup intent".to_owned()))
        })
    }
}

impl Filled<NewSetupIntent, SetupIntent> {
    /// The answer to the `reCAPTCHA` of the form (`g-recaptcha-response`).
    pub fn recaptcha(self, response: impl Into<String>) -> Self {
        self.give(RECAPTCHA, response.into())
    }

    /// What else the payment provider asks for.
    pub fn parameter(self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.give(name, value)
    }
}

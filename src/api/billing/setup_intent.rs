//! Setup intents: starting to store a payment method.

use http::Method;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::core::EndpointRequest;
use crate::error::ErrorKind;
use crate::resource::keys::OrganizationKey;
use crate::resource::read::response_error;
use crate::resource::request_builder::RequestBuilder;

use super::changes::RECAPTCHA;
use super::{Billing, account};

/// Marker of the request of [`Billing::create_setup_intent`].
#[derive(Debug)]
#[non_exhaustive]
pub struct NewSetupIntent;

/// A setup intent of the payment provider, to be completed in the user's browser.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct SetupIntent {
    /// Id, for [`Billing::update_billing_info`] after completion.
    pub id: String,
    /// Secret that the browser passes to the payment provider.
    pub client_secret: SecretString,
}

impl Billing {
    /// Starts to store a payment method (`POST /billing/v1/account/:organization/setup-intent`). Once the user has
    /// completed it at the payment provider, [`update_billing_info`](Self::update_billing_info) takes its id.
    #[doc(alias = "createSetupIntent")]
    pub fn create_setup_intent(
        &self,
        organization: impl Into<OrganizationKey>,
    ) -> RequestBuilder<NewSetupIntent, SetupIntent> {
        let (core, key) = (self.core.clone(), organization.into());
        RequestBuilder::new(move |given: Map<String, Value>| async move {
            let path = account(&core, &key, "/setup-intent").await?;
            let response = core.send(EndpointRequest::new(Method::POST, path, Some(given.into()))).await?;
            // Not quoted in the error: the response may contain a secret.
            serde_json::from_slice(&response.body).map_err(|_| {
                response_error(&response, ErrorKind::Decode, "the response is not a setup intent".to_owned())
            })
        })
    }
}

impl RequestBuilder<NewSetupIntent, SetupIntent> {
    /// Sets the response to the `reCAPTCHA` of the form (`g-recaptcha-response`).
    pub fn recaptcha(self, response: impl Into<String>) -> Self {
        self.set(RECAPTCHA, response.into())
    }

    /// Sets a further parameter of the payment provider.
    pub fn parameter(self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.set(name, value)
    }
}

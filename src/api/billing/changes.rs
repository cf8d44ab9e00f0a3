//! Changes of a billing account.

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::open_enum::open_enum;
use crate::resource::keys::not_empty;
use crate::version_names::VersionNames;

use super::BillingAddress;
use super::rows::TaxId;

/// Field of the response to the `reCAPTCHA` of a form.
pub(super) const RECAPTCHA: &str = "g-recaptcha-response";

/// Token of the payment provider that stands for the data of a card or a bank account.
#[derive(Debug, Clone)]
pub struct BillingToken {
    token_id: SecretString,
    more: Map<String, Value>,
}

impl BillingToken {
    /// Creates a token from its id.
    pub fn new(token_id: impl Into<SecretString>) -> Self {
        Self { token_id: token_id.into(), more: Map::new() }
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }

    /// Sets the response to the `reCAPTCHA` of the form (`g-recaptcha-response`).
    pub fn recaptcha(self, response: impl Into<String>) -> Self {
        self.with(RECAPTCHA, response.into())
    }

    /// Sets the kind of the token.
    pub fn token_type(self, kind: impl Into<BillingTokenType>) -> Self {
        self.with("token_type", kind.into().as_str())
    }

    /// Uses the token's address as the company's address too.
    #[doc(alias = "setAsCompanyAddress")]
    pub fn set_as_company_address(self) -> Self {
        self.with("setAsCompanyAddress", true)
    }

    pub(super) fn body(self) -> Result<Value> {
        let token = self.token_id.expose_secret();
        not_empty("token_id", token)?;
        let mut body = self.more;
        body.insert("token_id".to_owned(), token.into());
        Ok(Value::Object(body))
    }
}

open_enum! {
    /// Kind of a [`BillingToken`].
    BillingTokenType {
        /// A payment method, such as a card.
        PaymentMethod = "payment_method",
        /// A setup intent, created by [`Billing::create_setup_intent`](super::Billing::create_setup_intent).
        SetupIntent = "setup_intent",
    }
}

/// Changes of a billing account. Values that are not set stay.
#[derive(Debug, Clone, Default)]
pub struct AccountUpdate(Map<String, Value>);

impl AccountUpdate {
    /// Creates an update without changes.
    pub fn new() -> Self {
        Self::default()
    }

    fn with(mut self, name: &str, value: Value) -> Self {
        self.0.insert(name.to_owned(), value);
        self
    }

    /// Sets the e-mail address for bills.
    pub fn email(self, address: impl Into<String>) -> Self {
        self.with("email", address.into().into())
    }

    /// Sets further e-mail addresses for bills, separated by commas.
    pub fn cc_emails(self, addresses: impl Into<String>) -> Self {
        self.with("cc_emails", addresses.into().into())
    }

    /// Sets the company name.
    pub fn company_name(self, name: impl Into<String>) -> Self {
        self.with("company_name", name.into().into())
    }

    /// Sets the postal address.
    pub fn address(self, address: &BillingAddress) -> Self {
        self.with("address", as_json(address))
    }

    /// Sets the tax number.
    pub fn tax_id(self, number: &TaxId) -> Self {
        self.with("tax_id", as_json(number))
    }

    /// Removes the tax number.
    pub fn no_tax_id(self) -> Self {
        self.with("tax_id", Value::Null)
    }

    pub(super) fn body(self) -> Result<Value> {
        if self.0.is_empty() {
            return Err(Error::argument("account_info", "there is nothing to change"));
        }
        Ok(Value::Object(self.0))
    }
}

/// Serializes a type whose serialization can't fail.
fn as_json(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

open_enum! {
    /// Interval of payments.
    BillingCycle {
        /// One payment per month.
        Monthly = "monthly",
        /// One payment per year.
        Annual = "annual",
    }
}

/// A plan to switch to.
#[derive(Debug, Clone)]
pub struct PlanChange {
    tier: String,
    cycle: Option<BillingCycle>,
    reason: Option<String>,
}

impl PlanChange {
    /// Creates a change to a tier, e.g. `prototype`, with this billing cycle. With `None` the plan is not annual,
    /// and the API chooses the cycle.
    pub fn new(tier: impl Into<String>, cycle: impl Into<Option<BillingCycle>>) -> Self {
        Self { tier: tier.into(), cycle: cycle.into(), reason: None }
    }

    /// Sets the reason (`planChangeReason`).
    pub fn reason(mut self, text: impl Into<String>) -> Self {
        self.reason = Some(text.into());
        self
    }

    pub(super) fn body(self, names: &VersionNames) -> Result<Value> {
        not_empty("tier", &self.tier)?;
        let mut body = Map::from_iter([
            ("tier".to_owned(), self.tier.into()),
            ("annual".to_owned(), (self.cycle == Some(BillingCycle::Annual)).into()),
        ]);
        if let Some(cycle) = self.cycle.filter(|_| names.billing_cycle_by_name) {
            body.insert("cycle".to_owned(), cycle.as_str().into());
        }
        if let Some(reason) = self.reason {
            body.insert("planChangeReason".to_owned(), reason.into());
        }
        Ok(Value::Object(body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::ApiVersion;
    use serde_json::json;

    #[test]
    fn a_plan_is_changed_with_a_cycle_and_without() {
        let body = |cycle: Option<BillingCycle>, api: ApiVersion| {
            PlanChange::new("prototype", cycle).body(api.names()).unwrap()
        };
        let annual = Some(BillingCycle::Annual);
        let named = json!({ "tier": "prototype", "annual": true, "cycle": "annual" });
        assert_eq!(body(annual.clone(), ApiVersion::V6), named);
        assert_eq!(body(annual, ApiVersion::V7), json!({ "tier": "prototype", "annual": true }));
        for api in [ApiVersion::V6, ApiVersion::V7] {
            assert_eq!(body(None, api), json!({ "tier": "prototype", "annual": false }), "{api:?}");
        }
    }
}

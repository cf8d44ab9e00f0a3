//! What is told to change in billing.

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};

use crate::api::keys::not_empty;
use crate::error::{Error, Result};
use crate::names::Names;
use crate::open_enum::open_enum;

use super::BillingAddress;
use super::rows::TaxId;

/// The answer to the `reCAPTCHA` of a form.
pub(super) const RECAPTCHA: &str = "g-recaptcha-response";

/// What the payment provider gave in place of a card's or an account's data.
#[derive(Debug, Clone)]
pub struct BillingToken {
    token_id: SecretString,
    more: Map<String, Value>,
}

impl BillingToken {
    /// With the token's id.
    pub fn new(token_id: impl Into<SecretString>) -> Self {
        Self { token_id: token_id.into(), more: Map::new() }
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }

    /// The answer to the `reCAPTCHA` of the form (`g-recaptcha-response`).
    pub fn recaptcha(self, response: impl Into<String>) -> Self {
        self.with(RECAPTCHA, response.into())
    }

    /// What kind of token it is.
    pub fn token_type(self, kind: impl Into<BillingTokenType>) -> Self {
        self.with("token_type", kind.into().as_str())
    }

    /// The address that belongs to it is that of the company, too.
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
    /// What a [`BillingToken`] stands for.
    BillingTokenType {
        /// A means of payment.
        PaymentMethod = "payment_method",
        /// What was begun by [`Billing::create_setup_intent`](super::Billing::create_setup_intent).
        SetupIntent = "setup_intent",
    }
}

/// What is to change in a billing account; what is not given stays.
#[derive(Debug, Clone, Default)]
pub struct AccountUpdate(Map<String, Value>);

impl AccountUpdate {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn with(mut self, name: &str, value: Value) -> Self {
        self.0.insert(name.to_owned(), value);
        self
    }

    /// The address that bills go to.
    pub fn email(self, address: impl Into<String>) -> Self {
        self.with("email", address.into().into())
    }

    /// Further addresses, separated by commas.
    pub fn cc_emails(self, addresses: impl Into<String>) -> Self {
        self.with("cc_emails", addresses.into().into())
    }

    /// The company.
    pub fn company_name(self, name: impl Into<String>) -> Self {
        self.with("company_name", name.into().into())
    }

    /// The postal address.
    pub fn address(self, address: &BillingAddress) -> Self {
        self.with("address", as_json(address))
    }

    /// The number for taxes.
    pub fn tax_id(self, number: &TaxId) -> Self {
        self.with("tax_id", as_json(number))
    }

    /// No number for taxes any more.
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

/// Of a type that always is some.
fn as_json(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

open_enum! {
    /// How often is paid.
    BillingCycle {
        /// Every month.
        Monthly = "monthly",
        /// Every year.
        Annual = "annual",
    }
}

/// A plan to change to.
#[derive(Debug, Clone)]
pub struct PlanChange {
    tier: String,
    cycle: Option<BillingCycle>,
    reason: Option<String>,
}

impl PlanChange {
    /// To this tier, e.g. `prototype`, with this cycle; with `None` it is not paid once a year, and how often the
    /// server says.
    pub fn new(tier: impl Into<String>, cycle: impl Into<Option<BillingCycle>>) -> Self {
        Self { tier: tier.into(), cycle: cycle.into(), reason: None }
    }

    /// Why (`planChangeReason`).
    pub fn reason(mut self, text: impl Into<String>) -> Self {
        self.reason = Some(text.into());
        self
    }

    pub(super) fn body(self, names: &Names) -> Result<Value> {
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

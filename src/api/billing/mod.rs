//! Billing of an organization. openBalena has none.

mod rows;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};

use crate::core::{Core, Plain};
use crate::error::{Error, Result};
use crate::names::Names;
use crate::open_enum::open_enum;

use super::answer::Answer;
use super::keys::OrganizationKey;
use super::request::Request;

pub use rows::{BillingAccount, BillingAddress, BillingInfo, BillingPlan, Invoice};

/// Billing of organizations, by id or handle. From [`Balena::billing`](crate::Balena::billing).
///
/// Every call fails with `is_not_found` when the organization is not there, and with `is_unauthorized` for a
/// token that may not see its bills.
#[derive(Debug, Clone)]
pub struct Billing {
    core: Arc<Core>,
}

impl Billing {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone() }
    }

    /// The billing account (`GET /billing/v1/account/:organization`).
    #[doc(alias = "getAccount")]
    pub fn get_account(&self, organization: impl Into<OrganizationKey>) -> Answer<BillingAccount> {
        self.get(organization.into(), "")
    }

    /// The current plan (`GET /billing/v1/account/:organization/plan`).
    #[doc(alias = "getPlan")]
    pub fn get_plan(&self, organization: impl Into<OrganizationKey>) -> Answer<BillingPlan> {
        self.get(organization.into(), "/plan")
    }

    /// Who pays, and how (`GET /billing/v1/account/:organization/info`).
    #[doc(alias = "getBillingInfo")]
    pub fn get_billing_info(&self, organization: impl Into<OrganizationKey>) -> Answer<BillingInfo> {
        self.get(organization.into(), "/info")
    }

    /// The invoices (`GET /billing/v1/account/:organization/invoices`).
    #[doc(alias = "getInvoices")]
    pub fn get_invoices(&self, organization: impl Into<OrganizationKey>) -> Answer<Vec<Invoice>> {
        self.get(organization.into(), "/invoices")
    }

    /// Changes how is paid (`PATCH /billing/v1/account/:organization/info`).
    ///
    /// # Errors
    /// `is_invalid_argument` for an empty token.
    #[doc(alias = "updateBillingInfo")]
    pub fn update_billing_info(
        &self,
        organization: impl Into<OrganizationKey>,
        billing_info: BillingToken,
    ) -> Answer<BillingInfo> {
        self.patch(organization.into(), "/info", move || billing_info.body())
    }

    /// Changes the addresses that bills go to (`PATCH /billing/v1/account/:organization`).
    ///
    /// # Errors
    /// `is_invalid_argument` when there is nothing to change.
    #[doc(alias = "updateAccountInfo")]
    pub fn update_account_info(
        &self,
        organization: impl Into<OrganizationKey>,
        account_info: AccountUpdate,
    ) -> Answer<Value> {
        self.patch(organization.into(), "", move || match account_info.0 {
            fields if fields.is_empty() => Err(Error::argument("account_info", "there is nothing to change")),
            fields => Ok(Value::Object(fields)),
        })
    }

    /// Changes the plan (`PATCH /billing/v1/account/:organization`; version 7: `…/plan`). This may cost money.
    ///
    /// # Errors
    /// `is_invalid_argument` for an empty tier.
    #[doc(alias = "changePlan")]
    pub fn change_plan(&self, organization: impl Into<OrganizationKey>, plan: PlanChange) -> Answer<Value> {
        let names = self.core.settings.api_version.names();
        self.patch(organization.into(), names.billing_plan, move || plan.body(names))
    }

    /// The file of an invoice (`GET /billing/v1/account/:organization/invoices/:number/download`).
    ///
    /// # Errors
    /// `is_invalid_argument` for an empty number; `is_not_found` when there is no such invoice.
    #[doc(alias = "downloadInvoice")]
    pub fn download_invoice(
        &self,
        organization: impl Into<OrganizationKey>,
        invoice_number: impl Into<String>,
    ) -> Request<InvoiceFile> {
        let (core, key, number) = (self.core.clone(), organization.into(), invoice_number.into());
        Request::new(async move {
            if number.trim().is_empty() {
                return Err(Error::argument("invoice_number", "it is empty"));
            }
            let number = utf8_percent_encode(&number, NON_ALPHANUMERIC);
            let path = account(&core, &key, &format!("/invoices/{number}/download")).await?;
            let reply = core.plain(Plain::get(path)).await?;
            let text = |name| header_text(&reply.headers, name);
            Ok(InvoiceFile {
                content_type: text(header::CONTENT_TYPE),
                content_disposition: text(header::CONTENT_DISPOSITION),
                content: reply.body,
            })
        })
    }

    fn get<T>(&self, key: OrganizationKey, rest: &'static str) -> Answer<T> {
        let core = self.core.clone();
        Answer::new(async move { core.plain(Plain::get(account(&core, &key, rest).await?)).await })
    }

    fn patch<T>(
        &self,
        key: OrganizationKey,
        rest: &'static str,
        body: impl FnOnce() -> Result<Value> + Send + 'static,
    ) -> Answer<T> {
        let core = self.core.clone();
        Answer::new(async move {
            let body = body()?;
            let path = account(&core, &key, rest).await?;
            core.plain(Plain::post(Method::PATCH, path, Some(body))).await
        })
    }
}

async fn account(core: &Core, key: &OrganizationKey, rest: &str) -> Result<String> {
    Ok(format!("/billing/v1/account/{}{rest}", core.organization_id(key).await?))
}

fn header_text(headers: &HeaderMap, name: header::HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// The file of an invoice: [`Billing::download_invoice`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvoiceFile {
    /// The file's bytes.
    pub content: Bytes,
    /// What they are, e.g. `application/pdf`.
    pub content_type: Option<String>,
    /// What the server calls the file, as in the header of this name.
    pub content_disposition: Option<String>,
}

/// What the payment provider gave in place of a card's or an account's data.
#[derive(Debug, Clone)]
pub struct BillingToken {
    token_id: SecretString,
    recaptcha: Option<String>,
}

impl BillingToken {
    /// With the token's id.
    pub fn new(token_id: impl Into<SecretString>) -> Self {
        Self { token_id: token_id.into(), recaptcha: None }
    }

    /// The answer to the `reCAPTCHA` of the form (`g-recaptcha-response`).
    pub fn recaptcha(mut self, response: impl Into<String>) -> Self {
        self.recaptcha = Some(response.into());
        self
    }

    fn body(self) -> Result<Value> {
        let token = self.token_id.expose_secret();
        if token.is_empty() {
            return Err(Error::argument("token_id", "it is empty"));
        }
        let mut body = Map::from_iter([("token_id".to_owned(), token.into())]);
        if let Some(response) = self.recaptcha {
            body.insert("g-recaptcha-response".to_owned(), response.into());
        }
        Ok(Value::Object(body))
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

    /// The address that bills go to.
    pub fn email(mut self, address: impl Into<String>) -> Self {
        self.0.insert("email".to_owned(), address.into().into());
        self
    }

    /// Further addresses, separated by commas.
    pub fn cc_emails(mut self, addresses: impl Into<String>) -> Self {
        self.0.insert("cc_emails".to_owned(), addresses.into().into());
        self
    }
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
    cycle: BillingCycle,
    reason: Option<String>,
}

impl PlanChange {
    /// To this tier, e.g. `prototype`.
    pub fn new(tier: impl Into<String>, cycle: BillingCycle) -> Self {
        Self { tier: tier.into(), cycle, reason: None }
    }

    /// Why (`planChangeReason`).
    pub fn reason(mut self, text: impl Into<String>) -> Self {
        self.reason = Some(text.into());
        self
    }

    fn body(self, names: &Names) -> Result<Value> {
        if self.tier.trim().is_empty() {
            return Err(Error::argument("tier", "it is empty"));
        }
        let mut body = Map::from_iter([
            ("tier".to_owned(), self.tier.into()),
            ("annual".to_owned(), (self.cycle == BillingCycle::Annual).into()),
        ]);
        if names.billing_cycle_by_name {
            body.insert("cycle".to_owned(), self.cycle.as_str().into());
        }
        if let Some(reason) = self.reason {
            body.insert("planChangeReason".to_owned(), reason.into());
        }
        Ok(Value::Object(body))
    }
}

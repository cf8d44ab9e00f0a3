//! Billing of an organization. openBalena has no billing.

mod changes;
mod rows;
mod setup_intent;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::core::{Core, EndpointRequest};
use crate::error::Result;

use crate::resource::json_request::JsonRequest;
use crate::resource::keys::{OrganizationKey, not_empty};
use crate::resource::request::Request;

pub use changes::{AccountUpdate, BillingCycle, BillingToken, BillingTokenType, PlanChange};
pub use rows::{BillingAccount, BillingAddress, BillingInfo, BillingPlan, Invoice, TaxId};
pub use setup_intent::{NewSetupIntent, SetupIntent};

/// Billing of organizations, by id or handle. From [`Balena::billing`](crate::Balena::billing).
///
/// Every call fails with `is_not_found` if the organization does not exist, and with `is_unauthorized` if the token
/// may not read its bills.
#[derive(Debug, Clone)]
pub struct Billing {
    core: Arc<Core>,
}

impl Billing {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone() }
    }

    /// Reads the billing account (`GET /billing/v1/account/:organization`).
    #[doc(alias = "getAccount")]
    pub fn get_account(&self, organization: impl Into<OrganizationKey>) -> JsonRequest<BillingAccount> {
        self.get(organization.into(), "")
    }

    /// Reads the current plan (`GET /billing/v1/account/:organization/plan`).
    #[doc(alias = "getPlan")]
    pub fn get_plan(&self, organization: impl Into<OrganizationKey>) -> JsonRequest<BillingPlan> {
        self.get(organization.into(), "/plan")
    }

    /// Reads the payer and the payment method, or `None` if none is stored
    /// (`GET /billing/v1/account/:organization/info`).
    #[doc(alias = "getBillingInfo")]
    pub fn get_billing_info(
        &self,
        organization: impl Into<OrganizationKey>,
    ) -> JsonRequest<Option<BillingInfo>> {
        self.get(organization.into(), "/info")
    }

    /// Lists the invoices (`GET /billing/v1/account/:organization/invoices`).
    #[doc(alias = "getInvoices")]
    pub fn get_invoices(&self, organization: impl Into<OrganizationKey>) -> JsonRequest<Vec<Invoice>> {
        self.get(organization.into(), "/invoices")
    }

    /// Sets the payment method (`PATCH /billing/v1/account/:organization/info`).
    ///
    /// # Errors
    /// `is_invalid_argument` if the token is empty.
    #[doc(alias = "updateBillingInfo")]
    pub fn update_billing_info(
        &self,
        organization: impl Into<OrganizationKey>,
        billing_info: BillingToken,
    ) -> JsonRequest<BillingInfo> {
        self.patch(organization.into(), "/info", move || billing_info.body())
    }

    /// Deletes the payment method (`DELETE /billing/v1/account/:organization/info`).
    #[doc(alias = "removeBillingInfo")]
    pub fn remove_billing_info(&self, organization: impl Into<OrganizationKey>) -> Request<()> {
        let (core, key) = (self.core.clone(), organization.into());
        Request::new(async move {
            let path = account(&core, &key, "/info").await?;
            let forget =
                EndpointRequest { idempotent: true, ..EndpointRequest::new(Method::DELETE, path, None) };
            core.send(forget).await.map(drop)
        })
    }

    /// Changes the billing account: company, addresses, tax number (`PATCH /billing/v1/account/:organization`).
    ///
    /// # Errors
    /// `is_invalid_argument` if no value is set.
    #[doc(alias = "updateAccountInfo")]
    pub fn update_account_info(
        &self,
        organization: impl Into<OrganizationKey>,
        account_info: AccountUpdate,
    ) -> JsonRequest<Value> {
        self.patch(organization.into(), "", move || account_info.body())
    }

    /// Switches the plan (`PATCH /billing/v1/account/:organization`; version 7: `…/plan`). This may cost money.
    ///
    /// # Errors
    /// `is_invalid_argument` if the tier is empty.
    #[doc(alias = "changePlan")]
    pub fn change_plan(
        &self,
        organization: impl Into<OrganizationKey>,
        plan: PlanChange,
    ) -> JsonRequest<Value> {
        let names = self.core.settings().api_version.names();
        self.patch(organization.into(), names.billing_plan, move || plan.body(names))
    }

    /// Downloads an invoice (`GET /billing/v1/account/:organization/invoices/:number/download`).
    ///
    /// # Errors
    /// `is_invalid_argument` if the number is empty; `is_not_found` if the invoice does not exist.
    #[doc(alias = "downloadInvoice")]
    pub fn download_invoice(
        &self,
        organization: impl Into<OrganizationKey>,
        invoice_number: impl Into<String>,
    ) -> Request<InvoiceFile> {
        let (core, key, number) = (self.core.clone(), organization.into(), invoice_number.into());
        Request::new(async move {
            not_empty("invoice_number", &number)?;
            let number = utf8_percent_encode(&number, NON_ALPHANUMERIC);
            let path = account(&core, &key, &format!("/invoices/{number}/download")).await?;
            let response = core.send(EndpointRequest::get(path)).await?;
            let text = |name| header_text(&response.headers, name);
            Ok(InvoiceFile {
                content_type: text(header::CONTENT_TYPE),
                content_disposition: text(header::CONTENT_DISPOSITION),
                content: response.body,
            })
        })
    }

    fn get<T>(&self, key: OrganizationKey, rest: &'static str) -> JsonRequest<T> {
        let core = self.core.clone();
        JsonRequest::new(
            async move { core.send(EndpointRequest::get(account(&core, &key, rest).await?)).await },
        )
    }

    fn patch<T>(
        &self,
        key: OrganizationKey,
        rest: &'static str,
        body: impl FnOnce() -> Result<Value> + Send + 'static,
    ) -> JsonRequest<T> {
        let core = self.core.clone();
        JsonRequest::new(async move {
            let body = body()?;
            let path = account(&core, &key, rest).await?;
            let mut response = core.send(EndpointRequest::new(Method::PATCH, path, Some(body))).await?;
            // Some servers answer a change with no body or `OK`.
            if matches!(&*response.body, b"" | b"OK") {
                response.body = Bytes::from_static(b"null");
            }
            Ok(response)
        })
    }
}

async fn account(core: &Core, key: &OrganizationKey, rest: &str) -> Result<String> {
    Ok(format!("/billing/v1/account/{}{rest}", core.organization_id(key).await?))
}

fn header_text(headers: &HeaderMap, name: header::HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// File of an invoice, from [`Billing::download_invoice`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvoiceFile {
    /// Content of the file.
    pub content: Bytes,
    /// Media type, e.g. `application/pdf`. Absent if the response has none.
    pub content_type: Option<String>,
    /// Value of the header `Content-Disposition`, with the file name. Absent if the response has none.
    pub content_disposition: Option<String>,
}

//! Responses of the billing endpoints. Every field may be absent; amounts are text or numbers.

use serde_json::Value;

use crate::resource::json_request::response_types;

response_types! {
    /// The billing account of an organization.
    BillingAccount {
        /// State of the account, e.g. `active`.
        account_state: String,
        /// First name of the contact.
        first_name: String,
        /// Last name of the contact.
        last_name: String,
        /// Name of the company.
        company_name: String,
        /// E-mail address for bills.
        email: String,
        /// Further e-mail addresses for bills, separated by commas.
        cc_emails: String,
        /// Value-added tax number.
        vat_number: String,
        /// Postal address on bills.
        address: BillingAddress,
        /// Tax number and its kind.
        tax_id: TaxId,
    }

    /// A tax number.
    TaxId {
        /// Kind of the number, e.g. `eu_vat`.
        #[serde(rename = "type")]
        kind: String,
        /// The number itself.
        value: String,
    }

    /// A postal address.
    BillingAddress {
        /// First line of the street address.
        address1: String,
        /// Second line of the street address.
        address2: String,
        /// Name of the city.
        city: String,
        /// State or region.
        state: String,
        /// Postal (ZIP) code.
        zip: String,
        /// Country of the address.
        country: String,
        /// Telephone number.
        phone: String,
    }

    /// Payer and payment method. Fields that only a card or a bank account has are in `other`.
    BillingInfo {
        /// Full name of the payer.
        full_name: String,
        /// First name of the payer.
        first_name: String,
        /// Last name of the payer.
        last_name: String,
        /// Name of the payer's company.
        company: String,
        /// Value-added tax number.
        vat_number: String,
        /// First line of the street address.
        address1: String,
        /// Second line of the street address.
        address2: String,
        /// Name of the city.
        city: String,
        /// State or region.
        state: String,
        /// Postal (ZIP) code.
        zip: String,
        /// Country of the address.
        country: String,
        /// Telephone number.
        phone: String,
        /// Kind of payment method: `credit_card`, `card`, `bank_account`, `sepa_debit`, `paypal` …
        #[serde(rename = "type")]
        kind: String,
    }

    /// The billing plan of an organization.
    BillingPlan {
        /// Internal name of the plan.
        name: String,
        /// Name of the plan for display.
        title: String,
        /// Code, e.g. `prototype-v2`.
        code: String,
        /// Tier of the plan, e.g. `prototype`.
        tier: String,
        /// End of the current billing period.
        #[serde(rename = "currentPeriodEndDate")]
        current_period_end_date: String,
        /// Unit of `interval_length`.
        #[serde(rename = "intervalUnit")]
        interval_unit: String,
        /// Length of the billing interval, in `interval_unit`.
        #[serde(rename = "intervalLength")]
        interval_length: Value,
        /// Add-ons to the plan.
        #[serde(rename = "addonPlan")]
        addon_plan: Value,
        /// Currency, total costs and charges.
        billing: Value,
        /// Name and title of the included support.
        support: Value,
    }

    /// An invoice.
    Invoice {
        /// When the invoice was settled. Absent while it is open.
        closed_at: String,
        /// When the invoice was created.
        created_at: String,
        /// When the invoice is due.
        due_on: String,
        /// Currency of the amounts, e.g. `USD`.
        currency: String,
        /// Number that identifies the invoice, for [`Billing::download_invoice`](super::Billing::download_invoice).
        invoice_number: String,
        /// Total without taxes, in cents.
        subtotal_in_cents: Value,
        /// Total with taxes, in cents.
        total_in_cents: Value,
        /// Uuid of the invoice.
        uuid: String,
        /// State of the payment: `open`, `paid`, `failed`, `past_due`, `void` …
        state: String,
    }
}

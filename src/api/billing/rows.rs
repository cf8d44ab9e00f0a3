//! What billing answers with. Every field may be absent; amounts come as texts or numbers.

use serde_json::Value;

use crate::api::answer::answers;

answers! {
    /// The billing account of an organization.
    BillingAccount {
        /// State, e.g. `active`.
        account_state: String,
        /// First name.
        first_name: String,
        /// Last name.
        last_name: String,
        /// Company.
        company_name: String,
        /// Address that bills go to.
        email: String,
        /// Further addresses.
        cc_emails: String,
        /// VAT number.
        vat_number: String,
        /// Postal address.
        address: BillingAddress,
        /// Number for taxes, and its kind.
        tax_id: TaxId,
    }

    /// A number for taxes.
    TaxId {
        /// Kind, e.g. `eu_vat`.
        #[serde(rename = "type")]
        kind: String,
        /// The number.
        value: String,
    }

    /// A postal address.
    BillingAddress {
        /// First line.
        address1: String,
        /// Second line.
        address2: String,
        /// City.
        city: String,
        /// State.
        state: String,
        /// Postal code.
        zip: String,
        /// Country.
        country: String,
        /// Telephone number.
        phone: String,
    }

    /// Who pays, and how. What only a card or a bank account has is in `other`.
    BillingInfo {
        /// Full name.
        full_name: String,
        /// First name.
        first_name: String,
        /// Last name.
        last_name: String,
        /// Company.
        company: String,
        /// VAT number.
        vat_number: String,
        /// First line of the address.
        address1: String,
        /// Second line of the address.
        address2: String,
        /// City.
        city: String,
        /// State.
        state: String,
        /// Postal code.
        zip: String,
        /// Country.
        country: String,
        /// Telephone number.
        phone: String,
        /// `credit_card`, `card`, `bank_account`, `sepa_debit`, `paypal` …
        #[serde(rename = "type")]
        kind: String,
    }

    /// The plan of an organization.
    BillingPlan {
        /// Name.
        name: String,
        /// Title.
        title: String,
        /// Code, e.g. `prototype-v2`.
        code: String,
        /// Tier.
        tier: String,
        /// When the current period ends.
        #[serde(rename = "currentPeriodEndDate")]
        current_period_end_date: String,
        /// Unit of the interval of payment.
        #[serde(rename = "intervalUnit")]
        interval_unit: String,
        /// Length of the interval of payment, in that unit.
        #[serde(rename = "intervalLength")]
        interval_length: Value,
        /// What is booked besides.
        #[serde(rename = "addonPlan")]
        addon_plan: Value,
        /// Currency, total costs and charges.
        billing: Value,
        /// Name and title of the support that comes with it.
        support: Value,
    }

    /// An invoice.
    Invoice {
        /// When it was settled.
        closed_at: String,
        /// When it was made.
        created_at: String,
        /// When it has to be paid.
        due_on: String,
        /// Currency.
        currency: String,
        /// Number.
        invoice_number: String,
        /// Sum without taxes, in cents.
        subtotal_in_cents: Value,
        /// Sum, in cents.
        total_in_cents: Value,
        /// Uuid.
        uuid: String,
        /// `open`, `paid`, `failed`, `past_due`, `void` …
        state: String,
    }
}

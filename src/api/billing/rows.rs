//! What billing answers with. Every field may be absent; amounts come as texts or numbers.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

macro_rules! answers {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default)]
        #[non_exhaustive]
        pub struct $name {
            $(
                $(#[$field_doc])*
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $field: Option<$type>,
            )*
            /// What this version of the library has no name for.
            #[serde(flatten)]
            pub other: Map<String, Value>,
        }
    )*};
}

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
        /// `credit_card`, `bank_account` or `paypal`.
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
        /// `pending`, `paid`, `failed` or `past_due`.
        state: String,
    }
}

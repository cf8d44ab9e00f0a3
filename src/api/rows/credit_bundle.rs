//! Rows: credit bundles.

use jiff::Timestamp;

use crate::api::resource::resource;

use super::{Feature, Organization, PaymentStatus, User};

resource! {
    /// Credits that were bought for a feature.
    CreditBundle = "credit_bundle", "credit bundle" {
        /// Number that the cloud gave it.
        id / ID: i64,
        /// When it was bought.
        created_at / CREATED_AT: Timestamp,
        /// When a column of the row changed last. The documentation of version 6 does not list it.
        modified_at / MODIFIED_AT: Timestamp,
        /// How many credits were bought.
        original_quantity / ORIGINAL_QUANTITY: f64,
        /// How many credits are left, those that are set aside included.
        total_balance / TOTAL_BALANCE: f64,
        /// How many credits are left to use. The documentation of version 6 does not list it.
        available_balance / AVAILABLE_BALANCE: f64,
        /// Price of one credit, in the smallest unit of the currency. The documentation of version 6 does not list it.
        unit_cost / UNIT_COST: f64,
        /// Price of all of them, in the smallest unit of the currency.
        total_cost / TOTAL_COST: f64,
        /// When what is left of them is lost. The documentation of version 6 does not list it.
        expires_on_date / EXPIRES_ON_DATE = "expires_on__date": Timestamp,
        /// How far the payment is.
        payment_status / PAYMENT_STATUS: PaymentStatus,
        /// Id of the invoice; none before there is one.
        is_associated_with_invoice_id / IS_ASSOCIATED_WITH_INVOICE_ID = "is_associated_with__invoice_id": String,
        /// Why they could not be paid; none when nothing went wrong.
        error_message / ERROR_MESSAGE: String,
    }
    navigation {
        /// The feature that they are for.
        is_for_feature / IS_FOR_FEATURE = "is_for__feature": Feature,
        /// Who bought them.
        is_created_by_user / USER = "is_created_by__user": User,
        /// The organization that they were bought for.
        belongs_to_organization / ORGANIZATION = "belongs_to__organization": Organization,
    }
}

//! Rows: credit bundles.

use jiff::Timestamp;
use serde_json::Value;

use crate::api::resource::resource;

use super::{Organization, PaymentStatus, User};

resource! {
    /// Credits that were bought for a feature.
    CreditBundle = "credit_bundle", "credit bundle" {
        /// Id.
        id / ID: i64,
        /// When it was created.
        created_at / CREATED_AT: Timestamp,
        /// How many credits were bought.
        original_quantity / ORIGINAL_QUANTITY: f64,
        /// How many are left.
        total_balance / TOTAL_BALANCE: f64,
        /// What they cost.
        total_cost / TOTAL_COST: f64,
        /// `processing`, `paid`, `failed`, `complimentary`, `cancelled` or `refunded`.
        payment_status / PAYMENT_STATUS: PaymentStatus,
        /// The feature that they are for.
        is_for_feature / IS_FOR_FEATURE = "is_for__feature": Value,
        /// The invoice.
        is_associated_with_invoice_id / IS_ASSOCIATED_WITH_INVOICE_ID = "is_associated_with__invoice_id": String,
        /// Why they could not be paid.
        error_message / ERROR_MESSAGE: String,
    }
    navigation {
        /// Who bought them.
        is_created_by_user / USER = "is_created_by__user": User,
        /// Whose they are.
        belongs_to_organization / ORGANIZATION = "belongs_to__organization": Organization,
    }
}

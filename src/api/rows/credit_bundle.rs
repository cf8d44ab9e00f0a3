//! Rows: credit bundles.

use jiff::Timestamp;
use serde_json::Value;

use crate::api::resource::resource;

use super::{Organization, User};

resource! {
    /// A credit bundle.
    CreditBundle = "credit_bundle", "credit bundle" {
        /// Id.
        id / ID: i64,
        /// Created at.
        created_at / CREATED_AT: Timestamp,
        /// Original quantity.
        original_quantity / ORIGINAL_QUANTITY: f64,
        /// Total balance.
        total_balance / TOTAL_BALANCE: f64,
        /// Total cost.
        total_cost / TOTAL_COST: f64,
        /// Payment status.
        payment_status / PAYMENT_STATUS: String,
        /// Is for feature.
        is_for_feature / IS_FOR_FEATURE = "is_for__feature": Value,
        /// Is associated with invoice id.
        is_associated_with_invoice_id / IS_ASSOCIATED_WITH_INVOICE_ID = "is_associated_with__invoice_id": String,
        /// Error message.
        error_message / ERROR_MESSAGE: String,
    }
    navigation {
        /// Is created by user.
        is_created_by_user / USER = "is_created_by__user": User,
        /// Belongs to organization.
        belongs_to_organization / ORGANIZATION = "belongs_to__organization": Organization,
    }
}

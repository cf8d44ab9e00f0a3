//! Rows of credit bundles. Not on openBalena.

use jiff::Timestamp;

use crate::resource::schema::resource;

use super::{Feature, Organization, PaymentStatus, User};

resource! {
    /// Credits for a feature, bought by an organization.
    CreditBundle = "credit_bundle", "credit bundle" {
        /// Id, assigned by the API.
        id / ID: i64,
        /// Time of the purchase.
        created_at / CREATED_AT: Timestamp,
        /// Time of the last change to the row. Not in the documentation of version 6.
        modified_at / MODIFIED_AT: Timestamp,
        /// Number of credits bought.
        original_quantity / ORIGINAL_QUANTITY: f64,
        /// Number of credits left, including reserved ones.
        total_balance / TOTAL_BALANCE: f64,
        /// Number of credits left without reserved ones. Not in the documentation of version 6.
        available_balance / AVAILABLE_BALANCE: f64,
        /// Price of one credit; the unit of the currency is not published. Not in the documentation of version 6.
        unit_cost / UNIT_COST: f64,
        /// Price of the whole bundle, in the unit of `unit_cost`.
        total_cost / TOTAL_COST: f64,
        /// Time after which the remaining credits are void. Not in the documentation of version 6.
        expires_on_date / EXPIRES_ON_DATE = "expires_on__date": Timestamp,
        /// Status of the payment.
        payment_status / PAYMENT_STATUS: PaymentStatus,
        /// Id of the invoice; `None` before there is one.
        is_associated_with_invoice_id / IS_ASSOCIATED_WITH_INVOICE_ID = "is_associated_with__invoice_id": String,
        /// Reason of a failed payment; `None` otherwise.
        error_message / ERROR_MESSAGE: String,
    }
    navigation {
        /// Feature that the credits pay for.
        is_for_feature / IS_FOR_FEATURE = "is_for__feature": Feature,
        /// User who bought the bundle.
        is_created_by_user / USER = "is_created_by__user": User,
        /// Organization that owns the bundle.
        belongs_to_organization / ORGANIZATION = "belongs_to__organization": Organization,
    }
}

//! Credit bundles of an organization.

use std::sync::Arc;

use serde_json::json;

use crate::core::Core;
use crate::error::Error;
use crate::odata::Query;

use crate::resource::keys::{OrganizationKey, check_id};
use crate::resource::read::ReadTarget;
use crate::resource::read_request::List;
use crate::resource::request::Create;
use crate::rows::{CreditBundle, Organization};

/// Credit bundles. From [`Balena::credit_bundle`](crate::Balena::credit_bundle).
#[derive(Debug, Clone)]
pub struct CreditBundles {
    core: Arc<Core>,
}

impl CreditBundles {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone() }
    }

    /// Lists the credit bundles of an organization, latest first (`GET /v6/credit_bundle`).
    ///
    /// # Errors
    /// `is_not_found` if the organization does not exist.
    #[doc(alias = "getAllByOrg")]
    pub fn get_all_by_org(&self, organization: impl Into<OrganizationKey>) -> List<CreditBundle> {
        let (core, key) = (self.core.clone(), organization.into());
        List::new(&self.core, async move {
            let id = core.id_of(key.target::<Organization>(Query::new())?).await?;
            let defaults = Query::new().filter(CreditBundle::ORGANIZATION.id().eq(id));
            Ok(ReadTarget::list::<CreditBundle>(defaults.order_by(CreditBundle::CREATED_AT.desc())))
        })
    }

    /// Buys credits for a feature (`POST /v6/credit_bundle`). This costs money.
    ///
    /// # Errors
    /// `is_not_found` if the organization does not exist; `is_unknown_outcome` if the connection broke before the
    /// response: check the list before buying again.
    pub fn create(
        &self,
        organization: impl Into<OrganizationKey>,
        feature_id: i64,
        credits_to_purchase: i64,
    ) -> Create<CreditBundle> {
        let (core, key) = (self.core.clone(), organization.into());
        Create::new(&self.core, move |_| async move {
            check_id("feature_id", feature_id)?;
            if credits_to_purchase <= 0 {
                return Err(Error::argument("credits_to_purchase", "it must be above 0"));
            }
            let id = core.id_of(key.target::<Organization>(Query::new())?).await?;
            Ok(json!({
                "belongs_to__organization": id,
                "is_for__feature": feature_id,
                "original_quantity": credits_to_purchase,
            }))
        })
    }
}

//! Tags of memberships of organizations.

use serde_json::json;

use crate::resource::key_value::{KeyValue, KeyValueKind};
use crate::resource::keys::OrganizationKey;
use crate::resource::read_request::List;
use crate::rows::OrganizationMembershipTag;

use super::OrganizationMembershipKey;

impl KeyValueKind for OrganizationMembershipTag {
    const KEY: &'static str = "tag_key";
    const PARENT: &'static str = "organization_membership";
}

/// Takes a membership's id only; user and organization are `is_invalid_argument`.
impl KeyValue<OrganizationMembershipKey, OrganizationMembershipTag> {
    /// Lists all tags of memberships, ordered by key (`GET /v6/organization_membership_tag`).
    #[doc(alias = "getAll")]
    pub fn get_all(&self) -> List<OrganizationMembershipTag> {
        self.list(async { Ok(None) })
    }

    /// Lists the tags of all memberships of an organization, ordered by key (`GET /v6/organization_membership_tag`).
    ///
    /// # Errors
    /// `is_not_found` if the organization does not exist.
    #[doc(alias = "getAllByOrganization")]
    pub fn get_all_by_organization(
        &self,
        organization: impl Into<OrganizationKey>,
    ) -> List<OrganizationMembershipTag> {
        let (core, key) = (self.core().clone(), organization.into());
        self.list(async move {
            let id = core.organization_id(&key).await?;
            Ok(Some(json!({
                "organization_membership": {
                    "$any": { "$alias": "om", "$expr": { "om": { "is_member_of__organization": id } } }
                }
            })))
        })
    }

    /// Lists the tags of a membership, ordered by key (`GET /v6/organization_membership_tag`).
    #[doc(alias = "getAllByOrganizationMembership")]
    pub fn get_all_by_organization_membership(
        &self,
        membership: impl Into<OrganizationMembershipKey>,
    ) -> List<OrganizationMembershipTag> {
        self.of_parent(membership)
    }
}

//! Memberships of organizations.

use std::sync::Arc;

use crate::api::membership::{change_role, of_user, pair_key};
use crate::core::Core;
use crate::error::{Error, Result};
use crate::http::BoxFuture;
use crate::ids::{OrganizationId, UserId};
use crate::odata::Query;
use crate::resource::key_value::{KeyValue, ParentKey};
use crate::resource::keys::{OrganizationKey, UserKey, check_id};
use crate::resource::read::ReadTarget;
use crate::resource::read_request::{Get, List};
use crate::resource::schema::Resource as _;
use crate::resource::write::RowSelector;
use crate::resource::write_request::WriteRequest;
use crate::rows::{OrganizationMembership, OrganizationMembershipRole, OrganizationMembershipTag};

/// Memberships of organizations. From [`Organizations::membership`](super::Organizations::membership).
#[derive(Debug, Clone)]
pub struct OrganizationMemberships {
    core: Arc<Core>,
}

impl OrganizationMemberships {
    pub(super) fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone() }
    }

    /// Lists the memberships that the token may read (`GET /v6/organization_membership`).
    #[doc(alias = "getAll")]
    pub fn get_all(&self) -> List<OrganizationMembership> {
        List::new(&self.core, async { Ok(ReadTarget::list::<OrganizationMembership>(Query::new())) })
    }

    /// Lists the memberships of an organization (`GET /v6/organization_membership`).
    ///
    /// # Errors
    /// `is_not_found` if the organization does not exist.
    #[doc(alias = "getAllByOrganization")]
    pub fn get_all_by_organization(
        &self,
        organization: impl Into<OrganizationKey>,
    ) -> List<OrganizationMembership> {
        let (core, key) = (self.core.clone(), organization.into());
        List::new(&self.core, async move {
            let id = core.organization_id(&key).await?;
            let theirs = OrganizationMembership::ORGANIZATION.id().eq(id);
            Ok(ReadTarget::list::<OrganizationMembership>(Query::new().filter(theirs)))
        })
    }

    /// Lists the memberships of a user that the token may read (`GET /v6/organization_membership`). Empty if the
    /// user does not exist.
    #[doc(alias = "getAllByUser")]
    pub fn get_all_by_user(&self, user: impl Into<UserKey>) -> List<OrganizationMembership> {
        let key = user.into();
        List::new(&self.core, async move { of_user(&OrganizationMembership::USER, &key) })
    }

    /// Reads one membership (`GET /v6/organization_membership`).
    ///
    /// # Errors
    /// `is_not_found` if the membership does not exist.
    pub fn get(&self, membership: impl Into<OrganizationMembershipKey>) -> Get<OrganizationMembership> {
        let key = membership.into();
        Get::new(&self.core, async move {
            Ok(ReadTarget::one::<OrganizationMembership>(Some(key.key()?), Query::new(), key))
        })
    }

    /// Sets the role of a member: `administrator` or `member` (`PATCH /v6/organization_membership`, after
    /// `GET /v6/organization_membership_role`). Succeeds even if the membership does not exist: the API does not
    /// report it.
    ///
    /// # Errors
    /// `is_not_found` if the role does not exist.
    #[doc(alias = "changeRole")]
    pub fn change_role(
        &self,
        membership: impl Into<OrganizationMembershipKey>,
        role_name: impl Into<String>,
    ) -> WriteRequest {
        let (membership, name) = (membership.into(), role_name.into());
        WriteRequest::new(&self.core, move |writer| async move {
            change_role::<OrganizationMembership, OrganizationMembershipRole>(
                &writer,
                membership.key()?,
                &name,
            )
            .await
        })
    }

    /// Deletes a membership (`DELETE /v6/organization_membership`). Succeeds even if it does not exist: the API does
    /// not report it.
    pub fn remove(&self, membership: impl Into<OrganizationMembershipKey>) -> WriteRequest {
        let membership = membership.into();
        WriteRequest::new(&self.core, move |writer| async move {
            writer.delete(OrganizationMembership::NAME, &RowSelector::Key(membership.key()?)).await
        })
    }

    /// Returns the functions of tags of memberships.
    pub fn tags(&self) -> KeyValue<OrganizationMembershipKey, OrganizationMembershipTag> {
        KeyValue::new(&self.core)
    }
}

pair_key! {
    /// Key of a membership of an organization: its id, or the ids of user and organization.
    OrganizationMembershipKey, "membership";
    /// The ids of user and organization.
    Member {
        /// Id of the member.
        user: UserId = "user",
        /// Id of the organization.
        organization: OrganizationId = "is_member_of__organization",
    }
}

impl ParentKey for OrganizationMembershipKey {
    fn resolve(self, _core: Arc<Core>) -> BoxFuture<'static, Result<i64>> {
        Box::pin(async move {
            match self {
                Self::Id(id) => check_id("membership", id),
                Self::Member { .. } => {
                    Err(Error::argument("membership", "tags need the membership's id, which `get` returns"))
                }
            }
        })
    }
}

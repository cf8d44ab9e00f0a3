//! Who is a member of which organization.

use std::sync::Arc;

use crate::api::confirm::Write;
use crate::api::key_value::{KeyValue, ParentKey};
use crate::api::keys::{OrganizationKey, UserKey, an_id};
use crate::api::membership::{change_role, of_user, pair_key};
use crate::api::read::{Get, List, Target};
use crate::api::resource::Resource as _;
use crate::api::rows::{OrganizationMembership, OrganizationMembershipRole, OrganizationMembershipTag};
use crate::api::write::Rows;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::http::BoxFuture;
use crate::ids::{OrganizationId, UserId};
use crate::odata::Query;

/// Memberships of organizations. From [`Organizations::membership`](super::Organizations::membership).
#[derive(Debug, Clone)]
pub struct OrganizationMemberships {
    core: Arc<Core>,
}

impl OrganizationMemberships {
    pub(super) fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone() }
    }

    /// The memberships that the token may see (`GET /v6/organization_membership`).
    #[doc(alias = "getAll")]
    pub fn get_all(&self) -> List<OrganizationMembership> {
        List::new(&self.core, async { Ok(Target::list::<OrganizationMembership>(Query::new())) })
    }

    /// The memberships of an organization (`GET /v6/organization_membership`).
    ///
    /// # Errors
    /// `is_not_found` when the organization is not there.
    #[doc(alias = "getAllByOrganization")]
    pub fn get_all_by_organization(
        &self,
        organization: impl Into<OrganizationKey>,
    ) -> List<OrganizationMembership> {
        let (core, key) = (self.core.clone(), organization.into());
        List::new(&self.core, async move {
            let id = core.organization_id(&key).await?;
            let theirs = OrganizationMembership::ORGANIZATION.id().eq(id);
            Ok(Target::list::<OrganizationMembership>(Query::new().filter(theirs)))
        })
    }

    /// The memberships of a user, as far as the token may see them (`GET /v6/organization_membership`). Empty
    /// when there is no such user.
    #[doc(alias = "getAllByUser")]
    pub fn get_all_by_user(&self, user: impl Into<UserKey>) -> List<OrganizationMembership> {
        let key = user.into();
        List::new(&self.core, async move { of_user(&OrganizationMembership::USER, &key) })
    }

    /// One membership (`GET /v6/organization_membership`).
    ///
    /// # Errors
    /// `is_not_found`.
    pub fn get(&self, membership: impl Into<OrganizationMembershipKey>) -> Get<OrganizationMembership> {
        let key = membership.into();
        Get::new(&self.core, async move {
            Ok(Target::one::<OrganizationMembership>(Some(key.key()?), Query::new(), key))
        })
    }

    /// Gives a member another role: `administrator` or `member` (`PATCH /v6/organization_membership`, after
    /// `GET /v6/organization_membership_role`). Succeeds when there is no such membership: the server does not
    /// tell.
    ///
    /// # Errors
    /// `is_not_found` when the role is not there.
    #[doc(alias = "changeRole")]
    pub fn change_role(
        &self,
        membership: impl Into<OrganizationMembershipKey>,
        role_name: impl Into<String>,
    ) -> Write {
        let (membership, name) = (membership.into(), role_name.into());
        Write::new(&self.core, move |writer| async move {
            change_role::<OrganizationMembership, OrganizationMembershipRole>(
                &writer,
                membership.key()?,
                &name,
            )
            .await
        })
    }

    /// Ends a membership (`DELETE /v6/organization_membership`). Succeeds when there is none: the server does
    /// not tell.
    pub fn remove(&self, membership: impl Into<OrganizationMembershipKey>) -> Write {
        let membership = membership.into();
        Write::new(&self.core, move |writer| async move {
            writer.delete(OrganizationMembership::NAME, &Rows::Key(membership.key()?)).await
        })
    }

    /// Tags of memberships.
    pub fn tags(&self) -> KeyValue<OrganizationMembershipKey, OrganizationMembershipTag> {
        KeyValue::new(&self.core)
    }
}

pair_key! {
    /// A membership of an organization: its id, or who is a member of what.
    OrganizationMembershipKey, "membership";
    /// By the ids of the two.
    Member {
        /// Id of the user.
        user: UserId = "user",
        /// Id of the organization.
        organization: OrganizationId = "is_member_of__organization",
    }
}

impl ParentKey for OrganizationMembershipKey {
    fn resolve(self, _core: Arc<Core>) -> BoxFuture<'static, Result<i64>> {
        Box::pin(async move {
            match self {
                Self::Id(id) => an_id("membership", id),
                Self::Member { .. } => {
                    Err(Error::argument("membership", "tags go by the membership's id: `get` tells it"))
                }
            }
        })
    }
}

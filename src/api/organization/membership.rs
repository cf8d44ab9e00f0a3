//! Who is a member of which organization.

use std::fmt;
use std::sync::Arc;

use crate::api::key_value::{KeyValue, ParentKey};
use crate::api::keys::{OrganizationKey, an_id};
use crate::api::read::{Get, List, Target};
use crate::api::rows::{OrganizationMembership, OrganizationMembershipTag};
use crate::core::Core;
use crate::error::{Error, Result};
use crate::http::BoxFuture;
use crate::ids::OrganizationId;
use crate::odata::{Key, Query};

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

    /// One membership (`GET /v6/organization_membership`).
    ///
    /// # Errors
    /// `is_not_found`.
    pub fn get(&self, membership: impl Into<OrganizationMembershipKey>) -> Get<OrganizationMembership> {
        let key = membership.into();
        Get::new(&self.core, async move { key.target() })
    }

    /// Tags of memberships.
    pub fn tags(&self) -> KeyValue<OrganizationMembershipKey, OrganizationMembershipTag> {
        KeyValue::new(&self.core)
    }
}

/// A membership of an organization: its id, or who is a member of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrganizationMembershipKey {
    /// By its id.
    Id(i64),
    /// By the ids of the two.
    Member {
        /// Id of the user.
        user: i64,
        /// Id of the organization.
        organization: OrganizationId,
    },
}

impl OrganizationMembershipKey {
    fn target(self) -> Result<Target> {
        let key = match self {
            Self::Id(id) => Key::id(an_id("membership", id)?),
            Self::Member { user, organization } => Key::of("user", an_id("user", user)?)
                .and("is_member_of__organization", an_id("organization", organization.get())?),
        };
        Ok(Target::one::<OrganizationMembership>(Some(key), Query::new(), self))
    }
}

impl fmt::Display for OrganizationMembershipKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Member { user, organization } => write!(f, "of user {user} in organization {organization}"),
        }
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

impl From<i64> for OrganizationMembershipKey {
    fn from(id: i64) -> Self {
        Self::Id(id)
    }
}

// So that a bare number in the source text will do, too.
impl From<i32> for OrganizationMembershipKey {
    fn from(id: i32) -> Self {
        Self::Id(id.into())
    }
}

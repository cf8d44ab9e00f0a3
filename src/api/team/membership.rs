//! Who is a member of which team.

use std::sync::Arc;

use serde_json::json;

use crate::api::batch::{Batch, BatchKey as _, Deed, Keys, ListedRow, Named, OfRows};
use crate::api::keys::{UserKey, an_id, not_empty};
use crate::api::membership::of_user;
use crate::api::read::{Get, List, Target};
use crate::api::request::Create;
use crate::api::rows::TeamMembership;
use crate::core::Core;
use crate::error::Result;
use crate::ids::{TeamId, TeamMembershipId};
use crate::odata::{Key, Query};

/// Memberships of teams. From [`Teams::membership`](super::Teams::membership).
#[derive(Debug, Clone)]
pub struct TeamMemberships {
    core: Arc<Core>,
}

impl TeamMemberships {
    pub(super) fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone() }
    }

    /// One membership (`GET /v6/team_membership`).
    ///
    /// # Errors
    /// `is_not_found`.
    pub fn get(&self, membership: impl Into<TeamMembershipId>) -> Get<TeamMembership> {
        let membership = membership.into();
        Get::new(&self.core, async move {
            membership.check()?;
            Ok(Target::one::<TeamMembership>(Some(Key::id(membership)), Query::new(), membership))
        })
    }

    /// The memberships of a team (`GET /v6/team_membership`). Empty when there is no such team.
    #[doc(alias = "getAllByTeam")]
    pub fn get_all_by_team(&self, team: impl Into<TeamId>) -> List<TeamMembership> {
        let team = team.into();
        List::new(&self.core, async move {
            let of_it = TeamMembership::TEAM.id().eq(an_id("team", team.get())?);
            Ok(Target::list::<TeamMembership>(Query::new().filter(of_it)))
        })
    }

    /// The memberships of a user, as far as the token may see them (`GET /v6/team_membership`). Empty when
    /// there is no such user.
    #[doc(alias = "getAllByUser")]
    pub fn get_all_by_user(&self, user: impl Into<UserKey>) -> List<TeamMembership> {
        let key = user.into();
        List::new(&self.core, async move { of_user(&TeamMembership::USER, &key) })
    }

    /// Makes a user a member of a team (`POST /v6/team_membership`). It has to be a member of the organization.
    ///
    /// # Errors
    /// `is_conflict` when it is one already.
    pub fn create(&self, team: impl Into<TeamId>, username: impl Into<String>) -> Create<TeamMembership> {
        let (team, username) = (team.into(), username.into());
        Create::new(&self.core, move |_| async move {
            not_empty("username", &username)?;
            Ok(json!({ "username": username, "is_member_of__team": an_id("team", team.get())? }))
        })
    }

    /// Ends a membership, or those of a list (`DELETE /v6/team_membership`). Succeeds when there is none: the
    /// server does not tell.
    pub fn remove(&self, memberships: impl Into<Keys<TeamMembershipId>>) -> Batch<TeamMembershipId> {
        let deed: Deed<TeamMembership> = Deed::Delete;
        let rows = OfRows { core: self.core.clone(), identity: json!(["delete"]), deed, single: false };
        Batch::new(&self.core, memberships.into().into_list(), Ok(Box::new(rows)))
    }
}

impl ListedRow for TeamMembership {
    type Key = TeamMembershipId;

    const ORDER: &'static str = "id";

    fn named(key: &TeamMembershipId) -> Result<Named> {
        key.check()?;
        Ok(Named::Id(key.get()))
    }

    fn id(&self) -> Option<i64> {
        self.id.map(TeamMembershipId::get)
    }

    fn name(&self, _: &'static str) -> Option<String> {
        None
    }
}

//! Memberships of teams.

use std::sync::Arc;

use serde_json::json;

use crate::api::membership::of_user;
use crate::core::Core;
use crate::error::Result;
use crate::ids::{TeamId, TeamMembershipId};
use crate::odata::{Key, Query};
use crate::resource::batch::{Batch, BatchKey as _, BatchResource, KeyColumn, Keys, RowBatch, RowOperation};
use crate::resource::keys::{UserKey, check_id, not_empty};
use crate::resource::read::ReadTarget;
use crate::resource::read_request::{Get, List};
use crate::resource::request::Create;
use crate::rows::TeamMembership;

/// Memberships of teams. From [`Teams::membership`](super::Teams::membership).
#[derive(Debug, Clone)]
pub struct TeamMemberships {
    core: Arc<Core>,
}

impl TeamMemberships {
    pub(super) fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone() }
    }

    /// Reads one membership (`GET /v6/team_membership`).
    ///
    /// # Errors
    /// `is_not_found` if the membership does not exist.
    pub fn get(&self, membership: impl Into<TeamMembershipId>) -> Get<TeamMembership> {
        let membership = membership.into();
        Get::new(&self.core, async move {
            membership.check()?;
            Ok(ReadTarget::one::<TeamMembership>(Some(Key::id(membership)), Query::new(), membership))
        })
    }

    /// Lists the memberships of a team (`GET /v6/team_membership`). Empty if the team does not exist.
    #[doc(alias = "getAllByTeam")]
    pub fn get_all_by_team(&self, team: impl Into<TeamId>) -> List<TeamMembership> {
        let team = team.into();
        List::new(&self.core, async move {
            let of_it = TeamMembership::TEAM.id().eq(check_id("team", team.get())?);
            Ok(ReadTarget::list::<TeamMembership>(Query::new().filter(of_it)))
        })
    }

    /// Lists the memberships of a user that the token may read (`GET /v6/team_membership`). Empty if the user does
    /// not exist.
    #[doc(alias = "getAllByUser")]
    pub fn get_all_by_user(&self, user: impl Into<UserKey>) -> List<TeamMembership> {
        let key = user.into();
        List::new(&self.core, async move { of_user(&TeamMembership::USER, &key) })
    }

    /// Adds a user to a team (`POST /v6/team_membership`). The user must be a member of the organization.
    ///
    /// # Errors
    /// `is_conflict` if the user is a member already.
    pub fn create(&self, team: impl Into<TeamId>, username: impl Into<String>) -> Create<TeamMembership> {
        let (team, username) = (team.into(), username.into());
        Create::new(&self.core, move |_| async move {
            not_empty("username", &username)?;
            Ok(json!({ "username": username, "is_member_of__team": check_id("team", team.get())? }))
        })
    }

    /// Deletes one membership or several (`DELETE /v6/team_membership`). Succeeds even if they do not exist: the API
    /// does not report it.
    pub fn remove(&self, memberships: impl Into<Keys<TeamMembershipId>>) -> Batch<TeamMembershipId> {
        let operation: RowOperation<TeamMembership> = RowOperation::Delete;
        let rows =
            RowBatch { core: self.core.clone(), identity: json!(["delete"]), operation, single: false };
        Batch::new(&self.core, memberships.into().into_list(), Ok(Box::new(rows)))
    }
}

impl BatchResource for TeamMembership {
    type Key = TeamMembershipId;

    const ORDER: &'static str = "id";

    fn named(key: &TeamMembershipId) -> Result<KeyColumn> {
        key.check()?;
        Ok(KeyColumn::Id(key.get()))
    }

    fn id(&self) -> Option<i64> {
        self.id.map(TeamMembershipId::get)
    }

    fn name(&self, _: &'static str) -> Option<String> {
        None
    }
}

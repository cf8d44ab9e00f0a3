//! Who is a member of which team.

use std::sync::Arc;

use serde_json::json;

use crate::api::keys::{UserKey, an_id, not_empty};
use crate::api::membership::of_user;
use crate::api::read::{Get, List, Target};
use crate::api::request::{Create, Request};
use crate::api::rows::TeamMembership;
use crate::core::Core;
use crate::ids::TeamId;
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
    pub fn get(&self, membership: i64) -> Get<TeamMembership> {
        Get::new(&self.core, async move {
            let key = Key::id(an_id("membership", membership)?);
            Ok(Target::one::<TeamMembership>(Some(key), Query::new(), membership))
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

    /// Ends a membership, or several (`DELETE /v6/team_membership`, 200 at a time). Succeeds when there is
    /// none: the server does not tell.
    pub fn remove(&self, memberships: impl Into<TeamMembershipIds>) -> Request<()> {
        let (core, TeamMembershipIds(ids)) = (self.core.clone(), memberships.into());
        Request::new(async move {
            ids.iter().try_for_each(|id| an_id("memberships", *id).map(drop))?;
            core.write_in_parts(&TeamMembership::ID, &ids, None).await
        })
    }
}

/// The memberships that [`TeamMemberships::remove`] is for: the id of one, or a list of ids.
///
/// An empty list is fine: there is nothing to do then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamMembershipIds(Vec<i64>);

impl From<i64> for TeamMembershipIds {
    fn from(id: i64) -> Self {
        Self(vec![id])
    }
}

// So that a bare number in the source text will do, too.
impl From<i32> for TeamMembershipIds {
    fn from(id: i32) -> Self {
        Self(vec![id.into()])
    }
}

impl From<Vec<i64>> for TeamMembershipIds {
    fn from(ids: Vec<i64>) -> Self {
        Self(ids)
    }
}

impl<const N: usize> From<[i64; N]> for TeamMembershipIds {
    fn from(ids: [i64; N]) -> Self {
        Self(ids.into())
    }
}

impl From<&[i64]> for TeamMembershipIds {
    fn from(ids: &[i64]) -> Self {
        Self(ids.into())
    }
}

//! Which team works on which applications, and what it may do there.

use std::sync::Arc;

use serde_json::json;

use crate::api::confirm::Write;
use crate::api::keys::{ApplicationKey, an_id};
use crate::api::membership::{change_role, pair_key, role};
use crate::api::read::{Get, List, Target};
use crate::api::request::Create;
use crate::api::resource::Resource as _;
use crate::api::rows::{Application, ApplicationMembershipRole, TeamApplicationAccess};
use crate::api::write::Rows;
use crate::core::Core;
use crate::ids::{ApplicationId, TeamId};
use crate::odata::Query;

/// Accesses of teams to applications. From [`Teams::application_access`](super::Teams::application_access).
#[derive(Debug, Clone)]
pub struct TeamApplicationAccesses {
    core: Arc<Core>,
}

impl TeamApplicationAccesses {
    pub(super) fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone() }
    }

    /// The accesses of a team (`GET /v6/team_application_access`, after `GET /v6/team`).
    ///
    /// # Errors
    /// `is_not_found` when the team is not there.
    #[doc(alias = "getAllByTeam")]
    pub fn get_all_by_team(&self, team: impl Into<TeamId>) -> List<TeamApplicationAccess> {
        let (core, team) = (self.core.clone(), team.into());
        List::new(&self.core, async move {
            let id = core.id_of(super::target(team, Query::new())?).await?;
            let of_it = TeamApplicationAccess::TEAM.id().eq(id);
            Ok(Target::list::<TeamApplicationAccess>(Query::new().filter(of_it)))
        })
    }

    /// One access (`GET /v6/team_application_access`).
    ///
    /// # Errors
    /// `is_not_found`.
    pub fn get(&self, access: impl Into<TeamApplicationAccessKey>) -> Get<TeamApplicationAccess> {
        let access = access.into();
        Get::new(&self.core, async move {
            Ok(Target::one::<TeamApplicationAccess>(Some(access.key()?), Query::new(), access))
        })
    }

    /// Lets the members of a team work on an application, as `developer`, `operator` or `observer`
    /// (`POST /v6/team_application_access`, after `GET /v6/application` and
    /// `GET /v6/application_membership_role`).
    ///
    /// # Errors
    /// `is_not_found` when the application or the role is not there; `is_conflict` when the team has access
    /// already: [`update`](Self::update) changes the role.
    pub fn add(
        &self,
        team: impl Into<TeamId>,
        application: impl Into<ApplicationKey>,
        role_name: impl Into<String>,
    ) -> Create<TeamApplicationAccess> {
        let (core, team, key, name) = (self.core.clone(), team.into(), application.into(), role_name.into());
        Create::new(&self.core, move |_| async move {
            let team = an_id("team", team.get())?;
            let role = role::<ApplicationMembershipRole>(&name)?;
            let id = core.id_of(key.target::<Application>(Query::new())?).await?;
            Ok(json!({
                "team": team,
                "grants_access_to__application": id,
                "application_membership_role": core.id_of(role).await?,
            }))
        })
    }

    /// Gives the members of a team another role on an application (`PATCH /v6/team_application_access`, after
    /// `GET /v6/application_membership_role`). Succeeds when there is no such access: the server does not tell.
    ///
    /// # Errors
    /// `is_not_found` when the role is not there.
    pub fn update(&self, access: impl Into<TeamApplicationAccessKey>, role_name: impl Into<String>) -> Write {
        let (access, name) = (access.into(), role_name.into());
        Write::new(&self.core, move |writer| async move {
            change_role::<TeamApplicationAccess, ApplicationMembershipRole>(&writer, access.key()?, &name)
                .await
        })
    }

    /// Ends the access of a team to an application (`DELETE /v6/team_application_access`). Succeeds when there
    /// is none: the server does not tell.
    pub fn remove(&self, access: impl Into<TeamApplicationAccessKey>) -> Write {
        let access = access.into();
        Write::new(&self.core, move |writer| async move {
            writer.delete(TeamApplicationAccess::NAME, &Rows::Key(access.key()?)).await
        })
    }
}

pair_key! {
    /// An access of a team to an application: its id, or whose it is to what.
    TeamApplicationAccessKey, "access";
    /// By the ids of the two.
    Of {
        /// Id of the team.
        team: TeamId = "team",
        /// Id of the application.
        application: ApplicationId = "grants_access_to__application",
    }
}

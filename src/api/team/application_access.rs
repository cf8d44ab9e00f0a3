//! Access of teams to applications, and their roles.

use std::sync::Arc;

use serde_json::json;

use crate::api::membership::{change_role, pair_key, role};
use crate::core::Core;
use crate::ids::{ApplicationId, TeamId};
use crate::odata::Query;
use crate::resource::keys::{ApplicationKey, check_id};
use crate::resource::read::ReadTarget;
use crate::resource::read_request::{Get, List};
use crate::resource::request::Create;
use crate::resource::schema::Resource as _;
use crate::resource::write::RowSelector;
use crate::resource::write_request::WriteRequest;
use crate::rows::{Application, ApplicationMembershipRole, TeamApplicationAccess};

/// Access of teams to applications. From [`Teams::application_access`](super::Teams::application_access).
#[derive(Debug, Clone)]
pub struct TeamApplicationAccesses {
    core: Arc<Core>,
}

impl TeamApplicationAccesses {
    pub(super) fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone() }
    }

    /// Lists the accesses of a team (`GET /v6/team_application_access`, after `GET /v6/team`).
    ///
    /// # Errors
    /// `is_not_found` if the team does not exist.
    #[doc(alias = "getAllByTeam")]
    pub fn get_all_by_team(&self, team: impl Into<TeamId>) -> List<TeamApplicationAccess> {
        let (core, team) = (self.core.clone(), team.into());
        List::new(&self.core, async move {
            let id = core.id_of(super::target(team, Query::new())?).await?;
            let of_it = TeamApplicationAccess::TEAM.id().eq(id);
            Ok(ReadTarget::list::<TeamApplicationAccess>(Query::new().filter(of_it)))
        })
    }

    /// Reads one access (`GET /v6/team_application_access`).
    ///
    /// # Errors
    /// `is_not_found` if the access does not exist.
    pub fn get(&self, access: impl Into<TeamApplicationAccessKey>) -> Get<TeamApplicationAccess> {
        let access = access.into();
        Get::new(&self.core, async move {
            Ok(ReadTarget::one::<TeamApplicationAccess>(Some(access.key()?), Query::new(), access))
        })
    }

    /// Grants a team access to an application as `developer`, `operator` or `observer`
    /// (`POST /v6/team_application_access`, after `GET /v6/application` and `GET /v6/application_membership_role`).
    ///
    /// # Errors
    /// `is_not_found` if the application or the role does not exist; `is_conflict` if the team has access already:
    /// [`update`](Self::update) changes the role.
    pub fn add(
        &self,
        team: impl Into<TeamId>,
        application: impl Into<ApplicationKey>,
        role_name: impl Into<String>,
    ) -> Create<TeamApplicationAccess> {
        let (core, team, key, name) = (self.core.clone(), team.into(), application.into(), role_name.into());
        Create::new(&self.core, move |_| async move {
            let team = check_id("team", team.get())?;
            let role = role::<ApplicationMembershipRole>(&name)?;
            let id = core.id_of(key.target::<Application>(Query::new())?).await?;
            Ok(json!({
                "team": team,
                "grants_access_to__application": id,
                "application_membership_role": core.id_of(role).await?,
            }))
        })
    }

    /// Sets the role of a team's access (`PATCH /v6/team_application_access`, after
    /// `GET /v6/application_membership_role`). Succeeds even if the access does not exist: the API does not report
    /// it.
    ///
    /// # Errors
    /// `is_not_found` if the role does not exist.
    pub fn update(
        &self,
        access: impl Into<TeamApplicationAccessKey>,
        role_name: impl Into<String>,
    ) -> WriteRequest {
        let (access, name) = (access.into(), role_name.into());
        WriteRequest::new(&self.core, move |writer| async move {
            change_role::<TeamApplicationAccess, ApplicationMembershipRole>(&writer, access.key()?, &name)
                .await
        })
    }

    /// Deletes a team's access to an application (`DELETE /v6/team_application_access`). Succeeds even if it does
    /// not exist: the API does not report it.
    pub fn remove(&self, access: impl Into<TeamApplicationAccessKey>) -> WriteRequest {
        let access = access.into();
        WriteRequest::new(&self.core, move |writer| async move {
            writer.delete(TeamApplicationAccess::NAME, &RowSelector::Key(access.key()?)).await
        })
    }
}

pair_key! {
    /// Key of a team's access to an application: its id, or the ids of team and application.
    TeamApplicationAccessKey, "access";
    /// The ids of team and application.
    Of {
        /// Id of the team.
        team: TeamId = "team",
        /// Id of the application.
        application: ApplicationId = "grants_access_to__application",
    }
}

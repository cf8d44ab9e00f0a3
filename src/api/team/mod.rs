//! Teams of organizations, their members, and their access to applications. openBalena has no teams.

mod application_access;
mod membership;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::json;

use crate::checks;
use crate::core::Core;
use crate::error::{Error, ErrorKind, escaped};
use crate::ids::TeamId;
use crate::odata::{Key, Query};
use crate::resource::write_request::WriteRequest;

use crate::resource::keys::{OrganizationKey, check_id};
use crate::resource::read::ReadTarget;
use crate::resource::read_request::{Get, List};
use crate::resource::request::Create;
use crate::resource::write::RowSelector;
use crate::rows::{Organization, Team};

pub use application_access::{TeamApplicationAccessKey, TeamApplicationAccesses};
pub use membership::TeamMemberships;

/// Teams. From [`Balena::team`](crate::Balena::team).
#[derive(Debug, Clone)]
pub struct Teams {
    core: Arc<Core>,
}

impl Teams {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone() }
    }

    /// Creates a team in an organization (`POST /v6/team`, after `GET /v6/organization`).
    ///
    /// # Errors
    /// `is_not_found` if the organization does not exist; `is_conflict` if it has a team of that name.
    pub fn create(&self, organization: impl Into<OrganizationKey>, name: impl Into<String>) -> Create<Team> {
        let (core, key, name) = (self.core.clone(), organization.into(), name.into());
        Create::new(&self.core, |_| async move {
            checks::name("name", &name)?;
            Ok(json!({ "name": name, "belongs_to__organization": core.organization_id(&key).await? }))
        })
    }

    /// Lists the teams of an organization (`GET /v6/team`, after `GET /v6/organization`).
    ///
    /// # Errors
    /// `is_not_found` if the organization does not exist.
    #[doc(alias = "getAllByOrganization")]
    pub fn get_all_by_organization(&self, organization: impl Into<OrganizationKey>) -> List<Team> {
        let (core, key) = (self.core.clone(), organization.into());
        List::new(&self.core, async move {
            let theirs = Team::ORGANIZATION.id().eq(core.organization_id(&key).await?);
            Ok(ReadTarget::list::<Team>(Query::new().filter(theirs)))
        })
    }

    /// Reads one team (`GET /v6/team`).
    ///
    /// # Errors
    /// `is_not_found` if the team does not exist.
    pub fn get(&self, team: impl Into<TeamId>) -> Get<Team> {
        let team = team.into();
        Get::new(&self.core, async move { target(team, Query::new()) })
    }

    /// Renames a team (`PATCH /v6/team`, after `GET /v6/team`). The name must be unique in its organization.
    ///
    /// # Errors
    /// `is_not_found` if the team does not exist; `is_conflict` if the organization has a team of that name. Nothing
    /// is changed then.
    pub fn rename(&self, team: impl Into<TeamId>, new_name: impl Into<String>) -> WriteRequest {
        let (core, team, name) = (self.core.clone(), team.into(), new_name.into());
        WriteRequest::new(&self.core, move |writer| async move {
            checks::name("new_name", &name)?;
            let namesakes = Organization::TEAM.filter(Team::NAME.eq(name.as_str())).select(["name"]).top(1);
            let organization = Team::ORGANIZATION.select(["id"]).expand(namesakes);
            let asked = target(team, Query::new().select(["id"]).expand(organization))?;
            let row: Team = core.row_of(asked).await?;
            let refuse = |kind, text| Err(Error::new(kind, text).with_operation("GET team").with_sent(true));
            let Some(organization) = row.belongs_to_organization.get() else {
                return refuse(ErrorKind::NotFound, format!("the organization of team {team} not found"));
            };
            if organization.owns_team.get().is_some() {
                let name = escaped(&name);
                let text = format!("the organization of team {team} has a team {name} already");
                return refuse(ErrorKind::Conflict, text);
            }
            writer.change("team", &RowSelector::id(team.get()), &json!({ "name": name })).await
        })
    }

    /// Deletes a team (`DELETE /v6/team`). Its members stay in the organization. Succeeds even if it does not exist:
    /// the API does not report it.
    pub fn remove(&self, team: impl Into<TeamId>) -> WriteRequest {
        let team = team.into();
        WriteRequest::new(&self.core, move |writer| async move {
            writer.delete("team", &RowSelector::id(check_id("team", team.get())?)).await
        })
    }

    /// Returns the functions of memberships of teams.
    pub fn membership(&self) -> TeamMemberships {
        TeamMemberships::new(&self.core)
    }

    /// Returns the functions of the access of teams to applications.
    #[doc(alias = "applicationAccess")]
    pub fn application_access(&self) -> TeamApplicationAccesses {
        TeamApplicationAccesses::new(&self.core)
    }
}

/// Returns the target of a read of this team, with these default options.
fn target(team: TeamId, defaults: Query) -> crate::Result<ReadTarget> {
    Ok(ReadTarget::one::<Team>(Some(Key::id(check_id("team", team.get())?)), defaults, team))
}

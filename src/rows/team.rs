//! Rows of teams, their members and their access to applications. Not on openBalena.

use jiff::Timestamp;

use crate::ids::{TeamId, TeamMembershipId};
use crate::resource::schema::resource;

use super::{Application, ApplicationMembershipRole, Organization, User};

resource! {
    /// A team: members of an organization who share access to applications.
    Team = "team", "team" {
        /// Id, assigned by the API.
        id / ID: TeamId,
        /// Time of creation.
        created_at / CREATED_AT: Timestamp,
        /// Name, unique within the organization.
        name / NAME: String,
        /// Description for people; `None` if there is none.
        description / DESCRIPTION: String,
    }
    navigation {
        /// Organization that the team belongs to.
        belongs_to_organization / ORGANIZATION = "belongs_to__organization": Organization,
        /// Members, one row each.
        team_membership / TEAM_MEMBERSHIP = "team_membership": TeamMembership,
        /// Applications that the team has access to, one row each.
        team_application_access / TEAM_APPLICATION_ACCESS = "team_application_access": TeamApplicationAccess,
    }
}

resource! {
    /// Membership of a user in a team.
    TeamMembership = "team_membership", "team membership" {
        /// Id, assigned by the API.
        id / ID: TeamMembershipId,
        /// Time at which the user joined.
        created_at / CREATED_AT: Timestamp,
    }
    navigation {
        /// The member.
        user / USER = "user": User,
        /// Team that the user is a member of.
        is_member_of_team / TEAM = "is_member_of__team": Team,
    }
}

resource! {
    /// Access of a team to an application.
    TeamApplicationAccess = "team_application_access", "team application access" {
        /// Id, assigned by the API.
        id / ID: i64,
        /// Time at which access was granted.
        created_at / CREATED_AT: Timestamp,
    }
    navigation {
        /// Team with access.
        team / TEAM = "team": Team,
        /// Application that the team has access to.
        grants_access_to_application / APPLICATION = "grants_access_to__application": Application,
        /// Role of the team's members in the application.
        application_membership_role / APPLICATION_MEMBERSHIP_ROLE = "application_membership_role": ApplicationMembershipRole,
    }
}

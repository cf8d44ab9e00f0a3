//! Rows: teams of organizations, their members, and the applications that they work on.

use jiff::Timestamp;

use crate::api::resource::resource;
use crate::ids::{TeamId, TeamMembershipId};

use super::{Application, ApplicationMembershipRole, Organization, User};

resource! {
    /// A team: members of an organization that share access to applications.
    Team = "team", "team" {
        /// Number that the cloud gave it.
        id / ID: TeamId,
        /// When it was created.
        created_at / CREATED_AT: Timestamp,
        /// Name, unique within its organization.
        name / NAME: String,
        /// What it is for; none when nobody says.
        description / DESCRIPTION: String,
    }
    navigation {
        /// The organization that it is in.
        belongs_to_organization / ORGANIZATION = "belongs_to__organization": Organization,
        /// Users that are members of it.
        team_membership / TEAM_MEMBERSHIP = "team_membership": TeamMembership,
        /// Applications that it works on.
        team_application_access / TEAM_APPLICATION_ACCESS = "team_application_access": TeamApplicationAccess,
    }
}

resource! {
    /// That a user is a member of a team.
    TeamMembership = "team_membership", "team membership" {
        /// Number that the cloud gave it.
        id / ID: TeamMembershipId,
        /// When the user joined.
        created_at / CREATED_AT: Timestamp,
    }
    navigation {
        /// Who is a member.
        user / USER = "user": User,
        /// Of what.
        is_member_of_team / TEAM = "is_member_of__team": Team,
    }
}

resource! {
    /// That the members of a team work on an application.
    TeamApplicationAccess = "team_application_access", "team application access" {
        /// Number that the cloud gave it.
        id / ID: i64,
        /// When the team got it.
        created_at / CREATED_AT: Timestamp,
    }
    navigation {
        /// Whose access it is.
        team / TEAM = "team": Team,
        /// To what.
        grants_access_to_application / APPLICATION = "grants_access_to__application": Application,
        /// What the members may do.
        application_membership_role / APPLICATION_MEMBERSHIP_ROLE = "application_membership_role": ApplicationMembershipRole,
    }
}

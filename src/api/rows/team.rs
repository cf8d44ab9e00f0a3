//! Rows: teams of organizations, their members, and the applications that they work on.

use jiff::Timestamp;

use crate::api::resource::resource;
use crate::ids::{TeamId, TeamMembershipId};

use super::{Application, ApplicationMembershipRole, Organization, User};

resource! {
    /// A team: members of an organization that share access to applications.
    Team = "team", "team" {
        /// Id.
        id / ID: TeamId,
        /// When it was created.
        created_at / CREATED_AT: Timestamp,
        /// Name, unique within its organization.
        name / NAME: String,
        /// What it is for.
        description / DESCRIPTION: String,
    }
    navigation {
        /// Whose it is.
        belongs_to_organization / ORGANIZATION = "belongs_to__organization": Organization,
        /// Its members.
        team_membership / TEAM_MEMBERSHIP = "team_membership": TeamMembership,
        /// The applications that it works on.
        team_application_access / TEAM_APPLICATION_ACCESS = "team_application_access": TeamApplicationAccess,
    }
}

resource! {
    /// That a user is a member of a team.
    TeamMembership = "team_membership", "team membership" {
        /// Id.
        id / ID: TeamMembershipId,
        /// When it was created.
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
        /// Id.
        id / ID: i64,
        /// When it was created.
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

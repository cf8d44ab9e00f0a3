//! Rows: teams, team memberships, team application accesss.

use jiff::Timestamp;

use crate::api::resource::resource;

use super::{Application, ApplicationMembershipRole, Organization, User};

resource! {
    /// A team.
    Team = "team", "team" {
        /// Id.
        id / ID: i64,
        /// Created at.
        created_at / CREATED_AT: Timestamp,
        /// Name.
        name / NAME: String,
    }
    navigation {
        /// Belongs to organization.
        belongs_to_organization / ORGANIZATION = "belongs_to__organization": Organization,
        /// Team membership.
        team_membership / TEAM_MEMBERSHIP = "team_membership": TeamMembership,
        /// Team application access.
        team_application_access / TEAM_APPLICATION_ACCESS = "team_application_access": TeamApplicationAccess,
    }
}

resource! {
    /// A team membership.
    TeamMembership = "team_membership", "team membership" {
        /// Id.
        id / ID: i64,
        /// Created at.
        created_at / CREATED_AT: Timestamp,
    }
    navigation {
        /// User.
        user / USER = "user": User,
        /// Is member of team.
        is_member_of_team / TEAM = "is_member_of__team": Team,
    }
}

resource! {
    /// A team application access.
    TeamApplicationAccess = "team_application_access", "team application access" {
        /// Id.
        id / ID: i64,
    }
    navigation {
        /// Team.
        team / TEAM = "team": Team,
        /// Grants access to application.
        grants_access_to_application / APPLICATION = "grants_access_to__application": Application,
        /// Application membership role.
        application_membership_role / APPLICATION_MEMBERSHIP_ROLE = "application_membership_role": ApplicationMembershipRole,
    }
}

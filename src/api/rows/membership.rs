//! Rows: application memberships and their roles, application invites, invitees, direct access to applications.

use jiff::Timestamp;

use crate::api::resource::resource;

use super::{Application, OrganizationInvite, SecretText, TeamApplicationAccess, User};

resource! {
    /// That a user is a member of an application.
    ApplicationMembership = "user__is_member_of__application", "application membership" {
        /// Number that the cloud gave it.
        id / ID: i64,
    }
    navigation {
        /// Who is a member.
        user / USER = "user": User,
        /// Of what.
        is_member_of_application / APPLICATION = "is_member_of__application": Application,
        /// What the member may do.
        application_membership_role / APPLICATION_MEMBERSHIP_ROLE = "application_membership_role": ApplicationMembershipRole,
    }
}

resource! {
    /// A role of members: `developer`, `operator`, `observer`, or one that an organization made.
    ApplicationMembershipRole = "application_membership_role", "application membership role" {
        /// Number that the cloud gave it.
        id / ID: i64,
        /// When it was created.
        created_at / CREATED_AT: Timestamp,
        /// When a column of the row changed last.
        modified_at / MODIFIED_AT: Timestamp,
        /// What it is called, e.g. `developer`.
        name / NAME: String,
        /// What its members may do, in words.
        description / DESCRIPTION: String,
    }
    navigation {
        /// Memberships of users that have it.
        is_of_application_membership / APPLICATION_MEMBERSHIP = "is_of__user__is_member_of__application": ApplicationMembership,
        /// Accesses of teams that have it.
        is_of_team_application_access / TEAM_APPLICATION_ACCESS = "is_of__team__grants_access_to__application": TeamApplicationAccess,
        /// Invites to it.
        is_of_application_invite / APPLICATION_INVITE = "is_of__invitee__is_invited_to__application": ApplicationInvite,
    }
}

resource! {
    /// An open invite to an application.
    ApplicationInvite = "invitee__is_invited_to__application", "application invite" {
        /// Number that the cloud gave it.
        id / ID: i64,
        /// Words for the invited; none when there are none.
        message / MESSAGE: String,
        /// When it was sent. The published types of version 7 do not list it.
        created_at / CREATED_AT: Timestamp,
        /// What [`accept`](crate::api::application::ApplicationInvites::accept) takes: who has it can join. Told
        /// when the invite is made, and not later.
        invitation_token / INVITATION_TOKEN = "invitationToken": SecretText,
    }
    navigation {
        /// What the member may do.
        application_membership_role / APPLICATION_MEMBERSHIP_ROLE = "application_membership_role": ApplicationMembershipRole,
        /// Who is invited.
        invitee / INVITEE = "invitee": Invitee,
        /// To what.
        is_invited_to_application / APPLICATION = "is_invited_to__application": Application,
        /// Who invited.
        is_created_by_user / USER = "is_created_by__user": User,
    }
}

resource! {
    /// Somebody who is invited and may not be a user yet.
    Invitee = "invitee", "invitee" {
        /// Number that the cloud gave it.
        id / ID: i64,
        /// When it was invited first. The published types of version 7 do not list it.
        created_at / CREATED_AT: Timestamp,
        /// Address that the invites go to.
        email / EMAIL: String,
    }
    navigation {
        /// Open invites to applications.
        is_invited_to_application / APPLICATION_INVITE = "is_invited_to__application": ApplicationInvite,
        /// Open invites to organizations.
        is_invited_to_organization / ORGANIZATION_INVITE = "is_invited_to__organization": OrganizationInvite,
    }
}

resource! {
    /// That a user has direct access to an application: as a member of it, of a team or of its organization.
    UserHasDirectAccessToApplication = "user__has_direct_access_to__application", "direct access" {
    }
    navigation {
        /// Who has access.
        user / USER = "user": User,
        /// To what.
        has_direct_access_to_application / APPLICATION = "has_direct_access_to__application": Application,
    }
}

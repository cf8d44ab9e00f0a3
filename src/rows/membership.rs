//! Rows of application memberships, roles, invites and invitees, and of direct access to applications.

use jiff::Timestamp;

use crate::resource::schema::resource;

use super::{Application, OrganizationInvite, SecretText, TeamApplicationAccess, User};

resource! {
    /// Membership of a user in an application.
    ApplicationMembership = "user__is_member_of__application", "application membership" {
        /// Id, assigned by the API.
        id / ID: i64,
    }
    navigation {
        /// The member.
        user / USER = "user": User,
        /// Application that the user is a member of.
        is_member_of_application / APPLICATION = "is_member_of__application": Application,
        /// Role of the member.
        application_membership_role / APPLICATION_MEMBERSHIP_ROLE = "application_membership_role": ApplicationMembershipRole,
    }
}

resource! {
    /// A role of application members: `developer`, `operator`, `observer`, or a role of an organization's own.
    ApplicationMembershipRole = "application_membership_role", "application membership role" {
        /// Id, assigned by the API.
        id / ID: i64,
        /// Time of creation.
        created_at / CREATED_AT: Timestamp,
        /// Time of the last change to the row.
        modified_at / MODIFIED_AT: Timestamp,
        /// Name, e.g. `developer`.
        name / NAME: String,
        /// Description of the role's permissions.
        description / DESCRIPTION: String,
    }
    navigation {
        /// Memberships with the role.
        is_of_application_membership / APPLICATION_MEMBERSHIP = "is_of__user__is_member_of__application": ApplicationMembership,
        /// Team accesses with the role.
        is_of_team_application_access / TEAM_APPLICATION_ACCESS = "is_of__team__grants_access_to__application": TeamApplicationAccess,
        /// Invites with the role.
        is_of_application_invite / APPLICATION_INVITE = "is_of__invitee__is_invited_to__application": ApplicationInvite,
    }
}

resource! {
    /// An open invite to an application.
    ApplicationInvite = "invitee__is_invited_to__application", "application invite" {
        /// Id, assigned by the API.
        id / ID: i64,
        /// Message to the invitee; `None` if there is none.
        message / MESSAGE: String,
        /// Time of creation. Not in the published types of version 7.
        created_at / CREATED_AT: Timestamp,
        /// Token for `application().invite().accept(…)`; anyone who has it can join. Sent
        /// only in the response that creates the invite.
        invitation_token / INVITATION_TOKEN = "invitationToken": SecretText,
    }
    navigation {
        /// Role of the future member.
        application_membership_role / APPLICATION_MEMBERSHIP_ROLE = "application_membership_role": ApplicationMembershipRole,
        /// Person who is invited.
        invitee / INVITEE = "invitee": Invitee,
        /// Application that the invite is for.
        is_invited_to_application / APPLICATION = "is_invited_to__application": Application,
        /// User who sent the invite.
        is_created_by_user / USER = "is_created_by__user": User,
    }
}

resource! {
    /// A person who was invited, with or without an account.
    Invitee = "invitee", "invitee" {
        /// Id, assigned by the API.
        id / ID: i64,
        /// Time of the first invite. Not in the published types of version 7.
        created_at / CREATED_AT: Timestamp,
        /// E-mail address that invites are sent to.
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
    /// Direct access of a user to an application: as a member of the application, of a team, or of the organization.
    /// The rows have no id.
    UserHasDirectAccessToApplication = "user__has_direct_access_to__application", "direct access" {
    }
    navigation {
        /// User with access.
        user / USER = "user": User,
        /// Application that the user has access to.
        has_direct_access_to_application / APPLICATION = "has_direct_access_to__application": Application,
    }
}

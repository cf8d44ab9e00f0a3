//! Rows: application memberships, application membership roles, application invites, invitees.

use jiff::Timestamp;

use crate::api::resource::resource;

use super::{Application, ApplicationType, User};

resource! {
    /// An application membership.
    ApplicationMembership = "user__is_member_of__application", "application membership" {
        /// Id.
        id / ID: i64,
    }
    navigation {
        /// User.
        user / USER = "user": User,
        /// Is member of application.
        is_member_of_application / APPLICATION = "is_member_of__application": Application,
        /// Application membership role.
        application_membership_role / APPLICATION_MEMBERSHIP_ROLE = "application_membership_role": ApplicationMembershipRole,
    }
}

resource! {
    /// An application membership role.
    ApplicationMembershipRole = "application_membership_role", "application membership role" {
        /// Id.
        id / ID: i64,
        /// Name.
        name / NAME: String,
    }
}

resource! {
    /// An application invite.
    ApplicationInvite = "invitee__is_invited_to__application", "application invite" {
        /// Id.
        id / ID: i64,
        /// Message.
        message / MESSAGE: String,
        /// Created at.
        created_at / CREATED_AT: Timestamp,
        /// Invitationtoken.
        invitation_token / INVITATION_TOKEN = "invitationToken": String,
    }
    navigation {
        /// Application membership role.
        application_membership_role / APPLICATION_MEMBERSHIP_ROLE = "application_membership_role": ApplicationMembershipRole,
        /// Invitee.
        invitee / INVITEE = "invitee": Invitee,
        /// Is invited to application.
        is_invited_to_application / APPLICATION = "is_invited_to__application": ApplicationType,
    }
}

resource! {
    /// An invitee.
    Invitee = "invitee", "invitee" {
        /// Id.
        id / ID: i64,
        /// Created at.
        created_at / CREATED_AT: Timestamp,
        /// Email.
        email / EMAIL: String,
    }
}

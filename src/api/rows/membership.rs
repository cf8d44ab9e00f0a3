//! Rows: application memberships, application membership roles, application invites, invitees.

use jiff::Timestamp;

use crate::api::resource::resource;

use super::{Application, User};

resource! {
    /// That a user is a member of an application.
    ApplicationMembership = "user__is_member_of__application", "application membership" {
        /// Id.
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
    /// A role of members: `developer`, `operator`, `observer`.
    ApplicationMembershipRole = "application_membership_role", "application membership role" {
        /// Id.
        id / ID: i64,
        /// Name.
        name / NAME: String,
    }
}

resource! {
    /// An open invite to an application.
    ApplicationInvite = "invitee__is_invited_to__application", "application invite" {
        /// Id.
        id / ID: i64,
        /// Words for the invited.
        message / MESSAGE: String,
        /// When it was created.
        created_at / CREATED_AT: Timestamp,
        /// What [`accept`](crate::api::application::ApplicationInvites::accept) takes.
        invitation_token / INVITATION_TOKEN = "invitationToken": String,
    }
    navigation {
        /// What the member may do.
        application_membership_role / APPLICATION_MEMBERSHIP_ROLE = "application_membership_role": ApplicationMembershipRole,
        /// Who is invited.
        invitee / INVITEE = "invitee": Invitee,
        /// To what.
        is_invited_to_application / APPLICATION = "is_invited_to__application": Application,
    }
}

resource! {
    /// Somebody who is invited and may not be a user yet.
    Invitee = "invitee", "invitee" {
        /// Id.
        id / ID: i64,
        /// When it was created.
        created_at / CREATED_AT: Timestamp,
        /// E-mail address.
        email / EMAIL: String,
    }
}

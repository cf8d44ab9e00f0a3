//! Rows: organizations, their memberships, roles, invites and private device types.

use jiff::Timestamp;
use serde_json::Value;

use crate::api::resource::resource;
use crate::ids::OrganizationId;

use super::{Application, DeviceType, Invitee, OrganizationMembershipTag, Team, User};

resource! {
    /// An organization.
    Organization = "organization", "organization" {
        /// Id.
        id / ID: OrganizationId,
        /// When it was created.
        created_at / CREATED_AT: Timestamp,
        /// Name.
        name / NAME: String,
        /// Short name, unique: the first half of the slugs of its applications.
        handle / HANDLE: String,
        /// Where its logo is.
        logo_image / LOGO_IMAGE: Value,
        /// Since when an invoice is unpaid past its date.
        has_past_due_invoice_since_date / HAS_PAST_DUE_INVOICE_SINCE_DATE = "has_past_due_invoice_since__date": Timestamp,
    }
    navigation {
        /// Its applications.
        application / APPLICATION = "application": Application,
        /// Its members.
        organization_membership / ORGANIZATION_MEMBERSHIP = "organization_membership": OrganizationMembership,
        /// Its teams.
        owns_team / TEAM = "owns__team": Team,
        /// Private device types that it may use.
        organization_has_private_access_to_device_type / DEVICE_TYPE = "organization__has_private_access_to__device_type": OrganizationPrivateDeviceTypeAccess,
    }
}

resource! {
    /// An organization, as everybody may see it.
    PublicOrganization = "public_organization", "organization" {
        /// Id.
        id / ID: i64,
        /// Name.
        name / NAME: String,
        /// Short name, unique: the first half of the slugs of its applications.
        handle / HANDLE: String,
    }
}

resource! {
    /// That a user is a member of an organization.
    OrganizationMembership = "organization_membership", "organization membership" {
        /// Id.
        id / ID: i64,
        /// When it was created.
        created_at / CREATED_AT: Timestamp,
        /// The role that counts for its seats.
        effective_seat_role / EFFECTIVE_SEAT_ROLE: String,
    }
    navigation {
        /// Who is a member.
        user / USER = "user": User,
        /// Of what.
        is_member_of_organization / ORGANIZATION = "is_member_of__organization": Organization,
        /// What the member may do.
        organization_membership_role / ORGANIZATION_MEMBERSHIP_ROLE = "organization_membership_role": OrganizationMembershipRole,
        /// Tags.
        organization_membership_tag / ORGANIZATION_MEMBERSHIP_TAG = "organization_membership_tag": OrganizationMembershipTag,
    }
}

resource! {
    /// A role of members: `administrator`, `member`.
    OrganizationMembershipRole = "organization_membership_role", "organization membership role" {
        /// Id.
        id / ID: i64,
        /// Name.
        name / NAME: String,
    }
}

resource! {
    /// An open invite to an organization.
    OrganizationInvite = "invitee__is_invited_to__organization", "organization invite" {
        /// Id.
        id / ID: i64,
        /// Words for the invited.
        message / MESSAGE: String,
        /// When it was created.
        created_at / CREATED_AT: Timestamp,
        /// What [`accept`](crate::api::organization::OrganizationInvites::accept) takes.
        invitation_token / INVITATION_TOKEN = "invitationToken": String,
    }
    navigation {
        /// What the member may do.
        organization_membership_role / ORGANIZATION_MEMBERSHIP_ROLE = "organization_membership_role": OrganizationMembershipRole,
        /// Who is invited.
        invitee / INVITEE = "invitee": Invitee,
        /// To what.
        is_invited_to_organization / ORGANIZATION = "is_invited_to__organization": Organization,
    }
}

resource! {
    /// That an organization may use a private device type.
    OrganizationPrivateDeviceTypeAccess = "organization__has_private_access_to__device_type", "private device type access" {
        /// Id.
        id / ID: i64,
    }
    navigation {
        /// Whose access it is.
        organization / ORGANIZATION = "organization": Organization,
        /// To which device type.
        has_private_access_to_device_type / DEVICE_TYPE = "has_private_access_to__device_type": DeviceType,
    }
}

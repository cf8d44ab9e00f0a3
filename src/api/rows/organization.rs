//! Rows: organizations, organizations, organization memberships, organization membership roles, organization invites, private device type accesss.

use jiff::Timestamp;
use serde_json::Value;

use crate::api::resource::resource;
use crate::ids::OrganizationId;

use super::{Application, Device, Invitee, OrganizationMembershipTag, Team, User};

resource! {
    /// An organization.
    Organization = "organization", "organization" {
        /// Id.
        id / ID: OrganizationId,
        /// Created at.
        created_at / CREATED_AT: Timestamp,
        /// Name.
        name / NAME: String,
        /// Handle.
        handle / HANDLE: String,
        /// Logo image.
        logo_image / LOGO_IMAGE: Value,
        /// Has past due invoice since date.
        has_past_due_invoice_since_date / HAS_PAST_DUE_INVOICE_SINCE_DATE = "has_past_due_invoice_since__date": Timestamp,
    }
    navigation {
        /// Application.
        application / APPLICATION = "application": Application,
        /// Organization membership.
        organization_membership / ORGANIZATION_MEMBERSHIP = "organization_membership": OrganizationMembership,
        /// Owns team.
        owns_team / TEAM = "owns__team": Team,
        /// Organization has private access to device type.
        organization_has_private_access_to_device_type / DEVICE_TYPE = "organization__has_private_access_to__device_type": OrganizationPrivateDeviceTypeAccess,
    }
}

resource! {
    /// An organization.
    PublicOrganization = "public_organization", "organization" {
        /// Id.
        id / ID: i64,
        /// Name.
        name / NAME: String,
        /// Handle.
        handle / HANDLE: String,
    }
}

resource! {
    /// An organization membership.
    OrganizationMembership = "organization_membership", "organization membership" {
        /// Id.
        id / ID: i64,
        /// Created at.
        created_at / CREATED_AT: Timestamp,
        /// Effective seat role.
        effective_seat_role / EFFECTIVE_SEAT_ROLE: String,
    }
    navigation {
        /// User.
        user / USER = "user": User,
        /// Is member of organization.
        is_member_of_organization / ORGANIZATION = "is_member_of__organization": Organization,
        /// Organization membership role.
        organization_membership_role / ORGANIZATION_MEMBERSHIP_ROLE = "organization_membership_role": OrganizationMembershipRole,
        /// Organization membership tag.
        organization_membership_tag / ORGANIZATION_MEMBERSHIP_TAG = "organization_membership_tag": OrganizationMembershipTag,
    }
}

resource! {
    /// An organization membership role.
    OrganizationMembershipRole = "organization_membership_role", "organization membership role" {
        /// Id.
        id / ID: i64,
        /// Name.
        name / NAME: String,
    }
}

resource! {
    /// An organization invite.
    OrganizationInvite = "invitee__is_invited_to__organization", "organization invite" {
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
        /// Organization membership role.
        organization_membership_role / ORGANIZATION_MEMBERSHIP_ROLE = "organization_membership_role": OrganizationMembershipRole,
        /// Invitee.
        invitee / INVITEE = "invitee": Invitee,
        /// Is invited to organization.
        is_invited_to_organization / ORGANIZATION = "is_invited_to__organization": Organization,
    }
}

resource! {
    /// A private device type access.
    OrganizationPrivateDeviceTypeAccess = "organization__has_private_access_to__device_type", "private device type access" {
        /// Id.
        id / ID: i64,
    }
    navigation {
        /// Organization.
        organization / ORGANIZATION = "organization": Organization,
        /// Has private access to device type.
        has_private_access_to_device_type / DEVICE_TYPE = "has_private_access_to__device_type": Device,
    }
}

//! Rows of organizations, their memberships, roles, invites and private device types.

use jiff::Timestamp;

use crate::ids::OrganizationId;
use crate::resource::schema::resource;

use super::{
    Application, CreditBundle, DeviceType, IdentityProviderMembership, Invitee,
    OrganizationCreditNotification, OrganizationMembershipTag, SecretText, Subscription, Team, User,
    WebResource,
};

resource! {
    /// An organization.
    Organization = "organization", "organization" {
        /// Id, assigned by the API.
        id / ID: OrganizationId,
        /// Time of creation.
        created_at / CREATED_AT: Timestamp,
        /// Time of the last change to the row. Not in the published types.
        modified_at / MODIFIED_AT: Timestamp,
        /// Display name.
        name / NAME: String,
        /// Unique short name, the first part of the slugs of its applications.
        handle / HANDLE: String,
        /// Logo; `None` if there is none. Not on openBalena.
        logo_image / LOGO_IMAGE: WebResource,
        /// Time since which an invoice is overdue; `None` if none is. Not on openBalena.
        has_past_due_invoice_since_date / HAS_PAST_DUE_INVOICE_SINCE_DATE = "has_past_due_invoice_since__date": Timestamp,
        /// Name of the company; `None` if unset. Not on openBalena.
        company_name / COMPANY_NAME: String,
        /// Industry of the company; `None` if unset. Not on openBalena.
        industry / INDUSTRY: String,
        /// URL of the company; `None` if unset. Not on openBalena.
        website / WEBSITE: String,
        /// Account code at the payment provider; `None` without an account. Not on openBalena.
        billing_account_code / BILLING_ACCOUNT_CODE: String,
        /// Version of the billing system, e.g. `v1`; can be `None`. Not on openBalena.
        is_using_billing_version / IS_USING_BILLING_VERSION = "is_using__billing_version": String,
        /// Whether the API suspended the organization's devices because an invoice is unpaid. Not on openBalena.
        is_frozen / IS_FROZEN: bool,
        /// Whether members must log in through the organization's identity provider. Not on openBalena.
        is_enforcing_saml_login / IS_ENFORCING_SAML_LOGIN: bool,
    }
    navigation {
        /// Applications of the organization.
        application / APPLICATION = "application": Application,
        /// Members, one row each.
        organization_membership / ORGANIZATION_MEMBERSHIP = "organization_membership": OrganizationMembership,
        /// Open invites to the organization. Not on openBalena.
        organization_invite / ORGANIZATION_INVITE = "invitee__is_invited_to__organization": OrganizationInvite,
        /// Teams of the organization. Not on openBalena.
        owns_team / TEAM = "owns__team": Team,
        /// Credit bundles of the organization. Not on openBalena.
        owns_credit_bundle / CREDIT_BUNDLE = "owns__credit_bundle": CreditBundle,
        /// Thresholds at which members are notified of low credits, one row per feature. Not on openBalena.
        organization_credit_notification / ORGANIZATION_CREDIT_NOTIFICATION = "organization_credit_notification": OrganizationCreditNotification,
        /// Current and former subscriptions to plans. Not on openBalena.
        subscription / SUBSCRIPTION = "subscription": Subscription,
        /// Identity providers whose users can join, one row each. Not on openBalena.
        identity_provider_membership / IDENTITY_PROVIDER_MEMBERSHIP = "identity_provider_membership": IdentityProviderMembership,
        /// User whose personal organization this was before organizations were introduced. Not on openBalena.
        includes_legacy_link_to_user / LEGACY_USER = "includes_legacy_link_to__user": User,
        /// Private device types that the organization can use, one row each. Not on openBalena.
        organization_has_private_access_to_device_type / DEVICE_TYPE = "organization__has_private_access_to__device_type": OrganizationPrivateDeviceTypeAccess,
    }
}

resource! {
    /// Public view of an organization.
    PublicOrganization = "public_organization", "organization" {
        /// Id, assigned by the API; version 6 only.
        id / ID: i64,
        /// Display name.
        name / NAME: String,
        /// Unique short name, the first part of the slugs of its applications.
        handle / HANDLE: String,
    }
    navigation {
        /// Applications of the organization.
        application / APPLICATION = "application": Application,
        /// Teams of the organization.
        owns_team / TEAM = "owns__team": Team,
        /// Credit bundles of the organization.
        owns_credit_bundle / CREDIT_BUNDLE = "owns__credit_bundle": CreditBundle,
        /// Current and former subscriptions to plans.
        subscription / SUBSCRIPTION = "subscription": Subscription,
        /// User whose personal organization this was before organizations were introduced.
        includes_legacy_link_to_user / LEGACY_USER = "includes_legacy_link_to__user": User,
    }
}

resource! {
    /// Membership of a user in an organization.
    OrganizationMembership = "organization_membership", "organization membership" {
        /// Id, assigned by the API.
        id / ID: i64,
        /// Time at which the user joined.
        created_at / CREATED_AT: Timestamp,
        /// Time of the last change to the row. Not in the published types.
        modified_at / MODIFIED_AT: Timestamp,
        /// Role that counts for billing of seats, e.g. `member`, `developer`. Not on openBalena.
        effective_seat_role / EFFECTIVE_SEAT_ROLE: String,
    }
    navigation {
        /// The member.
        user / USER = "user": User,
        /// Organization that the user is a member of.
        is_member_of_organization / ORGANIZATION = "is_member_of__organization": Organization,
        /// Role of the member. Not on openBalena.
        organization_membership_role / ORGANIZATION_MEMBERSHIP_ROLE = "organization_membership_role": OrganizationMembershipRole,
        /// Tags of the membership. Not on openBalena.
        organization_membership_tag / ORGANIZATION_MEMBERSHIP_TAG = "organization_membership_tag": OrganizationMembershipTag,
    }
}

resource! {
    /// A role of organization members: `administrator` or `member`.
    OrganizationMembershipRole = "organization_membership_role", "organization membership role" {
        /// Id, assigned by the API.
        id / ID: i64,
        /// Name: `administrator` or `member`.
        name / NAME: String,
    }
    navigation {
        /// Memberships with the role.
        is_of_organization_membership / ORGANIZATION_MEMBERSHIP = "is_of__user__is_member_of__organization": OrganizationMembership,
        /// Invites with the role.
        is_of_organization_invite / ORGANIZATION_INVITE = "is_of__invitee__is_invited_to__organization": OrganizationInvite,
    }
}

resource! {
    /// An open invite to an organization.
    OrganizationInvite = "invitee__is_invited_to__organization", "organization invite" {
        /// Id, assigned by the API.
        id / ID: i64,
        /// Message to the invitee; `None` if there is none.
        message / MESSAGE: String,
        /// Time of creation. Not in the published types of version 7.
        created_at / CREATED_AT: Timestamp,
        /// Token for `organization().invite().accept(…)`; anyone who has it can join.
        /// Sent only in the response that creates the invite.
        invitation_token / INVITATION_TOKEN = "invitationToken": SecretText,
    }
    navigation {
        /// Role of the future member.
        organization_membership_role / ORGANIZATION_MEMBERSHIP_ROLE = "organization_membership_role": OrganizationMembershipRole,
        /// Person who is invited.
        invitee / INVITEE = "invitee": Invitee,
        /// Organization that the invite is for.
        is_invited_to_organization / ORGANIZATION = "is_invited_to__organization": Organization,
        /// User who sent the invite.
        is_created_by_user / USER = "is_created_by__user": User,
    }
}

resource! {
    /// Permission of an organization to use a private device type.
    OrganizationPrivateDeviceTypeAccess = "organization__has_private_access_to__device_type", "private device type access" {
        /// Id, assigned by the API.
        id / ID: i64,
    }
    navigation {
        /// Organization with the permission.
        organization / ORGANIZATION = "organization": Organization,
        /// Private device type that it can use.
        has_private_access_to_device_type / DEVICE_TYPE = "has_private_access_to__device_type": DeviceType,
    }
}

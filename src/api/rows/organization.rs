//! Rows: organizations, their memberships, roles, invites and private device types.

use jiff::Timestamp;

use crate::api::resource::resource;
use crate::ids::OrganizationId;

use super::{
    Application, CreditBundle, DeviceType, IdentityProviderMembership, Invitee,
    OrganizationCreditNotification, OrganizationMembershipTag, SecretText, Subscription, Team, User,
    WebResource,
};

resource! {
    /// An organization.
    Organization = "organization", "organization" {
        /// Number that the cloud gave it.
        id / ID: OrganizationId,
        /// When it was created.
        created_at / CREATED_AT: Timestamp,
        /// When a column of the row changed last. The published types do not list it.
        modified_at / MODIFIED_AT: Timestamp,
        /// Name for people.
        name / NAME: String,
        /// Short name, unique: the first half of the slugs of its applications.
        handle / HANDLE: String,
        /// Its logo; none when it has none. Servers without billing lack it.
        logo_image / LOGO_IMAGE: WebResource,
        /// Since when an invoice is unpaid past its date; none when all are paid. Servers without billing lack it.
        has_past_due_invoice_since_date / HAS_PAST_DUE_INVOICE_SINCE_DATE = "has_past_due_invoice_since__date": Timestamp,
        /// Company behind it; none when nobody says. Servers without billing lack it.
        company_name / COMPANY_NAME: String,
        /// Field that the company works in; none when nobody says. Servers without billing lack it.
        industry / INDUSTRY: String,
        /// URL of the company; none when nobody says. Servers without billing lack it.
        website / WEBSITE: String,
        /// Its account at the payment service; none without one. Servers without billing lack it.
        billing_account_code / BILLING_ACCOUNT_CODE: String,
        /// Which kind of billing it has, e.g. `v1`. Servers without billing lack it.
        is_using_billing_version / IS_USING_BILLING_VERSION = "is_using__billing_version": String,
        /// Whether its devices were put out of service because an invoice is unpaid. Servers without billing lack it.
        is_frozen / IS_FROZEN: bool,
        /// Whether its members have to log in by its identity provider. Servers without SAML lack it.
        is_enforcing_saml_login / IS_ENFORCING_SAML_LOGIN: bool,
    }
    navigation {
        /// Applications that it owns.
        application / APPLICATION = "application": Application,
        /// Users that are members of it.
        organization_membership / ORGANIZATION_MEMBERSHIP = "organization_membership": OrganizationMembership,
        /// Invites to it that were not accepted yet.
        organization_invite / ORGANIZATION_INVITE = "invitee__is_invited_to__organization": OrganizationInvite,
        /// Groups of its members.
        owns_team / TEAM = "owns__team": Team,
        /// Credits that were bought for it.
        owns_credit_bundle / CREDIT_BUNDLE = "owns__credit_bundle": CreditBundle,
        /// When its members hear that credits run out.
        organization_credit_notification / ORGANIZATION_CREDIT_NOTIFICATION = "organization_credit_notification": OrganizationCreditNotification,
        /// Plans that it has and had.
        subscription / SUBSCRIPTION = "subscription": Subscription,
        /// Identity providers whose users may join it.
        identity_provider_membership / IDENTITY_PROVIDER_MEMBERSHIP = "identity_provider_membership": IdentityProviderMembership,
        /// The user whose own organization it was, from before there were organizations.
        includes_legacy_link_to_user / LEGACY_USER = "includes_legacy_link_to__user": User,
        /// Private device types that it may use, a row each.
        organization_has_private_access_to_device_type / DEVICE_TYPE = "organization__has_private_access_to__device_type": OrganizationPrivateDeviceTypeAccess,
    }
}

resource! {
    /// An organization, as everybody may see it.
    PublicOrganization = "public_organization", "organization" {
        /// Number that the cloud gave it; version 6 only.
        id / ID: i64,
        /// Name for people.
        name / NAME: String,
        /// Short name, unique: the first half of the slugs of its applications.
        handle / HANDLE: String,
    }
    navigation {
        /// Applications that it owns.
        application / APPLICATION = "application": Application,
        /// Groups of its members.
        owns_team / TEAM = "owns__team": Team,
        /// Credits that were bought for it.
        owns_credit_bundle / CREDIT_BUNDLE = "owns__credit_bundle": CreditBundle,
        /// Plans that it has and had.
        subscription / SUBSCRIPTION = "subscription": Subscription,
        /// The user whose own organization it was, from before there were organizations.
        includes_legacy_link_to_user / LEGACY_USER = "includes_legacy_link_to__user": User,
    }
}

resource! {
    /// That a user is a member of an organization.
    OrganizationMembership = "organization_membership", "organization membership" {
        /// Number that the cloud gave it.
        id / ID: i64,
        /// When the user joined.
        created_at / CREATED_AT: Timestamp,
        /// When a column of the row changed last. The published types do not list it.
        modified_at / MODIFIED_AT: Timestamp,
        /// The role that counts for its seats, e.g. `member`. Servers without billing lack it.
        effective_seat_role / EFFECTIVE_SEAT_ROLE: String,
    }
    navigation {
        /// Who is a member.
        user / USER = "user": User,
        /// Of what.
        is_member_of_organization / ORGANIZATION = "is_member_of__organization": Organization,
        /// What the member may do.
        organization_membership_role / ORGANIZATION_MEMBERSHIP_ROLE = "organization_membership_role": OrganizationMembershipRole,
        /// Tags of its own.
        organization_membership_tag / ORGANIZATION_MEMBERSHIP_TAG = "organization_membership_tag": OrganizationMembershipTag,
    }
}

resource! {
    /// A role of members: `administrator`, `member`.
    OrganizationMembershipRole = "organization_membership_role", "organization membership role" {
        /// Number that the cloud gave it.
        id / ID: i64,
        /// What it is called, e.g. `member`.
        name / NAME: String,
    }
    navigation {
        /// Memberships of users that have it.
        is_of_organization_membership / ORGANIZATION_MEMBERSHIP = "is_of__user__is_member_of__organization": OrganizationMembership,
        /// Invites to it.
        is_of_organization_invite / ORGANIZATION_INVITE = "is_of__invitee__is_invited_to__organization": OrganizationInvite,
    }
}

resource! {
    /// An open invite to an organization.
    OrganizationInvite = "invitee__is_invited_to__organization", "organization invite" {
        /// Number that the cloud gave it.
        id / ID: i64,
        /// Words for the invited; none when there are none.
        message / MESSAGE: String,
        /// When it was sent. The published types of version 7 do not list it.
        created_at / CREATED_AT: Timestamp,
        /// What [`accept`](crate::api::organization::OrganizationInvites::accept) takes: who has it can join. Told
        /// when the invite is made, and not later.
        invitation_token / INVITATION_TOKEN = "invitationToken": SecretText,
    }
    navigation {
        /// What the member may do.
        organization_membership_role / ORGANIZATION_MEMBERSHIP_ROLE = "organization_membership_role": OrganizationMembershipRole,
        /// Who is invited.
        invitee / INVITEE = "invitee": Invitee,
        /// To what.
        is_invited_to_organization / ORGANIZATION = "is_invited_to__organization": Organization,
        /// Who invited.
        is_created_by_user / USER = "is_created_by__user": User,
    }
}

resource! {
    /// That an organization may use a private device type.
    OrganizationPrivateDeviceTypeAccess = "organization__has_private_access_to__device_type", "private device type access" {
        /// Number that the cloud gave it.
        id / ID: i64,
    }
    navigation {
        /// Whose access it is.
        organization / ORGANIZATION = "organization": Organization,
        /// To which device type.
        has_private_access_to_device_type / DEVICE_TYPE = "has_private_access_to__device_type": DeviceType,
    }
}

//! Rows: users, what acts in the name of users, applications and devices, and their keys.

use jiff::Timestamp;

use crate::api::resource::resource;
use crate::ids::UserId;
use crate::odata::Nav;

use super::{
    Application, ApplicationInvite, ApplicationMembership, Device, Organization, OrganizationInvite,
    OrganizationMembership, PublicDevice, RecoveryTwoFactor, Release, SamlAccount, SocialServiceAccount,
    TeamMembership, UserHasDirectAccessToApplication, UserProfile,
};

resource! {
    /// A user.
    User = "user", "user" {
        /// Number that the cloud gave it.
        id / ID: UserId,
        /// When it signed up.
        created_at / CREATED_AT: Timestamp,
        /// When a column of the row changed last. The published types do not list it.
        modified_at / MODIFIED_AT: Timestamp,
        /// Name to log in with, unique.
        username / USERNAME: String,
        /// Address of its mail; none of a user without one. The published types list it at the user's profile.
        email / EMAIL: String,
    }
    navigation {
        /// What acts in its name; a plain id in version 6.
        #[serde(deserialize_with = "Nav::or_plain_id")]
        actor / ACTOR = "actor": Actor,
        /// Organizations that it is a member of.
        organization_membership / ORGANIZATION_MEMBERSHIP = "organization_membership": OrganizationMembership,
        /// Applications that it is a member of.
        user_application_membership / USER_APPLICATION_MEMBERSHIP = "user_application_membership": ApplicationMembership,
        /// Teams that it is a member of.
        team_membership / TEAM_MEMBERSHIP = "team_membership": TeamMembership,
        /// Applications that it has direct access to, a row each.
        has_direct_access_to_application / APPLICATION = "has_direct_access_to__application": UserHasDirectAccessToApplication,
        /// Its own organization, from before there were organizations.
        has_legacy_link_to_organization / LEGACY_ORGANIZATION = "has_legacy_link_to__organization": Organization,
        /// SSH keys that it registered.
        user_public_key / USER_PUBLIC_KEY = "user__has__public_key": SshKey,
        /// Invites to applications that it sent.
        creates_application_invite / APPLICATION_INVITE = "creates__invitee__is_invited_to__application": ApplicationInvite,
        /// Invites to organizations that it sent.
        creates_organization_invite / ORGANIZATION_INVITE = "creates__invitee__is_invited_to__organization": OrganizationInvite,
        /// Releases that it made.
        creates_release / RELEASE = "creates__release": Release,
        /// Devices that it registered.
        owns_device / DEVICE = "owns__device": Device,
        /// Accounts elsewhere that it logs in with.
        owns_social_service_account / SOCIAL_SERVICE_ACCOUNT = "owns__social_service_account": SocialServiceAccount,
        /// Accounts at identity providers that it logs in with.
        owns_saml_account / SAML_ACCOUNT = "owns__saml_account": SamlAccount,
        /// Codes to get in with when the second factor is lost.
        owns_recovery_two_factor / RECOVERY_TWO_FACTOR = "owns__recovery_two_factor": RecoveryTwoFactor,
        /// Who it is, in more words.
        user_profile / USER_PROFILE = "user_profile": UserProfile,
    }
}

resource! {
    /// What acts: a user, an application or a device.
    Actor = "actor", "actor" {
        /// Number that the cloud gave it.
        id / ID: i64,
        /// When it was created. The published types do not list it.
        created_at / CREATED_AT: Timestamp,
        /// When a column of the row changed last. The published types do not list it.
        modified_at / MODIFIED_AT: Timestamp,
    }
    navigation {
        /// The user, where it is one.
        is_of_user / USER = "is_of__user": User,
        /// The application, where it is one.
        is_of_application / APPLICATION = "is_of__application": Application,
        /// The device, where it is one.
        is_of_device / DEVICE = "is_of__device": Device,
        /// The device, as everybody may see it; version 6 only.
        is_of_public_device / PUBLIC_DEVICE = "is_of__public_device": PublicDevice,
        /// Keys that act in its name.
        api_key / API_KEY = "api_key": ApiKey,
    }
}

resource! {
    /// An API key; the key itself is told once, when it is made.
    ApiKey = "api_key", "API key" {
        /// Number that the cloud gave it.
        id / ID: i64,
        /// When it was made.
        created_at / CREATED_AT: Timestamp,
        /// When a column of the row changed last. The published types do not list it.
        modified_at / MODIFIED_AT: Timestamp,
        /// Name that its user gave it; none of keys that the cloud made for itself.
        name / NAME: String,
        /// What it is for; none when nobody says.
        description / DESCRIPTION: String,
        /// When it stops to work; none when it works for ever.
        expiry_date / EXPIRY_DATE: Timestamp,
    }
    navigation {
        /// In whose name it acts.
        is_of_actor / ACTOR = "is_of__actor": Actor,
    }
}

resource! {
    /// An SSH key of a user.
    SshKey = "user__has__public_key", "SSH key" {
        /// Name that its user gave it.
        title / TITLE: String,
        /// The public half, as a line of `authorized_keys`.
        public_key / PUBLIC_KEY: String,
        /// Number that the cloud gave it.
        id / ID: i64,
        /// When it was registered.
        created_at / CREATED_AT: Timestamp,
        /// When a column of the row changed last. The published types do not list it.
        modified_at / MODIFIED_AT: Timestamp,
    }
    navigation {
        /// The user whose it is.
        user / USER = "user": User,
    }
}

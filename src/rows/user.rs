//! Rows of users, actors, API keys and SSH keys.

use jiff::Timestamp;

use crate::ids::UserId;
use crate::odata::Nav;
use crate::resource::schema::resource;

use super::{
    Application, ApplicationInvite, ApplicationMembership, Device, Organization, OrganizationInvite,
    OrganizationMembership, PublicDevice, RecoveryTwoFactor, Release, SamlAccount, SocialServiceAccount,
    TeamMembership, UserHasDirectAccessToApplication, UserProfile,
};

resource! {
    /// A user.
    User = "user", "user" {
        /// Id, assigned by the API.
        id / ID: UserId,
        /// Time of the registration.
        created_at / CREATED_AT: Timestamp,
        /// Time of the last change to the row. Not in the published types.
        modified_at / MODIFIED_AT: Timestamp,
        /// Unique login name.
        username / USERNAME: String,
        /// E-mail address; `None` if unset. The published types of version 7 have it in [`UserProfile`] instead.
        email / EMAIL: String,
    }
    navigation {
        /// Actor of the user, the owner of the API keys. Version 6 sends a plain id.
        #[serde(deserialize_with = "Nav::or_plain_id")]
        actor / ACTOR = "actor": Actor,
        /// Organizations that the user is a member of, one row each.
        organization_membership / ORGANIZATION_MEMBERSHIP = "organization_membership": OrganizationMembership,
        /// Applications that the user is a member of, one row each. Not on openBalena.
        user_application_membership / USER_APPLICATION_MEMBERSHIP = "user_application_membership": ApplicationMembership,
        /// Teams that the user is a member of, one row each. Not on openBalena.
        team_membership / TEAM_MEMBERSHIP = "team_membership": TeamMembership,
        /// Applications that the user has direct access to, one row each.
        has_direct_access_to_application / APPLICATION = "has_direct_access_to__application": UserHasDirectAccessToApplication,
        /// Personal organization from before organizations were introduced. Not on openBalena.
        has_legacy_link_to_organization / LEGACY_ORGANIZATION = "has_legacy_link_to__organization": Organization,
        /// SSH keys of the user.
        user_public_key / USER_PUBLIC_KEY = "user__has__public_key": SshKey,
        /// Open invites to applications that the user sent. Not on openBalena.
        creates_application_invite / APPLICATION_INVITE = "creates__invitee__is_invited_to__application": ApplicationInvite,
        /// Open invites to organizations that the user sent. Not on openBalena.
        creates_organization_invite / ORGANIZATION_INVITE = "creates__invitee__is_invited_to__organization": OrganizationInvite,
        /// Releases that the user created. Not on openBalena.
        creates_release / RELEASE = "creates__release": Release,
        /// Devices that the user registered. Not on openBalena.
        owns_device / DEVICE = "owns__device": Device,
        /// Accounts at other services that the user logs in with. Not on openBalena.
        owns_social_service_account / SOCIAL_SERVICE_ACCOUNT = "owns__social_service_account": SocialServiceAccount,
        /// Accounts at SAML identity providers that the user logs in with. Not on openBalena.
        owns_saml_account / SAML_ACCOUNT = "owns__saml_account": SamlAccount,
        /// One-time codes that replace the second factor. Not on openBalena.
        owns_recovery_two_factor / RECOVERY_TWO_FACTOR = "owns__recovery_two_factor": RecoveryTwoFactor,
        /// Profile of the user. Not on openBalena.
        user_profile / USER_PROFILE = "user_profile": UserProfile,
    }
}

resource! {
    /// An actor: the identity of a user, an application or a device that API keys belong to.
    Actor = "actor", "actor" {
        /// Id, assigned by the API.
        id / ID: i64,
        /// Time of creation. Not in the published types.
        created_at / CREATED_AT: Timestamp,
        /// Time of the last change to the row. Not in the published types.
        modified_at / MODIFIED_AT: Timestamp,
    }
    navigation {
        /// User, if the actor is one.
        is_of_user / USER = "is_of__user": User,
        /// Application, if the actor is one.
        is_of_application / APPLICATION = "is_of__application": Application,
        /// Device, if the actor is one.
        is_of_device / DEVICE = "is_of__device": Device,
        /// Public view of the device, if the actor is one; version 6 only.
        is_of_public_device / PUBLIC_DEVICE = "is_of__public_device": PublicDevice,
        /// API keys of the actor.
        api_key / API_KEY = "api_key": ApiKey,
    }
}

resource! {
    /// An API key. The row type omits the key itself; only the response that creates the key returns it.
    ApiKey = "api_key", "API key" {
        /// Id, assigned by the API.
        id / ID: i64,
        /// Time of creation.
        created_at / CREATED_AT: Timestamp,
        /// Time of the last change to the row. Not in the published types.
        modified_at / MODIFIED_AT: Timestamp,
        /// Name, at most 50 characters; `None` for keys that the API created for itself.
        name / NAME: String,
        /// Description, at most 150 characters; `None` if there is none.
        description / DESCRIPTION: String,
        /// Time at which the key expires; `None` if it never does.
        expiry_date / EXPIRY_DATE: Timestamp,
    }
    navigation {
        /// Actor that the key authenticates.
        is_of_actor / ACTOR = "is_of__actor": Actor,
    }
}

resource! {
    /// A public SSH key of a user.
    SshKey = "user__has__public_key", "SSH key" {
        /// Name given by the user.
        title / TITLE: String,
        /// Public key, as a line of `authorized_keys`. The API does not check it.
        public_key / PUBLIC_KEY: String,
        /// Id, assigned by the API.
        id / ID: i64,
        /// Time of creation.
        created_at / CREATED_AT: Timestamp,
        /// Time of the last change to the row. Not in the published types.
        modified_at / MODIFIED_AT: Timestamp,
    }
    navigation {
        /// User who owns the key.
        user / USER = "user": User,
    }
}

//! Rows of identity providers, accounts, recovery codes, OAuth applications and user profiles. Not on openBalena.

use jiff::Timestamp;

use crate::resource::schema::resource;

use super::{Organization, Team, User};

resource! {
    /// A SAML identity provider.
    IdentityProvider = "identity_provider", "identity provider" {
        /// Id, assigned by the API.
        id / ID: i64,
        /// Unique name that users enter to log in through this provider.
        sso_identifier / SSO_IDENTIFIER: String,
        /// URL of the provider's login page, to which users are redirected.
        entry_point / ENTRY_POINT: String,
        /// Issuer name in the provider's SAML responses.
        issuer / ISSUER: String,
        /// Signing certificate of the provider, in PEM; not a secret.
        certificate / CERTIFICATE: String,
        /// Whether the whole SAML response must be signed.
        requires_signed_authn_response / REQUIRES_SIGNED_AUTHN_RESPONSE: bool,
    }
    navigation {
        /// Organizations whose users can log in through the provider, one row each.
        identity_provider_membership / IDENTITY_PROVIDER_MEMBERSHIP = "identity_provider_membership": IdentityProviderMembership,
    }
}

resource! {
    /// Permission of an identity provider's users to join an organization.
    IdentityProviderMembership = "identity_provider_membership", "identity provider membership" {
        /// Id, assigned by the API.
        id / ID: i64,
    }
    navigation {
        /// Organization that they can join.
        organization / ORGANIZATION = "organization": Organization,
        /// Identity provider of the users.
        is_authorized_by_identity_provider / IDENTITY_PROVIDER = "is_authorized_by__identity_provider": IdentityProvider,
        /// Team that they join; empty if none.
        grants_access_to_team / TEAM = "grants_access_to__team": Team,
    }
}

resource! {
    /// An account of a user at a SAML identity provider.
    SamlAccount = "saml_account", "SAML account" {
        /// Id, assigned by the API.
        id / ID: i64,
        /// Id of the account at the provider.
        remote_id / REMOTE_ID: String,
        /// Name of the account at the provider; `None` if it has none.
        display_name / DISPLAY_NAME: String,
    }
    navigation {
        /// User who owns the account.
        belongs_to_user / USER = "belongs_to__user": User,
        /// Identity provider of the account.
        was_generated_by_identity_provider / IDENTITY_PROVIDER = "was_generated_by__identity_provider": IdentityProvider,
    }
}

resource! {
    /// An account of a user at another service, such as GitHub.
    SocialServiceAccount = "social_service_account", "social service account" {
        /// Name of the service, e.g. `github`.
        provider / PROVIDER: String,
        /// Name of the account at the service; `None` if it has none.
        display_name / DISPLAY_NAME: String,
    }
    navigation {
        /// User who owns the account.
        belongs_to_user / USER = "belongs_to__user": User,
    }
}

resource! {
    /// A one-time code that replaces the second factor.
    RecoveryTwoFactor = "recovery_two_factor", "recovery code" {
        /// Id, assigned by the API.
        id / ID: i64,
        /// Time at which the code was used; `None` if it is unused.
        used_timestamp / USED_TIMESTAMP: Timestamp,
    }
    navigation {
        /// User who owns the code.
        belongs_to_user / USER = "belongs_to__user": User,
    }
}

resource! {
    /// An OAuth application: a program that acts for users who authorize it.
    OauthApplication = "oauth_application", "OAuth application" {
        /// Id, assigned by the API.
        id / ID: i64,
        /// Display name.
        name / NAME: String,
        /// OAuth client id; not a secret.
        client_id / CLIENT_ID: String,
        /// URL to which users are redirected after the authorization.
        redirect_uri / REDIRECT_URI: String,
        /// Description for people; `None` if there is none.
        description / DESCRIPTION: String,
    }
    navigation {
        /// Users who authorized the application, one row each.
        oauth_application_authorization / OAUTH_APPLICATION_AUTHORIZATION = "oauth_application_authorization": OauthApplicationAuthorization,
    }
}

resource! {
    /// Authorization of an OAuth application by a user.
    OauthApplicationAuthorization = "oauth_application_authorization", "OAuth authorization" {
        /// Id, assigned by the API.
        id / ID: i64,
    }
    navigation {
        /// User who gave the authorization.
        belongs_to_user / USER = "belongs_to__user": User,
        /// Authorized application.
        is_for_oauth_application / OAUTH_APPLICATION = "is_for__oauth_application": OauthApplication,
    }
}

resource! {
    /// Profile of a user: name, e-mail address, preferences.
    UserProfile = "user_profile", "user profile" {
        /// Id, assigned by the API.
        id / ID: i64,
        /// E-mail address; `None` if unset.
        email / EMAIL: String,
        /// Whether the user opted out of the newsletter.
        has_disabled_newsletter / HAS_DISABLED_NEWSLETTER: bool,
        /// Whether the e-mail address was verified.
        is_verified / IS_VERIFIED: bool,
        /// Whether the user must verify the e-mail address.
        must_be_verified / MUST_BE_VERIFIED: bool,
        /// First name; `None` if unset.
        first_name / FIRST_NAME: String,
        /// Last name; `None` if unset.
        last_name / LAST_NAME: String,
        /// Kind of use, e.g. `professional`; `None` if unset.
        account_type / ACCOUNT_TYPE: String,
        /// Whether the user has a password to log in with.
        has_password_set / HAS_PASSWORD_SET: bool,
        /// Company that the user works for; `None` if unset.
        company / COMPANY: String,
    }
    navigation {
        /// User that the profile belongs to.
        is_of_user / USER = "is_of__user": User,
    }
}

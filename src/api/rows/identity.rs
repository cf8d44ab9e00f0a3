//! Rows: how users log in, and who they are. The open server has none of them.

use jiff::Timestamp;

use crate::api::resource::resource;

use super::{Organization, Team, User};

resource! {
    /// Who vouches for users by SAML.
    IdentityProvider = "identity_provider", "identity provider" {
        /// Number that the cloud gave it.
        id / ID: i64,
        /// Name that its users log in with, unique.
        sso_identifier / SSO_IDENTIFIER: String,
        /// URL that users are sent to.
        entry_point / ENTRY_POINT: String,
        /// Name that it answers with.
        issuer / ISSUER: String,
        /// Its certificate, as PEM: it is public.
        certificate / CERTIFICATE: String,
        /// Whether its answers have to be signed as a whole.
        requires_signed_authn_response / REQUIRES_SIGNED_AUTHN_RESPONSE: bool,
    }
    navigation {
        /// Organizations that its users may join, a row each.
        identity_provider_membership / IDENTITY_PROVIDER_MEMBERSHIP = "identity_provider_membership": IdentityProviderMembership,
    }
}

resource! {
    /// That the users of an identity provider may join an organization.
    IdentityProviderMembership = "identity_provider_membership", "identity provider membership" {
        /// Number that the cloud gave it.
        id / ID: i64,
    }
    navigation {
        /// The organization that they may join.
        organization / ORGANIZATION = "organization": Organization,
        /// Who vouches for them.
        is_authorized_by_identity_provider / IDENTITY_PROVIDER = "is_authorized_by__identity_provider": IdentityProvider,
        /// The team that they become members of; nothing for none.
        grants_access_to_team / TEAM = "grants_access_to__team": Team,
    }
}

resource! {
    /// An account of a user at an identity provider.
    SamlAccount = "saml_account", "SAML account" {
        /// Number that the cloud gave it.
        id / ID: i64,
        /// Id of the account there.
        remote_id / REMOTE_ID: String,
        /// Name of the account there; none when it has none.
        display_name / DISPLAY_NAME: String,
    }
    navigation {
        /// The user whose it is.
        belongs_to_user / USER = "belongs_to__user": User,
        /// Where it is.
        was_generated_by_identity_provider / IDENTITY_PROVIDER = "was_generated_by__identity_provider": IdentityProvider,
    }
}

resource! {
    /// An account of a user elsewhere, as at GitHub.
    SocialServiceAccount = "social_service_account", "social service account" {
        /// Where it is, e.g. `github`.
        provider / PROVIDER: String,
        /// Name of the account there; none when it has none.
        display_name / DISPLAY_NAME: String,
    }
    navigation {
        /// The user whose it is.
        belongs_to_user / USER = "belongs_to__user": User,
    }
}

resource! {
    /// A code that a user gets in with once when the second factor is lost.
    RecoveryTwoFactor = "recovery_two_factor", "recovery code" {
        /// Number that the cloud gave it.
        id / ID: i64,
        /// When it was used; none before that.
        used_timestamp / USED_TIMESTAMP: Timestamp,
    }
    navigation {
        /// The user whose it is.
        belongs_to_user / USER = "belongs_to__user": User,
    }
}

resource! {
    /// A program that users can let act for them, by OAuth.
    OauthApplication = "oauth_application", "OAuth application" {
        /// Number that the cloud gave it.
        id / ID: i64,
        /// Name for people.
        name / NAME: String,
        /// Name that it identifies itself with; it is no secret.
        client_id / CLIENT_ID: String,
        /// URL that users are sent back to.
        redirect_uri / REDIRECT_URI: String,
        /// What it does, in words; none when nobody says.
        description / DESCRIPTION: String,
    }
    navigation {
        /// Users that let it act, a row each.
        oauth_application_authorization / OAUTH_APPLICATION_AUTHORIZATION = "oauth_application_authorization": OauthApplicationAuthorization,
    }
}

resource! {
    /// That a user lets a program act for it.
    OauthApplicationAuthorization = "oauth_application_authorization", "OAuth authorization" {
        /// Number that the cloud gave it.
        id / ID: i64,
    }
    navigation {
        /// The user that does.
        belongs_to_user / USER = "belongs_to__user": User,
        /// The program that may act.
        is_for_oauth_application / OAUTH_APPLICATION = "is_for__oauth_application": OauthApplication,
    }
}

resource! {
    /// Who a user is, in more words.
    UserProfile = "user_profile", "user profile" {
        /// Number that the cloud gave it.
        id / ID: i64,
        /// Address of its mail; none when it has none.
        email / EMAIL: String,
        /// Whether it wants no newsletter.
        has_disabled_newsletter / HAS_DISABLED_NEWSLETTER: bool,
        /// Whether the address was confirmed.
        is_verified / IS_VERIFIED: bool,
        /// Whether the address has to be confirmed before it can go on.
        must_be_verified / MUST_BE_VERIFIED: bool,
        /// First name; none when it did not say.
        first_name / FIRST_NAME: String,
        /// Last name; none when it did not say.
        last_name / LAST_NAME: String,
        /// What it uses balena for, e.g. `professional`; none when it did not say.
        account_type / ACCOUNT_TYPE: String,
        /// Whether it can log in with a password.
        has_password_set / HAS_PASSWORD_SET: bool,
        /// Company that it works for; none when it did not say.
        company / COMPANY: String,
    }
    navigation {
        /// The user that it is about.
        is_of_user / USER = "is_of__user": User,
    }
}

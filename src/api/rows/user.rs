//! Rows: users, what acts in the name of users, applications and devices, and their keys.

use jiff::Timestamp;

use crate::api::resource::resource;
use crate::ids::UserId;

use super::{
    Application, ApplicationMembership, Device, OrganizationMembership, PublicDevice, TeamMembership,
};

resource! {
    /// A user.
    User = "user", "user" {
        /// Id.
        id / ID: UserId,
        /// When it was created.
        created_at / CREATED_AT: Timestamp,
        /// Name to log in with.
        username / USERNAME: String,
    }
    navigation {
        /// What acts in its name; a plain id in version 6.
        actor / ACTOR = "actor": Actor,
        /// Organizations that it is a member of.
        organization_membership / ORGANIZATION_MEMBERSHIP = "organization_membership": OrganizationMembership,
        /// Applications that it is a member of.
        user_application_membership / USER_APPLICATION_MEMBERSHIP = "user_application_membership": ApplicationMembership,
        /// Teams that it is a member of.
        team_membership / TEAM_MEMBERSHIP = "team_membership": TeamMembership,
        /// Applications that it has direct access to.
        has_direct_access_to_application / APPLICATION = "has_direct_access_to__application": Application,
    }
}

resource! {
    /// What acts: a user, an application or a device.
    Actor = "actor", "actor" {
        /// Id.
        id / ID: i64,
    }
    navigation {
        /// The user, where it is one.
        is_of_user / USER = "is_of__user": User,
        /// The application, where it is one.
        is_of_application / APPLICATION = "is_of__application": Application,
        /// The device, where it is one.
        is_of_device / DEVICE = "is_of__device": Device,
        /// The device, as everybody may see it.
        is_of_public_device / PUBLIC_DEVICE = "is_of__public_device": PublicDevice,
        /// Its API keys.
        api_key / API_KEY = "api_key": ApiKey,
    }
}

resource! {
    /// An API key; the key itself is told once, when it is made.
    ApiKey = "api_key", "API key" {
        /// Id.
        id / ID: i64,
        /// When it was created.
        created_at / CREATED_AT: Timestamp,
        /// Name.
        name / NAME: String,
        /// What it is for.
        description / DESCRIPTION: String,
        /// When it stops to work.
        expiry_date / EXPIRY_DATE: Timestamp,
    }
    navigation {
        /// Whose it is.
        is_of_actor / ACTOR = "is_of__actor": Actor,
    }
}

resource! {
    /// An SSH key of a user.
    SshKey = "user__has__public_key", "SSH key" {
        /// What it is called.
        title / TITLE: String,
        /// The public half.
        public_key / PUBLIC_KEY: String,
        /// Id.
        id / ID: i64,
        /// When it was created.
        created_at / CREATED_AT: Timestamp,
    }
    navigation {
        /// Whose it is.
        user / USER = "user": User,
    }
}

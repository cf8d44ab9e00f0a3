//! Rows: users, actors, API key, SSH key.

use jiff::Timestamp;

use crate::api::resource::resource;

use super::{
    Application, ApplicationMembership, Device, OrganizationMembership, PublicDevice, TeamMembership,
};

resource! {
    /// An user.
    User = "user", "user" {
        /// Id.
        id / ID: i64,
        /// Created at.
        created_at / CREATED_AT: Timestamp,
        /// Username.
        username / USERNAME: String,
    }
    navigation {
        /// Actor.
        actor / ACTOR = "actor": Actor,
        /// Organization membership.
        organization_membership / ORGANIZATION_MEMBERSHIP = "organization_membership": OrganizationMembership,
        /// User application membership.
        user_application_membership / USER_APPLICATION_MEMBERSHIP = "user_application_membership": ApplicationMembership,
        /// Team membership.
        team_membership / TEAM_MEMBERSHIP = "team_membership": TeamMembership,
        /// Has direct access to application.
        has_direct_access_to_application / APPLICATION = "has_direct_access_to__application": Application,
    }
}

resource! {
    /// An actor.
    Actor = "actor", "actor" {
        /// Id.
        id / ID: i64,
    }
    navigation {
        /// Is of user.
        is_of_user / USER = "is_of__user": User,
        /// Is of application.
        is_of_application / APPLICATION = "is_of__application": Application,
        /// Is of device.
        is_of_device / DEVICE = "is_of__device": Device,
        /// Is of public device.
        is_of_public_device / PUBLIC_DEVICE = "is_of__public_device": PublicDevice,
        /// Api key.
        api_key / API_KEY = "api_key": ApiKey,
    }
}

resource! {
    /// An API key.
    ApiKey = "api_key", "API key" {
        /// Id.
        id / ID: i64,
        /// Created at.
        created_at / CREATED_AT: Timestamp,
        /// Name.
        name / NAME: String,
        /// Description.
        description / DESCRIPTION: String,
        /// Expiry date.
        expiry_date / EXPIRY_DATE: Timestamp,
    }
    navigation {
        /// Is of actor.
        is_of_actor / ACTOR = "is_of__actor": Actor,
    }
}

resource! {
    /// A SSH key.
    SshKey = "user__has__public_key", "SSH key" {
        /// Title.
        title / TITLE: String,
        /// Public key.
        public_key / PUBLIC_KEY: String,
        /// Id.
        id / ID: i64,
        /// Created at.
        created_at / CREATED_AT: Timestamp,
    }
    navigation {
        /// User.
        user / USER = "user": User,
    }
}

//! Whose credentials: a user's, an application's or a device's.

use serde::{Deserialize, Serialize};

/// Whose credentials a client has: the actor, as the API calls it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Flat", into = "Flat")]
#[non_exhaustive]
pub struct WhoAmI {
    /// Id of the actor: what API keys and memberships refer to.
    pub id: i64,
    /// Who that is.
    pub actor: Actor,
}

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Actor {
    /// A user, by a session or by an API key.
    User {
        /// Id of the user.
        id: i64,
        /// Name of the user.
        username: Option<String>,
        /// E-mail address, where there is one.
        email: Option<String>,
    },
    /// An application (fleet), by a key of it.
    Application {
        /// Id of the application.
        id: i64,
        /// Slug of the application.
        slug: Option<String>,
    },
    /// A device, by its own key.
    Device {
        /// Id of the device.
        id: i64,
        /// Uuid of the device.
        uuid: Option<String>,
    },
    /// Something newer than this library.
    Other {
        /// What the API calls it.
        actor_type: String,
        /// Its id.
        id: Option<i64>,
    },
}

impl Actor {
    /// As the API calls it: `user`, `application`, `device` …
    pub fn as_str(&self) -> &str {
        match self {
            Self::User { .. } => "user",
            Self::Application { .. } => "application",
            Self::Device { .. } => "device",
            Self::Other { actor_type, .. } => actor_type,
        }
    }
}

/// As it is answered.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Flat {
    id: i64,
    actor_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    actor_type_id: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    slug: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uuid: Option<String>,
}

impl From<Flat> for WhoAmI {
    fn from(flat: Flat) -> Self {
        let actor = match (flat.actor_type.as_str(), flat.actor_type_id) {
            ("user", Some(id)) => Actor::User { id, username: flat.username, email: flat.email },
            ("application", Some(id)) => Actor::Application { id, slug: flat.slug },
            ("device", Some(id)) => Actor::Device { id, uuid: flat.uuid },
            (_, id) => Actor::Other { actor_type: flat.actor_type, id },
        };
        Self { id: flat.id, actor }
    }
}

impl From<WhoAmI> for Flat {
    fn from(who: WhoAmI) -> Self {
        let flat = Self { id: who.id, actor_type: who.actor.as_str().to_owned(), ..Self::default() };
        match who.actor {
            Actor::User { id, username, email } => Self { actor_type_id: Some(id), username, email, ..flat },
            Actor::Application { id, slug } => Self { actor_type_id: Some(id), slug, ..flat },
            Actor::Device { id, uuid } => Self { actor_type_id: Some(id), uuid, ..flat },
            Actor::Other { id, .. } => Self { actor_type_id: id, ..flat },
        }
    }
}

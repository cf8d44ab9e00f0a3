//! The actor that a credential belongs to: a user, an application or a device.

use serde::{Deserialize, Serialize};

/// The actor that the client's credential belongs to (`GET /actor/v1/whoami`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "WhoAmIResponse", into = "WhoAmIResponse")]
#[non_exhaustive]
pub struct WhoAmI {
    /// Id of the actor. API keys refer to it; it is not the id of the user, the application or the device.
    pub id: i64,
    /// The user, application or device.
    pub actor: ActorKind,
}

/// The user, application or device behind an actor.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ActorKind {
    /// A user, with a session token or an API key.
    User {
        /// Id of the user.
        id: i64,
        /// Login name.
        username: Option<String>,
        /// E-mail address; `None` if unset.
        email: Option<String>,
    },
    /// An application (fleet), with one of its API keys.
    Application {
        /// Id of the application.
        id: i64,
        /// Slug of the application, `organization/name`.
        slug: Option<String>,
    },
    /// A device, with its device key.
    Device {
        /// Id of the device.
        id: i64,
        /// Uuid of the device.
        uuid: Option<String>,
    },
    /// A kind of actor that this version does not know.
    Other {
        /// The API's name of the kind.
        actor_type: String,
        /// Id of the resource, if the API sent one.
        id: Option<i64>,
    },
}

impl ActorKind {
    /// Returns the API's name of the kind: `user`, `application`, `device`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::User { .. } => "user",
            Self::Application { .. } => "application",
            Self::Device { .. } => "device",
            Self::Other { actor_type, .. } => actor_type,
        }
    }
}

/// The form of the response.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WhoAmIResponse {
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

impl From<WhoAmIResponse> for WhoAmI {
    fn from(flat: WhoAmIResponse) -> Self {
        let actor = match (flat.actor_type.as_str(), flat.actor_type_id) {
            ("user", Some(id)) => ActorKind::User { id, username: flat.username, email: flat.email },
            ("application", Some(id)) => ActorKind::Application { id, slug: flat.slug },
            ("device", Some(id)) => ActorKind::Device { id, uuid: flat.uuid },
            (_, id) => ActorKind::Other { actor_type: flat.actor_type, id },
        };
        Self { id: flat.id, actor }
    }
}

impl From<WhoAmI> for WhoAmIResponse {
    fn from(who: WhoAmI) -> Self {
        let flat = Self { id: who.id, actor_type: who.actor.as_str().to_owned(), ..Self::default() };
        match who.actor {
            ActorKind::User { id, username, email } => {
                Self { actor_type_id: Some(id), username, email, ..flat }
            }
            ActorKind::Application { id, slug } => Self { actor_type_id: Some(id), slug, ..flat },
            ActorKind::Device { id, uuid } => Self { actor_type_id: Some(id), uuid, ..flat },
            ActorKind::Other { id, .. } => Self { actor_type_id: id, ..flat },
        }
    }
}

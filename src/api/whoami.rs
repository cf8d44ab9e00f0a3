//! Whose credentials these are.

use serde::Deserialize;

use crate::core::{Core, Plain};
use crate::error::{Error, ErrorKind, Result};

use super::answer::decode;

/// What the token stands for: a user, an application, a device.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WhoAmI {
    /// Id of the actor.
    pub(crate) id: i64,
    actor_type: String,
    actor_type_id: i64,
}

impl WhoAmI {
    /// Id of the user.
    ///
    /// # Errors
    /// `is_unsupported` when it is none.
    pub(crate) fn user_id(&self) -> Result<i64> {
        if self.actor_type == "user" {
            return Ok(self.actor_type_id);
        }
        let text =
            format!("the credentials are not of a user but of this: {}", self.actor_type.escape_debug());
        Err(Error::new(ErrorKind::Unsupported, text).help("log in as a user, or take an API key of one"))
    }
}

impl Core {
    /// Asks whose credentials these are (`GET /actor/v1/whoami`).
    ///
    /// # Errors
    /// `is_unauthorized` when nobody is logged in.
    pub(crate) async fn whoami(&self) -> Result<WhoAmI> {
        decode(&self.plain(Plain::get("/actor/v1/whoami")).await?)
    }
}

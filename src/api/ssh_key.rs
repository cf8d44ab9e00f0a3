//! SSH keys of the user.

use std::sync::Arc;

use serde_json::json;

use crate::checks;
use crate::core::Core;
use crate::odata::{Key, Query};
use crate::resource::write_request::WriteRequest;

use crate::resource::keys::check_id;
use crate::resource::read::ReadTarget;
use crate::resource::read_request::{Get, List};
use crate::resource::request::Create;
use crate::resource::write::RowSelector;
use crate::rows::SshKey;

/// SSH keys of the user. From [`Balena::key`](crate::Balena::key).
#[derive(Debug, Clone)]
pub struct SshKeys {
    core: Arc<Core>,
}

impl SshKeys {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone() }
    }

    /// Lists the keys (`GET /v6/user__has__public_key`).
    #[doc(alias = "getAll")]
    pub fn get_all(&self) -> List<SshKey> {
        List::new(&self.core, async { Ok(ReadTarget::list::<SshKey>(Query::new())) })
    }

    /// Reads one key (`GET /v6/user__has__public_key`).
    ///
    /// # Errors
    /// `is_not_found` if the key does not exist.
    pub fn get(&self, id: i64) -> Get<SshKey> {
        Get::new(&self.core, async move {
            Ok(ReadTarget::one::<SshKey>(Some(Key::id(check_id("id", id)?)), Query::new(), id))
        })
    }

    /// Adds a public key, given as the text of a `.pub` file (`POST /v6/user__has__public_key`). White space around
    /// it is removed.
    ///
    /// # Errors
    /// `is_invalid_argument` for a private key or text of several lines; `is_unauthorized` if nobody is logged in;
    /// `is_unsupported` if the credential does not belong to a user; `is_conflict` if the key already exists.
    pub fn create(&self, title: impl Into<String>, key: impl Into<String>) -> Create<SshKey> {
        let (core, title, key) = (self.core.clone(), title.into(), key.into());
        Create::new(&self.core, move |_| async move {
            checks::public_key("key", &key)?;
            let user = core.whoami().await?.user_id()?;
            Ok(json!({ "title": title, "public_key": key.trim(), "user": user }))
        })
    }

    /// Deletes a key (`DELETE /v6/user__has__public_key`).
    pub fn remove(&self, id: i64) -> WriteRequest {
        WriteRequest::new(&self.core, move |writer| async move {
            writer.delete("user__has__public_key", &RowSelector::id(check_id("id", id)?)).await
        })
    }
}

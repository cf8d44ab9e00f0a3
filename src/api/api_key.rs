//! API keys: of users, of applications, of devices.

use std::fmt;
use std::sync::Arc;

use http::Method;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;

use crate::core::{Core, Plain};
use crate::error::{Error, ErrorKind, Result};
use crate::odata::{Nav, Query};

use super::confirm::{Write, Writer};
use super::filled::Filled;
use super::keys::{ApplicationKey, DeviceKey, an_id};
use super::new_key::{check_key, key_in};
use super::read::{List, Target};
use super::rows::{Actor, ApiKey, Application, Device};
use super::write::Rows;

/// API keys. From [`Balena::api_key`](crate::Balena::api_key).
#[derive(Debug, Clone)]
pub struct ApiKeys {
    core: Arc<Core>,
}

/// Marks the request of [`ApiKeys::create`].
#[derive(Debug)]
#[non_exhaustive]
pub struct NewApiKey;

/// Marks the request of [`ApiKeys::update`].
#[derive(Debug)]
#[non_exhaustive]
pub struct ApiKeyUpdate;

/// No column has this name.
const CONFIRM: &str = ".confirm";

impl ApiKeys {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone() }
    }

    /// A new key that may do what its user may (`POST /api-key/user/full`). The answer is the only time it is
    /// ever shown.
    ///
    /// # Errors
    /// `is_invalid_argument` for a name of more than 50 characters, a description of more than 150, and a date that
    /// is past; `is_unauthorized` when nobody is logged in, or the token may not make keys; `is_rejected` for a name
    /// that the server does not take.
    #[doc(alias = "createApiKey")]
    pub fn create(&self, name: impl Into<String>) -> Filled<NewApiKey, SecretString> {
        let (core, name) = (self.core.clone(), name.into());
        Filled::new(move |mut body| async move {
            if name.is_empty() {
                return Err(Error::argument("name", "it is empty"));
            }
            body.insert("name".into(), name.into());
            check_key(&core, &body)?;
            let post = Plain::post(Method::POST, "/api-key/user/full", Some(Value::Object(body)));
            key_in(&core.plain(post).await?)
        })
    }

    /// All keys that the token may see, by name (`GET /v6/api_key`). The keys themselves are never told.
    #[doc(alias = "getAll")]
    pub fn get_all(&self) -> List<ApiKey> {
        self.list(async { Ok(Query::new()) })
    }

    /// The keys of the logged-in user that have a name: not those of sessions (`GET /v6/api_key`).
    ///
    /// # Errors
    /// `is_unauthorized` when nobody is logged in.
    #[doc(alias = "getAllNamedUserApiKeys")]
    pub fn get_all_named_user_api_keys(&self) -> List<ApiKey> {
        let core = self.core.clone();
        self.list(async move {
            let actor = core.whoami().await?.id;
            Ok(Query::new().filter(ApiKey::ACTOR.id().eq(actor).and(ApiKey::NAME.ne(None::<String>))))
        })
    }

    /// The keys with which devices join an application (`GET /v6/api_key`).
    ///
    /// # Errors
    /// `is_not_found` when the application is not there.
    #[doc(alias = "getProvisioningApiKeysByApplication")]
    pub fn get_provisioning_api_keys_by_application(
        &self,
        application: impl Into<ApplicationKey>,
    ) -> List<ApiKey> {
        let key = application.into();
        self.of_actor(move |defaults| key.target::<Application>(defaults))
    }

    /// The keys of a device (`GET /v6/api_key`).
    ///
    /// # Errors
    /// `is_not_found` when the device is not there; `is_ambiguous` for the beginning of several uuids.
    #[doc(alias = "getDeviceApiKeysByDevice")]
    pub fn get_device_api_keys_by_device(&self, device: impl Into<DeviceKey>) -> List<ApiKey> {
        let key = device.into();
        self.of_actor(move |defaults| key.target::<Device>(defaults))
    }

    /// Changes a key's name, description or date of expiry (`PATCH /v6/api_key`); what is not given stays.
    ///
    /// # Errors
    /// `is_invalid_argument` for an empty name, when nothing is given, and as for [`create`](Self::create).
    pub fn update(&self, id: i64) -> Filled<ApiKeyUpdate> {
        let core = self.core.clone();
        Filled::new(move |mut body| async move {
            let writer = Writer::new(&core, body.remove(CONFIRM).is_some());
            if body.is_empty() {
                return Err(Error::argument("api_key_info", "there is nothing to change"));
            }
            if body.get("name").and_then(Value::as_str).is_some_and(str::is_empty) {
                return Err(Error::argument("name", "it is empty"));
            }
            check_key(&core, &body)?;
            writer.change("api_key", &Rows::id(an_id("id", id)?), &Value::Object(body)).await
        })
    }

    /// Makes a key invalid for good (`DELETE /v6/api_key`).
    pub fn revoke(&self, id: i64) -> Write {
        Write::new(&self.core, move |writer| async move {
            writer.delete("api_key", &Rows::id(an_id("id", id)?)).await
        })
    }

    fn list(&self, filter: impl Future<Output = Result<Query>> + Send + 'static) -> List<ApiKey> {
        List::new(&self.core, async move {
            Ok(Target::list::<ApiKey>(filter.await?.order_by(ApiKey::NAME.asc())))
        })
    }

    /// The keys of the actor that a row is.
    fn of_actor(&self, target: impl FnOnce(Query) -> Result<Target> + Send + 'static) -> List<ApiKey> {
        #[derive(Deserialize)]
        struct Row {
            #[serde(deserialize_with = "Nav::or_plain_id")]
            actor: Nav<Actor>,
        }
        let core = self.core.clone();
        self.list(async move {
            let target = target(Query::new().select(["actor"]))?;
            let row: Row = core.look(target, Query::new()).await?.one()?;
            // An id by itself in version 6, a reference in version 7.
            let actor = row.actor.id().or_else(|| row.actor.get().and_then(|actor| actor.id));
            let actor = actor.ok_or_else(|| {
                Error::new(ErrorKind::Decode, "the answer does not tell whose keys to look for").sent(true)
            })?;
            Ok(Query::new().filter(ApiKey::ACTOR.id().eq(actor)))
        })
    }
}

impl Filled<NewApiKey, SecretString> {
    /// What the key is for.
    pub fn description(self, text: impl Into<String>) -> Self {
        self.give("description", text.into())
    }

    /// When it stops to work: a [`Timestamp`](jiff::Timestamp), or the text of one.
    pub fn expiry_date(self, date: impl fmt::Display) -> Self {
        self.give("expiryDate", date.to_string())
    }

    /// It never stops to work by itself, and the request says so: some servers want one or the other told.
    pub fn no_expiry_date(self) -> Self {
        self.give("expiryDate", Value::Null)
    }
}

impl Filled<ApiKeyUpdate> {
    /// Another name.
    pub fn name(self, name: impl Into<String>) -> Self {
        self.give("name", name.into())
    }

    /// Another description.
    pub fn description(self, text: impl Into<String>) -> Self {
        self.give("description", text.into())
    }

    /// No description any more.
    pub fn no_description(self) -> Self {
        self.give("description", Value::Null)
    }

    /// When it stops to work: a [`Timestamp`](jiff::Timestamp), or the text of one.
    pub fn expiry_date(self, date: impl fmt::Display) -> Self {
        self.give("expiry_date", date.to_string())
    }

    /// It never stops to work by itself.
    pub fn no_expiry_date(self) -> Self {
        self.give("expiry_date", Value::Null)
    }

    /// Reads the key after the change, one request more: the server answers a change of a key that is not there as
    /// any other.
    ///
    /// # Errors
    /// `is_not_found` when there is none, when the token does not see it, or when it has not changed.
    pub fn confirm(self) -> Self {
        self.give(CONFIRM, true)
    }
}

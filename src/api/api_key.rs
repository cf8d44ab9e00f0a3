//! API keys of users, applications and devices.

use std::fmt;
use std::sync::Arc;

use http::Method;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;

use crate::core::{Core, EndpointRequest};
use crate::error::{Error, ErrorKind, Result};
use crate::odata::{Nav, Query};

use super::new_key::{check_key, key_in};
use crate::resource::keys::{ApplicationKey, DeviceKey, check_id};
use crate::resource::read::ReadTarget;
use crate::resource::read_request::List;
use crate::resource::request_builder::RequestBuilder;
use crate::resource::write::RowSelector;
use crate::resource::write_request::{RowWriter, WriteRequest};
use crate::rows::{Actor, ApiKey, Application, Device};

/// API keys. From [`Balena::api_key`](crate::Balena::api_key).
#[derive(Debug, Clone)]
pub struct ApiKeys {
    core: Arc<Core>,
}

/// Marker of the request of [`ApiKeys::create`].
#[derive(Debug)]
#[non_exhaustive]
pub struct NewApiKey;

/// Marker of the request of [`ApiKeys::update`].
#[derive(Debug)]
#[non_exhaustive]
pub struct ApiKeyUpdate;

/// Key under which `confirm` is recorded. No column has this name.
const CONFIRM: &str = ".confirm";

impl ApiKeys {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone() }
    }

    /// Creates a key with the permissions of its user (`POST /api-key/user/full`). Only this response contains the
    /// key.
    ///
    /// # Errors
    /// `is_invalid_argument` if the name exceeds 50 characters, the description 150, or the expiry date is past;
    /// `is_unauthorized` if nobody is logged in or the token may not create keys; `is_rejected` if the API refuses
    /// the name.
    #[doc(alias = "createApiKey")]
    pub fn create(&self, name: impl Into<String>) -> RequestBuilder<NewApiKey, SecretString> {
        let (core, name) = (self.core.clone(), name.into());
        RequestBuilder::new(move |mut body| async move {
            if name.is_empty() {
                return Err(Error::argument("name", "it is empty"));
            }
            body.insert("name".into(), name.into());
            check_key(&core, &body)?;
            let post = EndpointRequest::new(Method::POST, "/api-key/user/full", Some(Value::Object(body)));
            key_in(&core.send(post).await?)
        })
    }

    /// Lists the keys that the token may read, by name (`GET /v6/api_key`). The rows do not contain the keys
    /// themselves.
    #[doc(alias = "getAll")]
    pub fn get_all(&self) -> List<ApiKey> {
        self.list(async { Ok(Query::new()) })
    }

    /// Lists the named keys of the user, without those of sessions (`GET /v6/api_key`).
    ///
    /// # Errors
    /// `is_unauthorized` if nobody is logged in.
    #[doc(alias = "getAllNamedUserApiKeys")]
    pub fn get_all_named_user_api_keys(&self) -> List<ApiKey> {
        let core = self.core.clone();
        self.list(async move {
            let actor = core.whoami().await?.id;
            Ok(Query::new().filter(ApiKey::ACTOR.id().eq(actor).and(ApiKey::NAME.ne(None::<String>))))
        })
    }

    /// Lists the provisioning keys of an application, with which devices join it (`GET /v6/api_key`).
    ///
    /// # Errors
    /// `is_not_found` if the application does not exist.
    #[doc(alias = "getProvisioningApiKeysByApplication")]
    pub fn get_provisioning_api_keys_by_application(
        &self,
        application: impl Into<ApplicationKey>,
    ) -> List<ApiKey> {
        let key = application.into();
        self.of_actor(move |defaults| key.target::<Application>(defaults))
    }

    /// Lists the keys of a device (`GET /v6/api_key`).
    ///
    /// # Errors
    /// `is_not_found` if the device does not exist; `is_ambiguous` if several uuids start with the text.
    #[doc(alias = "getDeviceApiKeysByDevice")]
    pub fn get_device_api_keys_by_device(&self, device: impl Into<DeviceKey>) -> List<ApiKey> {
        let key = device.into();
        self.of_actor(move |defaults| key.target::<Device>(defaults))
    }

    /// Changes a key's name, description or expiry date (`PATCH /v6/api_key`). Other values stay.
    ///
    /// # Errors
    /// `is_invalid_argument` if the name is empty, nothing is set, or as for [`create`](Self::create).
    pub fn update(&self, id: i64) -> RequestBuilder<ApiKeyUpdate> {
        let core = self.core.clone();
        RequestBuilder::new(move |mut body| async move {
            let writer = RowWriter::new(&core, body.remove(CONFIRM).is_some());
            if body.is_empty() {
                return Err(Error::argument("api_key_info", "there is nothing to change"));
            }
            if body.get("name").and_then(Value::as_str).is_some_and(str::is_empty) {
                return Err(Error::argument("name", "it is empty"));
            }
            check_key(&core, &body)?;
            writer.change("api_key", &RowSelector::id(check_id("id", id)?), &Value::Object(body)).await
        })
    }

    /// Deletes a key, which makes it invalid (`DELETE /v6/api_key`).
    pub fn revoke(&self, id: i64) -> WriteRequest {
        WriteRequest::new(&self.core, move |writer| async move {
            writer.delete("api_key", &RowSelector::id(check_id("id", id)?)).await
        })
    }

    fn list(&self, filter: impl Future<Output = Result<Query>> + Send + 'static) -> List<ApiKey> {
        List::new(&self.core, async move {
            Ok(ReadTarget::list::<ApiKey>(filter.await?.order_by(ApiKey::NAME.asc())))
        })
    }

    /// Lists the keys of the actor of a row.
    fn of_actor(&self, target: impl FnOnce(Query) -> Result<ReadTarget> + Send + 'static) -> List<ApiKey> {
        #[derive(Deserialize)]
        struct Row {
            #[serde(deserialize_with = "Nav::or_plain_id")]
            actor: Nav<Actor>,
        }
        let core = self.core.clone();
        self.list(async move {
            let target = target(Query::new().select(["actor"]))?;
            let row: Row = core.read_target(target, Query::new()).await?.one()?;
            // A bare id in version 6, a reference in version 7.
            let actor = row.actor.id().or_else(|| row.actor.get().and_then(|actor| actor.id));
            let actor = actor.ok_or_else(|| {
                Error::new(ErrorKind::Decode, "the response lacks the actor whose keys to list")
                    .with_sent(true)
            })?;
            Ok(Query::new().filter(ApiKey::ACTOR.id().eq(actor)))
        })
    }
}

impl RequestBuilder<NewApiKey, SecretString> {
    /// Sets the description.
    pub fn description(self, text: impl Into<String>) -> Self {
        self.set("description", text.into())
    }

    /// Sets the expiry date: a [`Timestamp`](jiff::Timestamp), or its text.
    pub fn expiry_date(self, date: impl fmt::Display) -> Self {
        self.set("expiryDate", date.to_string())
    }

    /// Sets no expiry date, explicitly: some servers require one or the other.
    pub fn no_expiry_date(self) -> Self {
        self.set("expiryDate", Value::Null)
    }
}

impl RequestBuilder<ApiKeyUpdate> {
    /// Sets the name.
    pub fn name(self, name: impl Into<String>) -> Self {
        self.set("name", name.into())
    }

    /// Sets the description.
    pub fn description(self, text: impl Into<String>) -> Self {
        self.set("description", text.into())
    }

    /// Removes the description.
    pub fn no_description(self) -> Self {
        self.set("description", Value::Null)
    }

    /// Sets the expiry date: a [`Timestamp`](jiff::Timestamp), or its text.
    pub fn expiry_date(self, date: impl fmt::Display) -> Self {
        self.set("expiry_date", date.to_string())
    }

    /// Removes the expiry date.
    pub fn no_expiry_date(self) -> Self {
        self.set("expiry_date", Value::Null)
    }

    /// Reads the key after the change, with one more request, to check the effect: the API answers 200 even if the
    /// key does not exist.
    ///
    /// # Errors
    /// `is_not_found` if the key does not exist, the token can't read it, or it did not change.
    pub fn confirm(self) -> Self {
        self.set(CONFIRM, true)
    }
}

//! New devices.

use std::fmt;
use std::fmt::Write as _;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;

use http::Method;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;

use crate::api::application::Applications;
use crate::api::keys::ApplicationKey;
use crate::api::read::{Target, unreadable};
use crate::api::rows::{Application, DeviceType, DeviceTypeAlias};
use crate::core::{Core, Plain};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::DeviceId;
use crate::json;
use crate::odata::Query;

use super::Devices;
use super::architecture::runs;
use super::change::slug;
use super::read::{columns, told};

/// Bytes of a uuid: 62 digits. With 64, as a hash has them, certificate checks of the VPN fail.
const UUID_BYTES: usize = 31;

/// A device that was just registered.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct RegisteredDevice {
    /// Its id.
    pub id: DeviceId,
    /// Its uuid, as it was given.
    pub uuid: String,
    /// Its own key. It is not shown again.
    pub api_key: SecretString,
}

/// A request that registers a device. Nothing is sent before `.await`.
#[must_use = "nothing is sent before `.await`"]
pub struct Register {
    core: Arc<Core>,
    application: ApplicationKey,
    uuid: String,
    device_type: Option<String>,
}

impl Devices {
    /// A uuid for a device to be registered: 62 random digits.
    ///
    /// # Errors
    /// `is_io` when the system has no random numbers.
    #[doc(alias = "generateUniqueKey")]
    #[doc(alias = "generateUUID")]
    pub fn generate_uuid(&self) -> Result<String> {
        let mut bytes = [0; UUID_BYTES];
        getrandom::fill(&mut bytes).map_err(|cause| {
            Error::new(ErrorKind::Io, "the system has no random numbers").because(std::io::Error::from(cause))
        })?;
        Ok(bytes.iter().fold(String::with_capacity(2 * UUID_BYTES), |mut uuid, byte| {
            // Writing to a string can't fail.
            let _ = write!(uuid, "{byte:02x}");
            uuid
        }))
    }

    /// Registers a device with an application (`POST /device/register`), of the application's device type
    /// unless told. Makes a provisioning key for it, with every call.
    ///
    /// # Errors
    /// `is_not_found` when the application is not there; `is_conflict` when a device has this uuid already;
    /// `is_invalid_argument` for a device type that is none, or can't run the application's code;
    /// `is_unsupported` when the token is not a user's.
    pub fn register(&self, application: impl Into<ApplicationKey>, uuid: impl Into<String>) -> Register {
        Register {
            core: self.core.clone(),
            application: application.into(),
            uuid: uuid.into(),
            device_type: None,
        }
    }
}

impl Register {
    /// Slug or alias of its device type, where it is not the application's.
    pub fn device_type(self, slug: impl Into<String>) -> Self {
        Self { device_type: Some(slug.into()), ..self }
    }

    async fn send(self) -> Result<RegisteredDevice> {
        let Self { core, application, uuid, device_type } = self;
        application.check()?;
        if uuid.trim().is_empty() {
            return Err(Error::argument("uuid", "it is empty"));
        }
        if device_type.as_ref().is_some_and(|slug| slug.trim().is_empty()) {
            return Err(Error::argument("device_type", "it is empty"));
        }
        let user = user_id(&core).await?;
        let key = Applications::new(&core).generate_provisioning_key(application.clone()).await?;
        let query = columns(["id"]).expand(Application::DEVICE_TYPE.with(with_architecture()));
        let fleet: Application = core.row_of(application.target::<Application>(query)?).await?;
        let fleets_type = fleet.is_for_device_type.get();
        let device_type = match device_type {
            Some(name) => fitting(&core, &name, slug(fleets_type)?).await?,
            None => fleets_type.and_then(|device_type| device_type.slug.clone()),
        };
        let body = json!({
            "user": user,
            "application": told(fleet.id, "id")?,
            "uuid": uuid,
            "device_type": told(device_type, "is_for__device_type/slug")?,
        });
        let reply =
            core.plain_as(Plain::post(Method::POST, "/device/register", Some(body)), Some(key)).await?;
        json::decode(&reply.body).map_err(|misfit| unreadable(&reply, &misfit))
    }
}

/// Id of the user whose token it is: only users register devices.
async fn user_id(core: &Core) -> Result<i64> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Actor {
        actor_type: String,
        actor_type_id: i64,
    }
    let reply = core.plain(Plain::get("/actor/v1/whoami")).await?;
    let actor: Actor = json::decode(&reply.body).map_err(|misfit| unreadable(&reply, &misfit))?;
    if actor.actor_type == "user" {
        return Ok(actor.actor_type_id);
    }
    Err(Error::new(ErrorKind::Unsupported, "The authentication credentials in use are not of a user")
        .sent(true)
        .help("log in as a user, or take an API key of one"))
}

/// Slug of the device type with this slug or alias, if it runs code for this architecture.
async fn fitting(core: &Core, name: &str, architecture: &str) -> Result<Option<String>> {
    let query = with_architecture()
        .filter(DeviceType::DEVICE_TYPE_ALIAS.any(DeviceTypeAlias::IS_REFERENCED_BY_ALIAS.eq(name)))
        .order_by(DeviceType::NAME.asc())
        .top(1);
    let found: Result<DeviceType> =
        core.row_of(Target::one::<DeviceType>(None, query, name.escape_debug())).await;
    let device_type = match found {
        Err(error) if error.is_not_found() && error.status() != Some(404) => {
            let why = format_args!("there is no device type {}", name.escape_debug());
            return Err(Error::argument("device_type", why).sent(true));
        }
        found => found?,
    };
    let own = slug(Some(&device_type))?;
    if !runs(own, architecture) {
        let why = format_args!("{} ({own}) can't run code for {architecture}", name.escape_debug());
        return Err(Error::argument("device_type", why).sent(true));
    }
    Ok(device_type.slug)
}

fn with_architecture() -> Query {
    columns(["slug"]).expand(DeviceType::CPU_ARCHITECTURE.select(["slug"]))
}

impl fmt::Debug for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Register")
            .field("application", &self.application)
            .field("uuid", &self.uuid)
            .finish_non_exhaustive()
    }
}

impl IntoFuture for Register {
    type Output = Result<RegisteredDevice>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<RegisteredDevice>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

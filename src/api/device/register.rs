//! New devices.

use std::fmt::Write as _;
use std::sync::Arc;

use http::Method;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;

use crate::api::answer::unreadable_secret;
use crate::api::application::Applications;
use crate::api::device_type::DeviceTypes;
use crate::api::filled::Filled;
use crate::api::keys::{ApplicationKey, not_empty};
use crate::api::resource::Resource;
use crate::api::rows::{ApiKey, Application, DeviceType};
use crate::api::write::Rows;
use crate::core::{Core, Plain};
use crate::error::{Error, ErrorKind, Result, shown};
use crate::ids::DeviceId;
use crate::odata::Query;
use crate::whoami::Actor;

use super::Devices;
use super::architecture::runs;
use super::change::slug;
use super::read::{columns, told};

/// Bytes of a uuid: 62 digits. With 64, as a hash has them, certificate checks of the VPN fail.
const UUID_BYTES: usize = 31;

const DEVICE_TYPE: &str = "device_type";
const PROVISIONING_KEY: &str = "provisioning_key";

/// A key that is made for a registration is used at once.
const KEY_LIFETIME: SignedDuration = SignedDuration::from_mins(10);
const KEY_DESCRIPTION: &str = "Created by SDK to register a device";
/// The name of a key has at most 50 characters, and a uuid may have 62.
const SHOWN_OF_UUID: usize = 32;

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

/// Marks the request of [`Devices::register`].
#[derive(Debug)]
#[non_exhaustive]
pub struct NewDevice;

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

    /// Registers a device with an application (`POST /device/register`), of the application's device type unless
    /// told.
    ///
    /// A user's request makes a provisioning key for it that is good for ten minutes, and removes it again when the
    /// registration fails. A client whose token is a provisioning key of the application uses that one and makes
    /// none; so does one that is given a [`provisioning_key`](Filled::provisioning_key).
    ///
    /// # Errors
    /// `is_not_found` when the application is not there; `is_conflict` when a device has this uuid already;
    /// `is_invalid_argument` for a device type that is none, or can't run the application's code;
    /// `is_unauthorized` when nobody is logged in, or the key is of another application; `is_unsupported` when the
    /// token is a device's.
    pub fn register(
        &self,
        application: impl Into<ApplicationKey>,
        uuid: impl Into<String>,
    ) -> Filled<NewDevice, RegisteredDevice> {
        let (core, application, uuid) = (self.core.clone(), application.into(), uuid.into());
        Filled::new(move |mut given| async move {
            application.check()?;
            not_empty("uuid", &uuid)?;
            let mut given = |name: &'static str| -> Result<Option<String>> {
                let value = given.remove(name).and_then(|value| value.as_str().map(str::to_owned));
                value.as_deref().map_or(Ok(()), |value| not_empty(name, value))?;
                Ok(value)
            };
            let device = New { application, uuid, device_type: given(DEVICE_TYPE)? };
            let (core, registrar) = if let Some(key) = given(PROVISIONING_KEY)?.map(SecretString::from) {
                (core.with_token(key.clone())?, Registrar { key, user: None, made: None })
            } else {
                let registrar = Registrar::of_the_caller(&core, &device).await?;
                (core, registrar)
            };
            let registered = device.register(&core, &registrar).await;
            if let (Err(_), Some(made)) = (&registered, &registrar.made) {
                made.remove(&core).await;
            }
            registered
        })
    }
}

/// What is to be registered.
struct New {
    application: ApplicationKey,
    uuid: String,
    device_type: Option<String>,
}

impl New {
    async fn register(self, core: &Arc<Core>, registrar: &Registrar) -> Result<RegisteredDevice> {
        let query = columns(["id"]).expand(Application::DEVICE_TYPE.with(with_architecture()));
        let fleet: Application = core.row_of(self.application.target::<Application>(query)?).await?;
        let fleets_type = fleet.is_for_device_type.get();
        let device_type = match &self.device_type {
            Some(name) => fitting(core, name, slug(fleets_type)?).await?,
            None => fleets_type.and_then(|device_type| device_type.slug.clone()),
        };
        let mut body = json!({
            "application": told(fleet.id, "id")?,
            "uuid": self.uuid,
            "device_type": told(device_type, "is_for__device_type/slug")?,
        });
        if let (Some(user), Some(body)) = (registrar.user, body.as_object_mut()) {
            body.insert("user".into(), user.into());
        }
        let post = Plain::post(Method::POST, "/device/register", Some(body));
        let reply = core.plain_as(post, Some(registrar.key.clone())).await?;
        crate::json::decode(&reply.body).map_err(|misfit| {
            unreadable_secret(&reply, &misfit).help(
                "the device may be registered all the same: look for its uuid before registering it again",
            )
        })
    }
}

/// With which key a device is registered, and for whom.
struct Registrar {
    key: SecretString,
    user: Option<i64>,
    /// The key was made for this one device.
    made: Option<MadeKey>,
}

impl Registrar {
    async fn of_the_caller(core: &Arc<Core>, device: &New) -> Result<Self> {
        let who = core.whoami().await?;
        if let (Actor::Application { .. }, Some(key)) = (&who.actor, core.token().await?) {
            return Ok(Self { key, user: None, made: None });
        }
        let user = Some(who.user_id()?);
        let made = MadeKey { name: device.uuid.chars().take(SHOWN_OF_UUID).collect() };
        let expiry = core.http.clock.now() + KEY_LIFETIME;
        let expiry = Timestamp::from_millisecond(expiry.as_millisecond()).unwrap_or(expiry);
        let key = Applications::new(core)
            .generate_provisioning_key(device.application.clone())
            .key_name(&made.name)
            .description(KEY_DESCRIPTION)
            .expiry_date(expiry)
            .await;
        match key {
            Ok(key) => Ok(Self { key, user, made: Some(made) }),
            Err(error) => {
                // It may have been made nevertheless.
                if error.is_unknown_outcome() || error.is_decode() {
                    made.remove(core).await;
                }
                Err(error)
            }
        }
    }
}

/// A provisioning key that was made for one device: known by its name, since the server does not tell its id.
struct MadeKey {
    name: String,
}

impl MadeKey {
    /// As far as that works: it expires soon.
    async fn remove(&self, core: &Core) {
        let is_it = ApiKey::NAME.eq(&*self.name).and(ApiKey::DESCRIPTION.eq(KEY_DESCRIPTION));
        if let Err(error) = core.delete(<ApiKey as Resource>::NAME, &Rows::filter(is_it)).await {
            tracing::debug!(%error, "the provisioning key stays until it expires");
        }
    }
}

impl Filled<NewDevice, RegisteredDevice> {
    /// Slug or alias of its device type, where it is not the application's.
    pub fn device_type(self, slug: impl Into<String>) -> Self {
        self.give(DEVICE_TYPE, slug.into())
    }

    /// A provisioning key of the application: see
    /// [`generate_provisioning_key`](crate::api::application::Applications::generate_provisioning_key). None is
    /// made then, and this one stays; all requests go out with it, whoever is logged in.
    pub fn provisioning_key(self, key: impl Into<SecretString>) -> Self {
        self.give(PROVISIONING_KEY, key.into().expose_secret())
    }
}

/// Slug of the device type with this slug or alias, if it runs code for this architecture.
async fn fitting(core: &Arc<Core>, name: &str, architecture: &str) -> Result<Option<String>> {
    let device_type = DeviceTypes::new(core).get(name).select(["slug"]);
    let device_type: DeviceType = device_type.expand(DeviceType::CPU_ARCHITECTURE.select(["slug"])).await?;
    let own = slug(Some(&device_type))?;
    if !runs(own, architecture) {
        let why = format_args!("{} ({own}) can't run code for {architecture}", shown(name));
        return Err(Error::argument("device_type", why).sent(true));
    }
    Ok(device_type.slug)
}

fn with_architecture() -> Query {
    columns(["slug"]).expand(DeviceType::CPU_ARCHITECTURE.select(["slug"]))
}

//! Registering devices.

use std::fmt::Write as _;
use std::sync::Arc;

use http::Method;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;

use crate::api::application::Applications;
use crate::api::device_type::DeviceTypes;
use crate::checks;
use crate::core::{Core, EndpointRequest};
use crate::error::{Error, ErrorKind, Result, escaped};
use crate::ids::DeviceId;
use crate::odata::Query;
use crate::resource::json_request::decode_error_of_secret;
use crate::resource::keys::{ApplicationKey, not_empty};
use crate::resource::read::response_error;
use crate::resource::request_builder::RequestBuilder;
use crate::resource::schema::Resource;
use crate::resource::write::RowSelector;
use crate::rows::{ApiKey, Application, DeviceType};
use crate::whoami::ActorKind;

use super::Devices;
use super::architecture::runs;
use super::change::slug;
use super::read::{columns, required};

/// Length of a uuid in bytes: 62 digits. With the 64 digits of a hash, certificate checks of the VPN fail.
const UUID_BYTES: usize = 31;

const DEVICE_TYPE: &str = "device_type";
const PROVISIONING_KEY: &str = "provisioning_key";

/// Lifetime of a provisioning key that is created for one registration.
const KEY_LIFETIME: SignedDuration = SignedDuration::from_mins(10);
const KEY_DESCRIPTION: &str = "Created by SDK to register a device";
/// Number of digits of a uuid in a key's name: a name has at most 50 characters, a uuid may have 62 digits.
const SHOWN_OF_UUID: usize = 32;

/// A newly registered device.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct RegisteredDevice {
    /// Id of the device.
    pub id: DeviceId,
    /// Uuid of the device, as given.
    pub uuid: String,
    /// API key of the device. Only this response contains it.
    pub api_key: SecretString,
}

/// Marker of the request of [`Devices::register`].
#[derive(Debug)]
#[non_exhaustive]
pub struct NewDevice;

impl Devices {
    /// Generates a uuid for a new device: 62 random hexadecimal digits.
    ///
    /// # Errors
    /// `is_io` if the system has no random numbers.
    #[doc(alias = "generateUniqueKey")]
    #[doc(alias = "generateUUID")]
    pub fn generate_uuid(&self) -> Result<String> {
        let mut bytes = [0; UUID_BYTES];
        getrandom::fill(&mut bytes).map_err(|cause| {
            Error::new(ErrorKind::Io, "the system has no random numbers")
                .with_source(std::io::Error::from(cause))
        })?;
        Ok(bytes.iter().fold(String::with_capacity(2 * UUID_BYTES), |mut uuid, byte| {
            // Writing to a string can't fail.
            let _ = write!(uuid, "{byte:02x}");
            uuid
        }))
    }

    /// Registers a device with an application (`POST /device/register`). The device type is the application's unless
    /// [`device_type`](RequestBuilder::device_type) is set.
    ///
    /// With a user's token, it creates a provisioning key that is valid for ten minutes, and deletes it if the
    /// registration fails. It creates none if the token is a provisioning key of the application, or with
    /// [`provisioning_key`](RequestBuilder::provisioning_key).
    ///
    /// # Errors
    /// `is_not_found` if the application does not exist; `is_conflict` if a device has this uuid already;
    /// `is_invalid_argument` if the device type does not exist or can't run the application's code;
    /// `is_unauthorized` if nobody is logged in or the key belongs to another application; `is_unsupported` if the
    /// token is a device's.
    pub fn register(
        &self,
        application: impl Into<ApplicationKey>,
        uuid: impl Into<String>,
    ) -> RequestBuilder<NewDevice, RegisteredDevice> {
        let (core, application, uuid) = (self.core.clone(), application.into(), uuid.into());
        RequestBuilder::new(move |mut given| async move {
            application.check()?;
            checks::new_uuid("uuid", &uuid)?;
            let mut given = |name: &'static str| -> Result<Option<String>> {
                let value = given.remove(name).and_then(|value| value.as_str().map(str::to_owned));
                value.as_deref().map_or(Ok(()), |value| not_empty(name, value))?;
                Ok(value)
            };
            let device = Registration { application, uuid, device_type: given(DEVICE_TYPE)? };
            let (core, registrar) = if let Some(key) = given(PROVISIONING_KEY)?.map(SecretString::from) {
                checks::token(PROVISIONING_KEY, key.expose_secret())?;
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

/// The device to register.
struct Registration {
    application: ApplicationKey,
    uuid: String,
    device_type: Option<String>,
}

impl Registration {
    async fn register(self, core: &Arc<Core>, registrar: &Registrar) -> Result<RegisteredDevice> {
        let query = columns(["id"]).expand(Application::DEVICE_TYPE.with(with_architecture()));
        let fleet: Application = core.row_of(self.application.target::<Application>(query)?).await?;
        let fleets_type = fleet.is_for_device_type.get();
        let device_type = match &self.device_type {
            Some(name) => fitting(core, name, slug(fleets_type)?).await?,
            None => fleets_type.and_then(|device_type| device_type.slug.clone()),
        };
        let mut body = json!({
            "application": required(fleet.id, "id")?,
            "uuid": self.uuid,
            "device_type": required(device_type, "is_for__device_type/slug")?,
        });
        if let (Some(user), Some(body)) = (registrar.user, body.as_object_mut()) {
            body.insert("user".into(), user.into());
        }
        let post = EndpointRequest::new(Method::POST, "/device/register", Some(body));
        let response = core.send_with_token(post, Some(registrar.key.clone())).await?;
        let registered: RegisteredDevice = crate::json::decode(&response.body)
            .map_err(|cause| decode_error_of_secret(&response, &cause).with_help(LOOK_FOR_IT))?;
        if registered.uuid != self.uuid {
            let text = format!("the answer is for another device: uuid {}", escaped(&registered.uuid));
            return Err(response_error(&response, ErrorKind::Decode, text).with_help(LOOK_FOR_IT));
        }
        Ok(registered)
    }
}

const LOOK_FOR_IT: &str =
    "the device may be registered nevertheless: check its uuid before registering it again";

/// The credential of a registration, and its owner.
struct Registrar {
    key: SecretString,
    user: Option<i64>,
    /// Key that was created for this registration.
    made: Option<TemporaryKey>,
}

impl Registrar {
    async fn of_the_caller(core: &Arc<Core>, device: &Registration) -> Result<Self> {
        let who = core.whoami().await?;
        if let (ActorKind::Application { .. }, Some(key)) = (&who.actor, core.token().await?) {
            return Ok(Self { key, user: None, made: None });
        }
        let user = Some(who.user_id()?);
        let made = TemporaryKey { name: device.uuid.chars().take(SHOWN_OF_UUID).collect() };
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
                // The key may have been created nevertheless.
                if error.is_unknown_outcome() || error.is_decode() {
                    made.remove(core).await;
                }
                Err(error)
            }
        }
    }
}

/// A provisioning key created for one device. Identified by its name, because the API does not return its id.
struct TemporaryKey {
    name: String,
}

impl TemporaryKey {
    /// Deletes the key. Ignores failures, since it expires soon.
    async fn remove(&self, core: &Core) {
        let is_it = ApiKey::NAME.eq(&*self.name).and(ApiKey::DESCRIPTION.eq(KEY_DESCRIPTION));
        if let Err(error) = core.delete(<ApiKey as Resource>::NAME, &RowSelector::filter(is_it)).await {
            tracing::debug!(%error, "the provisioning key could not be deleted; it expires soon");
        }
    }
}

impl RequestBuilder<NewDevice, RegisteredDevice> {
    /// Sets the device type by slug or alias, if it differs from the application's.
    pub fn device_type(self, slug: impl Into<String>) -> Self {
        self.set(DEVICE_TYPE, slug.into())
    }

    /// Sets a provisioning key of the application: see
    /// [`generate_provisioning_key`](crate::api::application::Applications::generate_provisioning_key). All requests
    /// use it in place of the login. It is neither created nor deleted.
    pub fn provisioning_key(self, key: impl Into<SecretString>) -> Self {
        self.set(PROVISIONING_KEY, key.into().expose_secret())
    }
}

/// Returns the slug of the device type with this slug or alias, if it can run code for this architecture.
async fn fitting(core: &Arc<Core>, name: &str, architecture: &str) -> Result<Option<String>> {
    let device_type = DeviceTypes::new(core).get(name).select(["slug"]);
    let device_type: DeviceType = device_type.expand(DeviceType::CPU_ARCHITECTURE.select(["slug"])).await?;
    let own = slug(Some(&device_type))?;
    if !runs(own, architecture) {
        let why = format_args!("{} ({own}) can't run code for {architecture}", escaped(name));
        return Err(Error::argument("device_type", why).with_sent(true));
    }
    Ok(device_type.slug)
}

fn with_architecture() -> Query {
    columns(["slug"]).expand(DeviceType::CPU_ARCHITECTURE.select(["slug"]))
}

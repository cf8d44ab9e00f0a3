//! New devices.

use std::fmt::Write as _;
use std::sync::Arc;

use http::Method;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::answer::decode;
use crate::api::application::Applications;
use crate::api::device_type::DeviceTypes;
use crate::api::filled::Filled;
use crate::api::keys::ApplicationKey;
use crate::api::rows::{Application, DeviceType};
use crate::core::{Core, Plain};
use crate::error::{Error, ErrorKind, Result, shown};
use crate::ids::DeviceId;
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

    /// Registers a device with an application (`POST /device/register`), of the application's device type
    /// unless told. Makes a provisioning key for it, with every call.
    ///
    /// # Errors
    /// `is_not_found` when the application is not there; `is_conflict` when a device has this uuid already;
    /// `is_invalid_argument` for a device type that is none, or can't run the application's code;
    /// `is_unsupported` when the token is not a user's.
    pub fn register(
        &self,
        application: impl Into<ApplicationKey>,
        uuid: impl Into<String>,
    ) -> Filled<NewDevice, RegisteredDevice> {
        let (core, application, uuid) = (self.core.clone(), application.into(), uuid.into());
        Filled::new(move |given| async move {
            application.check()?;
            if uuid.trim().is_empty() {
                return Err(Error::argument("uuid", "it is empty"));
            }
            let device_type = given.get("device_type").and_then(Value::as_str);
            if device_type.is_some_and(|slug| slug.trim().is_empty()) {
                return Err(Error::argument("device_type", "it is empty"));
            }
            let user = core.whoami().await?.user_id()?;
            let key = Applications::new(&core).generate_provisioning_key(application.clone()).await?;
            let query = columns(["id"]).expand(Application::DEVICE_TYPE.with(with_architecture()));
            let fleet: Application = core.row_of(application.target::<Application>(query)?).await?;
            let fleets_type = fleet.is_for_device_type.get();
            let device_type = match device_type {
                Some(name) => fitting(&core, name, slug(fleets_type)?).await?,
                None => fleets_type.and_then(|device_type| device_type.slug.clone()),
            };
            let body = json!({
                "user": user,
                "application": told(fleet.id, "id")?,
                "uuid": uuid,
                "device_type": told(device_type, "is_for__device_type/slug")?,
            });
            let post = Plain::post(Method::POST, "/device/register", Some(body));
            decode(&core.plain_as(post, Some(key)).await?)
        })
    }
}

impl Filled<NewDevice, RegisteredDevice> {
    /// Slug or alias of its device type, where it is not the application's.
    pub fn device_type(self, slug: impl Into<String>) -> Self {
        self.give("device_type", slug.into())
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

//! Local mode and the override of update locks: settings of a device that the SDKs have names for.

use serde::{Deserialize, Serialize};

use crate::api::key_value::ParentKey;
use crate::api::keys::DeviceKey;
use crate::api::read::rows;
use crate::api::request::Request;
use crate::api::resource::Resource;
use crate::api::rows::{Application, ApplicationConfigVariable, Device, DeviceConfigVariable};
use crate::error::{Error, ErrorKind};
use crate::odata::{Key, Query};
use crate::version::Version;

use super::Devices;
use super::read::columns;

const VARIABLES: &str = <DeviceConfigVariable as Resource>::NAME;
const LOCAL_MODE: &str = "RESIN_SUPERVISOR_LOCAL_MODE";
const OVERRIDE_LOCK: &str = "RESIN_OVERRIDE_LOCK";

/// Whether a device can be put into local mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LocalModeSupport {
    /// Whether it can.
    pub supported: bool,
    /// Why not, in words; `Supported` when it can.
    pub message: String,
}

impl LocalModeSupport {
    fn of(device: &Device) -> Self {
        let no = |message: &str| Self { supported: false, message: message.to_owned() };
        let version = |text: &Option<String>| text.as_deref().and_then(Version::parse);
        let supervisor = device.supervisor_version.as_deref().unwrap_or_default();
        if supervisor.is_empty() || device.last_connectivity_event.is_none() {
            return no("Device is not yet fully provisioned");
        }
        if version(&device.os_version) < Version::parse("2.0.0") {
            return no("Device OS version does not support local mode");
        }
        if version(&device.supervisor_version) < Version::parse("4.0.0") {
            return no("Device supervisor version does not support local mode");
        }
        if device.os_variant.as_deref() != Some("dev") {
            return no("Local mode is only supported on development OS versions");
        }
        Self { supported: true, message: "Supported".to_owned() }
    }
}

impl Devices {
    /// Whether a device is in local mode, as the cloud has set it (`GET /v6/device_config_variable`).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[doc(alias = "isInLocalMode")]
    pub fn is_in_local_mode(&self, device: impl Into<DeviceKey>) -> Request<bool> {
        let (core, key) = (self.core.clone(), device.into());
        Request::new(async move {
            let id = core.id_of(key.target::<Device>(Query::new())?).await?;
            let variable = Key::of("device", id).and("name", LOCAL_MODE);
            let reply = core.read(VARIABLES, Some(&variable), &Query::new()).await?;
            let row = rows::<DeviceConfigVariable>(&reply)?.pop();
            Ok(row.and_then(|row| row.value).as_deref() == Some("1"))
        })
    }

    /// Whether a device can be put into local mode, and why not (`GET /v6/device`).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[doc(alias = "getLocalModeSupport")]
    pub fn get_local_mode_support(&self, device: impl Into<DeviceKey>) -> Request<LocalModeSupport> {
        self.ask(device, local_mode_columns(), |device| Ok(LocalModeSupport::of(&device)))
    }

    /// Puts a device into local mode: it runs what is pushed to it from its own network, instead of the
    /// application's release (`POST /v6/device_config_variable`).
    ///
    /// # Errors
    /// `is_unsupported` with the reason when it can't be.
    #[doc(alias = "enableLocalMode")]
    pub fn enable_local_mode(&self, device: impl Into<DeviceKey>) -> Request<()> {
        let (devices, key) = (self.clone(), device.into());
        Request::new(async move {
            let support = devices.get_local_mode_support(key.clone()).await?;
            if !support.supported {
                return Err(Error::new(ErrorKind::Unsupported, support.message).sent(true));
            }
            devices.configure(key, LOCAL_MODE, "1").await
        })
    }

    /// Takes a device out of local mode (`POST /v6/device_config_variable`).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[doc(alias = "disableLocalMode")]
    pub fn disable_local_mode(&self, device: impl Into<DeviceKey>) -> Request<()> {
        self.configure(device, LOCAL_MODE, "0")
    }

    /// Makes a device ignore update locks, until that is taken back: updates, restarts and reboots interrupt
    /// what a service locked them for (`POST /v6/device_config_variable`).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[doc(alias = "enableLockOverride")]
    pub fn enable_lock_override(&self, device: impl Into<DeviceKey>) -> Request<()> {
        self.configure(device, OVERRIDE_LOCK, "1")
    }

    /// Makes a device heed update locks again (`POST /v6/device_config_variable`).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[doc(alias = "disableLockOverride")]
    pub fn disable_lock_override(&self, device: impl Into<DeviceKey>) -> Request<()> {
        self.configure(device, OVERRIDE_LOCK, "0")
    }

    /// Whether a device ignores update locks, by a setting of its own or of its application
    /// (`GET /v6/device`).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[doc(alias = "hasLockOverride")]
    pub fn has_lock_override(&self, device: impl Into<DeviceKey>) -> Request<bool> {
        let own = Device::DEVICE_CONFIG_VARIABLE
            .select(["value"])
            .filter(DeviceConfigVariable::NAME.eq(OVERRIDE_LOCK));
        let inherited = Application::APPLICATION_CONFIG_VARIABLE
            .select(["value"])
            .filter(ApplicationConfigVariable::NAME.eq(OVERRIDE_LOCK));
        let query = Query::new().expand(own).expand(Device::APPLICATION.select(["id"]).expand(inherited));
        self.ask(device, query, |device| {
            let own = device.device_config_variable.into_rows().pop();
            let value = match own {
                Some(own) => own.value,
                None => {
                    let application = device.belongs_to_application.into_rows().pop();
                    application
                        .and_then(|row| row.application_config_variable.into_rows().pop())
                        .and_then(|inherited| inherited.value)
                }
            };
            Ok(value.as_deref() == Some("1"))
        })
    }

    /// Sets one configuration variable of a device.
    fn configure(
        &self,
        device: impl Into<DeviceKey>,
        name: &'static str,
        value: &'static str,
    ) -> Request<()> {
        let (core, key) = (self.core.clone(), device.into());
        Request::new(async move {
            let id = key.resolve(core.clone()).await?;
            let natural_key = [("device", id.into()), ("name", name.into())];
            core.upsert(VARIABLES, &natural_key, &[("value", value.into())]).await
        })
    }
}

fn local_mode_columns() -> Query {
    columns(["id", "os_version", "os_variant", "supervisor_version", "last_connectivity_event"])
}

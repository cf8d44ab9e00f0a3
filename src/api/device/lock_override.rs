//! The override of update locks as a device setting.

use crate::odata::Query;
use crate::resource::keys::DeviceKey;
use crate::resource::request::Request;
use crate::rows::{Application, ApplicationConfigVariable, Device, DeviceConfigVariable};

use super::Devices;

const OVERRIDE_LOCK: &str = "RESIN_OVERRIDE_LOCK";

impl Devices {
    /// Makes a device ignore update locks until disabled: updates, restarts and reboots interrupt the services that
    /// hold locks (`POST /v6/device_config_variable`).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[doc(alias = "enableLockOverride")]
    pub fn enable_lock_override(&self, device: impl Into<DeviceKey>) -> Request<()> {
        self.config_var().set(device, OVERRIDE_LOCK, "1")
    }

    /// Makes a device respect update locks again (`POST /v6/device_config_variable`).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[doc(alias = "disableLockOverride")]
    pub fn disable_lock_override(&self, device: impl Into<DeviceKey>) -> Request<()> {
        self.config_var().set(device, OVERRIDE_LOCK, "0")
    }

    /// Returns whether a device ignores update locks, by its own setting or its application's (`GET /v6/device`).
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
            let value = if let Some(own) = own {
                own.value
            } else {
                let application = device.belongs_to_application.into_rows().pop();
                let inherited = application.and_then(|row| row.application_config_variable.into_rows().pop());
                inherited.and_then(|row| row.value)
            };
            Ok(value.as_deref() == Some("1"))
        })
    }
}

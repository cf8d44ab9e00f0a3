//! Local mode: a device runs code that is pushed to it from its local network.

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};
use crate::odata::{Key, Query};
use crate::resource::keys::DeviceKey;
use crate::resource::read::{response_error, whole_rows};
use crate::resource::request::Request;
use crate::resource::schema::Resource;
use crate::rows::{Device, DeviceConfigVariable};
use crate::version::Precedence;

use super::Devices;
use super::read::columns;

const LOCAL_MODE: &str = "RESIN_SUPERVISOR_LOCAL_MODE";

/// Whether a device supports local mode, and why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LocalModeSupport {
    /// Whether it supports local mode.
    pub supported: bool,
    /// Reason why not; `Supported` if it does.
    pub message: String,
}

impl LocalModeSupport {
    /// Evaluates a device's row without a request. Needs the columns `os_version`, `os_variant`,
    /// `supervisor_version` and `last_connectivity_event`.
    pub fn of(device: &Device) -> Self {
        let no = |message: &str| Self { supported: false, message: message.to_owned() };
        let version = |text: &Option<String>| text.as_deref().and_then(Precedence::of);
        let supervisor = device.supervisor_version.as_deref().unwrap_or_default();
        if supervisor.is_empty() || device.last_connectivity_event.is_none() {
            return no("Device is not yet fully provisioned");
        }
        if version(&device.os_version) < Precedence::of("2.0.0") {
            return no("Device OS version does not support local mode");
        }
        if version(&device.supervisor_version) < Precedence::of("4.0.0") {
            return no("Device supervisor version does not support local mode");
        }
        if device.os_variant.as_deref() != Some("dev") {
            return no("Local mode is only supported on development OS versions");
        }
        Self { supported: true, message: "Supported".to_owned() }
    }
}

impl Devices {
    /// Returns whether a device is set to local mode in the API (`GET /v6/device_config_variable`).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[doc(alias = "isInLocalMode")]
    pub fn is_in_local_mode(&self, device: impl Into<DeviceKey>) -> Request<bool> {
        let (core, key) = (self.core.clone(), device.into());
        Request::new(async move {
            let id = core.id_of(key.target::<Device>(Query::new())?).await?;
            let variable = Key::of("device", id).and("name", LOCAL_MODE);
            let response =
                core.read(<DeviceConfigVariable as Resource>::NAME, Some(&variable), &Query::new()).await?;
            let asked = Query::new().select([DeviceConfigVariable::VALUE.name()]);
            let mut rows = whole_rows::<DeviceConfigVariable>(&response, &asked)?.into_iter();
            let row = rows.next();
            if rows.next().is_some() {
                let text = format!("{LOCAL_MODE} of device {id} is ambiguous: there are several");
                return Err(response_error(&response, ErrorKind::Ambiguous, text));
            }
            Ok(row.and_then(|row| row.value).as_deref() == Some("1"))
        })
    }

    /// Returns whether a device supports local mode, and why not (`GET /v6/device`).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[doc(alias = "getLocalModeSupport")]
    pub fn get_local_mode_support(&self, device: impl Into<DeviceKey>) -> Request<LocalModeSupport> {
        self.ask(device, local_mode_columns(), |device| Ok(LocalModeSupport::of(&device)))
    }

    /// Enables local mode: the device runs code pushed from its local network instead of the application's release
    /// (`POST /v6/device_config_variable`).
    ///
    /// # Errors
    /// `is_unsupported`, with the reason, if the device does not support it.
    #[doc(alias = "enableLocalMode")]
    pub fn enable_local_mode(&self, device: impl Into<DeviceKey>) -> Request<()> {
        let (devices, key) = (self.clone(), device.into());
        Request::new(async move {
            let support = devices.get_local_mode_support(key.clone()).await?;
            if !support.supported {
                return Err(Error::new(ErrorKind::Unsupported, support.message).with_sent(true));
            }
            devices.config_var().set(key, LOCAL_MODE, "1").await
        })
    }

    /// Disables local mode (`POST /v6/device_config_variable`).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[doc(alias = "disableLocalMode")]
    pub fn disable_local_mode(&self, device: impl Into<DeviceKey>) -> Request<()> {
        self.config_var().set(device, LOCAL_MODE, "0")
    }
}

fn local_mode_columns() -> Query {
    columns(["id", "os_version", "os_variant", "supervisor_version", "last_connectivity_event"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_version_is_too_old() {
        let device = |os: &str, supervisor: &str| Device {
            os_version: Some(os.to_owned()),
            os_variant: Some("dev".to_owned()),
            supervisor_version: Some(supervisor.to_owned()),
            last_connectivity_event: Some(jiff::Timestamp::UNIX_EPOCH),
            ..Device::default()
        };
        assert!(LocalModeSupport::of(&device("balenaOS 2.98.33", "v4.0.0")).supported);
        for (os, supervisor, what) in
            [("2.98", "4.0.0", "OS"), ("02.98.33", "4.0.0", "OS"), ("2.98.33", "4.0", "supervisor")]
        {
            let support = LocalModeSupport::of(&device(os, supervisor));
            assert_eq!(support.message, format!("Device {what} version does not support local mode"), "{os}");
        }
    }
}

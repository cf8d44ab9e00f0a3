//! Targets of actions: this device or another one.

use crate::env::Environment;
use crate::error::Result;
use crate::ids::DeviceId;
use crate::resource::keys::DeviceKey;
use crate::rows::Device;
use crate::supervisor::Supervisor;

/// This device, through its supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Local;

/// The device that an action applies to.
///
/// `None` and [`Local`] mean this device, through its supervisor; so does the full uuid of this device
/// (`BALENA_DEVICE_UUID`) if the supervisor's variables are set. Another uuid, a part of one, and any id mean a
/// device through the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceTarget(Target);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    Local,
    Device {
        key: DeviceKey,
        /// The full uuid, if the key is not one.
        uuid: Option<String>,
    },
}

/// How an action reaches the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// Directly, to the supervisor of this device.
    Here,
    /// Through the API, to the supervisor of this device.
    There(DeviceKey),
}

impl DeviceTarget {
    /// Converts an optional key: `None` is this device. For targets known only at run time.
    pub fn from_option(device: Option<DeviceKey>) -> Self {
        device.map_or(Self(Target::Local), Self::from)
    }

    /// Returns the key of the device; `None` for this device through its supervisor. A uuid is looked up in the API
    /// here, even this device's own.
    pub(crate) fn key(&self) -> Option<&DeviceKey> {
        match &self.0 {
            Target::Local => None,
            Target::Device { key, .. } => Some(key),
        }
    }

    /// # Errors
    /// `is_invalid_argument` if the key is malformed.
    pub(crate) fn route(self, env: &Environment, supervisor: &Supervisor) -> Result<Route> {
        let Target::Device { key, uuid } = self.0 else { return Ok(Route::Here) };
        key.check()?;
        let uuid = match &key {
            DeviceKey::Name(text) => Some(text),
            DeviceKey::Id(_) => uuid.as_ref(),
        };
        // Without the supervisor's variables, this device is only reachable through the API.
        let here = uuid.is_some() && uuid == env.device_uuid.as_ref() && supervisor.is_configured();
        Ok(if here { Route::Here } else { Route::There(key) })
    }
}

impl DeviceTarget {
    /// As [`route`](Self::route), for a call that needs the application's id: without `BALENA_APP_ID` only the API knows it. Without
    /// a key the API can't be used.
    pub(crate) fn route_for_application(self, env: &Environment, supervisor: &Supervisor) -> Result<Route> {
        let key = match &self.0 {
            Target::Device { key, .. } => Some(key.clone()),
            Target::Local => None,
        };
        match (self.route(env, supervisor)?, key) {
            (Route::Here, Some(key)) if supervisor.own_app_id().is_err() => Ok(Route::There(key)),
            (way, _) => Ok(way),
        }
    }
}

impl From<Local> for DeviceTarget {
    fn from(_: Local) -> Self {
        Self(Target::Local)
    }
}

/// For `None`, which means this device.
impl From<Option<Local>> for DeviceTarget {
    fn from(_: Option<Local>) -> Self {
        Self(Target::Local)
    }
}

impl From<DeviceKey> for DeviceTarget {
    fn from(key: DeviceKey) -> Self {
        Self(Target::Device { key, uuid: None })
    }
}

/// Uses the row's id and uuid. A row with neither is refused as an empty uuid.
impl From<&Device> for DeviceTarget {
    fn from(device: &Device) -> Self {
        let uuid = device.uuid.clone();
        let key = match device.id {
            Some(id) => DeviceKey::Id(id),
            None => DeviceKey::Name(uuid.clone().unwrap_or_default()),
        };
        Self(Target::Device { key, uuid })
    }
}

macro_rules! from_key {
    ($($key:ty),*) => {$(
        impl From<$key> for DeviceTarget {
            fn from(key: $key) -> Self {
                DeviceKey::from(key).into()
            }
        }
    )*};
}

from_key!(&str, String, DeviceId, i32, u32, i64, u64);

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "8deb12a58e3b6d3920db1c2b6303d1ff";

    fn way(target: impl Into<DeviceTarget>, on_device: bool) -> Result<Route> {
        let mut vars = vec![("BALENA_DEVICE_UUID", OWN)];
        if on_device {
            vars.extend([
                ("BALENA_SUPERVISOR_ADDRESS", "http://127.0.0.1:48484"),
                ("BALENA_SUPERVISOR_API_KEY", "k"),
            ]);
        }
        let env = Environment::from_vars(vars).unwrap();
        target.into().route(&env, &Supervisor::new(&env))
    }

    #[test]
    fn without_its_id_the_application_is_named_by_the_cloud() {
        let vars = [
            ("BALENA_DEVICE_UUID", OWN),
            ("BALENA_SUPERVISOR_ADDRESS", "http://127.0.0.1:48484"),
            ("BALENA_SUPERVISOR_API_KEY", "k"),
            ("BALENA_APP_ID", "7"),
        ];
        let way = |target: DeviceTarget, vars: &[(&'static str, &'static str)]| {
            let env = Environment::from_vars(vars.iter().copied()).unwrap();
            target.route_for_application(&env, &Supervisor::new(&env)).unwrap()
        };
        assert_eq!(way(OWN.into(), &vars), Route::Here);
        assert_eq!(way(OWN.into(), &vars[..3]), Route::There(OWN.into()));
        assert_eq!(way(Local.into(), &vars[..3]), Route::Here);
    }

    #[test]
    fn only_this_device_goes_to_the_supervisor() {
        let row = |id: Option<i64>, uuid: Option<&str>| Device {
            id: id.map(DeviceId::new),
            uuid: uuid.map(str::to_owned),
            ..Device::default()
        };
        assert_eq!(way(None, false).unwrap(), Route::Here);
        assert_eq!(way(Local, true).unwrap(), Route::Here);
        assert_eq!(way(DeviceTarget::from_option(None), true).unwrap(), Route::Here);
        assert_eq!(way(OWN, true).unwrap(), Route::Here);
        assert_eq!(way(&row(Some(5), Some(OWN)), true).unwrap(), Route::Here);

        assert_eq!(way(OWN, false).unwrap(), Route::There(OWN.into()));
        assert_eq!(way("8deb12a", true).unwrap(), Route::There("8deb12a".into()));
        assert_eq!(way(5, true).unwrap(), Route::There(5.into()));
        assert_eq!(way(&row(Some(5), Some("ffff")), true).unwrap(), Route::There(5.into()));
        assert_eq!(way(&row(Some(5), None), true).unwrap(), Route::There(5.into()));
        assert_eq!(way(&row(None, Some(OWN)), false).unwrap(), Route::There(OWN.into()));
    }

    #[test]
    fn what_could_be_any_device_is_refused() {
        for target in
            ["".into(), " ".into(), DeviceTarget::from(0), u64::MAX.into(), (&Device::default()).into()]
        {
            assert!(way(target.clone(), true).unwrap_err().is_invalid_argument(), "{target:?}");
        }
    }
}

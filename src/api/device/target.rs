//! Which device an action is for.

use crate::env::Environment;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::DeviceId;
use crate::supervisor::Supervisor;

/// This device, through its own supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Local;

/// The device that an action is for.
///
/// `None`, [`Local`] and the whole uuid of this device (`BALENA_DEVICE_UUID`) mean the supervisor of this
/// device; with another uuid, a part of one, or an id, the cloud is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceTarget(Target);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    Local,
    Uuid(String),
    Id(DeviceId),
}

impl DeviceTarget {
    /// Whether the supervisor of this device serves it.
    pub(super) fn is_local(&self, env: &Environment, supervisor: &Supervisor) -> Result<bool> {
        match &self.0 {
            Target::Local => Ok(true),
            Target::Uuid(uuid) if uuid.trim().is_empty() => {
                Err(Error::argument("device", "the uuid is empty"))
            }
            Target::Uuid(uuid) => Ok(supervisor.is_configured() && env.device_uuid.as_deref() == Some(uuid)),
            Target::Id(id) if id.get() <= 0 => {
                Err(Error::argument("device", format_args!("{id} is not a device id")))
            }
            Target::Id(_) => Ok(false),
        }
    }

    /// # Errors
    /// `is_unsupported` unless it is this device.
    pub(super) fn require_local(&self, env: &Environment, supervisor: &Supervisor) -> Result<()> {
        if self.is_local(env, supervisor)? {
            return Ok(());
        }
        let which = match &self.0 {
            Target::Uuid(uuid) => uuid.escape_debug().to_string(),
            Target::Id(id) => format!("with id {id}"),
            Target::Local => return Ok(()),
        };
        Err(Error::new(ErrorKind::Unsupported, format!("device {which} is not this device, and only this one can be reached here"))
            .help("pass None (or Local) for this device; another one needs the cloud API, which this version does not have yet"))
    }
}

impl From<Local> for DeviceTarget {
    fn from(_: Local) -> Self {
        Self(Target::Local)
    }
}

/// For `None`: this device.
impl From<Option<Local>> for DeviceTarget {
    fn from(_: Option<Local>) -> Self {
        Self(Target::Local)
    }
}

impl From<&str> for DeviceTarget {
    fn from(uuid: &str) -> Self {
        Self(Target::Uuid(uuid.to_owned()))
    }
}

impl From<String> for DeviceTarget {
    fn from(uuid: String) -> Self {
        Self(Target::Uuid(uuid))
    }
}

impl From<DeviceId> for DeviceTarget {
    fn from(id: DeviceId) -> Self {
        Self(Target::Id(id))
    }
}

macro_rules! from_number {
    ($($number:ty),*) => {$(
        impl From<$number> for DeviceTarget {
            fn from(id: $number) -> Self {
                // A number beyond the range of ids is no device's id, and is refused as such.
                Self(Target::Id(DeviceId::new(i64::try_from(id).unwrap_or(-1))))
            }
        }
    )*};
}

from_number!(i32, u32, i64, u64);

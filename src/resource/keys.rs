//! Keys of rows: ids, uuids, slugs, handles. Resolved when the request is sent.

use std::fmt;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::core::Core;
use crate::error::{Error, Result, escaped};
use crate::ids::{
    ApplicationId, CpuArchitectureId, DeviceId, DeviceTypeId, OrganizationId, ReleaseId, ServiceId,
    SupervisorReleaseId, UserId,
};
use crate::odata::Query;

use super::read::{ReadResponse, ReadTarget};

/// A row of any resource, with its id only.
#[derive(Deserialize)]
pub(crate) struct IdRow {
    pub(crate) id: i64,
}

impl Core {
    /// Returns the id of a target's row.
    pub(crate) async fn id_of(&self, target: ReadTarget) -> Result<i64> {
        let target = ReadTarget { defaults: target.defaults.select(["id"]), ..target };
        let row: IdRow = self.row_of(target).await?;
        Ok(row.id)
    }

    /// Returns a target's row.
    pub(crate) async fn row_of<T: DeserializeOwned>(&self, target: ReadTarget) -> Result<T> {
        self.read_target(target, Query::new()).await?.one()
    }

    /// Returns a target's row with every column that the target requests, for a call that returns the meaning of a
    /// column.
    ///
    /// # Errors
    /// `is_decode` if a column is missing.
    pub(crate) async fn whole_row(&self, target: ReadTarget) -> Result<ReadResponse> {
        let asked = target.defaults.clone();
        self.read_target(target, Query::new()).await?.complete(&asked)
    }

    /// Returns whether a target's row exists. Several rows are `is_ambiguous`.
    pub(crate) async fn exists(&self, target: ReadTarget) -> Result<bool> {
        match self.id_of(target).await {
            Ok(_) => Ok(true),
            // Without a status: a 404 of the API means that the resource does not exist.
            Err(error) if error.is_not_found() && error.status().is_none() => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Checks an id without a type of its own.
///
/// # Errors
/// `is_invalid_argument` if it is 0, as a missing id often is, or negative.
pub(crate) fn check_id(argument: &'static str, id: i64) -> Result<i64> {
    if id > 0 { Ok(id) } else { Err(Error::argument(argument, format_args!("{id} is not an id"))) }
}

/// # Errors
/// `is_invalid_argument` if the text is empty or blank.
pub(crate) fn not_empty(argument: &'static str, text: &str) -> Result<()> {
    if text.trim().is_empty() { Err(Error::argument(argument, "it is empty")) } else { Ok(()) }
}

/// Defines a key type: an id, or text with one or several meanings.
macro_rules! key {
    ($(#[$doc:meta])* $name:ident ($id:ident) $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum $name {
            /// The numeric id.
            Id($id),
            /// Text in one of the forms above.
            Name(String),
        }

        impl $name {
            /// # Errors
            /// `is_invalid_argument` if the text is blank or the id is 0.
            pub(crate) fn check(&self) -> Result<()> {
                match self {
                    Self::Name(name) if name.trim().is_empty() => Err(Error::argument($what, "it is empty")),
                    Self::Id(id) if id.get() == 0 => Err(Error::argument($what, format_args!("{id} is not an id"))),
                    _ => Ok(()),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    Self::Id(id) => id.fmt(f),
                    Self::Name(name) => escaped(name).fmt(f),
                }
            }
        }

        impl From<$id> for $name {
            fn from(id: $id) -> Self {
                Self::Id(id)
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self::Name(name.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(name: String) -> Self {
                Self::Name(name)
            }
        }

        key!(@numbers $name $id i32 u32 i64 u64);
    };
    (@numbers $name:ident $id:ident $($number:ty)*) => {$(
        impl From<$number> for $name {
            fn from(id: $number) -> Self {
                // An id out of range becomes 0, which `check` refuses.
                Self::Id($id::new(i64::try_from(id).unwrap_or(0)))
            }
        }
    )*};
}
key! {
    /// Key of a device: its id, its full uuid (32 or 62 digits), or the start of its uuid. Case does not matter.
    DeviceKey(DeviceId) "device"
}

key! {
    /// Key of an application (fleet): its id, its slug (`my_org/my_app`) or its uuid. Ignores case.
    ApplicationKey(ApplicationId) "application"
}

key! {
    /// Key of a service of a device: its id, or its name in the compose file.
    DeviceServiceKey(ServiceId) "service"
}

key! {
    /// Key of an organization: its id or its handle.
    OrganizationKey(OrganizationId) "organization"
}

key! {
    /// Key of a device type: its id, its slug (`raspberrypi3`) or another alias.
    DeviceTypeKey(DeviceTypeId) "device_type"
}

key! {
    /// Key of a user: its id or its user name.
    UserKey(UserId) "user"
}

key! {
    /// Key of a CPU architecture: its id or its slug (`aarch64`).
    CpuArchitectureKey(CpuArchitectureId) "cpu_architecture"
}

key! {
    /// Key of a release of the host OS: its id, or its version as published (`2.98.33+rev1`).
    OsReleaseKey(ReleaseId) "os_release"
}

key! {
    /// Key of a supervisor release: its id or its version (`v13.0.0`).
    SupervisorReleaseKey(SupervisorReleaseId) "release"
}

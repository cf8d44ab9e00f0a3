//! How the caller names a thing: by id, uuid, slug, handle. Resolved when the request is sent.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::core::Core;
use crate::error::{Error, Result, shown};
use crate::http::BoxFuture;
use crate::ids::{
    ApplicationId, CpuArchitectureId, DeviceId, DeviceTypeId, OrganizationId, ReleaseId, ServiceId,
    SupervisorReleaseId, UserId,
};
use crate::odata::{Key, Query};

use super::key_value::ParentKey;
use super::read::{Found, Target};
use super::resource::Resource;

/// The id and nothing else, whatever the resource.
#[derive(Deserialize)]
pub(crate) struct IdRow {
    pub(crate) id: i64,
}

impl Core {
    /// The id of the one row that a target finds.
    pub(crate) async fn id_of(&self, target: Target) -> Result<i64> {
        let target = Target { defaults: target.defaults.select(["id"]), ..target };
        let row: IdRow = self.row_of(target).await?;
        Ok(row.id)
    }

    /// The one row that a target finds.
    pub(crate) async fn row_of<T: DeserializeOwned>(&self, target: Target) -> Result<T> {
        self.look(target, Query::new()).await?.one()
    }

    /// The same, with every column that the target asks for: for a call that tells what a column says.
    ///
    /// # Errors
    /// `is_decode` when one is missing.
    pub(crate) async fn whole_row(&self, target: Target) -> Result<Found> {
        let asked = target.defaults.clone();
        self.look(target, Query::new()).await?.complete(&asked)
    }

    /// Whether a target finds a row. Two of them are no answer: `is_ambiguous`.
    pub(crate) async fn finds(&self, target: Target) -> Result<bool> {
        match self.id_of(target).await {
            Ok(_) => Ok(true),
            // Not a 404 of the server, which means that there is no such resource.
            Err(error) if error.is_not_found() && error.status().is_none() => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// An id that is not a row's own type.
///
/// # Errors
/// `is_invalid_argument` for 0, which is what a missing id looks like, and below.
pub(crate) fn an_id(argument: &'static str, id: i64) -> Result<i64> {
    if id > 0 { Ok(id) } else { Err(Error::argument(argument, format_args!("{id} is not an id"))) }
}

/// # Errors
/// `is_invalid_argument` for a text without anything in it.
pub(crate) fn not_empty(argument: &'static str, text: &str) -> Result<()> {
    if text.trim().is_empty() { Err(Error::argument(argument, "it is empty")) } else { Ok(()) }
}

/// A key type: an id, or a text in one or several meanings.
macro_rules! key {
    ($(#[$doc:meta])* $name:ident ($id:ident) $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum $name {
            /// By its id.
            Id($id),
            /// By its name, in any of the forms above.
            Name(String),
        }

        impl $name {
            /// # Errors
            /// `is_invalid_argument` for a key that could match anything.
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
                    Self::Name(name) => shown(name).fmt(f),
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
                // A number beyond the range of ids is no id, and is refused as such.
                Self::Id($id::new(i64::try_from(id).unwrap_or(0)))
            }
        }
    )*};
}
key! {
    /// A device: its id, its whole uuid (32 or 62 digits), or the beginning of its uuid.
    DeviceKey(DeviceId) "device"
}

key! {
    /// An application (fleet): its id, its slug (`my_org/my_app`) or its uuid. Case does not matter.
    ApplicationKey(ApplicationId) "application"
}

key! {
    /// A service of a device: its id, or its name in the compose file.
    DeviceServiceKey(ServiceId) "service"
}

key! {
    /// An organization: its id or its handle.
    OrganizationKey(OrganizationId) "organization"
}

key! {
    /// A device type: its id, its slug (`raspberrypi3`) or another alias of it.
    DeviceTypeKey(DeviceTypeId) "device_type"
}

key! {
    /// A user: its id or its name to log in with.
    UserKey(UserId) "user"
}

key! {
    /// A CPU architecture: its id, or its slug (`aarch64`).
    CpuArchitectureKey(CpuArchitectureId) "cpu_architecture"
}

key! {
    /// A release of the host OS: its id, or its version as it was published (`2.98.33+rev1`).
    OsReleaseKey(ReleaseId) "os_release"
}

key! {
    /// A released supervisor: its id, or its version (`v13.0.0`).
    SupervisorReleaseKey(SupervisorReleaseId) "release"
}

impl DeviceKey {
    /// Whether it is a whole uuid.
    pub(crate) fn is_whole_uuid(text: &str) -> bool {
        matches!(text.chars().count(), 32 | 62)
    }

    /// Where a read of this device goes, with these defaults.
    pub(crate) fn target<R: Resource>(&self, defaults: Query) -> Result<Target> {
        self.check()?;
        Ok(match self {
            Self::Id(id) => Target::one::<R>(Some(Key::id(id.get())), defaults, self),
            Self::Name(uuid) if Self::is_whole_uuid(uuid) => {
                Target::one::<R>(Some(Key::of("uuid", uuid.as_str())), defaults, self)
            }
            Self::Name(start) => {
                let by_uuid = Query::from_json(&json!({ "$filter": { "uuid": { "$startswith": start } } }))?;
                Target::one::<R>(None, by_uuid.merge(defaults)?, self)
            }
        })
    }
}

impl ApplicationKey {
    /// Where a read of this application goes, with these defaults.
    pub(crate) fn target<R: Resource>(&self, defaults: Query) -> Result<Target> {
        self.check()?;
        Ok(match self {
            Self::Id(id) => Target::one::<R>(Some(Key::id(id.get())), defaults, self),
            Self::Name(name) => {
                let name = name.to_lowercase();
                let by_name = json!({ "$filter": { "$or": [{ "slug": name }, { "uuid": name }] } });
                Target::one::<R>(None, defaults.merge(Query::from_json(&by_name)?)?, self)
            }
        })
    }
}

impl OrganizationKey {
    /// Where a read of this organization goes, with these defaults.
    pub(crate) fn target<R: Resource>(&self, defaults: Query) -> Result<Target> {
        self.check()?;
        let key = match self {
            Self::Id(id) => Key::id(id.get()),
            Self::Name(handle) => Key::of("handle", handle.as_str()),
        };
        Ok(Target::one::<R>(Some(key), defaults, self))
    }
}

/// Resolves a key to an id: one that is an id already is taken as it is.
macro_rules! parent {
    ($key:ident is $row:ty) => {
        impl ParentKey for $key {
            fn resolve(self, core: Arc<Core>) -> BoxFuture<'static, Result<i64>> {
                Box::pin(async move {
                    self.check()?;
                    match &self {
                        Self::Id(id) => Ok(id.get()),
                        Self::Name(_) => {
                            let id = core.id_of(self.target::<$row>(Query::new())?).await;
                            id.map_err(|error| {
                                error.naming(format_args!("{} {self}", <$row as Resource>::NOUN))
                            })
                        }
                    }
                })
            }
        }
    };
}
parent!(DeviceKey is super::rows::Device);
parent!(ApplicationKey is super::rows::Application);
parent!(OrganizationKey is super::rows::Organization);

//! How the keys of devices, applications and organizations find their rows.

use std::sync::Arc;

use crate::core::Core;
use crate::error::Result;
use crate::http::BoxFuture;
use crate::odata::{Key, Query};
use crate::resource::batch::DeviceKeys;
use crate::resource::key_value::ParentKey;
use crate::resource::keys::{ApplicationKey, DeviceKey, OrganizationKey};
use crate::resource::read::ReadTarget;
use crate::resource::schema::Resource;
use crate::rows::{Application, Device, Organization};

impl DeviceKey {
    /// Returns whether the text is a full uuid.
    pub(crate) fn is_whole_uuid(text: &str) -> bool {
        matches!(text.chars().count(), 32 | 62)
    }

    /// Returns a uuid as the server stores it: in lowercase. The server compares exactly.
    pub(crate) fn as_stored(uuid: &str) -> String {
        let is_uuid = uuid.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_uuid { uuid.to_ascii_lowercase() } else { uuid.to_owned() }
    }

    /// Returns the target of a read of this device, with these default options.
    pub(crate) fn target<R: Resource>(&self, defaults: Query) -> Result<ReadTarget> {
        self.check()?;
        Ok(match self {
            Self::Id(id) => ReadTarget::one::<R>(Some(Key::id(id.get())), defaults, self),
            Self::Name(uuid) if Self::is_whole_uuid(uuid) => {
                ReadTarget::one::<R>(Some(Key::of("uuid", Self::as_stored(uuid))), defaults, self)
            }
            Self::Name(start) => {
                let by_uuid = Query::new().filter(Device::UUID.starts_with(Self::as_stored(start)));
                ReadTarget::one::<R>(None, by_uuid.merge(defaults)?, self)
            }
        })
    }
}

impl ApplicationKey {
    /// Returns the target of a read of this application, with these default options.
    pub(crate) fn target<R: Resource>(&self, defaults: Query) -> Result<ReadTarget> {
        self.check()?;
        Ok(match self {
            Self::Id(id) => ReadTarget::one::<R>(Some(Key::id(id.get())), defaults, self),
            Self::Name(name) => {
                let name = name.to_lowercase();
                let by_name = Application::SLUG.eq(&name).or(Application::UUID.eq(&name));
                ReadTarget::one::<R>(None, defaults.merge(Query::new().filter(by_name))?, self)
            }
        })
    }
}

impl OrganizationKey {
    /// Returns the target of a read of this organization, with these default options.
    pub(crate) fn target<R: Resource>(&self, defaults: Query) -> Result<ReadTarget> {
        self.check()?;
        let key = match self {
            Self::Id(id) => Key::id(id.get()),
            Self::Name(handle) => Key::of("handle", handle.as_str()),
        };
        Ok(ReadTarget::one::<R>(Some(key), defaults, self))
    }
}

/// Implements resolving a key to an id. A key that is an id needs no request.
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
                                error.with_subject(format_args!("{} {self}", <$row as Resource>::NOUN))
                            })
                        }
                    }
                })
            }
        }
    };
}
parent!(DeviceKey is Device);
parent!(ApplicationKey is Application);
parent!(OrganizationKey is Organization);

/// Uses the row's id, otherwise its uuid. A row without both is an error when the request is sent.
impl From<&Device> for DeviceKey {
    fn from(device: &Device) -> Self {
        match (device.id, &device.uuid) {
            (Some(id), _) => Self::Id(id),
            (None, uuid) => Self::Name(uuid.clone().unwrap_or_default()),
        }
    }
}

/// Uses the row's id, otherwise its uuid. A row without both is an error when the request is sent.
impl From<&Device> for DeviceKeys {
    fn from(device: &Device) -> Self {
        Self::One(device.into())
    }
}

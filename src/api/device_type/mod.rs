//! Device types, and the installation of an OS on them.

mod contract;
mod host_os;
mod install;
mod install_method;
mod template;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::Deserialize;

use crate::core::Core;
use crate::error::{ErrorKind, Result, escaped};
use crate::odata::{Filter, Key, Query};

use crate::resource::keys::{DeviceTypeKey, not_empty};
use crate::resource::read::ReadTarget;
use crate::resource::read_request::{Get, List};
use crate::resource::request::Request;
use crate::rows::{Application, DeviceType, DeviceTypeAlias, Release};

pub use contract::Instructions;
pub use install::ContractKey;
pub use install_method::InstallMethod;

/// Device types. From [`Balena::device_type`](crate::Balena::device_type).
#[derive(Debug, Clone)]
pub struct DeviceTypes {
    core: Arc<Core>,
}

impl DeviceTypes {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone() }
    }

    /// Reads one device type, by its id, its slug or one of its aliases (`GET /v6/device_type`).
    ///
    /// # Errors
    /// `is_invalid_argument` if the device type does not exist.
    pub fn get(&self, device_type: impl Into<DeviceTypeKey>) -> Get<DeviceType> {
        let key = device_type.into();
        Get::new(&self.core, async move { key.target() })
    }

    /// Lists all device types, by name (`GET /v6/device_type`).
    #[doc(alias = "getAll")]
    pub fn get_all(&self) -> List<DeviceType> {
        self.list(Query::new())
    }

    /// Lists the device types that have a valid release of balenaOS, by name (`GET /v6/device_type`).
    #[doc(alias = "getAllSupported")]
    pub fn get_all_supported(&self) -> List<DeviceType> {
        let good = Release::STATUS.eq("success");
        let release = good.and(Release::IS_FINAL.eq(true)).and(Release::IS_INVALIDATED.eq(false));
        let host_app = Application::IS_HOST.eq(true).and(Application::IS_ARCHIVED.eq(false));
        let system = host_app.and(Application::OWNS_RELEASE.any(release));
        self.list(Query::new().filter(DeviceType::APPLICATION.any(system)))
    }

    /// Reads one device type, by its slug or its name (`GET /v6/device_type`).
    ///
    /// # Errors
    /// `is_invalid_argument` if the device type does not exist.
    #[doc(alias = "getBySlugOrName")]
    pub fn get_by_slug_or_name(&self, slug_or_name: impl Into<String>) -> Get<DeviceType> {
        let text = slug_or_name.into();
        Get::new(&self.core, async move {
            not_empty("slug_or_name", &text)?;
            Ok(by_slug_or_name(&text))
        })
    }

    /// Returns the name of the device type with this slug (`GET /v6/device_type`).
    ///
    /// # Errors
    /// As [`get_by_slug_or_name`](Self::get_by_slug_or_name).
    #[doc(alias = "getName")]
    pub fn get_name(&self, slug: impl Into<String>) -> Request<String> {
        #[derive(Deserialize)]
        struct Row {
            name: String,
        }
        let get = self.get_by_slug_or_name(slug).select(["name"]).rows::<Row>();
        Request::new(async move { Ok(get.await?.name) })
    }

    /// Returns the slug of the device type with this name (`GET /v6/device_type`).
    ///
    /// # Errors
    /// As [`get_by_slug_or_name`](Self::get_by_slug_or_name).
    #[doc(alias = "getSlugByName")]
    pub fn get_slug_by_name(&self, name: impl Into<String>) -> Request<String> {
        #[derive(Deserialize)]
        struct Row {
            slug: String,
        }
        let get = self.get_by_slug_or_name(name).select(["slug"]).rows::<Row>();
        Request::new(async move { Ok(get.await?.slug) })
    }

    fn list(&self, defaults: Query) -> List<DeviceType> {
        let defaults = defaults.order_by(DeviceType::NAME.asc());
        List::new(&self.core, async move { Ok(ReadTarget::list::<DeviceType>(defaults)) })
    }
}

impl DeviceTypeKey {
    /// Returns the target of a read of this device type.
    fn target(&self) -> Result<ReadTarget> {
        self.check()?;
        Ok(match self {
            Self::Id(id) => ReadTarget::one::<DeviceType>(Some(Key::id(*id)), Query::new(), self)
                .not_found_as(ErrorKind::InvalidArgument),
            // The aliases include the slug.
            Self::Name(alias) => {
                let alias_is = DeviceTypeAlias::IS_REFERENCED_BY_ALIAS.eq(alias.as_str());
                first(DeviceType::DEVICE_TYPE_ALIAS.any(alias_is), alias)
            }
        })
    }
}

fn by_slug_or_name(text: &str) -> ReadTarget {
    first(DeviceType::NAME.eq(text).or(DeviceType::SLUG.eq(text)), text)
}

/// Returns the target of the first device type that matches. A missing one is an error of the caller's argument.
fn first(filter: Filter<DeviceType>, name: &str) -> ReadTarget {
    let defaults = Query::new().filter(filter).order_by(DeviceType::NAME.asc()).top(1);
    ReadTarget::one::<DeviceType>(None, defaults, escaped(name)).not_found_as(ErrorKind::InvalidArgument)
}

//! Tags of devices.

use std::future::IntoFuture as _;
use std::sync::Arc;

use serde_json::json;

use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::http::BoxFuture;
use crate::odata::Query;
use crate::resource::key_value::{KeyValue, ParentKey};
use crate::resource::keys::DeviceKey;
use crate::resource::read_request::List;
use crate::rows::{Device, DeviceTag};

use super::{DeviceTarget, Devices};

impl Devices {
    /// Returns the functions of tags of devices. Tags of this device (`Local`, `None`) are read and set by its
    /// supervisor (`GET`, `PATCH /v2/device/tags`), which sends them to the API when it can; deleting one is
    /// `is_unsupported` there. A uuid or an id, even this device's own, uses the API.
    pub fn tags(&self) -> KeyValue<DeviceTarget, DeviceTag> {
        KeyValue::new(&self.core)
    }
}

impl ParentKey for DeviceTarget {
    fn resolve(self, core: Arc<Core>) -> BoxFuture<'static, Result<i64>> {
        match self.key() {
            Some(key) => key.clone().resolve(core),
            None => Box::pin(async {
                let text = "the supervisor can't delete tags";
                Err(Error::new(ErrorKind::Unsupported, text)
                    .with_help("give the device's uuid or id: the API deletes tags, with a key that may"))
            }),
        }
    }

    fn get_on_device(
        &self,
        core: &Arc<Core>,
        key: &str,
    ) -> Option<BoxFuture<'static, Result<Option<String>>>> {
        if self.key().is_some() {
            return None;
        }
        let (tags, key) = (core.supervisor.tags().into_future(), key.to_owned());
        Some(Box::pin(
            async move { Ok(tags.await?.into_iter().find(|tag| tag.name == key).map(|tag| tag.value)) },
        ))
    }

    fn set_on_device(
        &self,
        core: &Arc<Core>,
        key: &str,
        value: &str,
    ) -> Option<BoxFuture<'static, Result<()>>> {
        let here = self.key().is_none();
        here.then(|| -> BoxFuture<'static, Result<()>> {
            Box::pin(core.supervisor.set_tags([(key, value)]).into_future())
        })
    }
}

impl KeyValue<DeviceTarget, DeviceTag> {
    /// Lists the tags of all devices that the token may read, ordered by key (`GET /v6/device_tag`).
    #[doc(alias = "getAll")]
    pub fn get_all(&self) -> List<DeviceTag> {
        self.list(async { Ok(None) })
    }

    /// Lists the tags of one device, ordered by key (`GET /v6/device_tag`).
    ///
    /// # Errors
    /// `is_not_found` if the device does not exist; `is_ambiguous` if several uuids start with the text.
    #[doc(alias = "getAllByDevice")]
    pub fn get_all_by_device(&self, device: impl Into<DeviceKey>) -> List<DeviceTag> {
        let (core, device) = (self.core().clone(), device.into());
        self.list(async move {
            // Looks up an id too: a missing device is an error, not an empty list.
            let id = core.id_of(device.target::<Device>(Query::new())?).await?;
            Ok(Some(json!({ "device": id })))
        })
    }
}

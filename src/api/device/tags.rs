//! Tags of devices.

use serde_json::json;

use crate::api::key_value::KeyValue;
use crate::api::keys::DeviceKey;
use crate::api::read::List;
use crate::api::rows::{Device, DeviceTag};
use crate::odata::Query;

use super::Devices;

impl Devices {
    /// Tags of devices.
    pub fn tags(&self) -> KeyValue<DeviceKey, DeviceTag> {
        KeyValue::new(&self.core)
    }
}

impl KeyValue<DeviceKey, DeviceTag> {
    /// All tags of all devices that the token covers, by key (`GET /v6/device_tag`).
    #[doc(alias = "getAll")]
    pub fn get_all(&self) -> List<DeviceTag> {
        self.list(async { Ok(None) })
    }

    /// All tags of one device, by key (`GET /v6/device_tag`).
    ///
    /// # Errors
    /// `is_not_found` and `is_ambiguous` for the device.
    #[doc(alias = "getAllByDevice")]
    pub fn get_all_by_device(&self, device: impl Into<DeviceKey>) -> List<DeviceTag> {
        let (core, device) = (self.core().clone(), device.into());
        self.list(async move {
            // An id is looked up too: a device that is not there is an error, not an empty list.
            let id = core.id_of(device.target::<Device>(Query::new())?).await?;
            Ok(Some(json!({ "device": id })))
        })
    }
}

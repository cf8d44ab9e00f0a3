//! Reading devices: one, several, and what is asked of one so often that it has a name.

use crate::api::keys::DeviceKey;
use crate::api::read::{Get, List, Target};
use crate::api::rows::Device;
use crate::odata::Query;

use super::Devices;

impl Devices {
    /// One device (`GET /v6/device`).
    ///
    /// # Errors
    /// `is_not_found`, `is_ambiguous` for a beginning that several uuids have.
    pub fn get(&self, device: impl Into<DeviceKey>) -> Get<Device> {
        let key = device.into();
        Get::new(&self.core, async move { key.target::<Device>(Query::new()) })
    }

    /// The devices that the token's owner can see, by name (`GET /v6/device`).
    ///
    /// # Errors
    /// Those of every read.
    #[doc(alias = "getAll")]
    pub fn get_all(&self) -> List<Device> {
        List::new(&self.core, async {
            Ok(Target::list::<Device>(Query::new().order_by(Device::DEVICE_NAME.asc())))
        })
    }
}

//! Named values of devices: tags, environment variables, configuration variables.

use serde_json::json;

use crate::odata::Query;
use crate::resource::batch::{Batch, DeviceKeys, Keys, Operation, PerItem, RowBatch, RowOperation};
use crate::resource::key_value::{KeyValue, KeyValueKind, ParentKey, check};
use crate::resource::keys::{ApplicationKey, DeviceKey};
use crate::resource::read_request::List;
use crate::rows::{Application, Device, DeviceConfigVariable, DeviceTag, DeviceVariable};

use super::Devices;

/// A kind of named values of devices.
pub trait DeviceValue: KeyValueKind {}

impl KeyValueKind for DeviceTag {
    const KEY: &'static str = "tag_key";
    const PARENT: &'static str = "device";
}

impl KeyValueKind for DeviceConfigVariable {
    const KEY: &'static str = "name";
    const PARENT: &'static str = "device";
}

impl KeyValueKind for DeviceVariable {
    const KEY: &'static str = "name";
    const PARENT: &'static str = "device";
}

impl DeviceValue for DeviceTag {}
impl DeviceValue for DeviceConfigVariable {}
impl DeviceValue for DeviceVariable {}

impl<P: ParentKey + From<DeviceKey>, R: DeviceValue> KeyValue<P, R> {
    /// Sets a value on each of these devices: creates or replaces it. Devices are changed one after the other, or in
    /// parallel with [`concurrency`](Batch::concurrency).
    ///
    /// # Errors
    /// `is_invalid_argument` as for [`set`](KeyValue::set); `is_not_found` or `is_ambiguous` for uuids.
    pub fn set_many(
        &self,
        devices: impl Into<DeviceKeys>,
        key: impl Into<String>,
        value: impl Into<String>,
    ) -> Batch {
        let (core, devices, key, value) = (self.core(), devices.into(), key.into(), value.into());
        let identity = json!(["set", R::NAME, key, value]);
        if let Err(error) = check::<R>(&key, &value) {
            return Batch::new(core, devices.into_list(), Err(error));
        }
        let handle = self.clone();
        let set = move |device: DeviceKey| handle.set(device, key.clone(), value.clone()).into_future();
        let operation: Box<dyn Operation<DeviceKey>> = match &devices {
            Keys::One(_) => Box::new(PerItem::new(identity, move |_, device| set(device))),
            Keys::Several(_) => {
                let operation = RowOperation::<Device>::Each(Box::new(move |id| set(DeviceKey::from(id))));
                Box::new(RowBatch { core: core.clone(), identity, operation, single: false })
            }
        };
        Batch::new(core, devices.into_list(), Ok(operation))
    }

    /// Lists those of all devices of an application, ordered by key (`GET /v6/device_tag`, …`_config_variable` or
    /// …`_environment_variable`).
    ///
    /// # Errors
    /// `is_not_found` if the application does not exist; `is_ambiguous` if several match.
    #[doc(alias = "getAllByApplication")]
    pub fn get_all_by_application(&self, application: impl Into<ApplicationKey>) -> List<R> {
        let (core, application) = (self.core().clone(), application.into());
        self.list(async move {
            // Looks up an id too: a missing application is an error, not an empty list.
            let id = core.id_of(application.target::<Application>(Query::new())?).await?;
            let of_application =
                json!({ "$alias": "d", "$expr": { "d": { "belongs_to__application": id } } });
            Ok(Some(json!({ "device": { "$any": of_application } })))
        })
    }
}

macro_rules! variables {
    ($($row:ident)*) => {$(
        impl KeyValue<DeviceKey, $row> {
            /// Lists those of one device, by name.
            ///
            /// # Errors
            /// `is_not_found` or `is_ambiguous` for a device given by its uuid.
            #[doc(alias = "getAllByDevice")]
            pub fn get_all_by_device(&self, device: impl Into<DeviceKey>) -> List<$row> {
                self.of_parent(device)
            }
        }
    )*};
}
variables!(DeviceConfigVariable DeviceVariable);

impl Devices {
    /// Returns the functions of configuration variables of devices, e.g. `BALENA_HOST_CONFIG_gpu_mem`.
    #[doc(alias = "configVar")]
    pub fn config_var(&self) -> KeyValue<DeviceKey, DeviceConfigVariable> {
        KeyValue::new(&self.core)
    }

    /// Returns the functions of environment variables of devices, which apply to all services.
    #[doc(alias = "envVar")]
    pub fn env_var(&self) -> KeyValue<DeviceKey, DeviceVariable> {
        KeyValue::new(&self.core)
    }
}

//! Batches of changes of devices.

use serde_json::{Value, json};

use crate::core::Core;
use crate::error::{Error, Result};
use crate::ids::DeviceId;
use crate::odata::{Key, Query};
use crate::resource::batch::{
    Batch, BatchResource, DeviceKeys, Grouped, KeyColumn, Keys, Operation, PerItem, RowBatch, RowOperation,
};
use crate::resource::json_request::required;
use crate::resource::keys::DeviceKey;
use crate::resource::schema::Resource;
use crate::resource::write::RowSelector;
use crate::resource::write_request::RowWriter;
use crate::rows::Device;
use crate::settings::ApiVersion;

use super::Devices;

/// Minimum length of the start of a uuid as the key of a device that is changed.
const SHORTEST: usize = 6;

/// The change of each device.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// Sets these columns to these values.
    Set(Value),
    /// Deletes the rows.
    Delete,
}

impl BatchResource for Device {
    type Key = DeviceKey;

    const ORDER: &'static str = "device_name";

    fn named(key: &DeviceKey) -> Result<KeyColumn> {
        key.check()?;
        match key {
            DeviceKey::Id(id) => Ok(KeyColumn::Id(id.get())),
            DeviceKey::Name(uuid) if DeviceKey::is_whole_uuid(uuid) => {
                Ok(KeyColumn::By("uuid", DeviceKey::as_stored(uuid)))
            }
            DeviceKey::Name(_) => {
                let why = format_args!("{key} is not a whole uuid, and in a list it has to be one");
                Err(Error::argument("devices", why))
            }
        }
    }

    fn id(&self) -> Option<i64> {
        self.id.map(DeviceId::get)
    }

    fn name(&self, _: &'static str) -> Option<String> {
        self.uuid.clone()
    }
}

impl Devices {
    /// Creates a batch with the same change for all devices.
    pub(super) fn change(&self, devices: impl Into<DeviceKeys>, change: Change) -> Batch {
        let identity = match &change {
            Change::Set(columns) => json!(["set", columns]),
            Change::Delete => json!(["delete"]),
        };
        let one = {
            let change = change.clone();
            move |writer: RowWriter, key| {
                let change = change.clone();
                async move { change_one(&writer, key, &change).await }
            }
        };
        let operation = match change {
            Change::Set(columns) => RowOperation::Set(columns),
            Change::Delete => RowOperation::Delete,
        };
        self.batch(devices.into(), identity, one, operation)
    }

    /// Creates a batch whose values depend on the device. `one` changes a single device, with the SDKs' requests.
    pub(super) fn change_by_group<F>(
        &self,
        devices: DeviceKeys,
        identity: Value,
        one: impl Fn(RowWriter, DeviceKey) -> F + Send + Sync + 'static,
        grouped: impl Grouped<Device> + 'static,
    ) -> Batch
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        self.batch(devices, identity, one, RowOperation::SetByGroup(Box::new(grouped)))
    }

    fn batch<F>(
        &self,
        devices: DeviceKeys,
        identity: Value,
        one: impl Fn(RowWriter, DeviceKey) -> F + Send + Sync + 'static,
        operation: RowOperation<Device>,
    ) -> Batch
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let core = &self.core;
        let operation: Box<dyn Operation<DeviceKey>> = match &devices {
            Keys::One(key) if !is_looked_up(core, key) => Box::new(PerItem::new(identity, one)),
            Keys::One(_) => Box::new(RowBatch { core: core.clone(), identity, operation, single: true }),
            Keys::Several(_) => Box::new(RowBatch { core: core.clone(), identity, operation, single: false }),
        };
        Batch::new(core, devices.into_list(), Ok(operation))
    }

    /// Runs an action on each of these devices, such as a reboot or the restart of a service.
    ///
    /// `action` returns the call for one device. `name` identifies the action in a [token](crate::ResumeToken): use
    /// the same name for the same action. [`resume`](Batch::resume) does not repeat actions without a response
    /// unless [`retry_unknown`](Batch::retry_unknown) is set. Duplicates of a key are run once.
    ///
    /// An item is `done` when its call returned without an error. Its effect is checked only if the call has `.confirm()` and it is set.
    ///
    /// ```no_run
    /// # async fn example(balena: balena_agent::Balena, ids: Vec<i64>) -> balena_agent::Result<()> {
    /// let reboot = balena.device().each(ids, "reboot", |devices, device| devices.reboot(device).force());
    /// let report = reboot.concurrency(8).keep_going().report().await?;
    /// for item in report.items().filter(|item| item.error.is_some()) {
    ///     println!("{}: {}", item.key, item.state);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The errors of the action.
    pub fn each<A, T>(
        &self,
        devices: impl Into<DeviceKeys>,
        name: impl Into<String>,
        action: impl Fn(&Self, DeviceKey) -> A + Send + Sync + 'static,
    ) -> Batch
    where
        A: IntoFuture<Output = Result<T>>,
        A::IntoFuture: Send + 'static,
        T: Send,
    {
        let handle = self.clone();
        let work = move |_: RowWriter, key| {
            let call = action(&handle, key).into_future();
            async move { call.await.map(drop) }
        };
        let operation = PerItem::new(json!(["each", name.into()]), work).not_idempotent();
        Batch::new(&self.core, devices.into().into_list(), Ok(Box::new(operation)))
    }
}

/// Returns whether a single device is looked up before a change, as the SDK of version 7 does, so that a missing
/// uuid is an error. With version 6, the uuid is sent and a missing one is not noticed.
pub(super) fn is_looked_up(core: &Core, key: &DeviceKey) -> bool {
    core.settings().api_version == ApiVersion::V7
        && matches!(key, DeviceKey::Name(uuid) if DeviceKey::is_whole_uuid(uuid))
}

/// Changes a single device by group, without a list.
pub(super) async fn one_of_group(
    writer: &RowWriter,
    key: &DeviceKey,
    grouped: &dyn Grouped<Device>,
) -> Result<()> {
    let query = grouped.columns().select(["id"]);
    let row: Device = writer.core().row_of(key.target::<Device>(query)?).await?;
    let columns = grouped.values(grouped.group(&row)?).await?;
    let id = required(row.id, "id")?;
    writer.change(Device::NAME, &RowSelector::id(id.get()), &columns).await
}

pub(super) async fn change_one(writer: &RowWriter, key: DeviceKey, change: &Change) -> Result<()> {
    let row = match resolve_uuid_prefix(writer.core(), key).await? {
        DeviceKey::Id(id) => RowSelector::id(id.get()),
        DeviceKey::Name(uuid) => RowSelector::Key(Key::of("uuid", uuid)),
    };
    match change {
        Change::Set(columns) => writer.change(Device::NAME, &row, columns).await,
        Change::Delete => writer.delete(Device::NAME, &row).await,
    }
}

/// # Errors
/// `is_invalid_argument` if the key could match several devices.
pub(super) fn check_for_change(key: &DeviceKey) -> Result<()> {
    key.check()?;
    match key {
        DeviceKey::Name(start) if start.chars().count() < SHORTEST => {
            let why = format_args!("{key} is too short for a change: give {SHORTEST} characters or more");
            Err(Error::argument("device", why))
        }
        _ => Ok(()),
    }
}

/// Converts a key to one that matches one device only. Looks up the start of a uuid: a change with it would apply to
/// every device whose uuid starts with it.
async fn resolve_uuid_prefix(core: &Core, key: DeviceKey) -> Result<DeviceKey> {
    check_for_change(&key)?;
    match &key {
        DeviceKey::Name(start) if !DeviceKey::is_whole_uuid(start) => {
            // Two rows suffice to detect an ambiguous key.
            let id = core.id_of(key.target::<Device>(Query::new().top(2))?).await?;
            Ok(DeviceKey::Id(DeviceId::new(id)))
        }
        _ => Ok(key),
    }
}

//! One change for one device or for many.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use crate::api::keys::DeviceKey;
use crate::api::read::{Target, about, rows};
use crate::api::request::Request;
use crate::api::resource::Resource;
use crate::api::rows::Device;
use crate::api::write::Rows;
use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::DeviceId;
use crate::odata::Query;

use super::Devices;

/// Ids in one request: what both SDKs send, and some 2 KiB of address.
const IDS: usize = 200;
/// Whole uuids in one request, which are longer.
const UUIDS: usize = 50;
/// A shorter beginning of a uuid is no name for a device that is to be changed.
const SHORTEST: usize = 6;

/// The devices that a change is for: one, by any [`DeviceKey`], or a list of ids or of whole uuids.
///
/// An empty list is fine: there is nothing to do then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceKeys {
    /// One device.
    One(DeviceKey),
    /// Several devices.
    Several(Vec<DeviceKey>),
}

macro_rules! from_one {
    ($($key:ty),*) => {$(
        impl From<$key> for DeviceKeys {
            fn from(key: $key) -> Self {
                Self::One(key.into())
            }
        }
    )*};
}

from_one!(DeviceKey, DeviceId, &Device, &str, String, i32, u32, i64, u64);

impl<K: Into<DeviceKey>> From<Vec<K>> for DeviceKeys {
    fn from(keys: Vec<K>) -> Self {
        keys.into_iter().collect()
    }
}

impl<K: Into<DeviceKey>, const N: usize> From<[K; N]> for DeviceKeys {
    fn from(keys: [K; N]) -> Self {
        keys.into_iter().collect()
    }
}

impl<K: Clone + Into<DeviceKey>> From<&[K]> for DeviceKeys {
    fn from(keys: &[K]) -> Self {
        keys.iter().cloned().collect()
    }
}

impl<K: Into<DeviceKey>> FromIterator<K> for DeviceKeys {
    fn from_iter<I: IntoIterator<Item = K>>(keys: I) -> Self {
        Self::Several(keys.into_iter().map(Into::into).collect())
    }
}

/// By its id, or else by its uuid. A row that has neither is refused when the request is sent.
impl From<&Device> for DeviceKey {
    fn from(device: &Device) -> Self {
        match (device.id, &device.uuid) {
            (Some(id), _) => Self::Id(id),
            (None, uuid) => Self::Name(uuid.clone().unwrap_or_default()),
        }
    }
}

/// What is done to each of them.
#[derive(Debug)]
pub(super) enum Change {
    /// These columns get these values.
    Set(Value),
    /// The rows go.
    Delete,
}

impl Devices {
    /// One change for all these devices.
    pub(super) fn change(&self, devices: impl Into<DeviceKeys>, change: Change) -> Request<()> {
        let (core, devices) = (self.core.clone(), devices.into());
        Request::new(async move { apply(&core, devices, &change).await })
    }
}

pub(super) async fn apply(core: &Arc<Core>, devices: DeviceKeys, change: &Change) -> Result<()> {
    let ids = match devices {
        DeviceKeys::One(key) => {
            let row = match settle(core, key).await? {
                DeviceKey::Id(id) => Rows::id(id.get()),
                DeviceKey::Name(uuid) => Rows::Key(crate::odata::Key::of("uuid", uuid)),
            };
            return send(core, &row, change).await;
        }
        DeviceKeys::Several(keys) => ids(core, keys).await?,
    };
    for (part, some) in ids.chunks(IDS).enumerate() {
        let sent = send(core, &Rows::filter(Device::ID.is_in(some)), change).await;
        sent.map_err(|error| match part * IDS {
            0 => error,
            done => error.help(format!("the first {done} devices of the list are changed already")),
        })?;
    }
    Ok(())
}

async fn send(core: &Core, rows: &Rows, change: &Change) -> Result<()> {
    match change {
        Change::Set(columns) => core.change(Device::NAME, rows, columns).await,
        Change::Delete => core.delete(Device::NAME, rows).await,
    }
}

/// A key that names one device and no other: the beginning of a uuid is looked up, because a change by it
/// would be for every device whose uuid begins so.
pub(super) async fn settle(core: &Core, key: DeviceKey) -> Result<DeviceKey> {
    key.check()?;
    match &key {
        DeviceKey::Name(start) if !DeviceKey::is_whole_uuid(start) => {
            if start.chars().count() < SHORTEST {
                let why = format_args!("{key} is too short for a change: give {SHORTEST} characters or more");
                return Err(Error::argument("device", why));
            }
            // Two rows are enough to see that it is not one.
            let id = core.id_of(key.target::<Device>(Query::new().top(2))?).await?;
            Ok(DeviceKey::Id(DeviceId::new(id)))
        }
        _ => Ok(key),
    }
}

/// The ids of a list. Uuids are looked up first, all of them before anything is changed: one that is not
/// there is an error and not silence.
async fn ids(core: &Core, keys: Vec<DeviceKey>) -> Result<Vec<DeviceId>> {
    let mut ids = Vec::new();
    let mut uuids = Vec::new();
    for key in keys {
        key.check()?;
        match key {
            DeviceKey::Id(id) => ids.push(id),
            DeviceKey::Name(uuid) if DeviceKey::is_whole_uuid(&uuid) => uuids.push(uuid),
            DeviceKey::Name(_) => {
                let why = format_args!("{key} is not a whole uuid, and in a list it has to be one");
                return Err(Error::argument("devices", why));
            }
        }
    }
    if !uuids.is_empty() && !ids.is_empty() {
        return Err(Error::argument("devices", "a list is of ids or of uuids, not of both"));
    }
    for some in uuids.chunks(UUIDS) {
        ids.extend(look_up(core, some).await?);
    }
    Ok(ids)
}

async fn look_up(core: &Core, uuids: &[String]) -> Result<Vec<DeviceId>> {
    #[derive(Deserialize)]
    struct Row {
        id: DeviceId,
        uuid: String,
    }
    let query = Query::new()
        .select(["id", "uuid"])
        .filter(Device::UUID.is_in(uuids))
        .order_by(Device::DEVICE_NAME.asc());
    let target = Target::list::<Device>(query);
    let reply = core.read(target.resource, None, &target.defaults).await?;
    let found: Vec<Row> = rows(&reply)?;
    let mut times: HashMap<&str, usize> = HashMap::new();
    for row in &found {
        *times.entry(&row.uuid).or_default() += 1;
    }
    for uuid in uuids {
        let kind = match times.get(uuid.as_str()) {
            Some(1) => continue,
            Some(_) => ErrorKind::Ambiguous,
            None => ErrorKind::NotFound,
        };
        let text = match kind {
            ErrorKind::NotFound => format!("device {uuid} not found"),
            _ => format!("device {uuid} is ambiguous"),
        };
        return Err(about(&reply, kind, text).help("nothing was changed"));
    }
    Ok(found.into_iter().map(|row| row.id).collect())
}

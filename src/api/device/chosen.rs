//! Rows of devices that are to be changed, and the change.

use serde_json::Value;

use crate::api::keys::DeviceKey;
use crate::api::read::{Target, about, rows};
use crate::api::resource::Resource;
use crate::api::rows::Device;
use crate::api::write::Rows;
use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::DeviceId;
use crate::odata::{Filter, Query};
use crate::settings::ApiVersion;

use super::batch::DeviceKeys;
use super::read::told;

/// Ids in one request: what both SDKs send, and some 2 KiB of address.
const IDS: usize = 200;
/// Whole uuids in one request, which are longer.
const UUIDS: usize = 50;

/// The rows of these devices, every one of which has to be there.
///
/// # Errors
/// `is_invalid_argument` for a list that is not of ids or of whole uuids; `is_not_found`, `is_ambiguous`.
pub(super) async fn chosen(core: &Core, devices: &DeviceKeys, query: Query) -> Result<Vec<Device>> {
    match devices {
        DeviceKeys::One(key) if core.settings.api_version == ApiVersion::V6 => {
            Ok(vec![core.row_of(key.target::<Device>(query)?).await?])
        }
        DeviceKeys::One(key) => {
            key.check()?;
            let this = match key {
                DeviceKey::Id(id) => Device::ID.eq(*id),
                DeviceKey::Name(uuid) if DeviceKey::is_whole_uuid(uuid) => Device::UUID.eq(uuid.as_str()),
                DeviceKey::Name(start) => Device::UUID.starts_with(start.as_str()),
            };
            let keys = std::slice::from_ref(key);
            found(core, keys, this, query, |_, _| true).await
        }
        DeviceKeys::Several(keys) => several(core, keys, &query).await,
    }
}

async fn several(core: &Core, keys: &[DeviceKey], query: &Query) -> Result<Vec<Device>> {
    let mut ids: Vec<DeviceId> = Vec::new();
    let mut uuids: Vec<&str> = Vec::new();
    for key in keys {
        key.check()?;
        match key {
            DeviceKey::Id(id) => ids.push(*id),
            DeviceKey::Name(uuid) if DeviceKey::is_whole_uuid(uuid) => uuids.push(uuid),
            DeviceKey::Name(_) => {
                let why = format_args!("{key} is not a whole uuid, and in a list it has to be one");
                return Err(Error::argument("devices", why));
            }
        }
    }
    if !uuids.is_empty() && !ids.is_empty() {
        return Err(Error::argument("devices", "a list is of ids or of uuids, not of both"));
    }
    let mut all = Vec::new();
    for (some, keys) in ids.chunks(IDS).zip(keys.chunks(IDS)) {
        let is = |row: &Device, key: &DeviceKey| row.id.map(DeviceKey::Id).as_ref() == Some(key);
        all.extend(found(core, keys, Device::ID.is_in(some), query.clone(), is).await?);
    }
    for (some, keys) in uuids.chunks(UUIDS).zip(keys.chunks(UUIDS)) {
        let is = |row: &Device, key: &DeviceKey| row.uuid.clone().map(DeviceKey::Name).as_ref() == Some(key);
        let these = Device::UUID.is_in(some.iter().copied());
        all.extend(found(core, keys, these, query.clone().select(["uuid"]), is).await?);
    }
    Ok(all)
}

async fn found(
    core: &Core,
    keys: &[DeviceKey],
    these: Filter<Device>,
    query: Query,
    is: impl Fn(&Device, &DeviceKey) -> bool,
) -> Result<Vec<Device>> {
    let query = query.select(["id"]).filter(these).order_by(Device::DEVICE_NAME.asc());
    let target = Target::list::<Device>(query);
    let reply = core.read(target.resource, None, &target.defaults).await?;
    let rows: Vec<Device> = rows(&reply)?;
    for key in keys {
        let (kind, what) = match rows.iter().filter(|row| is(row, key)).count() {
            1 => continue,
            0 => (ErrorKind::NotFound, "not found"),
            _ => (ErrorKind::Ambiguous, "is ambiguous"),
        };
        return Err(about(&reply, kind, format!("device {key} {what}")).help("nothing was changed"));
    }
    Ok(rows)
}

/// Devices by what they have in common, in the order in which they came.
pub(super) fn groups<K: PartialEq>(
    devices: &[Device],
    key: impl Fn(&Device) -> Result<K>,
) -> Result<Vec<(K, Vec<&Device>)>> {
    let mut groups: Vec<(K, Vec<&Device>)> = Vec::new();
    for device in devices {
        let key = key(device)?;
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, group)) => group.push(device),
            None => groups.push((key, vec![device])),
        }
    }
    Ok(groups)
}

/// Gives these devices these columns.
pub(super) async fn give(core: &Core, devices: &[&Device], columns: &Value) -> Result<()> {
    let ids: Vec<DeviceId> = devices.iter().map(|device| told(device.id, "id")).collect::<Result<_>>()?;
    for some in ids.chunks(IDS) {
        let rows = match (some, core.settings.api_version) {
            ([id], ApiVersion::V6) => Rows::id(id.get()),
            _ => Rows::filter(Device::ID.is_in(some)),
        };
        core.change(Device::NAME, &rows, columns).await?;
    }
    Ok(())
}

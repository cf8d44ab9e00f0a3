//! The release that devices run: pinned, or the application's.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::api::release::ReleaseKey;
use crate::core::Core;
use crate::error::Result;
use crate::http::BoxFuture;
use crate::odata::Query;
use crate::resource::batch::{Batch, DeviceKeys, Grouped};
use crate::resource::keys::DeviceKey;
use crate::resource::request::Request;
use crate::resource::schema::Resource;
use crate::resource::write::RowSelector;
use crate::resource::write_request::RowWriter;
use crate::rows::{Device, Release};

use super::Devices;
use super::batch::Change;
use super::read::{columns, required};

impl Devices {
    /// Returns whether a device tracks its application's release rather than being pinned (`GET /v6/device`).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[doc(alias = "isTrackingApplicationRelease")]
    pub fn is_tracking_application_release(&self, device: impl Into<DeviceKey>) -> Request<bool> {
        let (core, key) = (self.core.clone(), device.into());
        Request::new(async move {
            let column = core.settings().api_version.names().pinned_release;
            let target = key.target::<Device>(columns([column]))?;
            let row: Map<String, Value> = core.whole_row(target).await?.one()?;
            Ok(match row.get(column) {
                None | Some(Value::Null) => true,
                Some(Value::Array(expanded)) => expanded.is_empty(),
                Some(_) => false,
            })
        })
    }

    /// Pins devices to a release of their application, which they then run whatever the application's target is
    /// (`PATCH /v6/device`).
    ///
    /// The devices of a list are looked up first, and pinned in chunks by application. Each application must have
    /// the release, which is looked up before its first chunk is sent.
    ///
    /// # Errors
    /// `is_not_found` if a device does not exist, or its application has no successful release with this id or full
    /// commit; `is_ambiguous` for the start of a uuid.
    #[doc(alias = "pinToRelease")]
    #[doc(alias = "set_to_release")]
    pub fn pin_to_release(&self, devices: impl Into<DeviceKeys>, release: impl Into<ReleaseKey>) -> Batch {
        let (core, release) = (self.core.clone(), release.into());
        let identity = json!(["pin_to_release", release.to_string()]);
        let checked = release.check();
        let list = PinDevices { core, release: release.clone() };
        let one = move |writer, device| pin_one(writer, device, release.clone());
        let batch = self.change_by_group(devices.into(), identity, one, list);
        match checked {
            Ok(()) => batch,
            Err(error) => batch.refused(error),
        }
    }

    /// Makes devices track their applications' releases again (`PATCH /v6/device`).
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    #[doc(alias = "trackApplicationRelease")]
    pub fn track_application_release(&self, devices: impl Into<DeviceKeys>) -> Batch {
        self.change(devices, Change::Set(self.core.pin(None)))
    }
}

async fn pin_one(writer: RowWriter, key: DeviceKey, release: ReleaseKey) -> Result<()> {
    let core = writer.core();
    let query = columns(["id"]).expand(Device::APPLICATION.select(["id"]));
    let device: Device = core.row_of(key.target::<Device>(query)?).await?;
    let application = device.belongs_to_application.get().and_then(|row| row.id);
    let application = required(application, "belongs_to__application/id")?;
    let release = successful(core, application.get(), &release).await?;
    let id = required(device.id, "id")?;
    writer.change(Device::NAME, &RowSelector::id(id.get()), &core.pin(Some(release))).await
}

/// Returns the id of a successful release of an application.
async fn successful(core: &Core, application: i64, release: &ReleaseKey) -> Result<i64> {
    let successful = Release::STATUS.eq("success").and(Release::BELONGS_TO_APPLICATION.id().eq(application));
    let this = match release {
        ReleaseKey::Id(id) => successful.and(Release::ID.eq(*id)),
        ReleaseKey::Commit(commit) => successful.and(Release::COMMIT.eq(commit.as_str())),
        ReleaseKey::RawVersion { .. } => successful,
    };
    let query: Query = Query::new().filter(this).order_by(Release::CREATED_AT.desc()).top(1);
    core.id_of(release.target(core, query).await?).await
}

/// Pins the devices of a list.
struct PinDevices {
    core: Arc<Core>,
    release: ReleaseKey,
}

impl Grouped<Device> for PinDevices {
    fn columns(&self) -> Query {
        columns(["belongs_to__application"])
    }

    fn group(&self, row: &Device) -> Result<i64> {
        required(row.belongs_to_application.id(), "belongs_to__application")
    }

    fn values(&self, application: i64) -> BoxFuture<'_, Result<Value>> {
        Box::pin(async move {
            let release = successful(&self.core, application, &self.release).await?;
            Ok(self.core.pin(Some(release)))
        })
    }
}

impl Core {
    fn pin(&self, release: Option<i64>) -> Value {
        Value::Object(Map::from_iter([(
            self.settings().api_version.names().pinned_release.to_owned(),
            release.into(),
        )]))
    }
}

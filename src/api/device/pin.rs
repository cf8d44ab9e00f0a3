//! Which release of the application a device should run.

use serde_json::{Map, Value};

use crate::api::keys::DeviceKey;
use crate::api::release::ReleaseKey;
use crate::api::request::Request;
use crate::api::resource::Resource;
use crate::api::rows::{Device, Release};
use crate::api::write::Rows;
use crate::core::Core;
use crate::odata::Query;

use super::Devices;
use super::batch::{Change, DeviceKeys};
use super::read::{columns, told};

impl Devices {
    /// Whether a device follows its application, instead of being pinned to a release (`GET /v6/device`).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[doc(alias = "isTrackingApplicationRelease")]
    pub fn is_tracking_application_release(&self, device: impl Into<DeviceKey>) -> Request<bool> {
        let (core, key) = (self.core.clone(), device.into());
        Request::new(async move {
            let column = core.names().pinned_release;
            let row: Map<String, Value> = core.row_of(key.target::<Device>(columns([column]))?).await?;
            Ok(match row.get(column) {
                None | Some(Value::Null) => true,
                Some(Value::Array(expanded)) => expanded.is_empty(),
                Some(_) => false,
            })
        })
    }

    /// Pins a device to a release of its application: it stays there whatever the application goes on to
    /// (`PATCH /v6/device`).
    ///
    /// # Errors
    /// `is_not_found` when the device is not there, or its application has no successful release with this id
    /// or whole commit; `is_ambiguous`.
    #[doc(alias = "pinToRelease")]
    #[doc(alias = "set_to_release")]
    pub fn pin_to_release(
        &self,
        device: impl Into<DeviceKey>,
        release: impl Into<ReleaseKey>,
    ) -> Request<()> {
        let (core, key, release) = (self.core.clone(), device.into(), release.into());
        Request::new(async move {
            release.check()?;
            let query = columns(["id"]).expand(Device::APPLICATION.select(["id"]));
            let device: Device = core.row_of(key.target::<Device>(query)?).await?;
            let application = device.belongs_to_application.get().and_then(|row| row.id);
            let application = told(application, "belongs_to__application/id")?;
            let successful =
                Release::STATUS.eq("success").and(Release::BELONGS_TO_APPLICATION.id().eq(application));
            let this = match &release {
                ReleaseKey::Id(id) => successful.and(Release::ID.eq(*id)),
                ReleaseKey::Commit(commit) => successful.and(Release::COMMIT.eq(commit.as_str())),
                ReleaseKey::RawVersion { .. } => successful,
            };
            let query: Query = Query::new().filter(this).order_by(Release::CREATED_AT.desc()).top(1);
            let release = core.id_of(release.target(&core, query).await?).await?;
            let id = told(device.id, "id")?;
            core.change(Device::NAME, &Rows::id(id.get()), &core.pin(Some(release))).await
        })
    }

    /// Makes devices follow their applications again (`PATCH /v6/device`).
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    #[doc(alias = "trackApplicationRelease")]
    pub fn track_application_release(&self, devices: impl Into<DeviceKeys>) -> Request<()> {
        self.change(devices, Change::Set(self.core.pin(None)))
    }
}

impl Core {
    fn pin(&self, release: Option<i64>) -> Value {
        Value::Object(Map::from_iter([(self.names().pinned_release.to_owned(), release.into())]))
    }
}

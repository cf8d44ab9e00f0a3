//! Changes of the API's data of devices.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::checks;
use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::http::BoxFuture;
use crate::odata::Query;
use crate::resource::batch::{Batch, DeviceKeys, Grouped};
use crate::resource::keys::{ApplicationKey, DeviceKey};
use crate::resource::write_request::RowWriter;
use crate::rows::{Application, CpuArchitecture, Device, DeviceType};

use super::Devices;
use super::architecture::runs;
use super::batch::{Change, change_one, check_for_change};
use super::read::{columns, required};

/// Coordinates in degrees: `("52.52", "13.40")` or `(52.52, 13.40)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Latitude in decimal degrees, as text.
    pub latitude: String,
    /// Longitude in decimal degrees, as text.
    pub longitude: String,
}

macro_rules! from_pair {
    ($($number:ty),*) => {$(
        impl From<($number, $number)> for Location {
            fn from((latitude, longitude): ($number, $number)) -> Self {
                Self { latitude: latitude.to_string(), longitude: longitude.to_string() }
            }
        }
    )*};
}

from_pair!(&str, f64, String);

impl Devices {
    /// Deletes devices (`DELETE /v6/device`). To return, they must be provisioned again.
    ///
    /// Succeeds for ids that do not exist: the API does not report it. If a later chunk of more than 200 devices
    /// fails, earlier chunks stay done; [`report`](Batch::report) returns the state of each and a token to resume.
    ///
    /// # Errors
    /// `is_invalid_argument` if the start of a uuid has less than 6 characters; `is_not_found` or `is_ambiguous` for
    /// the start of a uuid, and for uuids in a list.
    pub fn remove(&self, devices: impl Into<DeviceKeys>) -> Batch {
        self.change(devices, Change::Delete)
    }

    /// Deactivates devices (`PATCH /v6/device`). An inactive device is not billed and gets no updates until it is
    /// online again.
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    pub fn deactivate(&self, devices: impl Into<DeviceKeys>) -> Batch {
        self.set(devices, json!({ "is_active": false }))
    }

    /// Renames a device (`PATCH /v6/device`).
    ///
    /// # Errors
    /// `is_invalid_argument` if the name is empty or has several lines; otherwise as [`remove`](Self::remove).
    pub fn rename(&self, device: impl Into<DeviceKey>, name: impl Into<String>) -> Batch {
        let name = name.into();
        let checked = checks::name("name", &name);
        let batch = self.set(device.into(), json!({ "device_name": name }));
        match checked {
            Ok(()) => batch,
            Err(error) => batch.refused(error),
        }
    }

    /// Sets the note of devices; an empty one removes it (`PATCH /v6/device`).
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    #[doc(alias = "setNote")]
    pub fn set_note(&self, devices: impl Into<DeviceKeys>, note: impl Into<String>) -> Batch {
        self.set(devices, json!({ "note": note.into() }))
    }

    /// Sets the location of devices, in place of the one derived from their public IP address (`PATCH /v6/device`).
    ///
    /// # Errors
    /// `is_invalid_argument` if the latitude is not from -90 to 90 or the longitude not from -180 to 180; otherwise
    /// as [`remove`](Self::remove).
    #[doc(alias = "setCustomLocation")]
    pub fn set_custom_location(
        &self,
        devices: impl Into<DeviceKeys>,
        location: impl Into<Location>,
    ) -> Batch {
        let Location { latitude, longitude } = location.into();
        let checked = checks::degrees("latitude", &latitude, 90.0)
            .and_then(|()| checks::degrees("longitude", &longitude, 180.0));
        let batch = self.set(devices, json!({ "custom_latitude": latitude, "custom_longitude": longitude }));
        match checked {
            Ok(()) => batch,
            Err(error) => batch.refused(error),
        }
    }

    /// Removes the location set with [`set_custom_location`](Self::set_custom_location) (`PATCH /v6/device`).
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    #[doc(alias = "unsetCustomLocation")]
    pub fn unset_custom_location(&self, devices: impl Into<DeviceKeys>) -> Batch {
        self.set_custom_location(devices, ("", ""))
    }

    /// Grants balena's support access to devices until this time (`PATCH /v6/device`).
    ///
    /// # Errors
    /// `is_invalid_argument` if the time is past; otherwise as [`remove`](Self::remove).
    #[doc(alias = "grantSupportAccess")]
    pub fn grant_support_access(&self, devices: impl Into<DeviceKeys>, expiry_timestamp: Timestamp) -> Batch {
        let milliseconds = expiry_timestamp.as_millisecond();
        let batch = self.set(devices, json!({ "is_accessible_by_support_until__date": milliseconds }));
        if milliseconds <= self.core.http.clock.now().as_millisecond() {
            return batch.refused(Error::argument("expiry_timestamp", "it is not in the future"));
        }
        batch
    }

    /// Ends the access granted with [`grant_support_access`](Self::grant_support_access) (`PATCH /v6/device`).
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    #[doc(alias = "revokeSupportAccess")]
    pub fn revoke_support_access(&self, devices: impl Into<DeviceKeys>) -> Batch {
        self.set(devices, json!({ "is_accessible_by_support_until__date": null }))
    }

    /// Moves devices to another application whose code they can run (`PATCH /v6/device`). The SDKs' `move` is a
    /// keyword of Rust.
    ///
    /// The devices of a list are looked up first, and moved in chunks by their current application.
    ///
    /// # Errors
    /// `is_unsupported` if the application is for an incompatible CPU architecture, before any device is moved;
    /// `is_not_found` if a device does not exist; otherwise as [`remove`](Self::remove).
    #[doc(alias = "move")]
    pub fn move_to(&self, devices: impl Into<DeviceKeys>, application: impl Into<ApplicationKey>) -> Batch {
        let (core, application) = (self.core.clone(), application.into());
        let identity = json!(["move", application.to_string()]);
        let list = MoveDevices { core, application: application.clone(), fleet: OnceCell::new() };
        let one = move |writer, device| move_one(writer, device, application.clone());
        self.change_by_group(devices.into(), identity, one, list)
    }

    pub(super) fn set(&self, devices: impl Into<DeviceKeys>, columns: Value) -> Batch {
        self.change(devices, Change::Set(columns))
    }
}

async fn move_one(writer: RowWriter, device: DeviceKey, application: ApplicationKey) -> Result<()> {
    check_for_change(&device)?;
    let core = writer.core();
    let query = columns(["id"]).expand(Application::DEVICE_TYPE.with(architecture()));
    let fleet: Application = core.row_of(application.target::<Application>(query)?).await?;
    let query = columns(["is_of__device_type"]).expand(Device::DEVICE_TYPE.with(architecture()));
    let row: Device = core.row_of(device.target::<Device>(query)?).await?;
    let theirs = slug(fleet.is_for_device_type.get())?;
    check_architecture(&device, &row, &application, theirs)?;
    let fleet = required(fleet.id, "id")?;
    change_one(&writer, device, &Change::Set(json!({ "belongs_to__application": fleet }))).await
}

fn check_architecture(
    device: &DeviceKey,
    row: &Device,
    application: &ApplicationKey,
    theirs: &str,
) -> Result<()> {
    let ours = slug(row.is_of_device_type.get())?;
    if runs(ours, theirs) {
        return Ok(());
    }
    let text = format!("device {device} ({ours}) can't run the code of application {application} ({theirs})");
    Err(Error::new(ErrorKind::Unsupported, text).with_sent(true))
}

/// Moves the devices of a list.
struct MoveDevices {
    core: Arc<Core>,
    application: ApplicationKey,
    /// Id and CPU architecture of the application.
    fleet: OnceCell<(i64, String)>,
}

impl MoveDevices {
    async fn fleet(&self) -> Result<&(i64, String)> {
        let ask = || async {
            let with = columns(["id"]).expand(DeviceType::CPU_ARCHITECTURE.select(["slug"]));
            let query = columns(["id"]).expand(Application::DEVICE_TYPE.with(with));
            let fleet: Application = self.core.row_of(self.application.target::<Application>(query)?).await?;
            Ok((required(fleet.id, "id")?.get(), slug(fleet.is_for_device_type.get())?.to_owned()))
        };
        self.fleet.get_or_try_init(ask).await
    }
}

impl Grouped<Device> for MoveDevices {
    fn columns(&self) -> Query {
        columns(["is_of__device_type", "belongs_to__application"])
            .expand(Device::DEVICE_TYPE.with(architecture()))
    }

    fn prepare(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { self.fleet().await.map(drop) })
    }

    fn group(&self, row: &Device) -> Result<i64> {
        let (_, theirs) = required(self.fleet.get(), "is_for__device_type")?;
        check_architecture(&row.into(), row, &self.application, theirs)?;
        required(row.belongs_to_application.id(), "belongs_to__application")
    }

    fn values(&self, _: i64) -> BoxFuture<'_, Result<Value>> {
        Box::pin(async { Ok(json!({ "belongs_to__application": self.fleet().await?.0 })) })
    }
}

/// Selects the architecture of a device type.
fn architecture() -> Query {
    columns(["is_of__cpu_architecture"]).expand(DeviceType::CPU_ARCHITECTURE.select(["slug"]))
}

/// Returns the slug of a device type's architecture.
pub(super) fn slug(device_type: Option<&DeviceType>) -> Result<&str> {
    let architecture: Option<&CpuArchitecture> =
        device_type.and_then(|device_type| device_type.is_of_cpu_architecture.get());
    required(architecture.and_then(|row| row.slug.as_deref()), "is_of__cpu_architecture/slug")
}

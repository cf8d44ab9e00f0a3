//! Changing what the cloud keeps of devices.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::api::keys::{ApplicationKey, DeviceKey};
use crate::api::request::Request;
use crate::api::rows::{Application, CpuArchitecture, Device, DeviceType};
use crate::error::{Error, ErrorKind, Result};
use crate::odata::Query;

use super::Devices;
use super::architecture::runs;
use super::batch::{Change, DeviceKeys, apply, settle};
use super::read::{columns, told};

/// Where a device is, in degrees: `("52.52", "13.40")` or `(52.52, 13.40)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Degrees of latitude, as text.
    pub latitude: String,
    /// Degrees of longitude, as text.
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
    /// Deletes devices from their application (`DELETE /v6/device`). They have to be provisioned anew.
    ///
    /// Of ids that are not there it says nothing: the server does not tell. Of a list longer than 200, what
    /// was sent stays done when a later part fails.
    ///
    /// # Errors
    /// `is_invalid_argument` for a beginning of a uuid shorter than 6 characters; `is_not_found`,
    /// `is_ambiguous` for the beginning of a uuid, and for uuids in a list.
    pub fn remove(&self, devices: impl Into<DeviceKeys>) -> Request<()> {
        self.change(devices, Change::Delete)
    }

    /// Deactivates devices: an inactive one is not billed for and gets no updates, until it is online again
    /// (`PATCH /v6/device`).
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    pub fn deactivate(&self, devices: impl Into<DeviceKeys>) -> Request<()> {
        self.set(devices, json!({ "is_active": false }))
    }

    /// Another name (`PATCH /v6/device`).
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    pub fn rename(&self, device: impl Into<DeviceKey>, name: impl Into<String>) -> Request<()> {
        self.set(device.into(), json!({ "device_name": name.into() }))
    }

    /// Another note; an empty one takes it away (`PATCH /v6/device`).
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    #[doc(alias = "setNote")]
    pub fn set_note(&self, devices: impl Into<DeviceKeys>, note: impl Into<String>) -> Request<()> {
        self.set(devices, json!({ "note": note.into() }))
    }

    /// Where they are, instead of where their address on the internet seems to be (`PATCH /v6/device`).
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    #[doc(alias = "setCustomLocation")]
    pub fn set_custom_location(
        &self,
        devices: impl Into<DeviceKeys>,
        location: impl Into<Location>,
    ) -> Request<()> {
        let Location { latitude, longitude } = location.into();
        self.set(devices, json!({ "custom_latitude": latitude, "custom_longitude": longitude }))
    }

    /// Takes back [`set_custom_location`](Self::set_custom_location) (`PATCH /v6/device`).
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    #[doc(alias = "unsetCustomLocation")]
    pub fn unset_custom_location(&self, devices: impl Into<DeviceKeys>) -> Request<()> {
        self.set_custom_location(devices, ("", ""))
    }

    /// Lets balena's support on to the devices until this time (`PATCH /v6/device`).
    ///
    /// # Errors
    /// `is_invalid_argument` for a time that is past; else as [`remove`](Self::remove).
    #[doc(alias = "grantSupportAccess")]
    pub fn grant_support_access(
        &self,
        devices: impl Into<DeviceKeys>,
        expiry_timestamp: Timestamp,
    ) -> Request<()> {
        let (core, devices) = (self.core.clone(), devices.into());
        Request::new(async move {
            let milliseconds = expiry_timestamp.as_millisecond();
            if milliseconds <= core.http.clock.now().as_millisecond() {
                return Err(Error::argument("expiry_timestamp", "it is not in the future"));
            }
            let change = Change::Set(json!({ "is_accessible_by_support_until__date": milliseconds }));
            apply(&core, devices, &change).await
        })
    }

    /// Takes back [`grant_support_access`](Self::grant_support_access) (`PATCH /v6/device`).
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    #[doc(alias = "revokeSupportAccess")]
    pub fn revoke_support_access(&self, devices: impl Into<DeviceKeys>) -> Request<()> {
        self.set(devices, json!({ "is_accessible_by_support_until__date": null }))
    }

    /// Moves a device to another application whose code it can run (`PATCH /v6/device`). Called so because
    /// `move` is a word of the language.
    ///
    /// # Errors
    /// `is_unsupported` when the application is for another CPU architecture; `is_not_found` when either is
    /// not there; else as [`remove`](Self::remove).
    #[doc(alias = "move")]
    pub fn move_to(
        &self,
        device: impl Into<DeviceKey>,
        application: impl Into<ApplicationKey>,
    ) -> Request<()> {
        let (core, device, application) = (self.core.clone(), device.into(), application.into());
        Request::new(async move {
            let device = settle(&core, device).await?;
            let query = columns(["id"]).expand(Application::DEVICE_TYPE.with(architecture()));
            let fleet: Application = core.row_of(application.target::<Application>(query)?).await?;
            let query = columns(["is_of__device_type"]).expand(Device::DEVICE_TYPE.with(architecture()));
            let row: Device = core.row_of(device.target::<Device>(query)?).await?;
            let ours = slug(row.is_of_device_type.get())?;
            let theirs = slug(fleet.is_for_device_type.get())?;
            if !runs(ours, theirs) {
                let text = format!(
                    "device {device} ({ours}) can't run the code of application {application} ({theirs})"
                );
                return Err(Error::new(ErrorKind::Unsupported, text).sent(true));
            }
            let fleet = told(fleet.id, "id")?;
            let change = Change::Set(json!({ "belongs_to__application": fleet }));
            apply(&core, DeviceKeys::One(device), &change).await
        })
    }

    pub(super) fn set(&self, devices: impl Into<DeviceKeys>, columns: Value) -> Request<()> {
        self.change(devices, Change::Set(columns))
    }
}

/// Of a device type: which code it runs.
fn architecture() -> Query {
    columns(["is_of__cpu_architecture"]).expand(DeviceType::CPU_ARCHITECTURE.select(["slug"]))
}

/// Slug of a device type's architecture.
pub(super) fn slug(device_type: Option<&DeviceType>) -> Result<&str> {
    let architecture: Option<&CpuArchitecture> =
        device_type.and_then(|device_type| device_type.is_of_cpu_architecture.get());
    told(architecture.and_then(|row| row.slug.as_deref()), "is_of__cpu_architecture/slug")
}

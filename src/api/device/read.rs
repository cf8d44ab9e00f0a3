//! Reads of devices.

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result, escaped};
use crate::odata::{Filter, Query};
pub(super) use crate::resource::json_request::required;
use crate::resource::keys::{ApplicationKey, DeviceKey, OrganizationKey};
use crate::resource::read::ReadTarget;
use crate::resource::read_request::{Get, List};
use crate::resource::request::Request;
use crate::rows::{Application, Device, Organization, OverallStatus};

use super::{DeviceTarget, Devices};

/// Metrics that a device reported last. `None` for those that it does not report.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct DeviceMetrics {
    /// Used memory in MiB.
    pub memory_usage: Option<i64>,
    /// Total memory in MiB.
    pub memory_total: Option<i64>,
    /// Name of the block device of the storage figures.
    pub storage_block_device: Option<String>,
    /// Used storage in MiB.
    pub storage_usage: Option<i64>,
    /// Total storage in MiB.
    pub storage_total: Option<i64>,
    /// CPU load in percent.
    pub cpu_usage: Option<i64>,
    /// CPU temperature in °C.
    pub cpu_temp: Option<i64>,
    /// Serial number of the CPU, as text.
    pub cpu_id: Option<String>,
    /// Whether the supply voltage is too low.
    pub is_undervolted: Option<bool>,
}

impl Devices {
    /// Reads one device (`GET /v6/device`).
    ///
    /// # Errors
    /// `is_not_found` if the device does not exist; `is_ambiguous` if several uuids start with the text.
    pub fn get(&self, device: impl Into<DeviceKey>) -> Get<Device> {
        let key = device.into();
        Get::new(&self.core, async move { key.target::<Device>(Query::new()) })
    }

    /// Lists the devices that the token may read, by name (`GET /v6/device`).
    ///
    /// # Errors
    /// The errors of every read.
    #[doc(alias = "getAll")]
    pub fn get_all(&self) -> List<Device> {
        List::new(&self.core, async { Ok(ReadTarget::list::<Device>(by_name())) })
    }

    /// Lists the devices of an application, by name (`GET /v6/device`).
    ///
    /// # Errors
    /// `is_not_found` if the application does not exist.
    #[doc(alias = "getAllByApplication")]
    pub fn get_all_by_application(&self, application: impl Into<ApplicationKey>) -> List<Device> {
        let (core, key) = (self.core.clone(), application.into());
        self.list(async move {
            let id = core.id_of(key.target::<Application>(Query::new())?).await?;
            Ok(Device::APPLICATION.id().eq(id))
        })
    }

    /// Lists the devices of an organization's applications, by name (`GET /v6/device`).
    ///
    /// # Errors
    /// `is_not_found` if the organization does not exist.
    #[doc(alias = "getAllByOrganization")]
    pub fn get_all_by_organization(&self, organization: impl Into<OrganizationKey>) -> List<Device> {
        let (core, key) = (self.core.clone(), organization.into());
        self.list(async move {
            let id = core.id_of(key.target::<Organization>(Query::new())?).await?;
            Ok(Device::APPLICATION.any(Application::ORGANIZATION.id().eq(id)))
        })
    }

    /// Lists the devices with exactly this name; it need not be unique (`GET /v6/device`).
    ///
    /// # Errors
    /// `is_not_found` if there is none.
    #[doc(alias = "getByName")]
    pub fn get_by_name(&self, name: impl Into<String>) -> List<Device> {
        let name = name.into();
        List::new(&self.core, async move {
            if name.is_empty() {
                return Err(Error::argument("name", "it is empty"));
            }
            let query = by_name().filter(Device::DEVICE_NAME.eq(name.as_str()));
            Ok(ReadTarget::non_empty_list::<Device>(query, escaped(&name)))
        })
    }

    fn list(&self, filter: impl Future<Output = Result<Filter<Device>>> + Send + 'static) -> List<Device> {
        List::new(&self.core, async move { Ok(ReadTarget::list::<Device>(by_name().filter(filter.await?))) })
    }

    /// Reads some columns of one device and converts them.
    pub(super) fn ask<T>(
        &self,
        device: impl Into<DeviceKey>,
        query: Query,
        answer: impl FnOnce(Device) -> Result<T> + Send + 'static,
    ) -> Request<T> {
        let (core, key) = (self.core.clone(), device.into());
        Request::new(async move { answer(core.whole_row(key.target::<Device>(query)?).await?.one()?) })
    }

    /// Returns the name of a device (`GET /v6/device`). For this device (`None`, `Local`) it is the name that its
    /// supervisor received last (`GET /v2/device/name`), without the cloud.
    ///
    /// # Errors
    /// As [`get`](Self::get); `is_config` without the supervisor's variables.
    #[doc(alias = "getName")]
    pub fn get_name(&self, device: impl Into<DeviceTarget>) -> Request<String> {
        let Some(key) = device.into().key().cloned() else {
            return Request::new(self.core.supervisor.device_name().into_future());
        };
        self.ask(key, columns(["device_name"]), |device| required(device.device_name, "device_name"))
    }

    /// Returns the name of a device's application (`GET /v6/device`).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[doc(alias = "getApplicationName")]
    pub fn get_application_name(&self, device: impl Into<DeviceKey>) -> Request<String> {
        let query = columns(["id"]).expand(Device::APPLICATION.select(["app_name"]));
        self.ask(device, query, |device| {
            let application = device.belongs_to_application.into_rows().pop();
            required(application.and_then(|row| row.app_name), "belongs_to__application/app_name")
        })
    }

    /// Returns whether a device exists that the token may read (`GET /v6/device`).
    ///
    /// # Errors
    /// `is_ambiguous` if several uuids start with the text.
    pub fn has(&self, device: impl Into<DeviceKey>) -> Request<bool> {
        let (core, key) = (self.core.clone(), device.into());
        Request::new(async move { core.exists(key.target::<Device>(Query::new())?).await })
    }

    /// Returns whether a device is connected to the cloud (`GET /v6/device`).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[doc(alias = "isOnline")]
    pub fn is_online(&self, device: impl Into<DeviceKey>) -> Request<bool> {
        self.ask(device, columns(["is_online"]), |device| Ok(device.is_online == Some(true)))
    }

    /// Returns the addresses of a device in its local networks (`GET /v6/device`).
    ///
    /// # Errors
    /// `is_device_offline` if the device is offline: its last addresses may have changed.
    #[doc(alias = "getLocalIPAddresses")]
    pub fn get_local_ip_address(&self, device: impl Into<DeviceKey>) -> Request<Vec<String>> {
        let key = device.into();
        let name = key.to_string();
        self.ask(key, columns(["is_online", "ip_address"]), move |device| {
            if device.is_online != Some(true) {
                let text = format!("device {name} is offline");
                return Err(Error::new(ErrorKind::DeviceOffline, text).with_sent(true));
            }
            Ok(words(device.ip_address))
        })
    }

    /// Returns the MAC addresses of a device (`GET /v6/device`).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[doc(alias = "getMACAddresses")]
    pub fn get_mac_address(&self, device: impl Into<DeviceKey>) -> Request<Vec<String>> {
        self.ask(device, columns(["mac_address"]), |device| Ok(words(device.mac_address)))
    }

    /// Returns the metrics that a device reported last (`GET /v6/device`).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[doc(alias = "getMetrics")]
    pub fn get_metrics(&self, device: impl Into<DeviceKey>) -> Request<DeviceMetrics> {
        let (core, key) = (self.core.clone(), device.into());
        let query = columns([
            "memory_usage",
            "memory_total",
            "storage_block_device",
            "storage_usage",
            "storage_total",
            "cpu_usage",
            "cpu_temp",
            "cpu_id",
            "is_undervolted",
        ]);
        Request::new(async move { core.row_of(key.target::<Device>(query)?).await })
    }

    /// Returns the overall status of a device, as the dashboard shows it (`GET /v6/device`). The values depend on
    /// the API's version: `idle`, `offline` … or `operational`, `disconnected` ….
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[doc(alias = "getStatus")]
    pub fn get_status(&self, device: impl Into<DeviceKey>) -> Request<OverallStatus> {
        self.ask(device, columns(["overall_status"]), |device| {
            required(device.overall_status, "overall_status")
        })
    }
}

fn by_name() -> Query {
    Query::new().order_by(Device::DEVICE_NAME.asc())
}

/// Selects these columns only.
pub(super) fn columns<const N: usize>(names: [&str; N]) -> Query {
    Query::new().select(names)
}

/// Splits a list of words. An absent column is empty.
fn words(text: Option<String>) -> Vec<String> {
    text.map(|text| text.split(' ').map(str::to_owned).collect()).unwrap_or_default()
}

//! Reading devices: one, several, and what is asked of one so often that it has a name.

use serde::{Deserialize, Serialize};

pub(super) use crate::api::answer::told;
use crate::api::keys::{ApplicationKey, DeviceKey, OrganizationKey};
use crate::api::read::{Get, List, Target};
use crate::api::request::Request;
use crate::api::rows::{Application, Device, Organization, OverallStatus};
use crate::error::{Error, ErrorKind, Result, shown};
use crate::odata::{Filter, Query};

use super::{DeviceTarget, Devices};

/// What a device measured of itself last; `None` is what it does not report.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct DeviceMetrics {
    /// Memory in use, in MiB.
    pub memory_usage: Option<i64>,
    /// Memory there is, in MiB.
    pub memory_total: Option<i64>,
    /// Block device that the storage figures are about.
    pub storage_block_device: Option<String>,
    /// Storage in use, in MiB.
    pub storage_usage: Option<i64>,
    /// Storage there is, in MiB.
    pub storage_total: Option<i64>,
    /// Load of the CPU in percent.
    pub cpu_usage: Option<i64>,
    /// Temperature of the CPU in °C.
    pub cpu_temp: Option<i64>,
    /// Serial number of the CPU.
    pub cpu_id: Option<String>,
    /// Whether the supply voltage is too low.
    pub is_undervolted: Option<bool>,
}

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
        List::new(&self.core, async { Ok(Target::list::<Device>(by_name())) })
    }

    /// The devices of an application, by name (`GET /v6/device`).
    ///
    /// # Errors
    /// `is_not_found` when the application is not there.
    #[doc(alias = "getAllByApplication")]
    pub fn get_all_by_application(&self, application: impl Into<ApplicationKey>) -> List<Device> {
        let (core, key) = (self.core.clone(), application.into());
        self.list(async move {
            let id = core.id_of(key.target::<Application>(Query::new())?).await?;
            Ok(Device::APPLICATION.id().eq(id))
        })
    }

    /// The devices of an organization's applications, by name (`GET /v6/device`).
    ///
    /// # Errors
    /// `is_not_found` when the organization is not there.
    #[doc(alias = "getAllByOrganization")]
    pub fn get_all_by_organization(&self, organization: impl Into<OrganizationKey>) -> List<Device> {
        let (core, key) = (self.core.clone(), organization.into());
        self.list(async move {
            let id = core.id_of(key.target::<Organization>(Query::new())?).await?;
            Ok(Device::APPLICATION.any(Application::ORGANIZATION.id().eq(id)))
        })
    }

    /// The devices with exactly this name; several may have it (`GET /v6/device`).
    ///
    /// # Errors
    /// `is_not_found` when there is none.
    #[doc(alias = "getByName")]
    pub fn get_by_name(&self, name: impl Into<String>) -> List<Device> {
        let name = name.into();
        List::new(&self.core, async move {
            if name.is_empty() {
                return Err(Error::argument("name", "it is empty"));
            }
            let query = by_name().filter(Device::DEVICE_NAME.eq(name.as_str()));
            Ok(Target::some::<Device>(query, shown(&name)))
        })
    }

    fn list(&self, filter: impl Future<Output = Result<Filter<Device>>> + Send + 'static) -> List<Device> {
        List::new(&self.core, async move { Ok(Target::list::<Device>(by_name().filter(filter.await?))) })
    }

    /// What some columns of one device say.
    pub(super) fn ask<T>(
        &self,
        device: impl Into<DeviceKey>,
        query: Query,
        answer: impl FnOnce(Device) -> Result<T> + Send + 'static,
    ) -> Request<T> {
        let (core, key) = (self.core.clone(), device.into());
        Request::new(async move { answer(core.whole_row(key.target::<Device>(query)?).await?.one()?) })
    }

    /// Its name (`GET /v6/device`). Of this device (`None`, `Local`) as its supervisor heard it last
    /// (`GET /v2/device/name`), with no cloud involved.
    ///
    /// # Errors
    /// As [`get`](Self::get); `is_config` without the supervisor's variables.
    #[doc(alias = "getName")]
    pub fn get_name(&self, device: impl Into<DeviceTarget>) -> Request<String> {
        let Some(key) = device.into().key().cloned() else {
            return Request::new(self.core.supervisor.device_name().into_future());
        };
        self.ask(key, columns(["device_name"]), |device| told(device.device_name, "device_name"))
    }

    /// Name of the application that it belongs to (`GET /v6/device`).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[doc(alias = "getApplicationName")]
    pub fn get_application_name(&self, device: impl Into<DeviceKey>) -> Request<String> {
        let query = columns(["id"]).expand(Device::APPLICATION.select(["app_name"]));
        self.ask(device, query, |device| {
            let application = device.belongs_to_application.into_rows().pop();
            told(application.and_then(|row| row.app_name), "belongs_to__application/app_name")
        })
    }

    /// Whether there is such a device, as far as the token can see (`GET /v6/device`).
    ///
    /// # Errors
    /// `is_ambiguous` for a beginning that several uuids have.
    pub fn has(&self, device: impl Into<DeviceKey>) -> Request<bool> {
        let (core, key) = (self.core.clone(), device.into());
        Request::new(async move { core.finds(key.target::<Device>(Query::new())?).await })
    }

    /// Whether the cloud hears of it now (`GET /v6/device`).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[doc(alias = "isOnline")]
    pub fn is_online(&self, device: impl Into<DeviceKey>) -> Request<bool> {
        self.ask(device, columns(["is_online"]), |device| Ok(device.is_online == Some(true)))
    }

    /// Its addresses in its own networks (`GET /v6/device`).
    ///
    /// # Errors
    /// `is_device_offline` when it is: the addresses it had then say nothing.
    #[doc(alias = "getLocalIPAddresses")]
    pub fn get_local_ip_address(&self, device: impl Into<DeviceKey>) -> Request<Vec<String>> {
        let key = device.into();
        let name = key.to_string();
        self.ask(key, columns(["is_online", "ip_address"]), move |device| {
            if device.is_online != Some(true) {
                let text = format!("device {name} is offline");
                return Err(Error::new(ErrorKind::DeviceOffline, text).sent(true));
            }
            Ok(words(device.ip_address))
        })
    }

    /// Its MAC addresses (`GET /v6/device`).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[doc(alias = "getMACAddresses")]
    pub fn get_mac_address(&self, device: impl Into<DeviceKey>) -> Request<Vec<String>> {
        self.ask(device, columns(["mac_address"]), |device| Ok(words(device.mac_address)))
    }

    /// What it measured of itself last (`GET /v6/device`).
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

    /// Its state in one word, as the dashboard shows it (`GET /v6/device`). The words are those of the API's
    /// version: `idle`, `offline` … or `operational`, `disconnected` ….
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[doc(alias = "getStatus")]
    pub fn get_status(&self, device: impl Into<DeviceKey>) -> Request<OverallStatus> {
        self.ask(device, columns(["overall_status"]), |device| told(device.overall_status, "overall_status"))
    }
}

fn by_name() -> Query {
    Query::new().order_by(Device::DEVICE_NAME.asc())
}

/// These columns and nothing else.
pub(super) fn columns<const N: usize>(names: [&str; N]) -> Query {
    Query::new().select(names)
}

/// What was selected is in the answer, unless the other side is no balena API.
fn words(text: Option<String>) -> Vec<String> {
    text.map(|text| text.split(' ').map(str::to_owned).collect()).unwrap_or_default()
}

//! An application together with its devices and what runs on them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::api::keys::ApplicationKey;
use crate::api::read::Get;
use crate::api::rows::{Application, Device, Image, Release};
use crate::ids::{ImageId, ServiceId};
use crate::odata::{Nav, Query};

use super::Applications;

/// An application with its devices, as
/// [`get_with_device_service_details`](Applications::get_with_device_service_details) has it. `A` and `D` are
/// the types that the columns of application and devices are decoded into.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ApplicationWithDeviceServices<A = Application, D = Device> {
    /// The application; its own list of devices is empty.
    #[serde(flatten)]
    pub application: A,
    /// The devices.
    #[serde(rename = "owns__device", default = "Vec::new")]
    pub devices: Vec<DeviceWithServices<D>>,
}

/// A device with the services that it has, in whatever state.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "Raw<D>", bound(deserialize = "D: Deserialize<'de>"))]
#[non_exhaustive]
pub struct DeviceWithServices<D = Device> {
    /// The device; its own list of image installs is empty.
    #[serde(flatten)]
    pub device: D,
    /// By the service's name: one entry usually, two while one replaces the other.
    pub current_services: BTreeMap<String, Vec<CurrentService>>,
}

/// A service on a device: the install of one image.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct CurrentService {
    /// Id of the image install.
    pub id: Option<i64>,
    /// Id of the image.
    pub image_id: Option<ImageId>,
    /// Id of the service.
    pub service_id: Option<ServiceId>,
    /// Commit of the release that brought it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Percent, while it is downloaded.
    pub download_progress: Option<f64>,
    /// As the supervisor reports it: `Running`, `Downloading`, `exited` …
    pub status: Option<String>,
    /// Since when it is there.
    pub install_date: Option<Timestamp>,
}

/// A device as the API answers it.
#[derive(Deserialize)]
struct Raw<D> {
    #[serde(default = "Vec::new")]
    image_install: Vec<Install>,
    #[serde(flatten)]
    device: D,
}

#[derive(Deserialize)]
struct Install {
    id: Option<i64>,
    download_progress: Option<f64>,
    status: Option<String>,
    #[serde(rename = "install_date")]
    since: Option<Timestamp>,
    #[serde(default)]
    image: Nav<Image>,
    #[serde(rename = "is_provided_by__release", default)]
    release: Nav<Release>,
}

impl<D> From<Raw<D>> for DeviceWithServices<D> {
    fn from(raw: Raw<D>) -> Self {
        let mut current_services: BTreeMap<String, Vec<CurrentService>> = BTreeMap::new();
        for install in raw.image_install {
            let image = install.image.get();
            let service = image.and_then(|image| image.is_a_build_of_service.get());
            // Without a name it was not asked for, or the key may not read services: it is left out.
            let Some(name) = service.and_then(|service| service.service_name.clone()) else { continue };
            current_services.entry(name).or_default().push(CurrentService {
                id: install.id,
                image_id: image.and_then(|image| image.id),
                service_id: service.and_then(|service| service.id),
                commit: install.release.get().and_then(|release| release.commit.clone()),
                download_progress: install.download_progress,
                status: install.status,
                install_date: install.since,
            });
        }
        Self { device: raw.device, current_services }
    }
}

impl Applications {
    /// One application with its devices, and for each device its services and the release that each came with
    /// (`GET /v6/application`).
    ///
    /// # Errors
    /// `is_not_found`, `is_ambiguous`.
    #[doc(alias = "getWithDeviceServiceDetails")]
    pub fn get_with_device_service_details(
        &self,
        application: impl Into<ApplicationKey>,
    ) -> Get<Application, ApplicationWithDeviceServices> {
        let key = application.into();
        Get::new(&self.core, async move {
            let services = json!({ "$expand": { "owns__device": { "$expand": { "image_install": {
                "$select": ["id", "download_progress", "status", "install_date"],
                "$filter": { "status": { "$ne": "deleted" } },
                "$expand": {
                    "image": {
                        "$select": ["id"],
                        "$expand": { "is_a_build_of__service": { "$select": ["id", "service_name"] } },
                    },
                    "is_provided_by__release": { "$select": ["id", "commit", "raw_version"] },
                },
            } } } } });
            key.target::<Application>(Query::from_json(&services)?)
        })
    }
}

//! A device together with what runs on it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::api::keys::DeviceKey;
use crate::api::read::Get;
use crate::api::rows::{Device, Image, ImageInstall, Release};
use crate::ids::{ImageId, ServiceId};
use crate::odata::{Nav, Query};

use super::Devices;
use super::read::columns;

/// A device with the services that it has, in whatever state. `D` is the type that its columns are decoded
/// into.
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
    install_date: Option<Timestamp>,
    #[serde(default)]
    image: Nav<Image>,
    #[serde(default)]
    is_provided_by__release: Nav<Release>,
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
                commit: install.is_provided_by__release.get().and_then(|release| release.commit.clone()),
                download_progress: install.download_progress,
                status: install.status,
                install_date: install.install_date,
            });
        }
        Self { device: raw.device, current_services }
    }
}

impl Devices {
    /// One device with its services, and the release that each came with (`GET /v6/device`). For everything
    /// that the cloud knows of its image installs: [`get`](Self::get) with an expand.
    ///
    /// `.rows::<DeviceWithServices<T>>()` decodes the device's columns into a type of your own.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[doc(alias = "getWithServiceDetails")]
    pub fn get_with_service_details(&self, device: impl Into<DeviceKey>) -> Get<Device, DeviceWithServices> {
        let key = device.into();
        Get::new(&self.core, async move { key.target::<Device>(services()) })
    }
}

/// Of a device: what [`DeviceWithServices`] is made of.
pub(crate) fn services() -> Query {
    let service = Image::SERVICE.select(["id", "service_name"]);
    let installs = columns(["id", "download_progress", "status", "install_date"])
        .filter(ImageInstall::STATUS.ne("deleted"))
        .expand(ImageInstall::IMAGE.select(["id"]).expand(service))
        .expand(ImageInstall::RELEASE.select(["id", "commit", "raw_version"]));
    Query::new().expand(Device::IMAGE_INSTALL.with(installs))
}

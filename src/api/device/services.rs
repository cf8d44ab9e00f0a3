//! A device with its services.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{ImageId, ServiceId};
use crate::odata::{Nav, Query};
use crate::resource::keys::DeviceKey;
use crate::resource::read_request::Get;
use crate::rows::{Application, Device, Image, ImageInstall, Release, Service};

use super::Devices;
use super::read::columns;

/// A device with its services, in any state. `D` is the type that the device's columns are decoded into.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "DeviceRow<D>", bound(deserialize = "D: Deserialize<'de>"))]
#[non_exhaustive]
pub struct DeviceWithServices<D = Device> {
    /// The device. Its own list of image installs is empty.
    #[serde(flatten)]
    pub device: D,
    /// Services by name.
    pub current_services: CurrentServices,
}

/// Services of a device by name: usually one entry each, two while one replaces the other.
pub type CurrentServices = BTreeMap<String, Vec<CurrentService>>;

/// A device with the services of each application that it runs, including those of host and supervisor. `D` is the
/// type that the device's columns are decoded into.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "DeviceRow<D>", bound(deserialize = "D: Deserialize<'de>"))]
#[non_exhaustive]
pub struct DeviceWithServicesByApp<D = Device> {
    /// The device. Its own list of image installs is empty.
    #[serde(flatten)]
    pub device: D,
    /// Services by the slug of the application, then by name.
    pub current_services_by_app: BTreeMap<String, CurrentServices>,
}

/// A service on a device: an image install.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct CurrentService {
    /// Id of the image install.
    pub id: Option<i64>,
    /// Id of the image.
    pub image_id: Option<ImageId>,
    /// Id of the service.
    pub service_id: Option<ServiceId>,
    /// Commit of the release that the service belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Download progress in percent. Absent when it is not being downloaded.
    pub download_progress: Option<f64>,
    /// State as the supervisor reports it: `Running`, `Downloading`, `exited` …
    pub status: Option<String>,
    /// When it was installed.
    pub install_date: Option<Timestamp>,
}

/// A device as in the API's response.
#[derive(Deserialize)]
struct DeviceRow<D> {
    #[serde(default)]
    image_install: Nav<Install>,
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

impl Install {
    /// Returns the service's name, the application's slug, and the rest. `None` without a name: it was not
    /// requested, or the token may not read services.
    fn into_service(self) -> Option<(String, Option<String>, CurrentService)> {
        let image = self.image.get();
        let service = image.and_then(|image| image.is_a_build_of_service.get());
        let name = service.and_then(|service| service.service_name.clone())?;
        let release = self.release.get();
        let application = release.and_then(|release| release.belongs_to_application.get());
        let service = CurrentService {
            id: self.id,
            image_id: image.and_then(|image| image.id),
            service_id: service.and_then(|service| service.id),
            commit: release.and_then(|release| release.commit.clone()),
            download_progress: self.download_progress,
            status: self.status,
            install_date: self.since,
        };
        Some((name, application.and_then(|application| application.slug.clone()), service))
    }
}

impl<D> From<DeviceRow<D>> for DeviceWithServices<D> {
    fn from(raw: DeviceRow<D>) -> Self {
        let mut current_services = CurrentServices::new();
        for (name, _, service) in raw.image_install.into_rows().into_iter().filter_map(Install::into_service)
        {
            current_services.entry(name).or_default().push(service);
        }
        Self { device: raw.device, current_services }
    }
}

impl<D> From<DeviceRow<D>> for DeviceWithServicesByApp<D> {
    fn from(raw: DeviceRow<D>) -> Self {
        let mut current_services_by_app: BTreeMap<String, CurrentServices> = BTreeMap::new();
        for (name, slug, service) in
            raw.image_install.into_rows().into_iter().filter_map(Install::into_service)
        {
            // Of an application that the token may not read, only the existence is known.
            let services = current_services_by_app.entry(slug.unwrap_or_default()).or_default();
            services.entry(name).or_default().push(service);
        }
        Self { device: raw.device, current_services_by_app }
    }
}

impl<D> Get<Device, DeviceWithServices<D>> {
    /// Groups the services by application: two applications may have services of the same name.
    #[doc(alias = "current_services_by_app")]
    pub fn by_app(self) -> Get<Device, DeviceWithServicesByApp<D>> {
        let of_application = ImageInstall::RELEASE.expand(Release::BELONGS_TO_APPLICATION.select(["slug"]));
        self.expand(Device::IMAGE_INSTALL.expand(of_application)).rows()
    }
}

impl Devices {
    /// Reads one device with its services, and the release of each (`GET /v6/device`). For all columns of the image
    /// installs, use [`get`](Self::get) with an expand.
    ///
    /// `.rows::<DeviceWithServices<T>>()` decodes the device's columns into another type.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[doc(alias = "getWithServiceDetails")]
    pub fn get_with_service_details(&self, device: impl Into<DeviceKey>) -> Get<Device, DeviceWithServices> {
        let key = device.into();
        Get::new(
            &self.core,
            async move { Ok(key.target::<Device>(services())?.with_required_columns(named())) },
        )
    }
}

/// Selects the names of a device's services.
pub(crate) fn named() -> Query {
    let service = Image::SERVICE.select([Service::SERVICE_NAME.name()]);
    let application = Release::BELONGS_TO_APPLICATION.select([Application::SLUG.name()]);
    let install = Query::new()
        .expand(ImageInstall::IMAGE.expand(service))
        .expand(ImageInstall::RELEASE.expand(application));
    Query::new().expand(Device::IMAGE_INSTALL.with(install))
}

/// Selects what [`DeviceWithServices`] needs.
pub(crate) fn services() -> Query {
    let service = Image::SERVICE.select(["id", "service_name"]);
    let installs = columns(["id", "download_progress", "status", "install_date"])
        .filter(ImageInstall::STATUS.ne("deleted"))
        .expand(ImageInstall::IMAGE.select(["id"]).expand(service))
        .expand(ImageInstall::RELEASE.select(["id", "commit", "raw_version"]));
    Query::new().expand(Device::IMAGE_INSTALL.with(installs))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::resource::test_util::MockTransport;

    #[tokio::test]
    async fn services_of_one_name_in_two_applications_stay_apart() {
        let body = r#"{"d":[{"id":5,"image_install":[
            {"id":1,"status":"Running","image":[{"id":10,"is_a_build_of__service":[{"id":20,"service_name":"main"}]}],
             "is_provided_by__release":[{"commit":"a","belongs_to__application":[{"slug":"org/app"}]}]},
            {"id":2,"status":"Running","image":[{"id":11,"is_a_build_of__service":[{"id":21,"service_name":"main"}]}],
             "is_provided_by__release":[{"commit":"b","belongs_to__application":[{"slug":"org/other"}]}]},
            {"id":3,"image":[{"id":12,"is_a_build_of__service":[]}]}]}]}"#;
        let (balena, transport) = MockTransport::answering(body);
        let device = balena.device().get_with_service_details(5).by_app().await.unwrap();
        let apps = device.current_services_by_app;
        assert_eq!(apps.keys().collect::<Vec<_>>(), ["org/app", "org/other"]);
        assert_eq!(apps["org/app"]["main"][0].commit.as_deref(), Some("a"));
        assert_eq!(apps["org/other"]["main"][0].id, Some(2));
        let asked = transport.asked.lock().unwrap().clone();
        let expand = "$select=id,commit,raw_version;$expand=belongs_to__application($select=slug)";
        assert!(asked[0].contains(expand), "{asked:?}");

        let device = balena.device().get_with_service_details(5).await.unwrap();
        assert_eq!(device.current_services["main"].len(), 2);
    }

    #[tokio::test]
    async fn a_nested_select_leaves_the_names_of_the_services() {
        let body = r#"{"d":[{"id":5,"image_install":[
            {"image":[{"is_a_build_of__service":[{"service_name":"main"}]}],
             "is_provided_by__release":[{"belongs_to__application":[{"slug":"org/app"}]}]},
            {"id":2,"image":null,"is_provided_by__release":null}],
            "owns__device":[{"id":5,"image_install":null}]}]}"#;
        let nested = json!({"$expand": {"image_install": {"$select": "id", "$expand": {
            "image": {"$select": "id", "$expand": {"is_a_build_of__service": {"$select": "id"}}},
            "is_provided_by__release": {"$select": "id", "$expand": {"belongs_to__application": {"$select": "id"}}},
        }}}});
        let sent = "image_install($select=id;$expand=image($select=id;$expand=\
                    is_a_build_of__service($select=id,service_name)),is_provided_by__release($select=id;$expand=\
                    belongs_to__application($select=id,slug));$filter=";
        let (balena, transport) = MockTransport::answering(body);
        let get = || balena.device().get_with_service_details(5).options(&nested);
        assert_eq!(get().await.unwrap().current_services.len(), 1);
        let by_app = balena.device().get_with_service_details(5).by_app().options(&nested).await.unwrap();
        assert!(by_app.current_services_by_app["org/app"].contains_key("main"));
        let nested = json!({"$expand": {"owns__device": nested}});
        let fleet = balena.application().get_with_device_service_details(5).options(&nested).await.unwrap();
        assert_eq!(fleet.devices.len(), 1);
        let asked = transport.asked.lock().unwrap();
        assert!(asked.len() == 3 && asked.iter().all(|url| url.contains(sent)), "{asked:#?}");
    }
}

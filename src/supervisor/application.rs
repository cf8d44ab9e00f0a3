//! An application (fleet) on this device: its services and their actions (reference sections 3.4 and 3.5).

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::ids::{ApplicationId, ImageId, ReleaseId};

use super::affected::Affected;
use super::call::{Call, Forceable, Recreating, RestartingService, Spec, StartingService, StoppingService};
use super::device::data_or_error;
use super::endpoint::{self as e, Endpoint};
use super::link::Supervisor;
use super::state::{VersionedState, null_is_none};

const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Which service is meant.
///
/// In an application with a single service the supervisor acts on that one **whatever the selector says**.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceSelector {
    /// By its name in the compose file (supervisor ≥ 8.2.2).
    Name(String),
    /// By the id of its image in the running release.
    Image(ImageId),
}

impl ServiceSelector {
    /// The service with this name in the compose file.
    pub fn name(name: impl Into<String>) -> Self {
        Self::Name(name.into())
    }

    /// The service that runs this image.
    pub fn image(id: impl Into<ImageId>) -> Self {
        Self::Image(id.into())
    }

    fn body(&self) -> Result<Value> {
        match self {
            Self::Name(name) if name.trim().is_empty() => {
                Err(Error::argument("service", "the name is empty"))
            }
            Self::Name(name) => Ok(json!({ "serviceName": name })),
            Self::Image(id) if id.get() <= 0 => {
                Err(Error::argument("service", format_args!("{id} is not an image id")))
            }
            Self::Image(id) => Ok(json!({ "imageId": id })),
        }
    }
}

impl From<ImageId> for ServiceSelector {
    fn from(id: ImageId) -> Self {
        Self::Image(id)
    }
}

impl From<i64> for ServiceSelector {
    fn from(id: i64) -> Self {
        Self::Image(ImageId::new(id))
    }
}

impl From<i32> for ServiceSelector {
    fn from(id: i32) -> Self {
        Self::from(i64::from(id))
    }
}

/// The only service of a single-container application, as `GET /v1/apps/:appId` tells it (reference 4.3).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SingleContainer {
    /// Id of the application.
    #[serde(rename = "appId")]
    pub app_id: ApplicationId,
    /// Hash of the release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Id of the container.
    #[serde(default, rename = "containerId", skip_serializing_if = "Option::is_none")]
    pub container_id: Option<String>,
    /// The service's variables but for the keys. User variables may hold secrets: `Debug` shows the names only.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Id or name of the image in the engine; not the numeric image id.
    #[serde(default, rename = "imageId", skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Id of the release.
    #[serde(default, rename = "releaseId", skip_serializing_if = "Option::is_none")]
    pub release_id: Option<ReleaseId>,
}

impl std::fmt::Debug for SingleContainer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SingleContainer")
            .field("app_id", &self.app_id)
            .field("commit", &self.commit)
            .field("container_id", &self.container_id)
            .field("env", &self.env.keys())
            .field("image", &self.image)
            .field("release_id", &self.release_id)
            .finish()
    }
}

/// Stands for the application's id in a path or body until it is known.
pub(crate) const APP_ID: &str = ":appId";

/// An application on this device; from [`Supervisor::application`].
#[derive(Debug, Clone)]
pub struct Application {
    supervisor: Supervisor,
    which: Which,
}

#[derive(Debug, Clone, Copy)]
enum Which {
    /// The container's own.
    Own,
    Id(ApplicationId),
    /// That of another device, which the cloud is yet to be asked for.
    Elsewhere,
}

impl Supervisor {
    /// The application that this container belongs to (`BALENA_APP_ID`).
    pub fn application(&self) -> Application {
        Application { supervisor: self.clone(), which: Which::Own }
    }

    /// Another application on this device; the key must cover it.
    pub fn application_by_id(&self, id: impl Into<ApplicationId>) -> Application {
        Application { supervisor: self.clone(), which: Which::Id(id.into()) }
    }

    /// Calls with [`APP_ID`] where the id belongs. They can't be sent as they are.
    pub(crate) fn application_elsewhere(&self) -> Application {
        Application { supervisor: self.clone(), which: Which::Elsewhere }
    }

    /// Container ids by service name, over all applications in the key's scope (`GET /v2/containerId`).
    /// Services of the same name in two applications collapse to one. Stopped services are listed.
    pub fn container_ids(&self) -> Call<BTreeMap<String, String>> {
        #[derive(Deserialize)]
        struct Ids {
            #[serde(deserialize_with = "null_is_none")]
            services: BTreeMap<String, String>,
        }
        Call::new(self, Ok(Spec::new(&e::CONTAINER_ID, "/v2/containerId")), |answer| {
            answer.json().map(|Ids { services }| services)
        })
    }

    /// Container id of one service (`GET /v2/containerId?service=…`).
    ///
    /// # Errors
    /// `is_not_found` when no container of that name is in the key's scope.
    pub fn container_id(&self, service: &str) -> Call<String> {
        #[derive(Deserialize)]
        struct Id {
            #[serde(rename = "containerId")]
            container_id: String,
        }
        let spec = if service.trim().is_empty() {
            Err(Error::argument("service", "the name is empty"))
        } else {
            let mut spec = Spec::new(&e::CONTAINER_ID, "/v2/containerId");
            spec.query = Some(format!("service={}", utf8_percent_encode(service, QUERY)));
            Ok(spec)
        };
        Call::new(self, spec, |answer| answer.json().map(|Id { container_id }| container_id))
    }
}

impl Application {
    /// The id as the supervisor gets it: our own exactly as in `BALENA_APP_ID`.
    fn id(&self) -> Result<String> {
        match self.which {
            Which::Id(id) if id.get() <= 0 => {
                Err(Error::argument("application", format_args!("{id} is not an application id")))
            }
            Which::Id(id) => Ok(id.to_string()),
            Which::Elsewhere => Ok(APP_ID.to_owned()),
            Which::Own => {
                let id = self.supervisor.own_app_id()?;
                // It becomes part of a path.
                if id.bytes().all(|b| b.is_ascii_digit()) && id.bytes().any(|b| b != b'0') {
                    Ok(id.to_owned())
                } else {
                    Err(Error::new(
                        crate::ErrorKind::Config,
                        format!("BALENA_APP_ID is \"{}\", which is no application's id", id.escape_debug()),
                    )
                    .help("it is the numeric id of the fleet; a fleet variable of that name overrides balena's own"))
                }
            }
        }
    }

    /// What its calls act on, if that is on this device and known.
    fn affected(&self, service: Option<ServiceSelector>) -> Option<Affected> {
        let application = match self.which {
            Which::Id(id) => id,
            Which::Own => self.id().ok()?.parse::<i64>().ok()?.into(),
            Which::Elsewhere => return None,
        };
        Some(Affected::new(application, service))
    }

    fn v1(&self, endpoint: &'static Endpoint, path: &'static str) -> Result<Spec> {
        Ok(Spec::new(endpoint, path).body(json!({ "appId": self.id()? })))
    }

    fn v2(&self, endpoint: &'static Endpoint, action: &str) -> Result<Spec> {
        Ok(Spec::new(endpoint, format!("/v2/applications/{}/{action}", self.id()?)))
    }

    fn service(&self, endpoint: &'static Endpoint, action: &str, service: &ServiceSelector) -> Result<Spec> {
        Ok(self.v2(endpoint, action)?.body(service.body()?))
    }

    /// Restarts all services (`POST /v2/applications/:appId/restart`): stops and removes the containers,
    /// makes and starts new ones. Volumes stay; stopped services are started too. Calls of this kind and
    /// [`purge`](Self::purge) wait for each other in this client, since the supervisor lets them cancel
    /// each other.
    ///
    /// # Errors
    /// `is_locked` when any service of the application holds an update lock; `is_unknown_outcome` when this
    /// container is one of those that are restarted.
    pub fn restart(&self) -> Call<(), Recreating> {
        Call::new(&self.supervisor, self.v2(&e::RESTART, "restart"), data_or_error).on(self.affected(None))
    }

    /// [`restart`](Self::restart) by its first form (`POST /v1/restart`), which every supervisor has.
    pub fn restart_v1(&self) -> Call<(), Recreating> {
        Call::new(&self.supervisor, self.v1(&e::RESTART_V1, "/v1/restart"), data_or_error)
            .on(self.affected(None))
    }

    /// Restarts all services with **empty volumes** (`POST /v2/applications/:appId/purge`). Their data is
    /// gone, and so is the device-wide `extra-firmware` volume.
    ///
    /// # Errors
    /// As [`restart`](Self::restart).
    pub fn purge(&self) -> Call<(), Recreating> {
        Call::new(&self.supervisor, self.v2(&e::PURGE, "purge"), data_or_error).on(self.affected(None))
    }

    /// [`purge`](Self::purge) by its first form (`POST /v1/purge`), which every supervisor has.
    pub fn purge_v1(&self) -> Call<(), Recreating> {
        Call::new(&self.supervisor, self.v1(&e::PURGE_V1, "/v1/purge"), data_or_error).on(self.affected(None))
    }

    /// Stops one service, then makes and starts a new container
    /// (`POST /v2/applications/:appId/restart-service`). Answers 200 also when the engine could not stop the old
    /// one: [`confirm`](Call::confirm) tells.
    ///
    /// A service's name is looked up before (`GET /v2/applications/state`), since in an application of one service
    /// the supervisor acts on that one whatever the name; [`unchecked`](Call::unchecked) leaves that out.
    ///
    /// # Errors
    /// `is_not_found` when the service is not there or has no container; `is_locked` when any service of the
    /// application holds an update lock; `is_unknown_outcome` when it is this very service.
    pub fn restart_service(&self, service: impl Into<ServiceSelector>) -> Call<(), RestartingService> {
        self.on_service(&e::RESTART_SERVICE, "restart-service", service.into())
    }

    /// Stops one service (`POST /v2/applications/:appId/stop-service`). **Answers before it has stopped**,
    /// and also when the engine fails to stop it: [`Supervisor::wait_for`] tells. A name is looked up before, as
    /// by [`restart_service`](Self::restart_service).
    ///
    /// # Errors
    /// As [`restart_service`](Self::restart_service).
    pub fn stop_service(&self, service: impl Into<ServiceSelector>) -> Call<(), StoppingService> {
        self.on_service(&e::STOP_SERVICE, "stop-service", service.into())
    }

    /// Starts one service (`POST /v2/applications/:appId/start-service`); succeeds when it runs already.
    /// Update locks do not matter. A name is looked up before, as by [`restart_service`](Self::restart_service).
    ///
    /// # Errors
    /// `is_not_found` when the service is not there or has no container.
    pub fn start_service(&self, service: impl Into<ServiceSelector>) -> Call<(), StartingService> {
        self.on_service(&e::START_SERVICE, "start-service", service.into())
    }

    fn on_service<O>(
        &self,
        endpoint: &'static Endpoint,
        action: &str,
        service: ServiceSelector,
    ) -> Call<(), O> {
        let spec = self.service(endpoint, action, &service);
        Call::new(&self.supervisor, spec, data_or_error).on(self.affected(Some(service)))
    }

    /// State of the services by image id (`GET /v2/applications/:appId/state`).
    ///
    /// # Errors
    /// `is_not_found` when the application is not on this device or out of the key's scope: the supervisor
    /// does not tell which.
    pub fn state(&self) -> Call<VersionedState> {
        Call::new(&self.supervisor, self.v2(&e::APPLICATION_STATE, "state"), |answer| answer.json())
    }

    fn single(&self, endpoint: &'static Endpoint, action: &str) -> Result<Spec> {
        Ok(Spec::new(endpoint, format!("/v1/apps/{}{action}", self.id()?)))
    }

    /// The only service of a single-container application (`GET /v1/apps/:appId`).
    ///
    /// # Errors
    /// `is_rejected` for an application with several services.
    pub fn single_container(&self) -> Call<SingleContainer> {
        Call::new(&self.supervisor, self.single(&e::APP_V1, ""), |answer| answer.json())
    }

    /// Stops the only service of a single-container application (`POST /v1/apps/:appId/stop`) and returns
    /// its container id.
    pub fn stop_single(&self) -> Call<String, Forceable> {
        Call::new(&self.supervisor, self.single(&e::STOP_V1, "/stop"), container_id)
    }

    /// Starts the only service of a single-container application (`POST /v1/apps/:appId/start`) and returns
    /// its container id.
    pub fn start_single(&self) -> Call<String> {
        Call::new(&self.supervisor, self.single(&e::START_V1, "/start"), container_id)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of every reader")]
fn container_id(answer: super::answer::Answer) -> Result<String> {
    #[derive(Deserialize)]
    struct Id {
        #[serde(rename = "containerId")]
        container_id: String,
    }
    answer.json().map(|Id { container_id }| container_id)
}

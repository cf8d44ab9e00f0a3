//! An application (fleet) on this device: its services, their state and their actions (reference sections 3.4 and
//! 3.5).

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::error::{Error, Result};
use crate::ids::{ApplicationId, ReleaseId};

use super::action_target::ActionTarget;
use super::call::{
    Call, ForceOptions, RecreateOptions, RestartServiceOptions, StartServiceOptions, StopServiceOptions,
};
use super::client::Supervisor;
use super::endpoint::{self as e, Endpoint};
use super::request::RequestSpec;
use super::response::{SupervisorResponse, data_or_error};
use super::service_names::check_service_name;
use super::service_selector::ServiceSelector;
use super::state::{ApplicationState, StateStatus, VersionedState, null_is_none};

const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Maximum length of a service name in a query, in bytes.
const LONGEST_NAME: usize = 1024;

/// The only service of a single-container application, from `GET /v1/apps/:appId` (reference 4.3).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SingleContainer {
    /// Id of the application.
    #[serde(rename = "appId")]
    pub app_id: ApplicationId,
    /// Commit hash of the release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Id of the container.
    #[serde(default, rename = "containerId", skip_serializing_if = "Option::is_none")]
    pub container_id: Option<String>,
    /// The service's variables without the API keys. User variables may contain secrets: `Debug` shows the names
    /// only.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Id or name of the image in the engine; not the numeric image id of the API.
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

/// Placeholder of the application's id in a path or body until the id is known.
pub(crate) const APP_ID: &str = ":appId";

/// An application on this device. Returned by [`Supervisor::application`].
#[derive(Debug, Clone)]
pub struct Application {
    supervisor: Supervisor,
    which: ApplicationRef,
}

#[derive(Debug, Clone, Copy)]
enum ApplicationRef {
    /// The application of this container.
    Own,
    Id(ApplicationId),
    /// An application of another device, whose id is not known yet.
    Elsewhere,
}

impl Supervisor {
    /// Returns the application of this container (`BALENA_APP_ID`).
    pub fn application(&self) -> Application {
        Application { supervisor: self.clone(), which: ApplicationRef::Own }
    }

    /// Returns another application on this device; the key must cover it.
    pub fn application_by_id(&self, id: impl Into<ApplicationId>) -> Application {
        Application { supervisor: self.clone(), which: ApplicationRef::Id(id.into()) }
    }

    /// Returns an application whose calls contain [`APP_ID`] instead of the id. It must be replaced before they are
    /// sent.
    pub(crate) fn application_elsewhere(&self) -> Application {
        Application { supervisor: self.clone(), which: ApplicationRef::Elsewhere }
    }

    /// Returns the state of every application in the key's scope, by name (`GET /v2/applications/state`). Use this
    /// one for polling: it can't crash the supervisor. Every call inspects every container, so do not poll too often.
    pub fn applications_state(&self) -> Call<BTreeMap<String, ApplicationState>> {
        Call::new(self, Ok(RequestSpec::new(&e::APPLICATIONS_STATE, "/v2/applications/state")), |answer| {
            answer.json()
        })
    }

    /// Returns containers and images of the first application (`GET /v2/state/status`). If the engine fails, this
    /// call can crash the supervisor: use [`applications_state`](Self::applications_state) for polling.
    pub fn state_status(&self) -> Call<StateStatus> {
        Call::new(self, Ok(RequestSpec::new(&e::STATE_STATUS, "/v2/state/status")), |answer| answer.json())
    }
    /// Returns the container ids by service name, of all applications in the key's scope (`GET /v2/containerId`).
    /// Services of the same name in two applications share one entry. Stopped services are included.
    pub fn container_ids(&self) -> Call<BTreeMap<String, String>> {
        #[derive(Deserialize)]
        struct Ids {
            #[serde(deserialize_with = "null_is_none")]
            services: BTreeMap<String, String>,
        }
        Call::new(self, Ok(RequestSpec::new(&e::CONTAINER_ID, "/v2/containerId")), |answer| {
            answer.json().map(|Ids { services }| services)
        })
    }

    /// Returns the container id of one service (`GET /v2/containerId?service=…`).
    ///
    /// # Errors
    /// `is_not_found` if no container of that name is in the key's scope.
    pub fn container_id(&self, service: &str) -> Call<String> {
        #[derive(Deserialize)]
        struct Id {
            #[serde(rename = "containerId")]
            container_id: String,
        }
        let spec = if let Err(error) = check_service_name("service", service) {
            Err(error)
        } else if service.len() > LONGEST_NAME {
            let why = format_args!("it has {} bytes, and no name of a service is that long", service.len());
            Err(Error::argument("service", why))
        } else {
            let mut spec = RequestSpec::new(&e::CONTAINER_ID, "/v2/containerId");
            spec.query = Some(format!("service={}", utf8_percent_encode(service, QUERY)));
            Ok(spec)
        };
        Call::new(self, spec, |answer| answer.json().map(|Id { container_id }| container_id))
    }
}

impl Application {
    /// Returns the id for the request; the own one exactly as in `BALENA_APP_ID`.
    fn id(&self) -> Result<String> {
        match self.which {
            ApplicationRef::Id(id) if id.get() <= 0 => {
                Err(Error::argument("application", format_args!("{id} is not an application id")))
            }
            ApplicationRef::Id(id) => Ok(id.to_string()),
            ApplicationRef::Elsewhere => Ok(APP_ID.to_owned()),
            ApplicationRef::Own => {
                let id = self.supervisor.own_app_id()?;
                // The id becomes part of a path.
                if id.bytes().all(|b| b.is_ascii_digit()) && id.bytes().any(|b| b != b'0') {
                    Ok(id.to_owned())
                } else {
                    Err(Error::new(
                        crate::ErrorKind::Config,
                        format!("BALENA_APP_ID is \"{}\", which is not an application id", id.escape_debug()),
                    )
                    .with_help("BALENA_APP_ID is the numeric id of the fleet; a fleet variable of that name overrides it"))
                }
            }
        }
    }

    /// Returns what a call acts on, if it is on this device and its id is known.
    fn affected(&self, service: Option<ServiceSelector>) -> Option<ActionTarget> {
        let application = match self.which {
            ApplicationRef::Id(id) => id,
            ApplicationRef::Own => self.id().ok()?.parse::<i64>().ok()?.into(),
            ApplicationRef::Elsewhere => return None,
        };
        Some(ActionTarget::new(application, service))
    }

    fn v1(&self, endpoint: &'static Endpoint, path: &'static str) -> Result<RequestSpec> {
        Ok(RequestSpec::new(endpoint, path).body(json!({ "appId": self.id()? })))
    }

    fn v2(&self, endpoint: &'static Endpoint, action: &str) -> Result<RequestSpec> {
        Ok(RequestSpec::new(endpoint, format!("/v2/applications/{}/{action}", self.id()?)))
    }

    fn service(
        &self,
        endpoint: &'static Endpoint,
        action: &str,
        service: &ServiceSelector,
    ) -> Result<RequestSpec> {
        Ok(self.v2(endpoint, action)?.body(service.body()?))
    }

    /// Restarts all services (`POST /v2/applications/:appId/restart`): stops and removes the containers, then creates
    /// and starts new ones. Volumes are kept; stopped services are started too. This client sends restarts and
    /// [`purge`](Self::purge) calls one at a time, because the supervisor lets them cancel each other.
    ///
    /// # Errors
    /// `is_locked` if any service of the application holds an update lock; `is_unknown_outcome` if this container is
    /// among the restarted ones.
    pub fn restart(&self) -> Call<(), RecreateOptions> {
        Call::new(&self.supervisor, self.v2(&e::RESTART, "restart"), data_or_error)
            .acting_on(self.affected(None))
    }

    /// Does [`restart`](Self::restart) through the v1 endpoint (`POST /v1/restart`), which every supervisor has.
    pub fn restart_v1(&self) -> Call<(), RecreateOptions> {
        Call::new(&self.supervisor, self.v1(&e::RESTART_V1, "/v1/restart"), data_or_error)
            .acting_on(self.affected(None))
    }

    /// Restarts all services with **empty volumes** (`POST /v2/applications/:appId/purge`). The data in the volumes
    /// is lost, and so is the device-wide `extra-firmware` volume.
    ///
    /// # Errors
    /// Those of [`restart`](Self::restart).
    pub fn purge(&self) -> Call<(), RecreateOptions> {
        Call::new(&self.supervisor, self.v2(&e::PURGE, "purge"), data_or_error).acting_on(self.affected(None))
    }

    /// Does [`purge`](Self::purge) through the v1 endpoint (`POST /v1/purge`), which every supervisor has.
    pub fn purge_v1(&self) -> Call<(), RecreateOptions> {
        Call::new(&self.supervisor, self.v1(&e::PURGE_V1, "/v1/purge"), data_or_error)
            .acting_on(self.affected(None))
    }

    /// Stops one service, then creates and starts a new container (`POST /v2/applications/:appId/restart-service`).
    /// The supervisor answers 200 even if the engine could not stop the old container: [`confirm`](Call::confirm)
    /// checks that.
    ///
    /// The name of the service is checked first (`GET /v2/applications/state`), because in an application with one
    /// service the supervisor acts on that one whatever the name. [`unchecked`](Call::unchecked) skips the check.
    ///
    /// # Errors
    /// `is_not_found` if the service does not exist or has no container; `is_conflict` while the image of its next
    /// release is being downloaded: the supervisor would remove the container and could not start a new one before the
    /// end of the download (with [`unchecked`](Call::unchecked) it does that, and answers 404); `is_locked` if any
    /// service of the application holds an update lock; `is_unknown_outcome` if it is the service of this container.
    pub fn restart_service(&self, service: impl Into<ServiceSelector>) -> Call<(), RestartServiceOptions> {
        self.on_service(&e::RESTART_SERVICE, "restart-service", service.into())
    }

    /// Stops one service (`POST /v2/applications/:appId/stop-service`). **The response comes before the service has
    /// stopped**, and is a success even if the engine fails to stop it: [`Supervisor::wait_for`] waits for it. The
    /// name is checked first, as by [`restart_service`](Self::restart_service).
    ///
    /// # Errors
    /// Those of [`restart_service`](Self::restart_service), except `is_conflict`.
    pub fn stop_service(&self, service: impl Into<ServiceSelector>) -> Call<(), StopServiceOptions> {
        self.on_service(&e::STOP_SERVICE, "stop-service", service.into())
    }

    /// Starts one service (`POST /v2/applications/:appId/start-service`). Succeeds if it is already running. Update
    /// locks do not apply. The name is checked first, as by [`restart_service`](Self::restart_service).
    ///
    /// # Errors
    /// `is_not_found` if the service does not exist or has no container; `is_conflict` while the image of its next
    /// release is being downloaded, even if it runs.
    pub fn start_service(&self, service: impl Into<ServiceSelector>) -> Call<(), StartServiceOptions> {
        self.on_service(&e::START_SERVICE, "start-service", service.into())
    }

    fn on_service<O>(
        &self,
        endpoint: &'static Endpoint,
        action: &str,
        service: ServiceSelector,
    ) -> Call<(), O> {
        let spec = self.service(endpoint, action, &service);
        Call::new(&self.supervisor, spec, data_or_error).acting_on(self.affected(Some(service)))
    }

    /// Returns the state of the services by image id (`GET /v2/applications/:appId/state`).
    ///
    /// # Errors
    /// `is_not_found` if the application is not on this device or not in the key's scope: the supervisor does not
    /// distinguish them.
    pub fn state(&self) -> Call<VersionedState> {
        Call::new(&self.supervisor, self.v2(&e::APPLICATION_STATE, "state"), |answer| answer.json())
    }

    fn single(&self, endpoint: &'static Endpoint, action: &str) -> Result<RequestSpec> {
        Ok(RequestSpec::new(endpoint, format!("/v1/apps/{}{action}", self.id()?)))
    }

    /// Returns the only service of a single-container application (`GET /v1/apps/:appId`).
    ///
    /// # Errors
    /// `is_rejected` if the application has several services.
    pub fn single_container(&self) -> Call<SingleContainer> {
        Call::new(&self.supervisor, self.single(&e::APP_V1, ""), |answer| answer.json())
    }

    /// Stops the only service of a single-container application (`POST /v1/apps/:appId/stop`). Returns its container
    /// id.
    pub fn stop_single(&self) -> Call<String, ForceOptions> {
        Call::new(&self.supervisor, self.single(&e::STOP_V1, "/stop"), container_id)
    }

    /// Starts the only service of a single-container application (`POST /v1/apps/:appId/start`). Returns its
    /// container id.
    pub fn start_single(&self) -> Call<String> {
        Call::new(&self.supervisor, self.single(&e::START_V1, "/start"), container_id)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of every reader")]
fn container_id(answer: SupervisorResponse) -> Result<String> {
    #[derive(Deserialize)]
    struct Id {
        #[serde(rename = "containerId")]
        container_id: String,
    }
    answer.json().map(|Id { container_id }| container_id)
}

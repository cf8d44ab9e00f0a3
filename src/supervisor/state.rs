//! Applications, services and images as the supervisor reports them (reference 4.4–4.6).

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::ids::{ApplicationId, ImageId, ReleaseId, ServiceId};
use crate::open_enum::open_enum;

use super::call::{Call, Spec};
use super::endpoint as e;
use super::link::Supervisor;
use super::time::WrittenTime;

open_enum! {
    /// Status of a service, in the supervisor's mixed spelling.
    ServiceStatus {
        /// It runs.
        Running = "Running",
        /// Running, as `GET /v1/device` words it.
        Idle = "Idle",
        /// It is being stopped.
        Stopping = "Stopping",
        /// It is being started.
        Starting = "Starting",
        /// Its container is being made.
        Installing = "Installing",
        /// Its container is made.
        Installed = "Installed",
        /// Its image is being downloaded.
        Downloading = "Downloading",
        /// Its image is here.
        Downloaded = "Downloaded",
        /// It hands over to the container of the next release.
        HandingOver = "Handing over",
        /// It waits for the handover.
        AwaitingHandover = "Awaiting handover",
        /// The update was aborted.
        Aborted = "Aborted",
        /// The engine could not remove it.
        Dead = "Dead",
        /// Its container exists and was never started.
        Created = "created",
        /// It has ended, or was stopped.
        Exited = "exited",
        /// It is paused.
        Paused = "paused",
        /// The engine restarts it.
        Restarting = "restarting",
        /// Its container is being removed.
        Removing = "removing",
    }
}

open_enum! {
    /// How far an application's update is.
    UpdateStatus {
        /// The release was refused by the device.
        Rejected = "rejected",
        /// Images are being downloaded.
        Downloading = "downloading",
        /// All images are here; it is not being applied yet, e.g. because of an update lock.
        Downloaded = "downloaded",
        /// Containers are being replaced.
        ApplyingChanges = "applying changes",
        /// It was aborted.
        Aborted = "aborted",
        /// Nothing to do.
        Done = "done",
    }
}

open_enum! {
    /// Whether the supervisor is at work.
    AppState {
        /// It applies a target state, or waits to try again.
        Applying = "applying",
        /// Current and target state are the same.
        Applied = "applied",
    }
}

open_enum! {
    /// Status of an image.
    ImageStatus {
        /// It is being downloaded.
        Downloading = "Downloading",
        /// It is here.
        Downloaded = "Downloaded",
        /// It is being deleted.
        Deleting = "Deleting",
    }
}

/// One application in `GET /v2/applications/state`. The fields are those of the **target** release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ApplicationState {
    /// Id of the application.
    #[serde(rename = "appId")]
    pub app_id: ApplicationId,
    /// Uuid of the application (supervisor ≥ 17.7).
    #[serde(default, rename = "appUuid", skip_serializing_if = "Option::is_none")]
    pub app_uuid: Option<String>,
    /// Hash of the target release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// How far the update is (supervisor ≥ 17.7).
    #[serde(default, rename = "updateStatus", skip_serializing_if = "Option::is_none")]
    pub update_status: Option<UpdateStatus>,
    /// The services of the target release by name.
    #[serde(default, deserialize_with = "null_is_none")]
    pub services: BTreeMap<String, ServiceState>,
}

/// One service in [`ApplicationState`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServiceState {
    /// Its status; an empty `Other` where the supervisor does not say.
    #[serde(default = "unsaid", deserialize_with = "word")]
    pub status: ServiceStatus,
    /// Its image (supervisor ≥ 17.7).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Percent, while the image is downloaded.
    #[serde(default, rename = "downloadProgress")]
    pub download_progress: Option<f64>,
    /// Id of the release.
    #[serde(default, rename = "releaseId", skip_serializing_if = "Option::is_none")]
    pub release_id: Option<ReleaseId>,
}

/// One application in `GET /v2/applications/:appId/state`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct VersionedState {
    /// Hash of the running release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Applications by id; one of them.
    #[serde(default, deserialize_with = "null_is_none")]
    pub local: BTreeMap<ApplicationId, ImageState>,
}

/// The services of an application by image id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ImageState {
    /// Services of the running release, and of the next one as its images arrive.
    #[serde(default, deserialize_with = "null_is_none")]
    pub services: BTreeMap<ImageId, ImageServiceState>,
}

/// One service in [`ImageState`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ImageServiceState {
    /// Its status; an empty `Other` where the supervisor does not say.
    #[serde(default = "unsaid", deserialize_with = "word")]
    pub status: ServiceStatus,
    /// Id of the release.
    #[serde(default, rename = "releaseId", skip_serializing_if = "Option::is_none")]
    pub release_id: Option<ReleaseId>,
    /// Percent, while the image is downloaded.
    #[serde(default)]
    pub download_progress: Option<f64>,
}

/// Containers and images of the **first** application (`GET /v2/state/status`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StateStatus {
    /// Whether the supervisor is at work.
    #[serde(rename = "appState")]
    pub app_state: AppState,
    /// Percent over all images, while there is a download.
    #[serde(default, rename = "overallDownloadProgress")]
    pub overall_download_progress: Option<f64>,
    /// The containers.
    #[serde(default, deserialize_with = "null_is_none")]
    pub containers: Vec<ContainerStatus>,
    /// The images.
    #[serde(default, deserialize_with = "null_is_none")]
    pub images: Vec<ImageStatusRow>,
    /// Hash of the running release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
}

/// One container in [`StateStatus`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ContainerStatus {
    /// Its status; an empty `Other` where the supervisor does not say.
    #[serde(default = "unsaid", deserialize_with = "word")]
    pub status: ServiceStatus,
    /// Name of the service.
    #[serde(rename = "serviceName")]
    pub service_name: String,
    /// Id of the application.
    #[serde(default, rename = "appId", skip_serializing_if = "Option::is_none")]
    pub app_id: Option<ApplicationId>,
    /// Id of the image.
    #[serde(default, rename = "imageId", skip_serializing_if = "Option::is_none")]
    pub image_id: Option<ImageId>,
    /// Id of the service.
    #[serde(default, rename = "serviceId", skip_serializing_if = "Option::is_none")]
    pub service_id: Option<ServiceId>,
    /// Id of the container; a restart changes it.
    #[serde(default, rename = "containerId", skip_serializing_if = "Option::is_none")]
    pub container_id: Option<String>,
    /// When the container was made.
    #[serde(default, rename = "createdAt", skip_serializing_if = "Option::is_none")]
    pub created_at: Option<WrittenTime>,
}

/// One image in [`StateStatus`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ImageStatusRow {
    /// Registry name.
    pub name: String,
    /// Id of the application.
    #[serde(default, rename = "appId", skip_serializing_if = "Option::is_none")]
    pub app_id: Option<ApplicationId>,
    /// Name of the service.
    #[serde(default, rename = "serviceName", skip_serializing_if = "Option::is_none")]
    pub service_name: Option<String>,
    /// Id of the image.
    #[serde(default, rename = "imageId", skip_serializing_if = "Option::is_none")]
    pub image_id: Option<ImageId>,
    /// Id of the image in the engine.
    #[serde(default, rename = "dockerImageId", skip_serializing_if = "Option::is_none")]
    pub docker_image_id: Option<String>,
    /// Its status.
    pub status: ImageStatus,
    /// Percent, while it is downloaded.
    #[serde(default, rename = "downloadProgress")]
    pub download_progress: Option<f64>,
}

/// Lists and maps: null is an empty one.
pub(super) fn null_is_none<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    input: D,
) -> Result<T, D::Error> {
    Option::deserialize(input).map(Option::unwrap_or_default)
}

/// One service without a status must not hide the state of all others.
fn word<'de, D: Deserializer<'de>>(input: D) -> Result<ServiceStatus, D::Error> {
    Option::deserialize(input).map(|status| status.unwrap_or_else(unsaid))
}

fn unsaid() -> ServiceStatus {
    "".into()
}

impl Supervisor {
    /// State of every application in the key's scope by name (`GET /v2/applications/state`). The one to
    /// poll: it can't take the supervisor down. Every call inspects every container, so poll gently.
    pub fn applications_state(&self) -> Call<BTreeMap<String, ApplicationState>> {
        Call::new(self, Ok(Spec::new(&e::APPLICATIONS_STATE, "/v2/applications/state")), |answer| {
            answer.json()
        })
    }

    /// Containers and images of the first application (`GET /v2/state/status`). If the engine is ill this
    /// call can make the supervisor exit: prefer [`applications_state`](Self::applications_state) for polling.
    pub fn state_status(&self) -> Call<StateStatus> {
        Call::new(self, Ok(Spec::new(&e::STATE_STATUS, "/v2/state/status")), |answer| answer.json())
    }
}

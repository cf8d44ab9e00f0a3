//! Applications, services and images as the supervisor reports them (reference 4.4–4.6).

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::ids::{ApplicationId, ImageId, ReleaseId, ServiceId};
use crate::open_enum::open_enum;

use super::time::OriginalTime;

open_enum! {
    /// Status of a service. The supervisor's spelling is not uniform.
    ServiceStatus {
        /// The container runs.
        Running = "Running",
        /// `Running` in `GET /v1/device`.
        Idle = "Idle",
        /// The container is being stopped.
        Stopping = "Stopping",
        /// The container is being started.
        Starting = "Starting",
        /// The container is being created.
        Installing = "Installing",
        /// The container is created.
        Installed = "Installed",
        /// The image is being downloaded.
        Downloading = "Downloading",
        /// The image is downloaded.
        Downloaded = "Downloaded",
        /// The container hands over to that of the next release.
        HandingOver = "Handing over",
        /// The container waits for the handover.
        AwaitingHandover = "Awaiting handover",
        /// The update was aborted.
        Aborted = "Aborted",
        /// The engine could not remove the container.
        Dead = "Dead",
        /// The container was never started.
        Created = "created",
        /// The container has ended or was stopped.
        Exited = "exited",
        /// The container is paused.
        Paused = "paused",
        /// The engine restarts the container.
        Restarting = "restarting",
        /// The container is being removed.
        Removing = "removing",
    }
}

open_enum! {
    /// Progress of an application's update.
    UpdateStatus {
        /// The device rejected the release.
        Rejected = "rejected",
        /// Images are being downloaded.
        Downloading = "downloading",
        /// All images are downloaded; the update is not applied yet, e.g. because of an update lock.
        Downloaded = "downloaded",
        /// Containers are being replaced.
        ApplyingChanges = "applying changes",
        /// The update was aborted.
        Aborted = "aborted",
        /// The application is up to date.
        Done = "done",
    }
}

open_enum! {
    /// Whether the supervisor is applying a target state.
    AppState {
        /// The supervisor applies a target state, or waits to retry.
        Applying = "applying",
        /// Current and target state are the same.
        Applied = "applied",
    }
}

open_enum! {
    /// Status of an image.
    ImageStatus {
        /// The image is being downloaded.
        Downloading = "Downloading",
        /// The image is downloaded.
        Downloaded = "Downloaded",
        /// The image is being deleted.
        Deleting = "Deleting",
    }
}

/// An application in `GET /v2/applications/state`. The fields are those of the **target** release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ApplicationState {
    /// Id of the application.
    #[serde(rename = "appId")]
    pub app_id: ApplicationId,
    /// Uuid of the application. Absent before supervisor 17.7.
    #[serde(default, rename = "appUuid", skip_serializing_if = "Option::is_none")]
    pub app_uuid: Option<String>,
    /// Commit hash of the target release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Progress of the update. Absent before supervisor 17.7.
    #[serde(default, rename = "updateStatus", skip_serializing_if = "Option::is_none")]
    pub update_status: Option<UpdateStatus>,
    /// Services of the target release, by name.
    #[serde(default, deserialize_with = "null_is_none")]
    pub services: BTreeMap<String, ServiceState>,
}

impl ApplicationState {
    /// Returns whether an update is running.
    pub(super) fn progress(&self) -> Progress {
        match &self.update_status {
            None | Some(UpdateStatus::Done) => Progress::Settled,
            Some(_) => Progress::Updating,
        }
    }
}

/// Whether an application is being updated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    Settled,
    Updating,
}

/// A service in [`ApplicationState`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServiceState {
    /// Status; an empty `Other` if the supervisor sends none.
    #[serde(default = "unsaid", deserialize_with = "word")]
    pub status: ServiceStatus,
    /// Image reference. Absent before supervisor 17.7.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Download progress of the image in percent; absent otherwise.
    #[serde(default, rename = "downloadProgress")]
    pub download_progress: Option<f64>,
    /// Id of the release.
    #[serde(default, rename = "releaseId", skip_serializing_if = "Option::is_none")]
    pub release_id: Option<ReleaseId>,
}

/// The response of `GET /v2/applications/:appId/state`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct VersionedState {
    /// Commit hash of the running release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Applications by id; contains one.
    #[serde(default, deserialize_with = "null_is_none")]
    pub local: BTreeMap<ApplicationId, ImageState>,
}

/// Services of an application, by image id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ImageState {
    /// Services of the running release, and of the next one once their images are known.
    #[serde(default, deserialize_with = "null_is_none")]
    pub services: BTreeMap<ImageId, ImageServiceState>,
}

/// A service in [`ImageState`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ImageServiceState {
    /// Status; an empty `Other` if the supervisor sends none.
    #[serde(default = "unsaid", deserialize_with = "word")]
    pub status: ServiceStatus,
    /// Id of the release.
    #[serde(default, rename = "releaseId", skip_serializing_if = "Option::is_none")]
    pub release_id: Option<ReleaseId>,
    /// Download progress of the image in percent; absent otherwise.
    #[serde(default)]
    pub download_progress: Option<f64>,
}

/// Containers and images of the **first** application (`GET /v2/state/status`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StateStatus {
    /// Whether the supervisor is applying a target state.
    #[serde(rename = "appState")]
    pub app_state: AppState,
    /// Download progress over all images in percent; absent without a download.
    #[serde(default, rename = "overallDownloadProgress")]
    pub overall_download_progress: Option<f64>,
    /// The containers.
    #[serde(default, deserialize_with = "null_is_none")]
    pub containers: Vec<ContainerStatus>,
    /// The images.
    #[serde(default, deserialize_with = "null_is_none")]
    pub images: Vec<ImageStatusRow>,
    /// Commit hash of the running release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
}

/// A container in [`StateStatus`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ContainerStatus {
    /// Status; an empty `Other` if the supervisor sends none.
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
    /// Id of the container. A restart of the service changes it.
    #[serde(default, rename = "containerId", skip_serializing_if = "Option::is_none")]
    pub container_id: Option<String>,
    /// When the container was created.
    #[serde(default, rename = "createdAt", skip_serializing_if = "Option::is_none")]
    pub created_at: Option<OriginalTime>,
}

/// An image in [`StateStatus`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ImageStatusRow {
    /// Image reference with its registry.
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
    /// Id of the image in the engine, `sha256:…`.
    #[serde(default, rename = "dockerImageId", skip_serializing_if = "Option::is_none")]
    pub docker_image_id: Option<String>,
    /// Status of the image.
    pub status: ImageStatus,
    /// Download progress in percent; absent otherwise.
    #[serde(default, rename = "downloadProgress")]
    pub download_progress: Option<f64>,
}

/// Deserializes a list or map; null becomes an empty one.
pub(super) fn null_is_none<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    input: D,
) -> Result<T, D::Error> {
    Option::deserialize(input).map(Option::unwrap_or_default)
}

/// Deserializes a status; a missing one must not make the state of all services unreadable.
fn word<'de, D: Deserializer<'de>>(input: D) -> Result<ServiceStatus, D::Error> {
    Option::deserialize(input).map(|status| status.unwrap_or_else(unsaid))
}

fn unsaid() -> ServiceStatus {
    "".into()
}

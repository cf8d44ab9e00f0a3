//! The contents of the engine, and its public types.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

/// An engine call that can be made to fail, see [`super::Builder::engine_fails`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum EngineCall {
    /// List containers; most endpoints need it.
    ListContainers,
    /// Inspect a container.
    InspectContainer,
    /// Start a container.
    StartContainer,
    /// Stop a container.
    StopContainer,
    /// Create a container.
    CreateContainer,
    /// Remove a container.
    RemoveContainer,
    /// List volumes.
    ListVolumes,
    /// List images.
    ListImages,
    /// Pull an image.
    PullImage,
}

/// Durations of operations of the engine and the host.
#[derive(Debug, Clone, Copy)]
pub struct Timings {
    /// Time to stop a container without a process.
    pub stop: Duration,
    /// Time from SIGTERM to SIGKILL of a container's process, see [`Workload`](super::Workload).
    pub stop_grace: Duration,
    /// Time to start a container.
    pub start: Duration,
    /// Time to pull an image.
    pub pull: Duration,
    /// Time from the accepted reboot or shutdown to power-off.
    pub power_off: Duration,
    /// Time from power-off to the first response of the supervisor.
    pub boot: Duration,
    /// Downtime of a supervisor that crashed.
    pub restart: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            stop: Duration::from_millis(50),
            stop_grace: Duration::from_secs(10),
            start: Duration::from_millis(20),
            pull: Duration::ZERO,
            power_off: Duration::from_secs(1),
            boot: Duration::from_millis(1500),
            restart: Duration::from_millis(1500),
        }
    }
}

/// The specification of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ContainerSpec {
    pub(super) app: i64,
    pub(super) app_uuid: String,
    pub(super) service: String,
    pub(super) service_id: i64,
    pub(super) image_id: i64,
    pub(super) image: String,
    pub(super) release_id: i64,
    pub(super) commit: String,
    /// API key in its environment. A new key requires a new container.
    pub(super) key: Option<String>,
    /// Host name at creation, for services on the host's network.
    pub(super) hostname: Option<String>,
    pub(super) volumes: Vec<String>,
    /// Variables of the cloud. A change requires a new container.
    pub(super) variables: BTreeMap<String, String>,
}

impl ContainerSpec {
    /// Returns the identity of the image's content: its digest, or else the whole reference.
    pub(super) fn content(&self) -> &str {
        content(&self.image)
    }

    /// Returns whether a container of one specification also satisfies the other.
    pub(super) fn same_container(&self, other: &Self) -> bool {
        self.app == other.app
            && self.service == other.service
            && self.content() == other.content()
            && self.key == other.key
            && self.hostname == other.hostname
            && self.variables == other.variables
    }
}

fn content(image: &str) -> &str {
    image.split_once('@').map_or(image, |(_, digest)| digest)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RunState {
    Created,
    Running,
    Exited,
}

impl RunState {
    pub(super) fn status(self) -> &'static str {
        match self {
            Self::Created => "Installed",
            Self::Running => "Running",
            Self::Exited => "exited",
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Container {
    pub(super) id: String,
    pub(super) spec: ContainerSpec,
    pub(super) created_at: jiff::Timestamp,
    pub(super) run: RunState,
}

/// An image known to the supervisor; several may share their content.
#[derive(Debug, Clone)]
pub(super) struct Image {
    pub(super) spec: ContainerSpec,
    pub(super) docker_id: String,
}

/// A named volume of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Numeric id of the app.
    pub app: i64,
    /// Name in the compose file.
    pub name: String,
    /// Number of times it was removed and created again.
    pub emptied: u32,
}

//! What an engine has in it, and what can be said about it from outside.

use std::time::Duration;

use serde::Deserialize;

/// A call to the engine that can be made to fail, see [`super::Builder::engine_fails`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum EngineCall {
    /// Listing containers: most of the supervisor needs it.
    ListContainers,
    /// Looking at one container.
    InspectContainer,
    /// Starting a container.
    StartContainer,
    /// Stopping a container.
    StopContainer,
    /// Creating a container.
    CreateContainer,
    /// Removing a container.
    RemoveContainer,
    /// Listing volumes.
    ListVolumes,
    /// Listing images.
    ListImages,
    /// Pulling an image.
    PullImage,
}

/// How long the engine and the host take.
#[derive(Debug, Clone, Copy)]
pub struct Timings {
    /// Stopping a container.
    pub stop: Duration,
    /// Starting a container.
    pub start: Duration,
    /// Pulling an image.
    pub pull: Duration,
    /// From the accepted reboot or shutdown to the power going off.
    pub power_off: Duration,
    /// From the power going off to the supervisor answering again.
    pub boot: Duration,
    /// How long a supervisor that died is gone.
    pub restart: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            stop: Duration::from_millis(50),
            start: Duration::from_millis(20),
            pull: Duration::ZERO,
            power_off: Duration::from_secs(1),
            boot: Duration::from_millis(1500),
            restart: Duration::from_millis(1500),
        }
    }
}

/// What a container is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spec {
    pub(super) app: i64,
    pub(super) app_uuid: String,
    pub(super) service: String,
    pub(super) service_id: i64,
    pub(super) image_id: i64,
    pub(super) image: String,
    pub(super) release_id: i64,
    pub(super) commit: String,
    /// Key in its environment: another key is another container.
    pub(super) key: Option<String>,
    /// Hostname it was created with, for services on the host's network.
    pub(super) hostname: Option<String>,
    pub(super) volumes: Vec<String>,
}

impl Spec {
    /// What identifies the content of the image: its digest, if it has one.
    pub(super) fn content(&self) -> &str {
        content(&self.image)
    }

    /// Whether a container made from one is as good as one made from the other.
    pub(super) fn same_container(&self, other: &Self) -> bool {
        self.app == other.app
            && self.service == other.service
            && self.content() == other.content()
            && self.key == other.key
            && self.hostname == other.hostname
    }
}

fn content(image: &str) -> &str {
    image.split_once('@').map_or(image, |(_, digest)| digest)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Run {
    Created,
    Running,
    Exited,
}

impl Run {
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
    pub(super) spec: Spec,
    pub(super) created_at: jiff::Timestamp,
    pub(super) run: Run,
}

/// An image the supervisor knows; several may share their content.
#[derive(Debug, Clone)]
pub(super) struct Image {
    pub(super) spec: Spec,
    pub(super) docker_id: String,
}

/// A named volume of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Numeric id of the app.
    pub app: i64,
    /// Name in the compose file.
    pub name: String,
    /// How often it was removed and made anew.
    pub emptied: u32,
}

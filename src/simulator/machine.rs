//! The state of the device that survives a restart of the supervisor.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::boot_id::BootId;
use super::cloud_api::Tables;
use super::dns::Addresses;
use super::engine::{Engine, Failure};
use super::faults::Faults;
use super::fixture::DeviceFacts;
use super::host_config::Network;
use super::journal::Journal;
use super::keys::Keys;
use super::locks::Locks;
use super::model::{ContainerSpec, RunState, Timings};
use super::settings::{Settings, TargetApp, TargetRelease, TargetService};
use super::{Power, lock};
use crate::maps::collect_unsorted;

/// Time without a connection after which the supervisor reports that it has none.
const CONNECTIVITY_INTERVAL: Duration = Duration::from_secs(10);

/// The cloud from the device's point of view.
#[derive(Debug, Default)]
pub(super) struct Cloud {
    /// Since when it is unreachable.
    pub(super) offline_since: Option<Instant>,
    pub(super) rows: Tables,
    /// The releases that exist, each with its app.
    pub(super) releases: Vec<(i64, TargetRelease)>,
    /// A target that the device has not polled yet.
    pub(super) offer: Option<Offer>,
}

/// A target of the cloud.
#[derive(Debug)]
pub(super) struct Offer {
    /// Name of the device.
    pub(super) name: String,
    /// Configuration variables that are set for the device, with their prefix.
    pub(super) config: BTreeMap<String, String>,
    pub(super) apps: Vec<TargetApp>,
}

/// The host OS.
#[derive(Debug, Default)]
pub(super) struct Host {
    pub(super) network: Network,
    pub(super) os_update_running: bool,
    pub(super) power: Option<Power>,
    pub(super) stage: Stage,
}

impl Host {
    /// Accepts a reboot or shutdown, unless the host is already going down. Returns whether it was accepted.
    pub(super) fn go_down(&mut self, power: Power) -> bool {
        if self.stage != Stage::On {
            // Of two simultaneous requests the first one counts.
            return false;
        }
        self.stage = Stage::GoingDown;
        self.power = Some(power);
        true
    }
}

/// Power state of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Stage {
    #[default]
    On,
    /// A reboot or shutdown was accepted, and the power is still on.
    GoingDown,
    Off,
}

/// All that a supervisor finds when it starts.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) version: String,
    pub(super) facts: DeviceFacts,
    pub(super) timings: Arc<Mutex<Timings>>,
    pub(super) engine: Arc<Engine>,
    pub(super) locks: Locks,
    pub(super) keys: Mutex<Keys>,
    pub(super) settings: Mutex<Settings>,
    pub(super) cloud: Mutex<Cloud>,
    pub(super) host: Mutex<Host>,
    pub(super) journal: Arc<Journal>,
    pub(super) faults: Faults,
    pub(super) boot_id: BootId,
    pub(super) addresses: Addresses,
    /// Address of the supervisor.
    pub(super) address: SocketAddr,
}

impl Machine {
    pub(super) fn settings<T>(&self, read: impl FnOnce(&mut Settings) -> T) -> T {
        read(&mut lock(&self.settings))
    }

    /// Returns the container specifications of the target apps, with the current keys.
    pub(super) fn wanted_specs(&self) -> Vec<ContainerSpec> {
        self.settings(|settings| settings.wanted().to_vec())
            .iter()
            .flat_map(|app| self.specs_of(app))
            .collect()
    }

    pub(super) fn specs_of(&self, app: &TargetApp) -> Vec<ContainerSpec> {
        let Some(release) = &app.release else { return Vec::new() };
        let keys = lock(&self.keys);
        let hostname = lock(&self.host).network.configured_hostname().map(str::to_owned);
        let spec = |service: &TargetService| ContainerSpec {
            app: app.id,
            app_uuid: app.uuid.clone(),
            service: service.name.clone(),
            service_id: service.id,
            image_id: service.image_id,
            image: service.image.clone(),
            release_id: release.id,
            commit: release.commit.clone(),
            key: keys.of_service(app.id, &service.name).map(str::to_owned),
            hostname: hostname.clone().filter(|_| service.host_network),
            volumes: service.volumes.clone(),
            variables: service.variables.clone(),
        };
        release.services.iter().map(spec).collect()
    }

    /// Returns the environment of a service's container as the fixture gives it.
    pub(super) fn environment(&self, app: i64, service: &str) -> Option<BTreeMap<String, String>> {
        let env = self.settings(|settings| {
            let mut apps = settings.target.iter().chain(&settings.local_target);
            let release = apps.find(|target| target.id == app)?.release.as_ref()?;
            release.services.iter().find(|target| target.name == service).map(|target| {
                let mut env = target.variables.clone();
                env.extend(target.env.clone());
                env
            })
        })?;
        let keys = lock(&self.keys);
        let fill = |value: String| {
            let name = value.strip_prefix("{key:").and_then(|name| name.strip_suffix('}'));
            name.and_then(|name| keys.value(name)).map_or(value.clone(), str::to_owned)
        };
        Some(collect_unsorted(env.into_iter().map(|(name, value)| (name, fill(value)))))
    }

    /// Returns the environment of a service's container, with the actual address, key and lock path.
    pub(super) fn container_environment(&self, app: i64, service: &str) -> Option<BTreeMap<String, String>> {
        let mut env = self.environment(app, service)?;
        let lock_path = self.locks.directory(app, service).join("updates.lock");
        let real = [
            ("_SUPERVISOR_ADDRESS", format!("http://{}", self.address)),
            ("_SUPERVISOR_HOST", self.address.ip().to_string()),
            ("_SUPERVISOR_PORT", self.address.port().to_string()),
            ("_APP_LOCK_PATH", lock_path.to_string_lossy().into_owned()),
        ];
        for (name, value) in real {
            for prefix in ["BALENA", "RESIN"] {
                // Services without the label have no address variable.
                if let Some(told) = env.get_mut(&format!("{prefix}{name}")) {
                    told.clone_from(&value);
                }
            }
        }
        Some(env)
    }

    pub(super) fn online(&self) -> bool {
        lock(&self.cloud).offline_since.is_none()
    }

    /// Returns whether the cloud was reached within two poll intervals and, with the connectivity check, within 10 s.
    pub(super) fn in_touch(&self) -> bool {
        let Some(since) = lock(&self.cloud).offline_since else { return true };
        let (interval, checked) =
            self.settings(|settings| (settings.poll_interval(), settings.connectivity_check()));
        let offline = since.elapsed();
        offline < interval * 2 && !(checked && offline >= CONNECTIVITY_INTERVAL)
    }

    /// Installs the target apps as if they had always been there.
    pub(super) fn install(&self, stopped: &[String]) -> Result<(), Failure> {
        let local_mode = self.settings(|settings| settings.local_mode());
        for app in self.settings(|settings| settings.target.clone()) {
            for spec in self.specs_of(&app) {
                self.engine.add_image(&spec);
                self.engine.create_volumes(spec.app, &spec.volumes);
                let _ = self.locks.prepare(spec.app, &spec.service, true);
                // Entering local mode removes the containers; images and volumes stay.
                if !local_mode {
                    let run =
                        if stopped.contains(&spec.service) { RunState::Exited } else { RunState::Running };
                    self.engine.create(&spec, run)?;
                }
            }
            let commit = app.release.map(|release| (app.id, release.commit));
            self.settings(|settings| settings.commits.extend(commit));
        }
        Ok(())
    }
}

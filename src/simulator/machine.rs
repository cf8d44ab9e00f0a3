//! The state of the device that survives a restart of the supervisor.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::time::Instant;

use super::engine::{Engine, Failure};
use super::faults::Faults;
use super::fixture::{DeviceFacts, Tag};
use super::host_config::Network;
use super::journal::Journal;
use super::keys::Keys;
use super::locks::Locks;
use super::model::{ContainerSpec, EngineCall, RunState, Timings};
use super::process::Process;
use super::settings::{Settings, TargetApp, TargetRelease, TargetService};
use super::{Power, lock, server};
use crate::maps::collect_unsorted;
use crate::tasks::TaskSet;

/// Time without a connection after which the supervisor reports that it has none.
const CONNECTIVITY_INTERVAL: Duration = Duration::from_secs(10);
/// Interval of checking whether the power is off.
const POWER_LOOK: Duration = Duration::from_millis(5);
/// Interval of checking whether the engine is running.
const ENGINE_RETRY: Duration = Duration::from_millis(100);
/// Length of the accept queue.
const BACKLOG: u32 = 128;

/// The cloud from the device's point of view.
#[derive(Debug, Default)]
pub(super) struct Cloud {
    /// Since when it is unreachable.
    pub(super) offline_since: Option<Instant>,
    pub(super) tags: Vec<Tag>,
    /// A target that the device has not polled yet.
    pub(super) offer: Option<Vec<TargetApp>>,
}

/// The host OS.
#[derive(Debug, Default)]
pub(super) struct Host {
    pub(super) network: Network,
    pub(super) os_update_running: bool,
    pub(super) power: Option<Power>,
    pub(super) stage: Stage,
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
    pub(super) process: Mutex<Option<Arc<Process>>>,
    /// Whether a supervisor ran before: the first one finds everything settled, a later one polls the cloud at once.
    pub(super) ran_before: AtomicBool,
    /// The device is being dropped: nothing is started any more.
    pub(super) over: AtomicBool,
    /// Pending restarts of the supervisor.
    pub(super) restarts: TaskSet,
    /// Pending reboots and shutdowns.
    pub(super) power_tasks: TaskSet,
    pub(super) address: SocketAddr,
    /// Bound but not listening: reserves the port while the supervisor is down, so that connections are refused.
    pub(super) _reserved: TcpSocket,
}

/// Binds a socket that can share its port with the device's other one.
pub(super) fn bind(address: SocketAddr) -> std::io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    Ok(socket)
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
        };
        release.services.iter().map(spec).collect()
    }

    /// Returns the environment of a service's container as the fixture gives it.
    pub(super) fn environment(&self, app: i64, service: &str) -> Option<BTreeMap<String, String>> {
        let env = self.settings(|settings| {
            let mut apps = settings.target.iter().chain(&settings.local_target);
            let release = apps.find(|target| target.id == app)?.release.as_ref()?;
            release.services.iter().find(|target| target.name == service).map(|target| target.env.clone())
        })?;
        let keys = lock(&self.keys);
        let fill = |value: String| {
            let name = value.strip_prefix("{key:").and_then(|name| name.strip_suffix('}'));
            name.and_then(|name| keys.value(name)).map_or(value.clone(), str::to_owned)
        };
        Some(collect_unsorted(env.into_iter().map(|(name, value)| (name, fill(value)))))
    }

    /// See [`super::Device::offer_update`].
    pub(super) fn offer(&self, app: i64, release: &super::fixture::Release) {
        let mut target = self.settings(|settings| settings.target.clone());
        for wanted in target.iter_mut().filter(|wanted| wanted.id == app) {
            let before = wanted.release.take();
            let services = release.services.iter().map(|(name, service)| {
                let same = |target: &&TargetService| target.name == *name;
                let before = before.as_ref().and_then(|release| release.services.iter().find(same));
                TargetService {
                    name: name.clone(),
                    id: service.service_id,
                    image_id: service.image_id,
                    image: service.image.clone(),
                    env: before.map(|before| before.env.clone()).unwrap_or_default(),
                    volumes: before.map(|before| before.volumes.clone()).unwrap_or_default(),
                    host_network: before.is_some_and(|before| before.host_network),
                }
            });
            let services = services.collect();
            wanted.release = Some(TargetRelease { id: release.id, commit: release.commit.clone(), services });
        }
        lock(&self.cloud).offer = Some(target);
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

    /// Starts a supervisor, unless one is running. It listens when this returns.
    pub(super) fn start_process(self: &Arc<Self>) -> std::io::Result<()> {
        if lock(&self.host).stage == Stage::Off {
            let message = "the simulated device is switched off: switch it on first";
            return Err(std::io::Error::new(std::io::ErrorKind::NotConnected, message));
        }
        let mut slot = lock(&self.process);
        if slot.is_none() && !self.over.load(Ordering::Relaxed) {
            let listener: TcpListener = bind(self.address)?.listen(BACKLOG)?;
            let process = Process::new(Arc::clone(self));
            server::serve(&process, listener);
            process.begin(self.ran_before.swap(true, Ordering::Relaxed));
            *slot = Some(process);
        }
        Ok(())
    }

    /// Stops the supervisor: open connections are cut, new ones refused.
    pub(super) async fn stop_process(&self) {
        let process = lock(&self.process).take();
        if let Some(process) = process {
            process.end().await;
        }
    }

    /// Crashes the supervisor. It restarts by itself after `downtime`, once the engine is running.
    pub(super) fn crash(self: &Arc<Self>, downtime: Duration) {
        let machine = Arc::clone(self);
        let restart = async move {
            machine.stop_process().await;
            tokio::time::sleep(downtime).await;
            machine.start_when_possible().await;
        };
        if self.restarts.spawn("supervisor restart", restart).is_err() {
            tracing::warn!("the simulated supervisor can't come back: its device is over");
        }
    }

    async fn start_when_possible(self: &Arc<Self>) {
        let needed = [EngineCall::ListContainers, EngineCall::InspectContainer, EngineCall::ListImages];
        while needed.iter().any(|call| self.engine.fails(*call)) {
            tokio::time::sleep(ENGINE_RETRY).await;
        }
        if let Err(error) = self.start_process() {
            tracing::warn!(%error, "the simulated supervisor could not listen again");
        }
    }

    /// Starts a reboot or shutdown. The supervisor stops serving at once; the power goes off a moment later.
    pub(super) fn power(self: &Arc<Self>, power: Power) {
        {
            let mut host = lock(&self.host);
            if host.stage != Stage::On {
                // Of two simultaneous requests the first one counts.
                return;
            }
            host.stage = Stage::GoingDown;
            host.power = Some(power);
        }
        let process = lock(&self.process).clone();
        if let Some(process) = process {
            process.close();
        }
        let machine = Arc::clone(self);
        let power_task = async move {
            let power_off = lock(&machine.timings).power_off;
            tokio::time::sleep(power_off).await;
            machine.restarts.cancel_all().await;
            machine.stop_process().await;
            machine.engine.power_off().await;
            machine.locks.forget();
            // Last, so that a power-on in between can't be undone by the steps above.
            lock(&machine.host).stage = Stage::Off;
            if power == Power::Reboot {
                let boot = lock(&machine.timings).boot;
                tokio::time::sleep(boot).await;
                machine.boot().await;
            }
        };
        if self.power_tasks.spawn("power", power_task).is_err() {
            tracing::warn!("the simulated device can't reboot or shut down: it is over");
        }
    }

    /// Switches the host on, after a pending shutdown is complete. Does nothing if it is on.
    pub(super) async fn switch_on(self: &Arc<Self>) {
        while lock(&self.host).stage == Stage::GoingDown && !self.over.load(Ordering::Relaxed) {
            tokio::time::sleep(POWER_LOOK).await;
        }
        self.boot().await;
    }

    /// Boots the host. Does nothing unless it is off.
    pub(super) async fn boot(self: &Arc<Self>) {
        {
            let mut host = lock(&self.host);
            if host.stage != Stage::Off {
                return;
            }
            host.stage = Stage::On;
        }
        self.journal.boot(self.settings(|settings| settings.persistent_logging()));
        self.engine.boot();
        for container in self.engine.all_containers() {
            // The engine creates the mount points; without the supervisor, only root can write to them.
            let _ = self.locks.prepare(container.spec.app, &container.spec.service, false);
        }
        lock(&self.host).network.boot();
        self.start_when_possible().await;
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

    /// Ends everything at once.
    pub(super) fn abort(&self) {
        self.over.store(true, Ordering::Relaxed);
        self.restarts.abort_all();
        self.power_tasks.abort_all();
        self.engine.abort();
        if let Some(process) = lock(&self.process).take() {
            process.tasks.abort_all();
        }
    }
}

//! The builder of a simulated device.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::{TcpSocket, UdpSocket};
use tokio::time::Instant;

use super::boot_id::BootId;
use super::cloud_api::{self, Reserved};
use super::dns::Addresses;
use super::engine::{self, Engine};
use super::fixture::{App, Fixture, Tag};
use super::host_config::{Network, Patch};
use super::installation::Installation;
use super::journal::{Journal, Writers};
use super::lifecycle::{Lifecycle, bind};
use super::locks::Locks;
use super::machine::{Cloud, Host, Machine};
use super::model::{EngineCall, Timings};
use super::workloads::Workloads;
use super::{Device, temp_dir};

/// Configures a device and starts it.
#[derive(Debug, Clone)]
#[must_use]
pub struct Builder {
    fixture: Fixture,
    apps: Option<String>,
    port: u16,
    timings: Timings,
    config: BTreeMap<String, String>,
    offline_for: Option<Duration>,
    tags: Option<Vec<Tag>>,
    journal: Option<usize>,
    container_logs: bool,
    proxy: Option<Value>,
    update_available: bool,
    host_os_update: bool,
    stopped: Vec<String>,
    failing: Option<EngineCall>,
    lock_root: Option<PathBuf>,
    directory: Option<PathBuf>,
    cloud: CloudServer,
}

/// Whether the device's cloud can be reached over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CloudServer {
    Absent,
    Loopback,
}

impl Builder {
    pub(super) fn new(fixture: Fixture) -> Self {
        let millis = Duration::from_millis;
        let timings = Timings {
            stop: millis(fixture.defaults.stop_ms),
            start: millis(fixture.defaults.start_ms),
            pull: millis(fixture.defaults.pull_ms),
            ..Timings::default()
        };
        Self {
            fixture,
            apps: None,
            port: 0,
            timings,
            config: BTreeMap::new(),
            offline_for: None,
            tags: None,
            journal: None,
            container_logs: false,
            proxy: None,
            update_available: false,
            host_os_update: false,
            stopped: Vec::new(),
            failing: None,
            lock_root: None,
            directory: None,
            cloud: CloudServer::Absent,
        }
    }

    /// Replaces the default fixture, and takes over its timings.
    pub fn fixture(self, fixture: Fixture) -> Self {
        let own = Self::new(fixture);
        Self { fixture: own.fixture, timings: own.timings, ..self }
    }

    /// Selects which of the fixture's sets of apps is installed. Default: the first one.
    pub fn apps(mut self, name: &str) -> Self {
        self.apps = Some(name.to_owned());
        self
    }

    /// Sets the port on loopback. Default: any free port.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Sets the duration of all operations.
    pub fn timings(mut self, timings: Timings) -> Self {
        self.timings = timings;
        self
    }

    /// Changes the duration of some operations.
    pub fn with_timings(mut self, change: impl FnOnce(&mut Timings)) -> Self {
        change(&mut self.timings);
        self
    }

    /// Sets a configuration variable, with or without its prefix.
    pub fn config(mut self, name: &str, value: &str) -> Self {
        self.config.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Enables local mode: requests need no key, and the containers of the cloud's apps are removed.
    pub fn local_mode(self) -> Self {
        self.config("SUPERVISOR_LOCAL_MODE", "1")
    }

    /// Makes the cloud unreachable, since this long.
    pub fn offline_for(mut self, duration: Duration) -> Self {
        self.offline_for = Some(duration);
        self
    }

    /// Sets the tags known to the cloud. Default: the fixture's.
    pub fn tags(mut self, tags: Vec<Tag>) -> Self {
        self.tags = Some(tags);
        self
    }

    /// Starts the device's cloud on loopback: services with a key of the supervisor get the cloud's address and the
    /// device's key too. See [`Device::cloud`].
    pub fn cloud(mut self) -> Self {
        self.cloud = CloudServer::Loopback;
        self
    }

    /// Fills the journal with this many lines of unit `demo.service`. While a request follows the journal, one line
    /// per second is added. Containers then write nothing, unless [`Builder::container_logs`] is set.
    pub fn journal(mut self, entries: usize) -> Self {
        self.journal = Some(entries);
        self
    }

    /// Makes containers write to the journal, which is the default without [`Builder::journal`]: when they start and
    /// stop, and one line per second while a request follows the journal.
    pub fn container_logs(mut self) -> Self {
        self.container_logs = true;
        self
    }

    /// Stores proxy settings, given as the `proxy` object of a PATCH.
    pub fn proxy(mut self, proxy: Value) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// Makes the cloud offer the fixture's `update` release. The device has not polled since.
    pub fn update_available(mut self) -> Self {
        self.update_available = true;
        self
    }

    /// Simulates the last phase of a host OS update: no reboot without force.
    pub fn host_os_update_running(mut self) -> Self {
        self.host_os_update = true;
        self
    }

    /// Starts with this service stopped.
    pub fn stopped(mut self, service: &str) -> Self {
        self.stopped.push(service.to_owned());
        self
    }

    /// Makes this engine call fail until [`Device::recover_engine`].
    pub fn engine_fails(mut self, call: EngineCall) -> Self {
        self.failing = Some(call);
        self
    }

    /// Sets the directory of all update locks. It must exist and is not removed. Default: a temporary directory that
    /// is removed with the device.
    pub fn lock_root(mut self, directory: impl Into<PathBuf>) -> Self {
        self.lock_root = Some(directory.into());
        self
    }

    /// Sets the directory of all files of the device: update locks, unless [`Builder::lock_root`] names another
    /// place, volumes, and the boot id. It must exist and is not removed. Default: a temporary directory that is
    /// removed with the device.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Starts the device. It listens on loopback when this returns.
    ///
    /// # Errors
    /// The error of binding the port (`AddrInUse` if it is taken), or of creating the lock directory; the latter
    /// lists all directories that were tried.
    pub async fn start(self) -> std::io::Result<Device> {
        let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let reserved = reserve(wanted).map_err(|cause| {
            std::io::Error::new(cause.kind(), format!("can't listen on {wanted}: {cause}"))
        })?;
        let temporary = if self.directory.is_none() { Some(temp_dir::directory()?) } else { None };
        let own = temporary.as_ref().map(|directory| directory.path().to_owned());
        let directory = self.directory.clone().or(own).unwrap_or_default();
        let lock_root = self.lock_root.clone().unwrap_or_else(|| directory.join("locks"));
        if self.lock_root.is_none() {
            std::fs::create_dir_all(&lock_root)?;
        }
        let name_server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let installed = self.installed().to_vec();
        let reserved_cloud = (self.cloud == CloudServer::Loopback).then(Reserved::new).transpose()?;
        let facts = self.fixture.device.clone();
        let installation =
            Installation { fixture: &self.fixture, apps: &installed, cloud: reserved_cloud.as_ref() };
        let settings = installation.settings(&self.config);
        let cloud = Cloud {
            offline_since: self.offline_for.and_then(|duration| Instant::now().checked_sub(duration)),
            ..installation.cloud(&settings, self.tags.as_ref())
        };
        let mut network = Network::new(&facts.hostname);
        if let Some(proxy) = &self.proxy {
            let patch = Patch::parse(&json!({"network": {"proxy": proxy}}));
            patch.and_then(|patch| network.apply(patch, &facts.uuid)).map_err(std::io::Error::other)?;
        }
        let writers =
            if self.container_logs || self.journal.is_none() { Writers::Containers } else { Writers::Demo };
        let journal = Arc::new(Journal::new(&facts.hostname, self.journal.unwrap_or_default(), writers));
        let timings = Arc::new(Mutex::new(self.timings));
        let volume_root = directory.join("volumes");
        let boot_id = BootId::create(&directory, &journal.boot_id())?;
        let workloads = Workloads::new(boot_id.file().to_owned(), Arc::clone(&journal));
        let engine = Engine::new(Arc::clone(&timings), Arc::clone(&journal), volume_root, workloads);
        let machine = Machine {
            version: self.fixture.supervisor_version.clone(),
            facts,
            engine: Arc::new(engine),
            timings,
            locks: Locks::new(lock_root),
            keys: Mutex::new(installation.keys()),
            settings: Mutex::new(settings),
            cloud: Mutex::new(cloud),
            host: Mutex::new(Host { network, os_update_running: self.host_os_update, ..Host::default() }),
            journal,
            faults: super::faults::Faults::default(),
            boot_id,
            addresses: Addresses::default(),
            address: reserved.local_addr()?,
        };
        machine.install(&self.stopped).map_err(|failure| std::io::Error::other(format!("{failure:?}")))?;
        if self.update_available {
            for (app, release) in
                installation.targets("update").into_iter().filter_map(|app| Some((app.id, app.release?)))
            {
                machine.offer_target(app, release);
            }
        }
        let machine = Arc::new(machine);
        let containers_of = Arc::downgrade(&machine);
        machine.engine.set_environment(engine::Environment(Box::new(move |container| {
            let machine = containers_of.upgrade();
            let spec = &container.spec;
            machine
                .and_then(|machine| machine.container_environment(spec.app, &spec.service))
                .unwrap_or_default()
        })));
        let lifecycle = Lifecycle::start(Arc::clone(&machine), reserved)?;
        let cloud = match reserved_cloud {
            Some(reserved) => {
                Some(cloud_api::Server::start(reserved, Arc::clone(&machine), Arc::clone(&lifecycle))?)
            }
            None => None,
        };
        let device = Device::new(machine, lifecycle, cloud, name_server, temporary)?;
        // The first run of the loop finds nothing to do when all apps are installed. A request must not see it
        // running.
        device.settled().await;
        device.machine.engine.fail(self.failing);
        Ok(device)
    }

    fn installed(&self) -> &[App] {
        let set = match &self.apps {
            Some(name) => self.fixture.apps.get(name),
            None => self.fixture.apps.values().next(),
        };
        set.map(Vec::as_slice).unwrap_or_default()
    }
}

/// Binds a port, and checks that no other process uses it: the device's own sockets share theirs.
fn reserve(wanted: SocketAddr) -> std::io::Result<TcpSocket> {
    let probe = TcpSocket::new_v4()?;
    probe.set_reuseaddr(true)?;
    probe.bind(wanted)?;
    drop(probe);
    bind(wanted)
}

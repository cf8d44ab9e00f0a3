//! A balena device in a box: the supervisor's HTTP API on loopback, with apps, an engine, a cloud and a host behind it.
//!
//! Made for tests and for development without a device. Nothing in it is canned: requests change the state, things
//! take time, update locks are real files, and a supervisor that is down refuses connections.
//!
//! ```
//! # async fn example() -> std::io::Result<()> {
//! use balena_agent::simulator::{Device, Fault, Injection};
//!
//! let device = Device::start().await?;
//! let env = device.environment("main").unwrap_or_default();
//! assert_eq!(env.get("BALENA_SUPERVISOR_ADDRESS"), Some(&device.address()));
//!
//! // The next request is answered with 503, the one after that normally.
//! device.inject(Injection::new(Fault::Status(503)).times(1));
//! # Ok(())
//! # }
//! ```

mod actions;
mod answer;
mod apply;
mod apps;
mod body;
mod builder;
mod containers;
mod endpoints;
mod engine;
mod environment;
mod faults;
mod fixture;
mod form;
mod host_config;
mod journal;
mod json;
mod keys;
mod locks;
mod machine;
mod parts;
mod plan;
mod process;
mod redsocks;
mod reports;
mod routes;
mod runner;
mod scratch;
mod serve;
mod server;
mod settings;
mod socket;
mod target;
mod update;
mod values;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

pub use builder::Builder;
pub use faults::{Fault, Injection, ReceivedRequest};
pub use fixture::{App, Defaults, DeviceFacts, Fixture, KeyScope, Release, Service, Tag, Vpn};
pub use locks::LockEntry;
pub use parts::{EngineCall, Timings, Volume};

#[cfg(feature = "cli")]
pub(crate) use scratch::directory as scratch_directory;

use machine::Machine;

/// Pause between two looks at whether the device has settled.
const SETTLING: Duration = Duration::from_millis(5);

/// What the host was asked to do with its power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// Reboot.
    Reboot,
    /// Shut down.
    Off,
}

/// A container as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerState {
    /// Numeric id of the app.
    pub app: i64,
    /// Name of the service.
    pub service: String,
    /// Container id.
    pub id: String,
    /// The engine's word, or the supervisor's while it is busy with it: `Running`, `exited`, `Stopping` …
    pub status: String,
}

/// A simulated device. Dropping it ends everything it does.
#[derive(Debug)]
pub struct Device {
    machine: Arc<Machine>,
    _directory: Option<tempfile::TempDir>,
}

impl Device {
    /// A device with a small fleet, everything running, nothing locked, the cloud online.
    pub async fn start() -> std::io::Result<Self> {
        Self::builder().start().await
    }

    /// Describes a device.
    pub fn builder() -> Builder {
        Builder::new(Fixture::small())
    }

    fn new(machine: Arc<Machine>, directory: Option<tempfile::TempDir>) -> Self {
        Self { machine, _directory: directory }
    }

    /// Waits until the supervisor is not applying anything. Returns at once while it is down.
    pub async fn settled(&self) {
        let busy =
            || lock(&self.machine.process).as_ref().is_some_and(|process| process.runner.in_progress());
        while busy() {
            tokio::time::sleep(SETTLING).await;
        }
    }

    /// Base URL of the supervisor, `http://127.0.0.1:PORT`. It stays the same over restarts and reboots.
    pub fn address(&self) -> String {
        format!("http://{}", self.machine.address)
    }

    /// The port of [`Device::address`].
    pub fn port(&self) -> u16 {
        self.machine.address.port()
    }

    /// The API key of a service, or `global` for the cloud's, as it is now.
    pub fn key(&self, name: &str) -> Option<String> {
        lock(&self.machine.keys).value(name).map(str::to_owned)
    }

    /// The variables a service's container has, with the real address, key and lock path. `None`: no such service.
    pub fn environment(&self, service: &str) -> Option<BTreeMap<String, String>> {
        let app = self.machine.settings(|settings| {
            let has = |app: &&settings::TargetApp| {
                app.release.iter().flat_map(|release| &release.services).any(|target| target.name == service)
            };
            settings.target.iter().find(has).map(|app| app.id)
        })?;
        let mut env = self.machine.environment(app, service)?;
        let lock_path = self.lock_directory(app, service).join("updates.lock");
        let real = [
            ("_SUPERVISOR_ADDRESS", self.address()),
            ("_SUPERVISOR_HOST", self.machine.address.ip().to_string()),
            ("_SUPERVISOR_PORT", self.port().to_string()),
            ("_APP_LOCK_PATH", lock_path.to_string_lossy().into_owned()),
        ];
        for (name, value) in real {
            for prefix in ["BALENA", "RESIN"] {
                // Services without the label are not told the address.
                if let Some(told) = env.get_mut(&format!("{prefix}{name}")) {
                    told.clone_from(&value);
                }
            }
        }
        Some(env)
    }

    /// The directory in which a service keeps its update locks: what is `/tmp/balena` inside its container.
    pub fn lock_directory(&self, app: i64, service: &str) -> PathBuf {
        self.machine.locks.directory(app, service)
    }

    /// The directory above all lock directories.
    pub fn lock_root(&self) -> &Path {
        self.machine.locks.root()
    }

    /// Every entry in any lock directory, the supervisor's own included.
    pub fn locks(&self) -> Vec<LockEntry> {
        self.machine.locks.entries()
    }

    /// Removes every lock, whoever holds it.
    pub fn remove_locks(&self) {
        self.machine.locks.remove_all();
    }

    /// The containers, whatever the API would say.
    pub fn containers(&self) -> Vec<ContainerState> {
        let process = lock(&self.machine.process).clone();
        let state = |container: parts::Container| ContainerState {
            status: process
                .as_ref()
                .map_or(container.run.status(), |process| process.status_of(&container))
                .to_owned(),
            app: container.spec.app,
            service: container.spec.service,
            id: container.id,
        };
        self.machine.engine.all_containers().into_iter().map(state).collect()
    }

    /// The named volumes.
    pub fn volumes(&self) -> Vec<Volume> {
        self.machine.engine.all_volumes()
    }

    /// What was last asked of the host's power, if anything.
    pub fn power(&self) -> Option<Power> {
        lock(&self.machine.host).power
    }

    /// Ends the supervisor: what is in flight is cut off, new connections are refused. Containers run on.
    pub async fn stop_supervisor(&self) {
        // A restart that is under way must not bring it back.
        self.machine.restarts.cancel_all().await;
        self.machine.stop_process().await;
    }

    /// Starts the supervisor again. It listens when this returns.
    ///
    /// # Errors
    /// `NotConnected` while the device is switched off; else what the socket says.
    pub async fn start_supervisor(&self) -> std::io::Result<()> {
        // Nothing of the one before may be left half-way.
        self.machine.restarts.cancel_all().await;
        self.machine.start_process()
    }

    /// Ends the supervisor, and starts it again after `downtime`, without waiting for that.
    pub async fn restart_supervisor(&self, downtime: Duration) {
        self.machine.stop_process().await;
        self.machine.crash(downtime);
    }

    /// The host reboots, whatever is locked. The supervisor stops answering at once.
    pub fn reboot(&self) {
        self.machine.power(Power::Reboot);
    }

    /// The host shuts down, whatever is locked. The supervisor stops answering at once.
    pub fn shut_down(&self) {
        self.machine.power(Power::Off);
    }

    /// Changes how long things take from now on.
    pub fn change_timings(&self, change: impl FnOnce(&mut Timings)) {
        change(&mut lock(&self.machine.timings));
    }

    /// Switches a device on again that was shut down, once it is off. Nothing happens if it is on.
    pub async fn power_on(&self) {
        self.machine.switch_on().await;
    }

    /// From now on this engine call fails.
    pub fn break_engine(&self, call: EngineCall) {
        self.machine.engine.fail(Some(call));
    }

    /// The engine works again.
    pub fn recover_engine(&self) {
        self.machine.engine.fail(None);
    }

    /// The cloud can't be reached any more.
    pub fn go_offline(&self) {
        self.go_offline_since(Duration::ZERO);
    }

    /// The cloud can't be reached any more, and could not for this long already.
    pub fn go_offline_since(&self, duration: Duration) {
        let now = Instant::now();
        lock(&self.machine.cloud).offline_since = Some(now.checked_sub(duration).unwrap_or(now));
    }

    /// The cloud can be reached again.
    pub fn go_online(&self) {
        lock(&self.machine.cloud).offline_since = None;
    }

    /// The cloud offers another release of an app, which the device installs when it next asks.
    /// The services get the volumes, keys and variables of the services of the same name.
    pub fn offer_update(&self, app: i64, release: &Release) {
        self.machine.offer(app, release);
    }

    /// A host OS update enters or leaves its last phase.
    pub fn set_host_os_update(&self, running: bool) {
        lock(&self.machine.host).os_update_running = running;
    }

    /// Appends a line of unit `demo.service` to the journal.
    pub fn write_journal(&self, line: &str) {
        self.machine.journal.write(line);
    }

    /// Appends a line of a service's container to the journal, as the engine's log driver writes it: unit
    /// `balena.service`, tag the first 12 digits of the container's id. Returns whether there is a container.
    pub fn write_service_log(&self, app: i64, service: &str, line: &str) -> bool {
        let containers = self.machine.engine.all_containers();
        let found = containers.iter().find(|c| c.spec.app == app && c.spec.service == service);
        found.inspect(|container| self.machine.journal.write_of(container, line)).is_some()
    }

    /// Makes requests go wrong.
    pub fn inject(&self, injection: Injection) {
        self.machine.faults.inject(injection);
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        self.machine.faults.clear();
    }

    /// What was received so far, in the order of first appearance; paths without query.
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.machine.faults.received()
    }

    /// How many requests with this method and path were received.
    pub fn request_count(&self, method: &str, path: &str) -> usize {
        let same = |kind: &&ReceivedRequest| kind.method == method && kind.path == path;
        self.requests().iter().find(same).map_or(0, |kind| kind.count)
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.machine.abort();
    }
}

/// A poisoned lock only means that a thread panicked; what it guards here is still whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Fresh hexadecimal digits.
fn random_hex(digits: usize) -> String {
    let mut bytes = vec![0_u8; digits.div_ceil(2)];
    if getrandom::fill(&mut bytes).is_err() {
        // Only tests see these values; a clock is random enough where the system has nothing better.
        let now = jiff::Timestamp::now().as_nanosecond().to_le_bytes();
        bytes.iter_mut().zip(now.into_iter().cycle()).for_each(|(byte, now)| *byte = now);
    }
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).take(digits).collect()
}

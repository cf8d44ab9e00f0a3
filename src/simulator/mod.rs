//! A simulated balena device: the supervisor's HTTP API on loopback, with apps, an engine, a cloud and a host behind
//! it.
//!
//! For tests and development without a device. Responses are computed, not recorded: requests change the state,
//! operations take time, update locks are real files, and a stopped supervisor refuses connections.
//!
//! ```
//! # async fn example() -> std::io::Result<()> {
//! use balena_agent::simulator::{Device, Fault, Injection};
//!
//! let device = Device::start().await?;
//! let env = device.environment("main").unwrap_or_default();
//! assert_eq!(env.get("BALENA_SUPERVISOR_ADDRESS"), Some(&device.address()));
//!
//! // The next request is answered with 503, the one after it normally.
//! device.inject(Injection::new(Fault::Status(503)).times(1));
//! # Ok(())
//! # }
//! ```

mod actions;
mod apply;
mod apps;
mod body;
mod boot_id;
mod builder;
mod cloud_api;
mod containers;
mod dns;
mod endpoints;
mod engine;
mod environment;
mod faults;
mod fixture;
mod host_config;
mod installation;
mod journal;
mod js_values;
mod json;
mod keys;
mod lifecycle;
mod local_logs;
mod locks;
mod machine;
mod model;
mod plan;
mod process;
mod redsocks;
mod refusal;
mod reports;
mod request;
mod response;
mod routes;
mod runner;
mod serve;
mod server;
mod settings;
mod socket;
mod target;
mod temp_dir;
mod update;
mod urlencoded;
mod views;
mod workload;
mod workloads;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::Instant;

pub use builder::Builder;
pub use cloud_api::{CloudApi, CloudRequest};
pub use faults::{Fault, Injection, ReceivedRequest};
pub use fixture::{App, Defaults, DeviceFacts, Fixture, KeyScope, Release, Service, Tag, Vpn};
pub use locks::LockEntry;
pub use model::{EngineCall, Timings, Volume};
pub use workload::Workload;

#[cfg(feature = "cli")]
pub(crate) use temp_dir::directory as scratch_directory;

use crate::tasks::TaskSet;
use lifecycle::Lifecycle;
use machine::Machine;

/// Interval of checking whether the device has settled.
const SETTLING: Duration = Duration::from_millis(5);

/// The requested power change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// Reboot.
    Reboot,
    /// Shut down.
    Off,
}

/// The current state of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerState {
    /// Numeric id of the app.
    pub app: i64,
    /// Name of the service.
    pub service: String,
    /// Id of the container.
    pub id: String,
    /// Status by the engine, or by the supervisor during an operation: `Running`, `exited`, `Stopping` …
    pub status: String,
}

/// A simulated device. Dropping it ends it.
#[derive(Debug)]
pub struct Device {
    machine: Arc<Machine>,
    lifecycle: Arc<Lifecycle>,
    cloud: Option<Arc<cloud_api::Server>>,
    dns_address: SocketAddr,
    /// What runs beside the supervisor: the engine's name server.
    _services: TaskSet,
    _directory: Option<tempfile::TempDir>,
}

impl Device {
    /// Starts a device with the default fixture: all services running, no locks, the cloud reachable.
    pub async fn start() -> std::io::Result<Self> {
        Self::builder().start().await
    }

    /// Returns a builder.
    pub fn builder() -> Builder {
        Builder::new(Fixture::small())
    }

    fn new(
        machine: Arc<Machine>,
        lifecycle: Arc<Lifecycle>,
        cloud: Option<Arc<cloud_api::Server>>,
        name_server: UdpSocket,
        directory: Option<tempfile::TempDir>,
    ) -> std::io::Result<Self> {
        let dns_address = name_server.local_addr()?;
        let services = TaskSet::new();
        let names = Arc::clone(&machine);
        let find = move |name: &str| names.addresses.find(&names.engine.running_services(), name);
        let served = services.spawn("name server", dns::serve(name_server, find));
        served.map_err(|_| std::io::Error::other("the name server does not start"))?;
        Ok(Self { machine, lifecycle, cloud, dns_address, _services: services, _directory: directory })
    }

    /// Waits until the supervisor is not applying anything. Returns at once if it is down.
    pub async fn settled(&self) {
        let busy =
            || lock(&self.lifecycle.process).as_ref().is_some_and(|process| process.runner.in_progress());
        while busy() {
            tokio::time::sleep(SETTLING).await;
        }
    }

    /// Returns the base URL of the supervisor, `http://127.0.0.1:PORT`. Restarts and reboots do not change it.
    pub fn address(&self) -> String {
        format!("http://{}", self.lifecycle.address)
    }

    /// Returns the port of [`Device::address`].
    pub fn port(&self) -> u16 {
        self.lifecycle.address.port()
    }

    /// Returns the current API key of a service, or of the cloud for the name `global`.
    pub fn key(&self, name: &str) -> Option<String> {
        lock(&self.machine.keys).value(name).map(str::to_owned)
    }

    /// Returns the files in all lock directories, including the supervisor's own.
    pub fn locks(&self) -> Vec<LockEntry> {
        self.machine.locks.entries()
    }

    /// Removes every lock of every holder.
    pub fn remove_locks(&self) {
        self.machine.locks.remove_all();
    }

    /// Returns the containers, also while engine calls fail.
    pub fn containers(&self) -> Vec<ContainerState> {
        let process = lock(&self.lifecycle.process).clone();
        let state = |container: model::Container| ContainerState {
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

    /// Returns the last requested power change, if any.
    pub fn power(&self) -> Option<Power> {
        lock(&self.machine.host).power
    }

    /// Stops the supervisor: open requests are cut, new connections refused. Containers keep running.
    pub async fn stop_supervisor(&self) {
        // A pending restart must not start it again.
        self.lifecycle.restarts.cancel_all().await;
        self.lifecycle.stop_process().await;
    }

    /// Starts the supervisor again. It listens when this returns.
    ///
    /// # Errors
    /// `NotConnected` while the device is switched off; otherwise the error of the socket.
    pub async fn start_supervisor(&self) -> std::io::Result<()> {
        // No pending restart may interfere.
        self.lifecycle.restarts.cancel_all().await;
        self.lifecycle.start_process()
    }

    /// Stops the supervisor and starts it again after `downtime`. Returns without waiting for the restart.
    pub async fn restart_supervisor(&self, downtime: Duration) {
        self.lifecycle.stop_process().await;
        self.lifecycle.crash(downtime);
    }

    /// Reboots the host in spite of locks. The supervisor stops answering at once.
    pub fn reboot(&self) {
        self.lifecycle.power(Power::Reboot);
    }

    /// Shuts the host down in spite of locks. The supervisor stops answering at once.
    pub fn shut_down(&self) {
        self.lifecycle.power(Power::Off);
    }

    /// Cuts the power and switches it on again: processes are killed, nothing is stopped in an orderly way. The device
    /// boots after the time that [`Timings`] has for it.
    pub fn power_cycle(&self) {
        self.lifecycle.cut_power();
    }

    /// Changes the duration of operations.
    pub fn change_timings(&self, change: impl FnOnce(&mut Timings)) {
        change(&mut lock(&self.machine.timings));
    }

    /// Switches the device on after a shutdown, once that is complete. Does nothing if it is on.
    pub async fn power_on(&self) {
        self.lifecycle.switch_on().await;
    }

    /// Makes this engine call fail.
    pub fn break_engine(&self, call: EngineCall) {
        self.machine.engine.fail(Some(call));
    }

    /// Makes all engine calls work again.
    pub fn recover_engine(&self) {
        self.machine.engine.fail(None);
    }

    /// Returns the device's cloud, if [`Builder::cloud`] started one.
    pub fn cloud(&self) -> Option<CloudApi> {
        self.cloud.as_ref().map(cloud_api::Server::api)
    }

    /// Makes the cloud unreachable.
    pub fn go_offline(&self) {
        self.go_offline_since(Duration::ZERO);
    }

    /// Makes the cloud unreachable, as if it had been so for this long.
    pub fn go_offline_since(&self, duration: Duration) {
        let now = Instant::now();
        lock(&self.machine.cloud).offline_since = Some(now.checked_sub(duration).unwrap_or(now));
        if let Some(cloud) = &self.cloud {
            cloud.go_away();
        }
    }

    /// Makes the cloud reachable again.
    pub fn go_online(&self) {
        lock(&self.machine.cloud).offline_since = None;
        if let Some(Err(error)) = self.cloud.as_ref().map(cloud_api::Server::come_back) {
            tracing::warn!(%error, "the simulated cloud could not listen again");
        }
    }

    /// Makes the cloud offer another release of an app, which the device installs after its next poll. Its services
    /// get the volumes, keys and variables of the current services of the same name.
    pub fn offer_update(&self, app: i64, release: &Release) {
        self.machine.offer(app, release);
    }

    /// Starts or ends the last phase of a host OS update.
    pub fn set_host_os_update(&self, running: bool) {
        lock(&self.machine.host).os_update_running = running;
    }

    /// Appends a line of unit `demo.service` to the journal.
    pub fn write_journal(&self, line: &str) {
        self.machine.journal.write(line);
    }

    /// Appends a line of a service's container to the journal, in the form of the engine's log driver: unit
    /// `balena.service`, tagged with the first 12 digits of the container's id. Returns whether a container exists.
    pub fn write_service_log(&self, app: i64, service: &str, line: &str) -> bool {
        let containers = self.machine.engine.all_containers();
        let found = containers.iter().find(|c| c.spec.app == app && c.spec.service == service);
        found.inspect(|container| self.machine.journal.write_of(container, line)).is_some()
    }

    /// Injects a fault.
    pub fn inject(&self, injection: Injection) {
        self.machine.faults.inject(injection);
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.machine.faults.clear();
    }

    /// Returns the requests received so far, in the order of first appearance, with paths without query.
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.machine.faults.received()
    }

    /// Returns the number of received requests with this method and path.
    pub fn request_count(&self, method: &str, path: &str) -> usize {
        let same = |kind: &&ReceivedRequest| kind.method == method && kind.path == path;
        self.requests().iter().find(same).map_or(0, |kind| kind.count)
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.lifecycle.abort();
        if let Some(cloud) = &self.cloud {
            cloud.abort();
        }
    }
}

/// A poisoned lock only means that a thread panicked; the guarded data is consistent.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns random hexadecimal digits.
fn random_hex(digits: usize) -> String {
    let mut bytes = vec![0_u8; digits.div_ceil(2)];
    if getrandom::fill(&mut bytes).is_err() {
        // These values only have to differ in tests, so a clock suffices if the system has no random source.
        let now = jiff::Timestamp::now().as_nanosecond().to_le_bytes();
        bytes.iter_mut().zip(now.into_iter().cycle()).for_each(|(byte, now)| *byte = now);
    }
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).take(digits).collect()
}

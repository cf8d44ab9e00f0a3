//! The actions of `simulate ctl`.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::cli::output::Output;
use crate::cli::parse_duration;
use crate::error::{Error, ErrorKind, Result};
use crate::simulator::{CloudApi, Device, EngineCall, Fault, Injection, Timings};

use super::{APP, Simulation};

/// Number of the last requests to the cloud that are shown.
const CLOUD_REQUESTS: usize = 20;

/// Act on a running simulated device: faults, locks, reboots, releases, offline
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(in crate::cli) enum Action {
    /// Make requests fail, until --times is used up or `clear-faults`
    Fault(FaultArguments),
    /// Remove all faults
    ClearFaults,
    /// Make requests to the cloud (--cloud) fail, until --times is used up or `cloud-clear-faults`
    CloudFault(FaultArguments),
    /// Remove all faults of the cloud
    CloudClearFaults,
    /// Make a call to the engine fail, until `engine-recovers`
    EngineFails {
        /// list-containers, inspect-container, start-container, stop-container, create-container, remove-container,
        /// list-volumes, list-images or pull-image
        call: String,
    },
    /// Make the engine work again
    EngineRecovers,
    /// Create an update lock in a service's lock directory
    Lock {
        /// Name of the service; by default the first one
        service: Option<String>,
    },
    /// Remove all update locks of all holders
    Unlock,
    /// Reboot the device, in spite of locks
    Reboot,
    /// Cut the power and switch it on again
    PowerCycle,
    /// Shut the device down, in spite of locks
    ShutDown,
    /// Switch a device on after a shutdown
    PowerOn,
    /// Stop the supervisor; new connections are refused
    StopSupervisor,
    /// Start the supervisor again
    StartSupervisor,
    /// Stop the supervisor and start it again after a while
    RestartSupervisor {
        /// Time until it starts again
        #[arg(default_value = "2s", value_parser = parse_duration)]
        gone: Duration,
    },
    /// Publish a new release and notify the device
    Release,
    /// Disconnect the device from the cloud
    Offline {
        /// Pretend that it happened this long ago
        #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
        since: Option<Duration>,
    },
    /// Connect the device to the cloud again
    Online,
    /// Begin or end the last phase of a host OS update, in which the device does not reboot
    OsUpdate {
        /// Whether the phase begins or ends
        phase: Phase,
    },
    /// Set the duration of an operation
    Time {
        /// The operation
        what: Timing,
        /// The duration, e.g. 500ms or 10s
        #[arg(value_parser = parse_duration)]
        duration: Duration,
    },
    /// Write a line to the journal as a service's container
    Log {
        /// Name of the service
        service: String,
        /// The line
        line: String,
    },
    /// Show containers, locks and received requests
    State,
}

// A fault, its number of requests, and its path.
#[derive(Debug, Args)]
pub(in crate::cli) struct FaultArguments {
    /// What goes wrong
    kind: FaultKind,
    /// A duration for delay (per request), drip (per byte), restart (downtime) and too-many-requests (Retry-After); the
    /// status for status
    value: Option<String>,
    /// Number of requests to affect
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    times: Option<u32>,
    /// Only requests to this path, e.g. /v1/device
    #[arg(long, value_name = "PATH")]
    on: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FaultKind {
    /// Handle the request later
    Delay,
    /// Accept the connection and close it without a response
    Close,
    /// Reset the connection without handling the request
    ResetBefore,
    /// Reset the connection after handling the request
    ResetAfter,
    /// Answer with this status without handling the request
    Status,
    /// Answer 429, with this duration as Retry-After
    TooManyRequests,
    /// Stop the supervisor in the middle of the request, for a while
    Restart,
    /// Answer 423 (update lock), even with force
    Locked,
    /// The same as older supervisors: 503 "Updates are locked"
    #[value(name = "locked-503")]
    LockedAs503,
    /// Send the response byte by byte
    Drip,
    /// Send bytes that are not HTTP
    Garbage,
    /// Never answer
    Silence,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Phase {
    /// The phase begins
    Begin,
    /// The phase ends
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Timing {
    /// Stopping a container
    Stop,
    /// Starting a container
    Start,
    /// Downloading an image
    Pull,
    /// From the accepted reboot to power-off
    PowerOff,
    /// From power-off to the first response of the supervisor
    Boot,
    /// Downtime of a supervisor that crashed
    Restart,
}

impl Timing {
    fn of(self, timings: &mut Timings) -> &mut Duration {
        match self {
            Self::Stop => &mut timings.stop,
            Self::Start => &mut timings.start,
            Self::Pull => &mut timings.pull,
            Self::PowerOff => &mut timings.power_off,
            Self::Boot => &mut timings.boot,
            Self::Restart => &mut timings.restart,
        }
    }
}

impl FaultArguments {
    fn injection(&self) -> Result<Injection> {
        let mut injection = Injection::new(self.fault()?);
        if let Some(times) = self.times {
            injection = injection.times(usize::try_from(times).unwrap_or(usize::MAX));
        }
        match &self.on {
            Some(path) if !path.starts_with('/') => {
                Err(Error::argument("--on", "must be a path without a query, e.g. /v1/device"))
            }
            Some(path) => Ok(injection.on(path)),
            None => Ok(injection),
        }
    }

    fn fault(&self) -> Result<Fault> {
        let value = self.value.as_deref();
        let duration = || {
            let text = value.ok_or("this fault needs a duration, e.g. 2s".to_owned());
            text.and_then(parse_duration).map_err(|reason| Error::argument("VALUE", &reason))
        };
        let fault = match self.kind {
            FaultKind::Delay => return Ok(Fault::Delay(duration()?)),
            FaultKind::Drip => return Ok(Fault::Drip(duration()?)),
            FaultKind::Restart => return Ok(Fault::Restart(duration()?)),
            FaultKind::TooManyRequests => return Ok(Fault::TooManyRequests(duration()?)),
            FaultKind::Status => {
                let status =
                    value.and_then(|text| text.parse().ok()).filter(|code| (200..600).contains(code));
                let status =
                    status.ok_or_else(|| Error::argument("VALUE", "must be a status from 200 to 599"))?;
                return Ok(Fault::Status(status));
            }
            FaultKind::Close => Fault::Close,
            FaultKind::ResetBefore => Fault::ResetBefore,
            FaultKind::ResetAfter => Fault::ResetAfter,
            FaultKind::Locked => Fault::Locked,
            FaultKind::LockedAs503 => Fault::LockedAs503,
            FaultKind::Garbage => Fault::Garbage,
            FaultKind::Silence => Fault::Silence,
        };
        match value {
            None => Ok(fault),
            Some(_) => Err(Error::argument("VALUE", "this fault takes no value")),
        }
    }
}

impl Action {
    /// Performs the action. Returns the value to send to the client.
    pub(super) async fn perform(self, simulation: &Simulation) -> Result<Value> {
        let device = &simulation.device;
        match self {
            Self::Fault(fault) => device.inject(fault.injection()?),
            Self::ClearFaults => device.clear_faults(),
            Self::CloudFault(fault) => cloud(device)?.inject(fault.injection()?),
            Self::CloudClearFaults => cloud(device)?.clear_faults(),
            Self::EngineFails { call } => {
                let call: EngineCall = serde_json::from_value(call.into())
                    .map_err(|cause| Error::argument("CALL", cause.to_string()))?;
                device.break_engine(call);
            }
            Self::EngineRecovers => device.recover_engine(),
            Self::Lock { service } => lock(simulation, service.as_deref().unwrap_or(&simulation.service))?,
            Self::Unlock => device.remove_locks(),
            Self::Reboot => device.reboot(),
            Self::PowerCycle => device.power_cycle(),
            Self::ShutDown => device.shut_down(),
            Self::PowerOn => device.power_on().await,
            Self::StopSupervisor => device.stop_supervisor().await,
            Self::StartSupervisor => device.start_supervisor().await.map_err(|cause| {
                Error::new(ErrorKind::Io, format!("can't start the simulated supervisor: {cause}"))
            })?,
            Self::RestartSupervisor { gone } => device.restart_supervisor(gone).await,
            Self::Release => return Ok(json!({ "commit": simulation.offer_next().await })),
            Self::Offline { since } => device.go_offline_since(since.unwrap_or_default()),
            Self::Online => device.go_online(),
            Self::OsUpdate { phase } => device.set_host_os_update(phase == Phase::Begin),
            Self::Time { what, duration } => device.change_timings(|timings| *what.of(timings) = duration),
            Self::Log { service, line } => {
                if !device.write_service_log(APP, &service, &line) {
                    return Err(no_service(simulation, &service));
                }
            }
            Self::State => return Ok(state(simulation)),
        }
        Ok(json!({ "ok": true }))
    }
}

fn no_service(simulation: &Simulation, name: &str) -> Error {
    let names: Vec<String> = simulation.device.containers().into_iter().map(|c| c.service).collect();
    Error::argument("SERVICE", format!("the simulated device has no \"{name}\", only {}", names.join(", ")))
}

fn cloud(device: &Device) -> Result<CloudApi> {
    device.cloud().ok_or_else(|| {
        Error::argument("ACTION", "the simulated device has no cloud")
            .with_help("start it with `simulate --cloud`")
    })
}

fn lock(simulation: &Simulation, service: &str) -> Result<()> {
    if !simulation.device.containers().iter().any(|container| container.service == service) {
        return Err(no_service(simulation, service));
    }
    let file = simulation.device.lock_directory(APP, service).join("updates.lock");
    match std::fs::File::create_new(&file) {
        Ok(_) => Ok(()),
        Err(cause) if cause.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(Error::new(ErrorKind::Conflict, format!("{service} is locked already")))
        }
        Err(cause) => Err(Error::new(ErrorKind::Io, format!("create {}: {cause}", file.display()))),
    }
}

/// Formats the state for people: one table each for containers, locks and requests.
pub(super) fn shown_state(state: &Value) -> Result<Output> {
    let part = |name: &str| state.get(name).cloned().unwrap_or_default();
    Output::data(state)?
        .fields(&json!({ "address": part("address") }))?
        .rows(&["service", "status", "id"], &part("containers"), "no containers")?
        .rows(&["service", "file"], &part("locks"), "no locks")?
        .rows(&["method", "path", "count"], &part("requests"), "no requests yet")?
        .rows(&["method", "path", "status"], &part("cloud_requests"), "no requests to the cloud")
}

fn state(simulation: &Simulation) -> Value {
    let device = &simulation.device;
    let containers: Vec<Value> = device
        .containers()
        .iter()
        .map(
            |container| json!({"service": container.service, "status": container.status, "id": container.id}),
        )
        .collect();
    let locks: Vec<Value> =
        device.locks().iter().map(|lock| json!({"service": lock.service, "file": lock.file})).collect();
    let requests: Vec<Value> = device
        .requests()
        .iter()
        .map(|request| json!({"method": request.method, "path": request.path, "count": request.count}))
        .collect();
    let of_cloud = device.cloud().map(|cloud| cloud.requests()).unwrap_or_default();
    let of_cloud: Vec<Value> = of_cloud
        .iter()
        .rev()
        .take(CLOUD_REQUESTS)
        .rev()
        .map(|request| json!({"method": request.method, "path": request.path, "status": request.status}))
        .collect();
    json!({
        "address": device.address(),
        "cloud": device.cloud().map(|cloud| cloud.address()),
        "cloud_requests": of_cloud,
        "containers": containers,
        "locks": locks,
        "requests": requests,
    })
}

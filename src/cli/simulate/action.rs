//! What can be done to a simulated device from outside, by `simulate ctl`.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::cli::parse_duration;
use crate::error::{Error, ErrorKind, Result};
use crate::simulator::{EngineCall, Fault, Injection, Timings};

use super::{APP, Simulation};

/// Do something to a simulated device that runs: faults, locks, reboots, releases, being offline
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(in crate::cli) enum Action {
    /// Let requests go wrong, until --times are used up or clear-faults
    Fault(FaultArguments),
    /// End all faults
    ClearFaults,
    /// Let a call to the engine fail, e.g. stop-container or pull-image, until engine-recovers
    EngineFails {
        /// list-containers, inspect-container, start-container, stop-container, create-container, remove-container, list-volumes, list-images or pull-image
        call: String,
    },
    /// The engine works again
    EngineRecovers,
    /// Put an update lock into a service's lock directory
    Lock {
        /// The service
        #[arg(default_value = super::SERVICE)]
        service: String,
    },
    /// Remove all update locks, whoever holds them
    Unlock,
    /// Reboot the device, whatever is locked
    Reboot,
    /// Shut the device down, whatever is locked
    ShutDown,
    /// Switch a device on that was shut down
    PowerOn,
    /// End the supervisor; new connections are refused
    StopSupervisor,
    /// Start the supervisor again
    StartSupervisor,
    /// End the supervisor, which comes back after a while
    RestartSupervisor {
        /// How long it is gone
        #[arg(default_value = "2s", value_parser = parse_duration)]
        gone: Duration,
    },
    /// Offer a new release, and tell the device of it
    Release,
    /// Cut the device off from the cloud
    Offline {
        /// As if that had happened so long ago
        #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
        since: Option<Duration>,
    },
    /// Let the device reach the cloud again
    Online,
    /// Begin or end the last phase of a host OS update, in which the device does not reboot
    OsUpdate {
        /// Whether it begins or ends
        phase: Phase,
    },
    /// Set how long something takes from now on
    Time {
        /// What
        what: Timing,
        /// How long, e.g. 500ms or 10s
        #[arg(value_parser = parse_duration)]
        duration: Duration,
    },
    /// Write a line to the journal as a service's container
    Log {
        /// The service
        service: String,
        /// The line
        line: String,
    },
    /// Show containers, locks and what was received
    State,
}

// A fault, how often, and where.
#[derive(Debug, Args)]
pub(in crate::cli) struct FaultArguments {
    /// What goes wrong
    kind: FaultKind,
    /// How long, for delay (per request), drip (per byte) and restart (gone); the status, for status
    value: Option<String>,
    /// Only for so many requests
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    times: Option<u32>,
    /// Only on this path, e.g. /v1/device
    #[arg(long, value_name = "PATH")]
    on: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FaultKind {
    /// Handled later
    Delay,
    /// The connection is accepted and ends with nothing said
    Close,
    /// The connection is reset, and the request not handled
    ResetBefore,
    /// The connection is reset after the request was handled
    ResetAfter,
    /// This status, and the request not handled
    Status,
    /// The supervisor dies in the middle of the request, and is gone for a while
    Restart,
    /// An update lock, even against force: 423
    Locked,
    /// The same as older supervisors tell it: 503 "Updates are locked"
    #[value(name = "locked-503")]
    LockedAs503,
    /// The answer comes byte by byte
    Drip,
    /// Bytes that are no HTTP
    Garbage,
    /// No answer, ever
    Silence,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Phase {
    /// It begins
    Begin,
    /// It ends
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
    /// From an accepted reboot to the power going off
    PowerOff,
    /// From the power going off to the supervisor answering again
    Boot,
    /// How long a supervisor that died is gone
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
                Err(Error::argument("--on", "give the path alone, e.g. /v1/device"))
            }
            Some(path) => Ok(injection.on(path)),
            None => Ok(injection),
        }
    }

    fn fault(&self) -> Result<Fault> {
        let value = self.value.as_deref();
        let duration = || {
            let text = value.ok_or("it is missing: this fault needs a duration, e.g. 2s".to_owned());
            text.and_then(parse_duration).map_err(|reason| Error::argument("VALUE", &reason))
        };
        let fault = match self.kind {
            FaultKind::Delay => return Ok(Fault::Delay(duration()?)),
            FaultKind::Drip => return Ok(Fault::Drip(duration()?)),
            FaultKind::Restart => return Ok(Fault::Restart(duration()?)),
            FaultKind::Status => {
                let status =
                    value.and_then(|text| text.parse().ok()).filter(|code| (200..600).contains(code));
                let status =
                    status.ok_or_else(|| Error::argument("VALUE", "give a status from 200 to 599"))?;
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
            Some(_) => Err(Error::argument("VALUE", "this fault takes none")),
        }
    }
}

impl Action {
    /// Does it. What is returned is told to who asked.
    pub(super) async fn perform(self, simulation: &Simulation) -> Result<Value> {
        let device = &simulation.device;
        match self {
            Self::Fault(fault) => device.inject(fault.injection()?),
            Self::ClearFaults => device.clear_faults(),
            Self::EngineFails { call } => {
                let call: EngineCall = serde_json::from_value(call.into())
                    .map_err(|cause| Error::argument("CALL", cause.to_string()))?;
                device.break_engine(call);
            }
            Self::EngineRecovers => device.recover_engine(),
            Self::Lock { service } => lock(simulation, &service)?,
            Self::Unlock => device.remove_locks(),
            Self::Reboot => device.reboot(),
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
    json!({
        "address": device.address(),
        "containers": containers,
        "locks": locks,
        "requests": requests,
    })
}

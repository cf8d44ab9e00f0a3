//! `balena-agent simulate`: a simulated balena device.

mod action;
mod control;
mod env_file;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use clap::{Args, Subcommand};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::error::{Error, ErrorKind, Result};
use crate::simulator::{self, Device, Fixture, Release, Workload};
use crate::{Balena, Environment};

use super::child::{self, PassedSignals, SpawnError};
use super::output::{self, Output};
use super::signals::Signals;
use super::{Context, exit};

pub(super) use action::Action;
use control::Control;
use env_file::EnvFile;

/// The default services, and whether each may use the supervisor: those of `Fixture::small`.
const SERVICES: [(&str, bool); 3] = [("main", true), ("helper", true), ("plain", false)];
/// Their application.
const APP: i64 = 1;
/// Interval between two releases.
const NEXT_RELEASE: Duration = Duration::from_secs(30);
/// Duration of a simulated download.
const DOWNLOAD: Duration = Duration::from_secs(8);
const START_OR_STOP: Duration = Duration::from_millis(800);
/// Time limit for telling the device about a release. Later it polls anyway.
const POKE: Duration = Duration::from_secs(1);

/// Examples for the help.
const EXAMPLES: &str = "Examples:
  balena-agent simulate -- python3 test.py     run a test with a new device, and end with its exit code
  balena-agent simulate --env-file device.env  then, elsewhere: set -a; . ./device.env; set +a
  balena-agent simulate ctl fault status 503 --times 2 --on /v1/device
  balena-agent simulate ctl reboot             `ctl --help` lists all actions on a running device";

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub(super) struct SimulateArguments {
    #[command(subcommand)]
    command: Option<SimulateCommand>,
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Write the variables to this file instead of printing them, in shell syntax; the file exists while the device
    /// runs
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// Names of the services, separated by commas; default: main, helper, plain. The variables are those of the first
    /// one
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = parse_service)]
    services: Vec<String>,
    /// Publish a new release every 30 s, which the device downloads and applies
    #[arg(long)]
    releases: bool,
    /// Start the device's cloud too, on another port: its address and the device's key are among the variables
    #[arg(long)]
    cloud: bool,
    /// Run the command as the container of the first service: it is stopped and started with the container, by
    /// restarts, updates, reboots and power cycles, until the device is interrupted
    #[arg(long, requires = "run")]
    as_container: bool,
    /// Run this command (given after --) with the variables set, and end with its exit code
    #[arg(last = true, value_name = "COMMAND")]
    run: Vec<OsString>,
}

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(super) enum SimulateCommand {
    /// Act on a running simulated device: faults, locks, reboots, releases, offline
    Ctl(CtlArguments),
}

#[derive(Debug, Args)]
pub(super) struct CtlArguments {
    /// The device's control socket; default: `BALENA_SIMULATOR_CONTROL`, one of the device's variables
    #[arg(long, value_name = "SOCKET")]
    control: Option<PathBuf>,
    #[command(subcommand)]
    action: Action,
}

impl SimulateArguments {
    /// Returns the output and the exit code.
    pub(super) async fn run(self, context: &Context, mut signals: Signals) -> Result<(Output, u8)> {
        if let Some(SimulateCommand::Ctl(arguments)) = self.command {
            return tokio::select! {
                output = arguments.run(context) => Ok((output?, exit::OK)),
                () = signals.next() => Ok((Output::silent(), exit::INTERRUPTED)),
            };
        }
        let services = services(&self.services)?;
        let directory = directory()?;
        let start = Start { port: self.port, cloud: self.cloud };
        let mut simulation = Simulation::start_in(start, directory, &services).await?;
        // The device works without it: the length of a socket path is limited.
        let control = simulation.control();
        if let Err(error) = &control {
            output::remark(&format!("warning: `simulate ctl` is not available: {error}"));
        }
        let file = match self.env_file {
            Some(path) => Some(EnvFile::write(path, &simulation.variables)?),
            None => None,
        };
        let story = async {
            if self.releases {
                simulation.releases().await;
            }
        };
        let controlled = async {
            if let Ok(control) = &control {
                control.serve(&simulation).await;
            }
        };
        let served = async {
            tokio::join!(controlled, story);
            std::future::pending::<()>().await;
        };
        if self.as_container {
            let (program, arguments) = self.run.split_first().unzip();
            let workload = Workload::new(program.cloned().unwrap_or_default())
                .args(arguments.into_iter().flatten())
                .env("PATH", std::env::var("PATH").unwrap_or_default())
                .inherit_output();
            simulation.device.run_in(&simulation.service, workload);
        } else if !self.run.is_empty() {
            let code = run_command(context, &self.run, &simulation.variables, signals, served).await?;
            return Ok((Output::silent(), code));
        }
        let remark = "the simulated device runs until interrupted; ";
        if file.is_none() {
            simulation.print_variables(context)?;
            output::remark(&format!("{remark}export these variables in another terminal"));
        } else {
            output::remark(&format!(
                "{remark}source its variables in another terminal: set -a; . FILE; set +a"
            ));
        }
        let mut others = PassedSignals::new()?;
        let code = tokio::select! {
            () = served => exit::OK,
            () = signals.next() => exit::OK,
            got = rare(&mut others) => child::signal_code(got),
        };
        simulation.device.stop_workloads().await;
        Ok((Output::silent(), code))
    }
}

impl CtlArguments {
    async fn run(self, context: &Context) -> Result<Output> {
        let named = || std::env::var_os(control::VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
        let path = self.control.or_else(named).ok_or_else(|| {
            Error::new(ErrorKind::Config, format!("{} is not set", control::VARIABLE)).with_help(
                "export the variables that `balena-agent simulate` prints, or set --control to its socket",
            )
        })?;
        let told = control::send(&path, &context.arguments).await?;
        match self.action {
            Action::State => action::shown_state(&told),
            _ if told == serde_json::json!({ "ok": true }) => Ok(Output::done("done")),
            _ => Output::data(&told),
        }
    }
}

/// Parses the name of a service in a compose file.
fn parse_service(name: &str) -> std::result::Result<String, &'static str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if !name.is_empty() && name.len() <= 63 && name.chars().all(fits) {
        return Ok(name.to_owned());
    }
    Err("a service name has 1 to 63 letters, digits, dots, hyphens and underscores")
}

/// Returns the given services, all of which may use the supervisor, or the default ones.
fn services(named: &[String]) -> Result<Vec<(&str, bool)>> {
    if named.is_empty() {
        return Ok(SERVICES.to_vec());
    }
    let mut services: Vec<(&str, bool)> = Vec::new();
    for name in named {
        if services.iter().any(|(known, _)| known == name) {
            return Err(Error::argument("--services", format_args!("{name} is given twice")));
        }
        services.push((name, true));
    }
    Ok(services)
}

/// Returns the next signal that would end this process without removing its files, other than a stop signal.
async fn rare(signals: &mut PassedSignals) -> Signal {
    loop {
        let got = signals.next().await;
        if !matches!(got, Signal::SIGINT | Signal::SIGTERM | Signal::SIGHUP) {
            return got;
        }
    }
}

/// Runs a command with the environment of the service's container. Returns its exit code.
async fn run_command(
    context: &Context,
    words: &[OsString],
    variables: &BTreeMap<String, String>,
    mut early: Signals,
    served: impl Future<Output = ()>,
) -> Result<u8> {
    let mut signals = PassedSignals::new()?;
    let mut command = child::command(words)?;
    command.envs(variables);
    let asked_to_end = tokio::select! {
        biased;
        () = early.next() => true,
        () = std::future::ready(()) => false,
    };
    if asked_to_end {
        return Ok(exit::INTERRUPTED);
    }
    match child::start(&mut command) {
        Ok(started) => Ok(child::exit_code(child::watch(started, &mut signals, served).await?)),
        Err(SpawnError { error, code }) => {
            context
                .printer
                .error_ending(&error.with_help("the command and its arguments must follow --"), code);
            Ok(code)
        }
    }
}

fn directory() -> Result<TempDir> {
    simulator::scratch_directory()
        .map_err(|cause| Error::new(ErrorKind::Io, cause.to_string()).with_source(cause))
}

/// How a device is started.
#[derive(Debug, Clone, Copy)]
struct Start {
    port: u16,
    cloud: bool,
}

/// A simulated device and a client that is configured as in its container.
pub(super) struct Simulation {
    device: Device,
    variables: BTreeMap<String, String>,
    pub(super) balena: Balena,
    fixture: Fixture,
    /// The service whose variables are printed: the first one.
    service: String,
    /// Number of the next release.
    next_release: AtomicI64,
    /// Directory of the device's files and the control socket. Removed with the device.
    directory: TempDir,
}

impl Simulation {
    /// Starts a device on this port, or on a free one if it is 0.
    #[cfg(feature = "service")]
    pub(super) async fn start(port: u16) -> Result<Self> {
        Self::start_in(Start { port, cloud: false }, directory()?, &SERVICES).await
    }

    async fn start_in(start: Start, directory: TempDir, services: &[(&str, bool)]) -> Result<Self> {
        let fixture = Fixture::fleet(services);
        let builder = Device::builder();
        let device = if start.cloud { builder.cloud() } else { builder }
            .fixture(fixture.clone())
            .port(start.port)
            .directory(directory.path())
            .journal(20)
            .container_logs()
            .with_timings(|timings| {
                timings.pull = DOWNLOAD;
                timings.start = START_OR_STOP;
                timings.stop = START_OR_STOP;
            })
            .start()
            .await
            .map_err(|cause| {
                // Only the port can fail here.
                Error::new(ErrorKind::Io, format!("can't start the simulated device: {cause}"))
                    .with_help("choose another --port, or leave it out")
            })?;
        let service = services.first().map(|(name, _)| (*name).to_owned()).unwrap_or_default();
        let variables = device.environment(&service).unwrap_or_default();
        let balena = Balena::builder().environment(Environment::from_vars(variables.clone())?).build();
        let next_release = AtomicI64::new(2);
        Ok(Self { device, variables, balena, fixture, service, next_release, directory })
    }

    /// Opens the control socket and adds its path to the variables.
    fn control(&mut self) -> Result<Control> {
        let control = Control::bind(self.directory.path())?;
        let path = control.path().to_string_lossy().into_owned();
        self.variables.insert(control::VARIABLE.to_owned(), path);
        Ok(control)
    }

    fn print_variables(&self, context: &Context) -> Result<()> {
        if context.printer.is_json() {
            output::json_line(&serde_json::json!(self.variables).to_string())?;
        } else {
            output::line(env_file::lines(&self.variables, "export ").trim_end())?;
        }
        Ok(())
    }

    #[cfg(feature = "service")]
    pub(super) fn address(&self) -> String {
        self.device.address()
    }

    /// Publishes releases at an interval, for demonstration. Never returns.
    pub(super) async fn releases(&self) {
        loop {
            tokio::time::sleep(NEXT_RELEASE).await;
            self.offer_next().await;
        }
    }

    /// Returns the release of this number; only the first service has new content.
    fn next_releases(&self, number: i64) -> Vec<(i64, Release)> {
        let apps = self.fixture.apps.values().flatten();
        apps.filter_map(|app| {
            let mut release = app.releases.get("update")?.clone();
            release.id = number;
            release.commit = commit(number);
            for (name, service) in &mut release.services {
                service.image_id = number * 1000 + service.service_id;
                if *name == self.service {
                    service.image = format!("registry.example.com/v2/{name}{number}@sha256:{name}{number}");
                }
            }
            Some((app.id, release))
        })
        .collect()
    }

    /// Publishes a release and notifies the device. Returns its commit.
    async fn offer_next(&self) -> String {
        let number = self.next_release.fetch_add(1, Ordering::Relaxed);
        for (app, release) in self.next_releases(number) {
            self.device.offer_update(app, &release);
        }
        // The cloud also notifies the device when a release is finished.
        match tokio::time::timeout(POKE, self.balena.supervisor().update()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                tracing::debug!(%error, "the simulated device could not be notified of its release");
            }
            Err(_) => tracing::debug!("the simulated device was not notified of its release in time"),
        }
        commit(number)
    }
}

fn commit(number: i64) -> String {
    format!("{number:032x}")
}

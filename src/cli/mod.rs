//! The command line: parses arguments, calls the library, prints the result.

mod child;
#[cfg(feature = "service")]
mod config;
mod device;
mod doctor;
mod exit;
mod fd_limit;
mod flags;
mod host_config;
mod journal;
mod lock;
mod log;
mod output;
#[cfg(feature = "service")]
mod service;
mod signals;
#[cfg(feature = "simulator")]
mod simulate;
#[cfg(feature = "service")]
mod status;
mod supervisor;
#[cfg(feature = "service")]
mod token;
#[cfg(feature = "service")]
mod why;

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgAction, Parser, Subcommand};
use tracing::level_filters::LevelFilter;

use crate::error::{Error, ErrorKind, Result};
use crate::{Balena, Environment};

use output::{Printer, io_error};
use signals::Signals;

/// Client and service for balena devices: supervisor API, update locks, device state and events
#[derive(Debug, Parser)]
#[command(name = "balena-agent", version, after_help = exit::TABLE, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
struct Global {
    /// Print JSON: data on stdout, an error as one object on stderr
    #[arg(long, global = true)]
    json: bool,
    /// Retry for this long while the supervisor can't be reached, e.g. 90s or 2m
    #[arg(long, global = true, value_name = "DURATION", value_parser = parse_duration)]
    wait: Option<Duration>,
    /// Deadline of a call, e.g. 10s; without it each kind of call has its own
    #[arg(long, global = true, value_name = "DURATION", value_parser = parse_duration)]
    timeout: Option<Duration>,
    /// Log more on stderr: -v for events, -vv for every call, -vvv for everything
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
}

// `defer` here and below: clap builds only the arguments of the given command. With it, a doc comment on a struct of
// arguments would replace the command's own help text.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
enum Command {
    /// Query and control this device
    #[command(subcommand)]
    Device(device::DeviceCommand),
    /// Call the supervisor API endpoint by endpoint
    #[command(subcommand)]
    Supervisor(supervisor::SupervisorCommand),
    /// Hold the update lock while a command runs, or show who holds it
    #[command(subcommand)]
    Lock(lock::LockCommand),
    /// Check what this container needs, and how to fix what is missing
    Doctor,
    /// Run the service: watch the device and serve /live, /ready, /status, /metrics and /events
    #[cfg(feature = "service")]
    Run(service::RunArguments),
    /// Print or check the settings of the service
    #[cfg(feature = "service")]
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Print the events of a running service, one JSON object per line
    #[cfg(feature = "service")]
    Events(service::Events),
    /// Show what a running service knows and holds: readiness, supervisor, services, leases, faults
    #[cfg(feature = "service")]
    Status(status::Status),
    /// Print or replace the admin token of the service in this container
    #[cfg(feature = "service")]
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Show what happened to this device, who did it and why: the ledger of a running service
    #[cfg(feature = "service")]
    Why(why::Why),
    /// Exit with 0 if a running service is alive; for a container's HEALTHCHECK
    #[cfg(feature = "service")]
    Healthcheck(service::Listen),
    /// Run a simulated device and print its environment variables
    #[cfg(feature = "simulator")]
    Simulate(simulate::SimulateArguments),
}

/// What a command gets.
struct Context {
    /// The arguments as given, with the program first.
    arguments: Vec<OsString>,
    balena: Balena,
    timeout: Option<Duration>,
    printer: Printer,
}

impl Context {
    /// Applies `--timeout` to a call that has no deadline option.
    async fn within<T>(&self, operation: &'static str, call: impl Future<Output = Result<T>>) -> Result<T> {
        let Some(limit) = self.timeout else { return call.await };
        let late = || Error::new(ErrorKind::Timeout, format!("no response within {limit:?}"));
        let answered = tokio::time::timeout(limit, call).await;
        answered.unwrap_or_else(|_| Err(late().with_operation(operation).with_sent(true)))
    }
}

/// Runs the command line and returns the exit code. The binary calls only this function.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let runtime = fd_limit::check().and_then(|()| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(|cause| io_error("can't start the runtime", cause))
    });
    // First of all: no signal may be missed. As the first process of a container, this process would otherwise ignore
    // them.
    let signals = runtime.as_ref().ok().and_then(|runtime| Signals::early(&arguments, runtime));
    // Determined before parsing: a usage error must be printed as JSON too.
    let json = arguments.iter().take_while(|argument| *argument != "--").any(|argument| argument == "--json");
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) if json && error.use_stderr() => {
            Printer::new(json).error(&usage_error(&error));
            return ExitCode::from(exit::code(ErrorKind::InvalidArgument));
        }
        Err(error) => return print_clap_error(&error),
    };
    let printer = Printer::new(cli.global.json);
    log::start(cli.global.verbose, cli.command.least_logged());
    let result = runtime.and_then(|runtime| {
        let result = runtime.block_on(cli.run(arguments, printer, signals));
        // A DNS lookup in progress must not delay the exit.
        runtime.shutdown_background();
        result
    });
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => failed(printer, error),
    }
}

/// Prints the error and returns its exit code. A closed stdout is not reported.
fn failed(printer: Printer, error: Error) -> ExitCode {
    if output::is_reader_gone(&error) {
        return ExitCode::from(exit::READER_GONE);
    }
    let error = fd_limit::explained(error);
    printer.error(&error);
    ExitCode::from(exit::code(error.kind()))
}

/// Prints help or version to stdout, or a usage error. clap returns all three as errors.
fn print_clap_error(error: &clap::Error) -> ExitCode {
    let text = error.to_string();
    if error.use_stderr() {
        text.lines().for_each(output::remark);
    } else if let Err(error) = output::line(text.trim_end()) {
        return failed(Printer::new(false), error);
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(exit::FAILED))
}

/// Converts a clap error: its first paragraph, without the usage text.
fn usage_error(error: &clap::Error) -> Error {
    let message = if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        "a command is missing".to_owned()
    } else {
        let text = error.to_string();
        let lines: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
        lines.join(" ").trim_start_matches("error: ").to_owned()
    };
    Error::new(ErrorKind::InvalidArgument, message)
        .with_help("see `balena-agent --help` or the command's own --help")
}

impl Command {
    /// Returns the log level without `-v`.
    fn least_logged(&self) -> LevelFilter {
        match self {
            #[cfg(feature = "service")]
            Self::Run(arguments) => arguments.log_level(),
            _ => LevelFilter::WARN,
        }
    }
}

impl Command {
    /// Whether the command waits for something. `--timeout` is then the limit.
    fn waits(&self) -> bool {
        match self {
            Self::Lock(command) => command.waits(),
            Self::Supervisor(command) => command.waits(),
            _ => false,
        }
    }
}

impl Cli {
    async fn run(self, arguments: Vec<OsString>, printer: Printer, signals: Option<Signals>) -> Result<u8> {
        if self.global.timeout == Some(Duration::ZERO) && !self.command.waits() {
            let why = "0s leaves no time for a response; only commands that wait accept it, for a single check: `lock run`, \
                       `supervisor wait-for`, `supervisor wait-ready`";
            return Err(Error::argument("--timeout", why));
        }
        #[cfg_attr(not(feature = "service"), expect(unused_mut, reason = "only `run` goes on with a fault"))]
        let mut command = self.command;
        let environment = match (Environment::from_process(), &mut command) {
            (Ok(environment), _) => environment,
            // `run` parks, as with every other fault of its settings.
            #[cfg(feature = "service")]
            (Err(error), Command::Run(arguments)) => {
                arguments.add_fault(&error);
                Environment::default()
            }
            (Err(error), _) => return Err(error),
        };
        let mut builder = Balena::builder().environment(environment);
        if let Some(wait) = self.global.wait {
            builder = builder.patience(wait);
        }
        let balena = builder.build();
        let context = Context { arguments, balena, timeout: self.global.timeout, printer };
        let (output, code) = match command {
            Command::Device(command) => (command.run(&context).await?, exit::OK),
            Command::Supervisor(command) => command.run(&context).await?,
            Command::Lock(command) => command.run(&context).await?,
            Command::Doctor => doctor::run(&context).await?,
            #[cfg(feature = "service")]
            Command::Run(arguments) => {
                let signals = signals.map_or_else(Signals::listen, Ok)?;
                (arguments.run(&context, signals).await?, exit::OK)
            }
            #[cfg(feature = "service")]
            Command::Config(command) => (command.run(&context)?, exit::OK),
            #[cfg(feature = "service")]
            Command::Events(events) => (events.run().await?, exit::OK),
            #[cfg(feature = "service")]
            Command::Status(status) => (status.run(&context).await?, exit::OK),
            #[cfg(feature = "service")]
            Command::Token(command) => (command.run()?, exit::OK),
            #[cfg(feature = "service")]
            Command::Why(arguments) => (arguments.run(&context).await?, exit::OK),
            #[cfg(feature = "service")]
            Command::Healthcheck(listen) => (service::healthcheck(&listen).await?, exit::OK),
            #[cfg(feature = "simulator")]
            Command::Simulate(arguments) => {
                let signals = signals.map_or_else(Signals::listen, Ok)?;
                arguments.run(&context, signals).await?
            }
        };
        printer.print(&output)?;
        Ok(code)
    }
}

/// Parses `90s`, `2m`, `1h 30m` or `PT5M`. A bare number is rejected because its unit is unclear.
fn parse_duration(text: &str) -> std::result::Result<Duration, String> {
    let duration: jiff::SignedDuration =
        text.parse().map_err(|_| "must be a number with a unit: 500ms, 90s, 2m, 1h".to_owned())?;
    Duration::try_from(duration).map_err(|_| "must not be negative".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_says_the_same_of_itself_as_its_parent_does() {
        fn check<C: Subcommand>() {
            let listed = C::augment_subcommands(clap::Command::new("parent"));
            let mut built = listed.clone();
            built.build();
            for command in listed.get_subcommands() {
                let own = built.find_subcommand(command.get_name()).unwrap();
                assert_eq!(command.get_about(), own.get_about(), "{}", command.get_name());
            }
        }
        check::<Command>();
        check::<device::DeviceCommand>();
        check::<supervisor::SupervisorCommand>();
        check::<lock::LockCommand>();
        #[cfg(feature = "service")]
        {
            check::<config::ConfigCommand>();
            check::<token::TokenCommand>();
        }
        #[cfg(feature = "simulator")]
        {
            check::<simulate::SimulateCommand>();
            check::<simulate::Action>();
        }
    }
}

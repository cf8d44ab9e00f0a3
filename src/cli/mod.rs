//! The command line: parse, call the library, print what it returned.

mod child;
mod device;
mod doctor;
mod exit;
mod files;
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
mod supervisor;

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgAction, Parser, Subcommand};
use tracing::level_filters::LevelFilter;

use crate::error::{Error, ErrorKind, Result};
use crate::{Balena, Environment};

use output::{Printer, io_error};
use signals::Signals;

/// The supervisor's hands, and a small careful service for balena devices.
#[derive(Debug, Parser)]
#[command(name = "balena-agent", version, after_help = exit::TABLE, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command understands.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
struct Global {
    /// Print JSON: data on stdout, an error as one object on stderr
    #[arg(long, global = true)]
    json: bool,
    /// Keep trying this long while the supervisor can't be reached, e.g. 90s or 2m
    #[arg(long, global = true, value_name = "DURATION", value_parser = parse_duration)]
    wait: Option<Duration>,
    /// Give up a call after this long; every kind of call has its own limit otherwise
    #[arg(long, global = true, value_name = "DURATION", value_parser = parse_duration)]
    timeout: Option<Duration>,
    /// Log more on stderr: -v what happens, -vv every call, -vvv everything
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
}

// Deferred here and below: only the arguments of the command that was given are built. A doc comment on a struct
// of arguments would then take the place of what its command says of itself.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
enum Command {
    /// Act on this device, or ask about it
    #[command(subcommand)]
    Device(device::DeviceCommand),
    /// Speak to the supervisor endpoint by endpoint
    #[command(subcommand)]
    Supervisor(supervisor::SupervisorCommand),
    /// Hold the update lock while a command runs, or see who holds it
    #[command(subcommand)]
    Lock(lock::LockCommand),
    /// Check what this container needs, and say what mends it
    Doctor,
    /// Run the service: follow the device and answer /live, /ready, /status, /metrics and /events
    #[cfg(feature = "service")]
    Run(service::RunArguments),
    /// Print the events of a running service, one JSON object a line
    #[cfg(feature = "service")]
    Events(service::Listen),
    /// Succeed if a running service lives; for a container's HEALTHCHECK
    #[cfg(feature = "service")]
    Healthcheck(service::Listen),
    /// Run a simulated device and print the variables to export
    #[cfg(feature = "simulator")]
    Simulate(simulate::SimulateArguments),
}

/// What a command works with.
struct Context {
    /// As they were given, the program first.
    arguments: Vec<OsString>,
    balena: Balena,
    timeout: Option<Duration>,
    printer: Printer,
}

/// Runs the command line and returns the exit code. The only door from the binary into the library.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let runtime = files::check().and_then(|()| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(|cause| io_error("can't start the runtime", cause))
    });
    // Before anything else: no signal may come too early, and without this one would not end us at all where we are
    // the first process of a container.
    let signals = runtime.as_ref().ok().and_then(|runtime| Signals::early(&arguments, runtime));
    // Known before the rest is understood: a machine is to get its object for a wrong command as well.
    let json = arguments.iter().take_while(|argument| *argument != "--").any(|argument| argument == "--json");
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) if json && error.use_stderr() => {
            Printer::new(json).error(&usage_error(&error));
            return ExitCode::from(exit::code(ErrorKind::InvalidArgument));
        }
        Err(error) => return said_by_the_parser(&error),
    };
    let printer = Printer::new(cli.global.json);
    log::start(cli.global.verbose, cli.command.least_logged());
    let result = runtime.and_then(|runtime| {
        let result = runtime.block_on(cli.run(arguments, printer, signals));
        // A name that is still being looked up must not hold up the end.
        runtime.shutdown_background();
        result
    });
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let error = files::explained(error);
            printer.error(&error);
            ExitCode::from(exit::code(error.kind()))
        }
    }
}

/// Help and version, which are "errors" of clap's that go to stdout, and wrong usage.
fn said_by_the_parser(error: &clap::Error) -> ExitCode {
    let text = error.to_string();
    if error.use_stderr() {
        text.lines().for_each(output::remark);
    } else if let Err(error) = output::line(text.trim_end()) {
        Printer::new(false).error(&error);
        return ExitCode::from(exit::code(error.kind()));
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(exit::FAILED))
}

/// clap's words as one of our errors: its first paragraph, without the usage that follows.
fn usage_error(error: &clap::Error) -> Error {
    let message = if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        "a command is missing".to_owned()
    } else {
        let text = error.to_string();
        let lines: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
        lines.join(" ").trim_start_matches("error: ").to_owned()
    };
    Error::new(ErrorKind::InvalidArgument, message)
        .help("`balena-agent --help`, or a command's own --help, tells what there is")
}

impl Command {
    /// What is logged in any case.
    fn least_logged(&self) -> LevelFilter {
        match self {
            #[cfg(feature = "service")]
            Self::Run(arguments) => arguments.log_level(),
            _ => LevelFilter::WARN,
        }
    }
}

impl Cli {
    async fn run(self, arguments: Vec<OsString>, printer: Printer, signals: Option<Signals>) -> Result<u8> {
        let mut builder = Balena::builder().environment(Environment::from_process()?);
        if let Some(wait) = self.global.wait {
            builder = builder.patience(wait);
        }
        let balena = builder.build();
        let context = Context { arguments, balena, timeout: self.global.timeout, printer };
        let (output, code) = match self.command {
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
            Command::Events(listen) => (service::events(&listen).await?, exit::OK),
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

/// `90s`, `2m`, `1h 30m`, `PT5M`; a bare number is refused, since nobody knows its unit.
fn parse_duration(text: &str) -> std::result::Result<Duration, String> {
    let duration: jiff::SignedDuration =
        text.parse().map_err(|_| "give a number with a unit: 500ms, 90s, 2m, 1h".to_owned())?;
    Duration::try_from(duration).map_err(|_| "it can't be negative".to_owned())
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
        #[cfg(feature = "simulator")]
        {
            check::<simulate::SimulateCommand>();
            check::<simulate::Action>();
        }
    }
}

//! The command line: parse, call the library, print what it returned.

mod device;
mod doctor;
mod exit;
mod host_config;
mod lock;
mod output;
#[cfg(feature = "service")]
mod service;
#[cfg(feature = "simulator")]
mod simulate;
mod supervisor;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgAction, Parser, Subcommand};
#[cfg(any(feature = "service", feature = "simulator"))]
use tokio::signal::unix::{SignalKind, signal};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::error::{Error, ErrorKind, Result};
use crate::{Balena, Environment};

use output::{Printer, io_error};

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
    balena: Balena,
    timeout: Option<Duration>,
    printer: Printer,
}

/// Runs the command line and returns the exit code. The only door from the binary into the library.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    // Known before the rest is understood: a machine is to get its object for a wrong command as well.
    let json = arguments.iter().take_while(|argument| *argument != "--").any(|argument| argument == "--json");
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) if json && error.use_stderr() => {
            Printer::new(json).error(&usage_error(&error));
            return ExitCode::from(exit::code(ErrorKind::InvalidArgument));
        }
        Err(error) => {
            // Help and version are "errors" of clap's that go to stdout; a closed pipe there is no failure.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(exit::FAILED));
        }
    };
    let printer = Printer::new(cli.global.json);
    start_logging(cli.global.verbose);
    let result = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|cause| io_error("can't start the runtime", cause))
        .and_then(|runtime| runtime.block_on(cli.run(printer)));
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            printer.error(&error);
            ExitCode::from(exit::code(error.kind()))
        }
    }
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

impl Cli {
    async fn run(self, printer: Printer) -> Result<u8> {
        let mut builder = Balena::builder().environment(Environment::from_process()?);
        if let Some(wait) = self.global.wait {
            builder = builder.patience(wait);
        }
        let context = Context { balena: builder.build(), timeout: self.global.timeout, printer };
        let (output, code) = match self.command {
            Command::Device(command) => (command.run(&context).await?, exit::OK),
            Command::Supervisor(command) => (command.run(&context).await?, exit::OK),
            Command::Lock(command) => command.run(&context).await?,
            Command::Doctor => doctor::run(&context).await?,
            #[cfg(feature = "service")]
            Command::Run(arguments) => (arguments.run(&context).await?, exit::OK),
            #[cfg(feature = "service")]
            Command::Events(listen) => (service::events(&listen).await?, exit::OK),
            #[cfg(feature = "service")]
            Command::Healthcheck(listen) => (service::healthcheck(&listen).await?, exit::OK),
            #[cfg(feature = "simulator")]
            Command::Simulate(arguments) => (arguments.run(&context).await?, exit::OK),
        };
        printer.print(&output)?;
        Ok(code)
    }
}

/// Resolves when the process is asked to end.
#[cfg(any(feature = "service", feature = "simulator"))]
fn stop() -> Result<impl Future<Output = ()>> {
    let listen = |kind| signal(kind).map_err(|cause| io_error("can't listen for signals", cause));
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hangup = if hangup_is_ignored() { None } else { Some(listen(SignalKind::hangup())?) };
    Ok(async move {
        let hangup = async {
            match &mut hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup => {}
        }
    })
}

/// Whether we were started with `nohup`: to listen for the signal would undo that.
#[cfg(any(feature = "service", feature = "simulator"))]
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // One bit for each signal; SIGHUP is number 1.
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 != 0)
}

/// Where the log goes: stderr, with what servers say in it made harmless for terminals.
struct Log;

impl io::Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // Only ASCII's: a byte above may be part of a letter.
        let tame = |byte: &u8| if byte.is_ascii_control() && *byte != b'\n' { b'?' } else { *byte };
        io::stderr().write_all(&line.iter().map(tame).collect::<Vec<_>>())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Our own messages only: what a dependency logs at its finest may hold an address with a key.
fn start_logging(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(|| Log)
        .with_ansi(false)
        // The journal, and `docker logs`, stamp every line already.
        .without_time();
    let subscriber =
        tracing_subscriber::registry().with(Targets::new().with_target("balena_agent", level)).with(lines);
    // A program that embeds us may have its own; then that one counts.
    let _ = tracing::subscriber::set_global_default(subscriber);
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
    }
}

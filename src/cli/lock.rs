//! `balena-agent lock …`: hold the update lock while a command runs, or see who holds it.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use clap::Subcommand;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use crate::error::{Error, ErrorKind, Result};
use crate::supervisor::HeldLock;

use super::output::{self, Output};
use super::{Context, exit};

/// Long enough for an update that is being applied, short enough to notice a lock that nobody releases.
const WAIT_LIMIT: Duration = Duration::from_secs(60);

#[derive(Debug, Subcommand)]
pub(super) enum LockCommand {
    /// Run a command while no update, restart or reboot can happen; waits for the lock up to --timeout (60s)
    Run {
        /// Why, for whoever looks at the lock
        #[arg(long)]
        reason: Option<String>,
        /// Take over a lock whose holder is provably gone, such as after a crash of this service
        #[arg(long)]
        take_over_stale: bool,
        /// The command and its arguments, after --
        #[arg(last = true, required = true, value_name = "COMMAND")]
        command: Vec<OsString>,
    },
    /// Show whether the lock is held, and by whom as far as can be seen
    Status,
}

impl LockCommand {
    /// Returns what to print, and the exit code.
    pub(super) async fn run(self, context: &Context) -> Result<(Output, u8)> {
        match self {
            Self::Status => {
                let status = context.balena.update_lock().status()?;
                Ok((Output::data(&status)?.text(status.to_string()), exit::OK))
            }
            Self::Run { reason, take_over_stale, command } => {
                let code = run(context, reason, take_over_stale, &command).await?;
                Ok((Output::silent(), code))
            }
        }
    }
}

async fn run(
    context: &Context,
    reason: Option<String>,
    take_over_stale: bool,
    command: &[OsString],
) -> Result<u8> {
    let [program, arguments @ ..] = command else {
        return Err(Error::argument("COMMAND", "it is missing"));
    };
    // Before the lock is taken: from here on no signal may end us with the lock still there.
    let mut signals = Signals::new()?;
    let mut request = context.balena.update_lock().acquire().timeout(context.timeout.unwrap_or(WAIT_LIMIT));
    request = request.reason(reason.unwrap_or_else(|| format!("runs {}", program.to_string_lossy())));
    if take_over_stale {
        request = request.take_over_stale();
    }
    let held = tokio::select! {
        held = request => held?,
        got = signals.next() => return Ok(128 + signal_number(got)),
    };
    let child = match Command::new(program).args(arguments).spawn() {
        Ok(child) => child,
        Err(cause) => {
            held.release()?;
            let code = if cause.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
            let text = format!("can't run {}: {cause}", program.to_string_lossy());
            context.printer.error(&Error::new(ErrorKind::Io, text).help("the lock is released again"));
            return Ok(code);
        }
    };
    let status = watch(child, &held, &mut signals).await?;
    held.release()?;
    Ok(exit_code(status))
}

/// Waits for the command, hands signals on to it, and tells when the lock is taken away.
async fn watch(mut child: Child, held: &HeldLock, signals: &mut Signals) -> Result<ExitStatus> {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
    let mut lost = false;
    loop {
        tokio::select! {
            status = child.wait() => {
                return status.map_err(|cause| Error::new(ErrorKind::Io, "lost sight of the command").because(cause));
            }
            got = signals.next() => if let Some(pid) = pid {
                // It may have ended just now; then there is nobody to tell.
                let _ = kill(pid, got);
            },
            () = held.lost(), if !lost => {
                lost = true;
                output::remark(
                    "warning: the update lock was taken away by force: an update, restart or reboot may come at any time",
                );
            }
        }
    }
}

/// The signals that would end us.
struct Signals {
    hangup: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        let listen = |kind| {
            signal(kind).map_err(|cause| Error::new(ErrorKind::Io, "can't listen for signals").because(cause))
        };
        Ok(Self {
            hangup: listen(SignalKind::hangup())?,
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.hangup.recv() => Signal::SIGHUP,
            _ = self.interrupt.recv() => Signal::SIGINT,
            _ = self.terminate.recv() => Signal::SIGTERM,
        }
    }
}

fn signal_number(signal: Signal) -> u8 {
    match signal {
        Signal::SIGHUP => 1,
        Signal::SIGINT => 2,
        _ => 15,
    }
}

/// As a shell tells it: the command's own code, or 128 and its signal.
fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(exit::FAILED)
}

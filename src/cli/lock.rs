//! `balena-agent lock …`: hold the update lock while a command runs, or see who holds it.

use std::ffi::OsString;
use std::future::poll_fn;
use std::io::{self, IsTerminal as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::task::Poll;
use std::time::Duration;

use clap::Subcommand;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use crate::error::{Error, ErrorKind, Result};
use crate::supervisor::{HeldLock, StalePolicy};

use super::output::{self, Output, io_error};
use super::signals::is_ignored;
use super::{Context, exit};

/// Long enough for an update that is being applied, short enough to notice a lock that nobody releases.
const WAIT_LIMIT: Duration = Duration::from_secs(60);

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(super) enum LockCommand {
    /// Run a command while no update, restart or reboot can happen; waits for the lock up to --timeout (60s)
    Run {
        /// Why, for whoever looks at the lock
        #[arg(long)]
        reason: Option<String>,
        /// Fail if a process of this service that has ended left the lock behind, instead of taking it over
        #[arg(long)]
        refuse_stale: bool,
        // What happens anyway; scripts of earlier days say it.
        #[arg(long, hide = true, conflicts_with = "refuse_stale")]
        take_over_stale: bool,
        /// The command and its arguments, after --
        #[arg(last = true, required = true, value_name = "COMMAND")]
        command: Vec<OsString>,
    },
    /// Show whether the lock is held, and by whom as far as can be seen
    Status {
        /// End with 5 if something locks, whatever it is, and with 0 if nothing does
        #[arg(long)]
        exit_code: bool,
    },
}

impl LockCommand {
    /// Returns what to print, and the exit code.
    pub(super) async fn run(self, context: &Context) -> Result<(Output, u8)> {
        match self {
            Self::Status { exit_code } => {
                let status = context.balena.update_lock().status()?;
                let code =
                    if exit_code && status.is_locked() { exit::code(ErrorKind::Locked) } else { exit::OK };
                Ok((Output::data(&status)?.text(status.to_string()), code))
            }
            Self::Run { reason, refuse_stale, take_over_stale: _, command } => {
                let stale = if refuse_stale { StalePolicy::Refuse } else { StalePolicy::TakeOver };
                let code = run(context, reason, stale, &command).await?;
                Ok((Output::silent(), code))
            }
        }
    }
}

async fn run(
    context: &Context,
    reason: Option<String>,
    stale: StalePolicy,
    command: &[OsString],
) -> Result<u8> {
    let [program, arguments @ ..] = command else {
        return Err(Error::argument("COMMAND", "it is missing"));
    };
    // Before the lock is taken: from here on no signal may end us with the lock still there.
    let mut signals = Signals::new()?;
    let mut request = context.balena.update_lock().acquire().timeout(context.timeout.unwrap_or(WAIT_LIMIT));
    request =
        request.stale(stale).reason(reason.unwrap_or_else(|| format!("runs {}", program.to_string_lossy())));
    let held = tokio::select! {
        held = request => held?,
        got = signals.next() => return Ok(128 + signal_number(got)),
    };
    // A command that outlives us, because somebody killed us, is still guarded, and its lock is not stale.
    held.share_with_children()?;
    let child = match Command::new(program).args(arguments).spawn() {
        Ok(child) => child,
        Err(cause) => {
            let code = if cause.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
            let text = format!("can't run \"{}\": {cause}", program.to_string_lossy());
            let released = held.release();
            let help =
                if released.is_ok() { "the lock is released again" } else { "the lock is lost as well" };
            context.printer.error_ending(&Error::new(ErrorKind::Io, text).help(help), code);
            return Ok(code);
        }
    };
    let code = exit_code(watch(child, &held, &mut signals).await?);
    match held.release() {
        // The command's own failure says more than that it was not guarded to the end.
        Err(error) if code != exit::OK => {
            context.printer.error_ending(&error, code);
            Ok(code)
        }
        released => released.map(|()| code),
    }
}

/// Waits for the command, hands signals on to it, and tells when the lock is taken away.
async fn watch(mut child: Child, held: &HeldLock, signals: &mut Signals) -> Result<ExitStatus> {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
    let lost = held.lost();
    tokio::pin!(lost);
    let mut told = false;
    loop {
        tokio::select! {
            status = child.wait() => {
                return status.map_err(|cause| io_error("lost sight of the command", cause));
            }
            got = signals.next() => match pid {
                Some(pid) if !is_from_keyboard(got) => hand_on(got, pid),
                _ => {}
            },
            () = &mut lost, if !told => {
                told = true;
                output::remark(
                    "warning: the update lock was taken away by force: an update, restart or reboot may come at any time",
                );
            }
        }
    }
}

fn hand_on(signal: Signal, command: Pid) {
    // It may have ended just now; then there is nobody to tell.
    let _ = kill(command, signal);
    // A command that is stopped gets a signal only when it goes on.
    if !matches!(signal, Signal::SIGUSR1 | Signal::SIGUSR2) {
        let _ = kill(command, Signal::SIGCONT);
    }
}

/// What would end us and leave the lock there.
const SIGNALS: [Signal; 14] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGVTALRM,
    Signal::SIGPROF,
    Signal::SIGXCPU,
    Signal::SIGXFSZ,
    Signal::SIGIO,
    Signal::SIGPWR,
    Signal::SIGSTKFLT,
];

/// Whether the command has got it already: the terminal sends it to everyone in the foreground, and to many
/// programs a second one means to drop everything.
fn is_from_keyboard(got: Signal) -> bool {
    matches!(got, Signal::SIGINT | Signal::SIGQUIT)
        && (io::stdin().is_terminal() || io::stderr().is_terminal())
}

struct Signals(Vec<(Signal, tokio::signal::unix::Signal)>);

impl Signals {
    fn new() -> Result<Self> {
        let listen = |kind: Signal| {
            let listener = signal(SignalKind::from_raw(kind as i32));
            Ok((kind, listener.map_err(|cause| io_error("can't listen for signals", cause))?))
        };
        // One that we were started to ignore (`nohup`, `&` in a script) does not end us, and the command shall
        // ignore it too: who listens for it takes that from the command.
        let heard = SIGNALS.into_iter().filter(|signal| !is_ignored(*signal));
        Ok(Self(heard.map(listen).collect::<Result<_>>()?))
    }

    async fn next(&mut self) -> Signal {
        poll_fn(|cx| {
            let mut all = self.0.iter_mut();
            let got = all.find_map(|(kind, listener)| listener.poll_recv(cx).is_ready().then_some(*kind));
            got.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

fn signal_number(signal: Signal) -> u8 {
    u8::try_from(signal as i32).unwrap_or_default()
}

/// As a shell tells it: the command's own code, or 128 and its signal.
fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(exit::FAILED)
}

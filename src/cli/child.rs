//! A child command: it gets the signals that this process gets, and this process exits with its exit code.

use std::ffi::OsString;
use std::future::poll_fn;
use std::io::{self, IsTerminal as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::task::Poll;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use crate::error::{Error, ErrorKind, Result};

use super::exit;
use super::output::io_error;
use super::signals::is_ignored;

/// A command that could not be started, and the exit code that a shell uses for this: 126 or 127.
pub(super) struct SpawnError {
    pub(super) error: Error,
    pub(super) code: u8,
}

/// Prepares the command given after `--`.
pub(super) fn command(words: &[OsString]) -> Result<Command> {
    let [program, arguments @ ..] = words else {
        return Err(Error::argument("COMMAND", "no command is given after --"));
    };
    let mut command = Command::new(program);
    command.args(arguments);
    // The tokens of other clients are of no use to the command.
    let is_token = |name: &OsString| {
        name.to_str().is_some_and(|name| name.starts_with("AGENT_CLIENT_") && name.ends_with("_TOKEN"))
    };
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_token(name)) {
        command.env_remove(name);
    }
    Ok(command)
}

/// Starts the command.
pub(super) fn start(command: &mut Command) -> std::result::Result<Child, SpawnError> {
    command.spawn().map_err(|cause| {
        let program = command.as_std().get_program().to_string_lossy();
        let code = if cause.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
        SpawnError { error: Error::new(ErrorKind::Io, format!("can't run \"{program}\": {cause}")), code }
    })
}

/// Waits for the command and forwards signals to it. Polls `meanwhile` until the command ends.
pub(super) async fn watch(
    mut child: Child,
    signals: &mut PassedSignals,
    meanwhile: impl Future<Output = ()>,
) -> Result<ExitStatus> {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
    let mut meanwhile = std::pin::pin!(meanwhile);
    let mut busy = true;
    loop {
        tokio::select! {
            status = child.wait() => {
                return status.map_err(|cause| io_error("can't wait for the command", cause));
            }
            got = signals.next() => match pid {
                Some(pid) if !is_from_keyboard(got) => forward(got, pid),
                _ => {}
            },
            () = &mut meanwhile, if busy => busy = false,
        }
    }
}

fn forward(signal: Signal, command: Pid) {
    // The command may have ended just now; then the signal has no receiver.
    let _ = kill(command, signal);
    // A stopped command receives a signal only after SIGCONT.
    if !matches!(signal, Signal::SIGUSR1 | Signal::SIGUSR2) {
        let _ = kill(command, Signal::SIGCONT);
    }
}

/// Signals that by default end this process without cleanup.
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

/// Returns whether the terminal has already sent this signal to the command: it signals the whole foreground process
/// group. Many programs abort on a second one.
fn is_from_keyboard(got: Signal) -> bool {
    matches!(got, Signal::SIGINT | Signal::SIGQUIT)
        && (io::stdin().is_terminal() || io::stderr().is_terminal())
}

/// Receives the signals to forward. While this value exists, they do not end this process.
pub(super) struct PassedSignals(Vec<(Signal, tokio::signal::unix::Signal)>);

impl PassedSignals {
    pub(super) fn new() -> Result<Self> {
        let listen = |kind: Signal| {
            let listener = signal(SignalKind::from_raw(kind as i32));
            Ok((kind, listener.map_err(|cause| io_error("can't listen for signals", cause))?))
        };
        // A signal ignored from the start (`nohup`, `&` in a script) stays ignored, also by the command: a handler
        // here would reset it to the default for the child.
        let heard = SIGNALS.into_iter().filter(|signal| !is_ignored(*signal));
        Ok(Self(heard.map(listen).collect::<Result<_>>()?))
    }

    pub(super) async fn next(&mut self) -> Signal {
        poll_fn(|cx| {
            let mut all = self.0.iter_mut();
            let got = all.find_map(|(kind, listener)| listener.poll_recv(cx).is_ready().then_some(*kind));
            got.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

/// Returns the exit code of a command that was ended by this signal.
pub(super) fn signal_code(signal: Signal) -> u8 {
    128 + u8::try_from(signal as i32).unwrap_or_default()
}

/// Returns the exit code as a shell does: that of the command, or 128 plus the signal number.
pub(super) fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(exit::FAILED)
}

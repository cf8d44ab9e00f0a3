//! A command that runs under ours: it gets our signals, and we end as it did.

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

/// A command that can't be run, and the exit code that a shell has for that: 126 or 127.
pub(super) struct NotRun {
    pub(super) error: Error,
    pub(super) code: u8,
}

/// Prepares the command that stands behind `--`.
pub(super) fn command(words: &[OsString]) -> Result<Command> {
    let [program, arguments @ ..] = words else {
        return Err(Error::argument("COMMAND", "it is missing"));
    };
    let mut command = Command::new(program);
    command.args(arguments);
    Ok(command)
}

/// Starts it.
pub(super) fn start(command: &mut Command) -> std::result::Result<Child, NotRun> {
    command.spawn().map_err(|cause| {
        let program = command.as_std().get_program().to_string_lossy();
        let code = if cause.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
        NotRun { error: Error::new(ErrorKind::Io, format!("can't run \"{program}\": {cause}")), code }
    })
}

/// Waits for it and hands signals on to it. `meanwhile` is worked at until the command ends.
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
                return status.map_err(|cause| io_error("lost sight of the command", cause));
            }
            got = signals.next() => match pid {
                Some(pid) if !is_from_keyboard(got) => hand_on(got, pid),
                _ => {}
            },
            () = &mut meanwhile, if busy => busy = false,
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

/// What would end us and leave something behind.
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

/// Signals that are handed on. As long as this is there they do not end us.
pub(super) struct PassedSignals(Vec<(Signal, tokio::signal::unix::Signal)>);

impl PassedSignals {
    pub(super) fn new() -> Result<Self> {
        let listen = |kind: Signal| {
            let listener = signal(SignalKind::from_raw(kind as i32));
            Ok((kind, listener.map_err(|cause| io_error("can't listen for signals", cause))?))
        };
        // One that we were started to ignore (`nohup`, `&` in a script) does not end us, and the command shall
        // ignore it too: who listens for it takes that from the command.
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

/// The exit code of a command that this signal ended.
pub(super) fn signal_code(signal: Signal) -> u8 {
    128 + u8::try_from(signal as i32).unwrap_or_default()
}

/// As a shell tells it: the command's own code, or 128 and its signal.
pub(super) fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(exit::FAILED)
}

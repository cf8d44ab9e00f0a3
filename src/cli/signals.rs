//! The signals that stop a long-running command.

use std::ffi::OsString;

use nix::sys::signal::Signal::SIGHUP;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
#[cfg(feature = "service")]
use tokio::sync::oneshot;

use crate::error::Result;

use super::output::io_error;

/// Global options whose value is the next argument.
const WITH_VALUE: [&str; 2] = ["--wait", "--timeout"];

/// Returns whether these arguments name a command that runs until a signal. Used before the arguments are parsed.
fn name_a_long_run(arguments: &[OsString]) -> bool {
    let mut arguments = arguments.iter().skip(1).map(|argument| argument.to_str().unwrap_or_default());
    while let Some(argument) = arguments.next() {
        if WITH_VALUE.contains(&argument) {
            arguments.next();
        } else if !argument.starts_with('-') {
            return matches!(argument, "run" | "simulate");
        }
    }
    false
}

/// Receives SIGINT, SIGTERM and SIGHUP. While this value exists, none of them ends the process and none is lost.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// `None` under `nohup`: a handler would end the process in spite of it.
    hangup: Option<Signal>,
}

impl Signals {
    /// Starts to listen if these arguments name a command that runs until a signal. On failure returns `None`; the
    /// command then reports the error.
    pub(super) fn early(arguments: &[OsString], runtime: &Runtime) -> Option<Self> {
        let _entered = runtime.enter();
        name_a_long_run(arguments).then(|| Self::listen().ok()).flatten()
    }

    /// Starts to listen. Requires an entered runtime.
    pub(super) fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).map_err(|cause| io_error("can't listen for signals", cause));
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: if is_ignored(SIGHUP) { None } else { Some(listen(SignalKind::hangup())?) },
        })
    }

    /// Resolves when a signal arrives.
    pub(super) async fn next(&mut self) {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = hangup => {}
        }
    }

    /// Runs `work`. The first signal asks it to stop, the second one ends it at once.
    #[cfg(feature = "service")]
    pub(super) async fn run_until_signal<F>(
        &mut self,
        work: impl FnOnce(oneshot::Receiver<()>) -> F,
    ) -> Result<()>
    where
        F: Future<Output = Result<()>>,
    {
        let (ask, asked) = oneshot::channel();
        let twice = async {
            self.next().await;
            let _ = ask.send(());
            self.next().await;
        };
        tokio::select! {
            result = work(asked) => result,
            () = twice => {
                tracing::warn!("second signal: ending at once");
                Ok(())
            }
        }
    }
}

/// Returns whether this signal was ignored when the process started, as under `nohup` or `&` in a script. A handler
/// would undo that.
pub(super) fn is_ignored(signal: nix::sys::signal::Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // One bit per signal; signal 1 (SIGHUP) is the lowest bit.
    let bit = 1_u64 << (signal as i32 - 1);
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & bit != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_that_signals_end() {
        let ends = |line: &str| name_a_long_run(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        for line in ["a run", "a run --listen x", "a --wait 2m -vv run", "a --json --timeout=1s simulate"] {
            assert!(ends(line), "{line}");
        }
        for line in ["a", "a lock run -- x", "a --wait run", "a device run", "a -- run", "a --help"] {
            assert_eq!(ends(line), line == "a -- run", "{line}");
        }
    }
}

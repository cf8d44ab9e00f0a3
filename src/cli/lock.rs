//! `balena-agent lock …`: hold the update lock while a command runs, or show who holds it.

use std::ffi::OsString;
use std::time::Duration;

use clap::Subcommand;

use crate::error::{ErrorKind, Result};
use crate::supervisor::StalePolicy;

use super::child::{self, PassedSignals, SpawnError};
use super::output::{self, Output};
use super::{Context, exit};

/// Long enough for a running update to finish, short enough to notice a lock that is never released.
const WAIT_LIMIT: Duration = Duration::from_secs(60);

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(super) enum LockCommand {
    /// Run a command while updates, restarts and reboots are blocked; waits for the lock up to --timeout (60s)
    Run {
        /// Reason to show in `lock status`
        #[arg(long)]
        reason: Option<String>,
        /// Fail if an ended process of this service left the lock behind, instead of taking it over
        #[arg(long)]
        refuse_stale: bool,
        // This is the default now; the flag is kept for existing scripts.
        #[arg(long, hide = true, conflicts_with = "refuse_stale")]
        take_over_stale: bool,
        /// The command and its arguments, after --
        #[arg(last = true, required = true, value_name = "COMMAND")]
        command: Vec<OsString>,
    },
    /// Show whether the lock is held, and by whom if that is known
    Status {
        /// End with 5 if anything locks, and with 0 if nothing does
        #[arg(long)]
        exit_code: bool,
    },
}

impl LockCommand {
    /// Whether the command waits for the lock. A limit of zero then means one attempt.
    pub(super) fn waits(&self) -> bool {
        matches!(self, Self::Run { .. })
    }

    /// Returns the output and the exit code.
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
    let mut prepared = child::command(command)?;
    let program = prepared.as_std().get_program().to_string_lossy().into_owned();
    // Before the lock is acquired: from here on no signal may end this process without releasing it.
    let mut signals = PassedSignals::new()?;
    let mut request = context.balena.update_lock().acquire().timeout(context.timeout.unwrap_or(WAIT_LIMIT));
    request = request.stale(stale).reason(reason.unwrap_or_else(|| format!("runs {program}")));
    let held = tokio::select! {
        held = request => held?,
        got = signals.next() => return Ok(child::signal_code(got)),
    };
    // If this process is killed, the command keeps the lock: it is then not stale.
    held.share_with_children()?;
    let started = match child::start(&mut prepared) {
        Ok(started) => started,
        Err(SpawnError { error, code }) => {
            let released = held.release();
            let help =
                if released.is_ok() { "the lock is released again" } else { "the lock was lost as well" };
            context.printer.error_ending(&error.with_help(help), code);
            return Ok(code);
        }
    };
    let lost = async {
        held.lost().await;
        output::remark(
            "warning: the update lock was removed by force: an update, restart or reboot may happen at any time",
        );
    };
    let code = child::exit_code(child::watch(started, &mut signals, lost).await?);
    match held.release() {
        // The command's own failure is more important than the lost lock.
        Err(error) if code != exit::OK => {
            context.printer.error_ending(&error, code);
            Ok(code)
        }
        released => released.map(|()| code),
    }
}

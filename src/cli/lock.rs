//! `balena-agent lock …`: hold the update lock while a command runs, or show who holds it.
//!
//! Beside a running agent, `lock run` holds a lease of that agent. If the agent refuses it, the command does not take the
//! lock file itself: two owners of one file would take it from each other.

#[cfg(feature = "service")]
mod lease;
mod status;

use std::ffi::OsString;
use std::time::Duration;

use clap::Subcommand;
use nix::sys::signal::Signal;

use crate::error::{ErrorKind, Result};
#[cfg(feature = "service")]
use crate::service::{HeldLease, agent_beside};
use crate::supervisor::{HeldLock, StalePolicy};

use super::child::{self, PassedSignals, SpawnError};
use super::output::{self, Output};
use super::{Context, exit};

/// Long enough for a running update to finish, short enough to notice a lock that is never released.
const WAIT_LIMIT: Duration = Duration::from_secs(60);

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(super) enum LockCommand {
    /// Run a command while updates, restarts and reboots are blocked; waits for the lock up to --timeout (60s)
    ///
    /// With `BALENA_AGENT_ADDRESS`, or beside a `balena-agent run` of this service, the lock is a lease of that agent. It is
    /// renewed while the command runs; if this process is killed, it ends after 5 min. What the agent refuses is an error:
    /// this command then does not take the lock file itself.
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
                let (output, is_locked) = status::run(context).await?;
                let code = if exit_code && is_locked { exit::code(ErrorKind::Locked) } else { exit::OK };
                Ok((output, code))
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
    let reason = reason.unwrap_or_else(|| format!("runs {program}"));
    // Before the lock is acquired: from here on no signal may end this process without releasing it.
    let mut signals = PassedSignals::new()?;
    let held = match Held::acquire(context, &reason, stale, &mut signals).await? {
        Ok(held) => held,
        Err(got) => return Ok(child::signal_code(got)),
    };
    let started = match child::start(&mut prepared) {
        Ok(started) => started,
        Err(SpawnError { error, code }) => {
            let released = held.release().await;
            let help =
                if released.is_ok() { "the lock is released again" } else { "the lock was lost as well" };
            context.printer.error_ending(&error.with_help(help), code);
            return Ok(code);
        }
    };
    let code = child::exit_code(child::watch(started, &mut signals, held.warn_when_lost()).await?);
    match held.release().await {
        // The command's own failure is more important than the lost lock.
        Err(error) if code != exit::OK => {
            context.printer.error_ending(&error, code);
            Ok(code)
        }
        released => released.map(|()| code),
    }
}

/// What guards the command.
enum Held {
    /// The lock file of this service.
    File(HeldLock),
    /// A lease of an agent, which has the lock file of its service.
    #[cfg(feature = "service")]
    Lease(HeldLease),
}

impl Held {
    /// Takes the lock, or a lease of the agent beside, if there is one. Returns the signal that came meanwhile.
    async fn acquire(
        context: &Context,
        reason: &str,
        stale: StalePolicy,
        signals: &mut PassedSignals,
    ) -> Result<std::result::Result<Self, Signal>> {
        let limit = context.timeout.unwrap_or(WAIT_LIMIT);
        let lock = context.balena.update_lock();
        #[cfg(feature = "service")]
        if let Some(agent) = agent_beside(lock.path())? {
            let request = lease::Request::new(agent, reason, limit)?;
            return tokio::select! {
                held = request.acquire() => Ok(Ok(Self::Lease(held?))),
                got = signals.next() => {
                    request.abandon().await;
                    Ok(Err(got))
                }
            };
        }
        let request = lock.acquire().timeout(limit).stale(stale).reason(reason);
        let held = tokio::select! {
            held = request => held?,
            got = signals.next() => return Ok(Err(got)),
        };
        // If this process is killed, the command keeps the lock: it is then not stale.
        held.share_with_children()?;
        Ok(Ok(Self::File(held)))
    }

    /// Keeps the lock. Says so when it is lost.
    async fn warn_when_lost(&self) {
        match self {
            Self::File(held) => {
                held.lost().await;
                output::remark(
                    "warning: the update lock was removed by force: an update, restart or reboot may happen at any time",
                );
            }
            #[cfg(feature = "service")]
            Self::Lease(held) => lease::warn_when_lost(held).await,
        }
    }

    async fn release(self) -> Result<()> {
        match self {
            Self::File(held) => held.release(),
            #[cfg(feature = "service")]
            Self::Lease(held) => lease::release(held).await,
        }
    }
}

//! `lock run` beside a running agent: the lock is a lease of the agent.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::cli::output;
use crate::error::{Error, ErrorKind, Result};
use crate::service::{Client, HeldLease};

/// TTL of a lease of `lock run`: if it is killed with its command, updates are blocked for so long.
const TTL: Duration = Duration::from_secs(300);
/// Longest wait of one request. An agent that restarts meanwhile is asked again.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Pause before the agent is asked again.
const RETRY_DELAY: Duration = Duration::from_secs(1);
/// Time for the answer to a request that does not wait.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// Longest reason that the agent takes, in characters.
const REASON_LIMIT: usize = 200;

/// A lease to be taken.
pub(super) struct Request {
    client: Client,
    name: String,
    reason: String,
    limit: Duration,
}

impl Request {
    /// The lease has a name of its own, so that several commands of one client hold several leases.
    pub(super) fn new(client: Client, reason: &str, limit: Duration) -> Result<Self> {
        let random = getrandom::u32()
            .map_err(|cause| Error::new(ErrorKind::Io, format!("no random number for a lease ({cause})")))?;
        let reason = reason.chars().take(REASON_LIMIT).collect();
        Ok(Self { client, name: format!("lock-run-{random:08x}"), reason, limit })
    }

    /// Takes the lease. Asks again until the limit while others hold the lock, and while the agent does not answer.
    pub(super) async fn acquire(&self) -> Result<HeldLease> {
        let end = Instant::now() + self.limit;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let wait = Duration::from_secs(left.min(LONGEST_WAIT).as_secs());
            let asked = self.client.lock(self.name.as_str()).ttl(TTL).reason(self.reason.as_str()).wait(wait);
            let answer = timeout(wait + ANSWER_LIMIT, asked).await;
            let answer = answer.unwrap_or_else(|_| {
                let text = format!("no response of the agent within {:?}", wait + ANSWER_LIMIT);
                Err(Error::new(ErrorKind::Timeout, text).with_sent(true))
            });
            let error = match answer {
                Err(error) if may_pass(&error) => error,
                answer => return answer,
            };
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                if error.is_timeout() {
                    self.abandon().await;
                }
                return Err(error);
            }
            sleep(left.min(RETRY_DELAY)).await;
        }
    }

    /// Releases what a request that was given up may have got.
    pub(super) async fn abandon(&self) {
        let _ = timeout(ANSWER_LIMIT, self.client.release_lock(&self.name)).await;
    }
}

/// Returns whether the agent may answer otherwise soon. What it refuses for good (401, 403, 400) is not asked again.
fn may_pass(error: &Error) -> bool {
    use ErrorKind::{Locked, Server, Timeout, Unreachable};
    matches!(error.kind(), Locked | Unreachable | Timeout | Server)
}

/// Renews the lease until it is lost, and says so then.
pub(super) async fn warn_when_lost(held: &HeldLease) {
    let error = held.lost().await;
    output::remark(&format!(
        "warning: the lease of the update lock was lost: an update, restart or reboot may happen at any time ({error})"
    ));
}

/// Releases the lease. An agent that does not answer is no failure: the lease guarded the command to its end.
pub(super) async fn release(held: HeldLease) -> Result<()> {
    let name = held.lease().name.clone();
    match held.release().await {
        Err(error) if error.is_unreachable() || error.is_timeout() || error.is_server() => {
            let minutes = TTL.as_secs() / 60;
            output::remark(&format!(
                "warning: lease {name} is not released and ends by itself within {minutes} min: {error}"
            ));
            Ok(())
        }
        released => released,
    }
}

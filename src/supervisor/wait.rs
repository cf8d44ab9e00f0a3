//! Waiting for states that no response reports: the supervisor is ready, a service has stopped.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result};

use super::link::Supervisor;
use super::patience::end_of;
use super::state::ServiceStatus;

/// Polling interval. On each poll the supervisor inspects every container.
const PAUSE: Duration = Duration::from_millis(500);
/// Deadline of the last poll, which starts at the end of the limit.
const LAST_LOOK: Duration = Duration::from_secs(3);

/// Result of a poll.
enum Look {
    Done,
    /// The current state instead.
    NotYet(String),
}

impl Supervisor {
    /// Waits until the supervisor answers and has loaded its state. It answers pings some seconds before that. A
    /// restart takes 15–60 s on a device, so two minutes are a good limit. The last poll starts at the end of `limit`
    /// and may take up to 3 s; with a limit of zero there is one poll.
    ///
    /// # Errors
    /// `is_timeout` after `limit`, with the last seen state in the text and the last failure as source; other errors
    /// at once if waiting can't help (missing variables, wrong key).
    pub async fn wait_ready(&self, limit: Duration) -> Result<()> {
        self.wait_until(limit, "the supervisor to be ready", async || {
            Ok(if self.has_loaded().await? {
                Look::Done
            } else {
                Look::NotYet("it is loading its state".into())
            })
        })
        .await
    }

    /// Waits until a service has this status: a stop call returns before the service has stopped, and a restarted
    /// service needs time to run. Continues across a restart of the supervisor. Case is ignored, and `Idle` equals
    /// `Running`. The last poll starts at the end of `limit` and may take up to 3 s; with a limit of zero there is
    /// one poll.
    ///
    /// # Errors
    /// `is_not_found` if this application (without `BALENA_APP_ID`: any in the key's scope) has no such service;
    /// `is_timeout` after `limit`, with the last seen status.
    pub async fn wait_for(&self, service: &str, status: ServiceStatus, limit: Duration) -> Result<()> {
        self.wait_until(limit, &format!("service {service} to be {status}"), async || {
            let found = match self.status_of(service).await? {
                Some(found) => found,
                // The supervisor answers some seconds before it knows its applications (reference 7.2).
                None if !self.has_loaded().await? => {
                    return Ok(Look::NotYet("the supervisor is loading its state".into()));
                }
                None => self.status_of(service).await?.ok_or_else(|| {
                    Error::new(
                        ErrorKind::NotFound,
                        format!("no service \"{}\" on this device", service.escape_debug()),
                    )
                    .operation("GET /v2/applications/state")
                    .sent(true)
                    .help("`balena-agent supervisor applications` lists the services")
                })?,
            };
            Ok(if same(&found, &status) { Look::Done } else { Look::NotYet(format!("it is {found}")) })
        })
        .await
    }

    async fn has_loaded(&self) -> Result<bool> {
        // Absent while the supervisor loads its state (reference 4.1).
        Ok(self.device().patience(Duration::ZERO).await?.update_downloaded.is_some())
    }

    async fn status_of(&self, service: &str) -> Result<Option<ServiceStatus>> {
        let own_app: Option<i64> = self.own_app_id().ok().and_then(|id| id.parse().ok());
        let states = self.applications_state().patience(Duration::ZERO).await?;
        let mut own = states.into_values().filter(|app| own_app.is_none_or(|id| app.app_id.get() == id));
        Ok(own.find_map(|app| app.services.get(service).map(|service| service.status.clone())))
    }

    async fn wait_until(
        &self,
        limit: Duration,
        what: &str,
        mut look: impl AsyncFnMut() -> Result<Look>,
    ) -> Result<()> {
        let until = end_of(limit);
        let mut seen = None;
        let mut failed = None;
        loop {
            // A poll may hang on a stuck supervisor; the caller's limit applies anyway.
            let end = until.max(Instant::now() + LAST_LOOK);
            match tokio::time::timeout_at(end, look()).await {
                Ok(Ok(Look::Done)) => return Ok(()),
                Ok(Ok(Look::NotYet(found))) => (seen, failed) = (Some(found), None),
                Err(_) => {}
                Ok(Err(error)) if error.is_unreachable() || error.is_server() || error.is_timeout() => {
                    failed = Some(error);
                }
                Ok(Err(error)) => return Err(error),
            }
            let now = Instant::now();
            if now >= until {
                let seen = seen.map_or_else(String::new, |seen| format!("; last seen: {seen}"));
                let error =
                    Error::new(ErrorKind::Timeout, format!("waited {limit:?} for {what}{seen}")).sent(true);
                return Err(match failed {
                    Some(failed) => error.help(format!("last: {}", failed.summary())).because(failed),
                    None => {
                        error.help("use a longer limit, or check the state: `balena-agent supervisor status`")
                    }
                });
            }
            tokio::time::sleep_until(until.min(now + PAUSE)).await;
        }
    }
}

/// Returns whether two statuses mean the same.
fn same(found: &ServiceStatus, wanted: &ServiceStatus) -> bool {
    let word = |status: &ServiceStatus| match status.as_str() {
        idle if idle.eq_ignore_ascii_case("idle") => "running".to_owned(),
        word => word.to_ascii_lowercase(),
    };
    word(found) == word(wanted)
}

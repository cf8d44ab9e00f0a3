//! Waiting for what an answer does not tell: that the supervisor is ready, that a service has stopped.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result};

use super::link::Supervisor;
use super::patience::end_of;
use super::state::ServiceStatus;

/// Between two looks. Every look makes the supervisor inspect every container.
const PAUSE: Duration = Duration::from_millis(500);
/// How long the last look may take, which begins when the limit is reached.
const LAST_LOOK: Duration = Duration::from_secs(3);

/// What a look has found.
enum Look {
    Done,
    /// What is there instead.
    NotYet(String),
}

impl Supervisor {
    /// Waits until the supervisor answers and has loaded its state, at most `limit`. It answers pings some
    /// seconds before that; a restart takes 15–60 s on a device, so two minutes are a good limit. The last look is
    /// at the end of `limit`, and may take up to 3 s; with a limit of zero there is one look.
    ///
    /// # Errors
    /// `is_timeout` after `limit`, with what was seen last, and the last failure as source; others at once if waiting can't help
    /// (no variables, wrong key).
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

    /// Waits until a service has this status, at most `limit`: stop answers before the service has stopped,
    /// and after a restart it takes its time to run. Bridges a supervisor that restarts meanwhile. Case does not
    /// matter, and `Idle` is `Running`. The last look is at the end of `limit`, and may take up to 3 s; with a limit
    /// of zero there is one look.
    ///
    /// # Errors
    /// `is_not_found` when this application (without `BALENA_APP_ID`: any in the key's scope) has no such
    /// service; `is_timeout` after `limit`, with the status that was seen last.
    pub async fn wait_for(&self, service: &str, status: ServiceStatus, limit: Duration) -> Result<()> {
        self.wait_until(limit, &format!("service {service} to be {status}"), async || {
            let found = match self.status_of(service).await? {
                Some(found) => found,
                // It answers some seconds before it knows its applications (reference 7.2).
                None if !self.has_loaded().await? => {
                    return Ok(Look::NotYet("the supervisor is loading its state".into()));
                }
                None => self.status_of(service).await?.ok_or_else(|| {
                    Error::new(ErrorKind::NotFound, format!("no service \"{}\" here", service.escape_debug()))
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
        // Absent as long as the supervisor loads (reference 4.1).
        Ok(self.device().patience(Duration::ZERO).await?.update_downloaded.is_some())
    }

    async fn status_of(&self, service: &str) -> Result<Option<ServiceStatus>> {
        let own_app: Option<i64> = self.own_app_id().ok().and_then(|id| id.parse().ok());
        let states = self.applications_state().patience(Duration::ZERO).await?;
        let mut own = states.into_values().filter(|app| own_app.is_none_or(|id| app.app_id.get() == id));
        Ok(own.find_map(|mut app| app.services.remove(service)).map(|service| service.status))
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
            // A look may hang on a supervisor that is stuck; the caller's limit holds all the same.
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
                let seen = seen.map_or_else(String::new, |seen| format!("; seen last: {seen}"));
                let error =
                    Error::new(ErrorKind::Timeout, format!("waited {limit:?} for {what}{seen}")).sent(true);
                return Err(match failed {
                    Some(failed) => error.help(format!("last: {}", failed.summary())).because(failed),
                    None => {
                        error.help("give it longer, or look at the state: `balena-agent supervisor status`")
                    }
                });
            }
            tokio::time::sleep_until(until.min(now + PAUSE)).await;
        }
    }
}

/// Whether two words mean the same status.
fn same(found: &ServiceStatus, wanted: &ServiceStatus) -> bool {
    let word = |status: &ServiceStatus| match status.as_str() {
        idle if idle.eq_ignore_ascii_case("idle") => "running".to_owned(),
        word => word.to_ascii_lowercase(),
    };
    word(found) == word(wanted)
}

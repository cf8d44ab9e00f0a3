//! Waiting for states that no response reports: the supervisor is ready, a service has stopped.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result};
use crate::ids::ApplicationId;

use super::client::Supervisor;
use super::patience::end_of;
use super::service_names::{check_service_name, no_such_service, quoted};
use super::state::{ApplicationState, ContainerStatus, Progress, ServiceStatus};

/// Polling interval. On each poll the supervisor inspects every container.
const PAUSE: Duration = Duration::from_millis(500);
/// Deadline of the last poll, which starts at the end of the limit.
const LAST_LOOK: Duration = Duration::from_secs(3);

/// Result of a poll.
enum Poll {
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
                Poll::Done
            } else {
                Poll::NotYet("it is loading its state".into())
            })
        })
        .await
    }

    /// Waits until a service has this status: a stop call returns before the service has stopped, and a restarted
    /// service needs time to run. Continues across a restart of the supervisor. Case is ignored, and `Idle` equals
    /// `Running`. During an update the status is that of the next release, whose image is downloaded first; but `exited`
    /// means the container that exists. The last poll starts at the end of `limit` and may take up to 3 s; with a
    /// limit of zero there is one poll.
    ///
    /// # Errors
    /// `is_invalid_argument` for an empty name; `is_not_found` if this application (without `BALENA_APP_ID`: any in
    /// the key's scope) has no such service and is not being updated; `is_timeout` after `limit`, with the last seen
    /// status.
    pub async fn wait_for(&self, service: &str, status: ServiceStatus, limit: Duration) -> Result<()> {
        check_service_name("service", service)?;
        self.wait_until(limit, &format!("service {} to be {status}", quoted(service)), async || {
            let found = match self.find(service).await? {
                Ok(found) => found,
                // The supervisor answers some seconds before it knows its applications (reference 7.2).
                Err(_) if !self.has_loaded().await? => {
                    return Ok(Poll::NotYet("the supervisor is loading its state".into()));
                }
                Err(_) => match self.find(service).await? {
                    Ok(found) => found,
                    Err((Progress::Settled, missing)) => return Err(missing),
                    // During an update a service is listed once its download has started.
                    Err((Progress::Updating, missing)) => {
                        return Ok(Poll::NotYet(format!("{}, and an update is running", missing.message())));
                    }
                },
            };
            // This is the image of the next release, not the container that still exists.
            let hidden = matches!(found, ServiceStatus::Downloading | ServiceStatus::Downloaded);
            let found = if hidden && same(&ServiceStatus::Exited, &status) {
                self.container_status(service).await?.unwrap_or(found)
            } else {
                found
            };
            Ok(if same(&found, &status) { Poll::Done } else { Poll::NotYet(format!("it is {found}")) })
        })
        .await
    }

    async fn has_loaded(&self) -> Result<bool> {
        // Absent while the supervisor loads its state (reference 4.1).
        Ok(self.device().patience(Duration::ZERO).await?.update_downloaded.is_some())
    }

    /// Returns the status of a service's container. Called only after [`find`](Self::find) succeeded: this read ends the
    /// supervisor if the engine fails, and that one is refused then (reference 7.4).
    async fn container_status(&self, service: &str) -> Result<Option<ServiceStatus>> {
        let own_app = self.own_app();
        let status = self.state_status().patience(Duration::ZERO).await?;
        let is_it = |container: &ContainerStatus| {
            let app = container.app_id.map(ApplicationId::get);
            container.service_name == service && (own_app.is_none() || app.is_none() || app == own_app)
        };
        Ok(status.containers.into_iter().find(is_it).map(|container| container.status))
    }

    fn own_app(&self) -> Option<i64> {
        self.own_app_id().ok().and_then(|id| id.parse().ok())
    }

    /// Returns the status of a service, or the error if it is not listed.
    async fn find(&self, service: &str) -> Result<std::result::Result<ServiceStatus, (Progress, Error)>> {
        let own_app = self.own_app();
        let states = self.applications_state().patience(Duration::ZERO).await?;
        let is_own = |app: &ApplicationState| own_app.is_none_or(|id| app.app_id.get() == id);
        let own: Vec<ApplicationState> = states.into_values().filter(is_own).collect();
        if let Some(found) = own.iter().find_map(|app| app.services.get(service)) {
            return Ok(Ok(found.status.clone()));
        }
        let updating = own.iter().any(|app| app.progress() == Progress::Updating);
        let progress = if updating { Progress::Updating } else { Progress::Settled };
        let names = own.iter().flat_map(|app| app.services.keys());
        let place = own_app.map_or_else(|| "this device".to_owned(), |id| format!("application {id}"));
        let missing = no_such_service(&place, service, names, progress)
            .with_operation("GET /v2/applications/state")
            .with_sent(true);
        Ok(Err((progress, missing)))
    }

    async fn wait_until(
        &self,
        limit: Duration,
        what: &str,
        mut look: impl AsyncFnMut() -> Result<Poll>,
    ) -> Result<()> {
        let until = end_of(limit);
        let mut seen = None;
        let mut failed = None;
        loop {
            // A poll may hang on a stuck supervisor; the caller's limit applies anyway.
            let end = until.max(Instant::now() + LAST_LOOK);
            match tokio::time::timeout_at(end, look()).await {
                Ok(Ok(Poll::Done)) => return Ok(()),
                Ok(Ok(Poll::NotYet(found))) => (seen, failed) = (Some(found), None),
                Err(_) => {}
                Ok(Err(error)) if error.is_unreachable() || error.is_server() || error.is_timeout() => {
                    failed = Some(error);
                }
                Ok(Err(error)) => return Err(error),
            }
            let now = Instant::now();
            if now >= until {
                let seen = seen.map_or_else(String::new, |seen| format!("; last seen: {seen}"));
                let error = Error::new(ErrorKind::Timeout, format!("waited {limit:?} for {what}{seen}"))
                    .with_sent(true);
                return Err(match failed {
                    Some(failed) => {
                        error.with_help(format!("last: {}", failed.summary())).with_source(failed)
                    }
                    None => error.with_help(
                        "use a longer limit, or check the state: `balena-agent supervisor status`",
                    ),
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

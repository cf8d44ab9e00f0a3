//! The service whose journal is followed. A restart or an update replaces its container.

use std::time::Duration;

use tokio::time::Instant;

use crate::cli::Context;
use crate::error::Result;

/// Pauses between the last line and the checks of the container; the first one doubles up to the longest.
const INITIAL_INTERVAL: Duration = Duration::from_secs(3);
const MAX_INTERVAL: Duration = Duration::from_secs(30);

/// A service and its last known container.
#[derive(Debug)]
pub(super) struct FollowedService {
    service: String,
    container: String,
    pause: Duration,
    due: Instant,
}

impl FollowedService {
    /// Looks up the container of this service.
    ///
    /// # Errors
    /// `is_not_found` if the service has no container.
    pub(super) async fn new(context: &Context, service: &str) -> Result<Self> {
        let container = context.container_of(service).await?;
        let due = Instant::now() + INITIAL_INTERVAL;
        Ok(Self { service: service.to_owned(), container, pause: INITIAL_INTERVAL, due })
    }

    pub(super) fn container(&self) -> &str {
        &self.container
    }

    pub(super) fn service(&self) -> &str {
        &self.service
    }

    /// Returns when the next check is due.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// Records a line of the container, which delays the next check.
    pub(super) fn record_line(&mut self) {
        self.pause = INITIAL_INTERVAL;
        self.due = Instant::now() + INITIAL_INTERVAL;
    }

    /// Returns whether the service has another container now. A failed check counts as no.
    pub(super) async fn has_moved(&mut self, context: &Context) -> bool {
        let found = self.found(context).await;
        self.pause = (self.pause * 2).min(MAX_INTERVAL);
        self.due = Instant::now() + self.pause;
        match found {
            Some(container) if container != self.container => {
                self.container = container;
                self.record_line();
                true
            }
            _ => false,
        }
    }

    async fn found(&self, context: &Context) -> Option<String> {
        let supervisor = context.balena.supervisor();
        // The read of container ids crashes the supervisor if the engine fails. This one uses the same engine call
        // and then only answers with an error (reference 7.4).
        supervisor.applications_state().patience(Duration::ZERO).await.ok()?;
        supervisor.container_ids().patience(Duration::ZERO).await.ok()?.remove(&self.service)
    }
}

//! The service whose journal is followed: a restart or an update gives it another container.

use std::time::Duration;

use tokio::time::Instant;

use crate::cli::Context;
use crate::error::Result;

/// From the last line to the first look whether it comes from the right container; doubles up to the longest.
const FIRST_LOOK: Duration = Duration::from_secs(3);
const LONGEST: Duration = Duration::from_secs(30);

/// A service, and the container in which it was seen last.
#[derive(Debug)]
pub(super) struct Followed {
    service: String,
    container: String,
    pause: Duration,
    due: Instant,
}

impl Followed {
    /// # Errors
    /// `is_not_found` if the service has no container.
    pub(super) async fn new(context: &Context, service: &str) -> Result<Self> {
        let container = context.container_of(service).await?;
        let due = Instant::now() + FIRST_LOOK;
        Ok(Self { service: service.to_owned(), container, pause: FIRST_LOOK, due })
    }

    pub(super) fn container(&self) -> &str {
        &self.container
    }

    pub(super) fn service(&self) -> &str {
        &self.service
    }

    /// When to look again.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// Its container has written a line: there is no need to look for another one.
    pub(super) fn heard(&mut self) {
        self.pause = FIRST_LOOK;
        self.due = Instant::now() + FIRST_LOOK;
    }

    /// Whether it runs in another container now. A look that is not answered finds nothing.
    pub(super) async fn has_moved(&mut self, context: &Context) -> bool {
        let found = self.found(context).await;
        self.pause = (self.pause * 2).min(LONGEST);
        self.due = Instant::now() + self.pause;
        match found {
            Some(container) if container != self.container => {
                self.container = container;
                self.heard();
                true
            }
            _ => false,
        }
    }

    async fn found(&self, context: &Context) -> Option<String> {
        let supervisor = context.balena.supervisor();
        // Container ids are a read that ends the supervisor if the engine fails. This one asks the engine for the
        // same, and is refused then (reference 7.4).
        supervisor.applications_state().patience(Duration::ZERO).await.ok()?;
        supervisor.container_ids().patience(Duration::ZERO).await.ok()?.remove(&self.service)
    }
}

//! How long a call and the reads around it may take.

use std::time::Duration;

use tokio::time::Instant;

use super::endpoint::Endpoint;
use super::patience::end_of;

/// Time limits of a call and of the reads around it.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimeBudget {
    /// Deadline of each attempt.
    pub(super) deadline: Option<Duration>,
    /// When the patience ends.
    until: Option<Instant>,
}

impl TimeBudget {
    /// Creates the limits of a call that starts now.
    pub(super) fn new(deadline: Option<Duration>, patience: Option<Duration>) -> Self {
        Self { deadline, until: patience.map(end_of) }
    }

    /// Returns the remaining patience.
    pub(super) fn patience(&self) -> Option<Duration> {
        self.until.map(|until| until.saturating_duration_since(Instant::now()))
    }

    /// Returns the deadline of a read around the call: at most the read's own.
    pub(super) fn for_read(&self, endpoint: &Endpoint) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.min(endpoint.deadline))
    }
}

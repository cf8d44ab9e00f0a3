//! The counters of the service.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A polled endpoint of the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// `GET /v2/applications/state`.
    ApplicationsState,
    /// `GET /v1/device`.
    Device,
    /// `GET /ping`, while the supervisor does not answer.
    Ping,
}

/// Number of calls to one endpoint, and of failed ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Calls {
    pub(super) all: u64,
    pub(super) failed: u64,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) applications_state: Calls,
    pub(super) device: Calls,
    pub(super) ping: Calls,
    pub(super) polls: u64,
    pub(super) polling: Duration,
    pub(super) lagged: u64,
    pub(super) displaced: u64,
}

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct Metrics(Mutex<Counts>);

impl Metrics {
    fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn counts(&self) -> Counts {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call to the supervisor.
    pub(crate) fn call(&self, endpoint: Endpoint, succeeded: bool) {
        self.count(|counts| {
            let calls = match endpoint {
                Endpoint::ApplicationsState => &mut counts.applications_state,
                Endpoint::Device => &mut counts.device,
                Endpoint::Ping => &mut counts.ping,
            };
            calls.all += 1;
            calls.failed += u64::from(!succeeded);
        });
    }

    /// Counts a poll and its duration.
    pub(crate) fn poll(&self, took: Duration) {
        self.count(|counts| {
            counts.polls += 1;
            counts.polling += took;
        });
    }

    /// Counts a client of `/events` that missed changes.
    pub(crate) fn lagged(&self) {
        self.count(|counts| counts.lagged += 1);
    }

    /// Counts a connection that was closed to make room for another one.
    pub(crate) fn displaced(&self) {
        self.count(|counts| counts.displaced += 1);
    }
}

//! Fault injection, and the record of received requests.

use std::sync::Mutex;
use std::time::Duration;

use super::lock;

/// Maximum of distinct requests (method and path) that are recorded.
const MOST_KINDS: usize = 4096;

/// A fault of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Handles the request this much later.
    Delay(Duration),
    /// Accepts the connection and closes it without handling the request, as a relay in front of a stopped supervisor
    /// does.
    Close,
    /// Resets the connection without handling the request.
    ResetBefore,
    /// Handles the request, and resets the connection instead of sending a response.
    ResetAfter,
    /// Answers this status with a line of text without handling the request, as a proxy in between does.
    Status(u16),
    /// Answers 429 with this time in `Retry-After`, in whole seconds, without handling the request.
    TooManyRequests(Duration),
    /// Starts to handle the request; then the supervisor ends, and is down for this long.
    Restart(Duration),
    /// Rejects the request because of an update lock, even with force. Affects only requests that need locks.
    Locked,
    /// The same as older supervisors: 503 and `Updates are locked: …`, with the path of the lock.
    LockedAs503,
    /// Sends the body byte by byte, with this pause before each.
    Drip(Duration),
    /// Sends bytes that are not HTTP without handling the request.
    Garbage,
    /// Never answers and does not handle the request.
    Silence,
}

/// A [`Fault`], the number of requests it affects, and their path.
///
/// ```
/// use std::time::Duration;
/// use balena_agent::simulator::{Fault, Injection};
///
/// let twice = Injection::new(Fault::Status(503)).times(2).on("/v1/device");
/// # let _ = (twice, Duration::ZERO);
/// ```
#[derive(Debug, Clone)]
pub struct Injection {
    fault: Fault,
    left: Option<usize>,
    path: Option<String>,
}

impl Injection {
    /// Creates an injection that affects every request until it is cleared.
    pub fn new(fault: Fault) -> Self {
        Self { fault, left: None, path: None }
    }

    /// Limits the fault to the next `count` requests.
    pub fn times(mut self, count: usize) -> Self {
        self.left = Some(count);
        self
    }

    /// Limits the fault to requests to this path, without query.
    pub fn on(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }
}

/// Received requests with the same method and path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedRequest {
    /// HTTP method.
    pub method: String,
    /// Path without query, and therefore without a key.
    pub path: String,
    /// Number of requests.
    pub count: usize,
}

/// The active faults and the record.
#[derive(Debug, Default)]
pub(super) struct Faults {
    injected: Mutex<Vec<Injection>>,
    received: Mutex<Vec<ReceivedRequest>>,
}

impl Faults {
    pub(super) fn inject(&self, injection: Injection) {
        lock(&self.injected).push(injection);
    }

    pub(super) fn clear(&self) {
        lock(&self.injected).clear();
    }

    pub(super) fn received(&self) -> Vec<ReceivedRequest> {
        lock(&self.received).clone()
    }

    pub(super) fn record(&self, method: &str, path: &str) {
        let mut received = lock(&self.received);
        let full = received.len() >= MOST_KINDS;
        match received.iter_mut().find(|kind| kind.method == method && kind.path == path) {
            Some(kind) => kind.count += 1,
            None if full => {}
            None => {
                received.push(ReceivedRequest { method: method.to_owned(), path: path.to_owned(), count: 1 });
            }
        }
    }

    /// Returns the fault of this request: the oldest one that applies.
    pub(super) fn next(&self, path: &str, takes_locks: bool) -> Option<Fault> {
        let mut injected = lock(&self.injected);
        let injection = injected.iter_mut().find(|injection| {
            let here = injection.path.as_ref().is_none_or(|wanted| wanted == path);
            let left = injection.left != Some(0);
            here && left && (takes_locks || !matches!(injection.fault, Fault::Locked | Fault::LockedAs503))
        })?;
        injection.left = injection.left.map(|left| left.saturating_sub(1));
        let fault = injection.fault;
        injected.retain(|injection| injection.left != Some(0));
        Some(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, Faults, Injection};

    #[test]
    fn a_fault_happens_where_and_as_often_as_told() {
        let faults = Faults::default();
        faults.inject(Injection::new(Fault::Garbage).times(2).on("/a"));
        assert_eq!(faults.next("/b", false), None);
        assert_eq!(faults.next("/a", false), Some(Fault::Garbage));
        assert_eq!(faults.next("/a", false), Some(Fault::Garbage));
        assert_eq!(faults.next("/a", false), None);
    }

    #[test]
    fn a_lock_only_concerns_what_takes_locks() {
        let faults = Faults::default();
        faults.inject(Injection::new(Fault::Locked));
        assert_eq!(faults.next("/a", false), None);
        assert_eq!(faults.next("/a", true), Some(Fault::Locked));
    }
}

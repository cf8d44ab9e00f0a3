//! Faults on demand, and the record of what was asked.

use std::sync::Mutex;
use std::time::Duration;

use super::lock;

/// Kinds of requests that are told apart; more are not recorded.
const MOST_KINDS: usize = 4096;

/// Something that goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The request is handled this much later.
    Delay(Duration),
    /// The connection is accepted and ended with nothing said, and the request not handled: what a relay in front of
    /// a dead supervisor does.
    Close,
    /// The connection is reset, and the request not handled.
    ResetBefore,
    /// The request is handled, and the connection reset instead of an answer.
    ResetAfter,
    /// This status with a line of text, and the request not handled: what a proxy in between says.
    Status(u16),
    /// The request is begun; then the supervisor dies, and is gone for this long.
    Restart(Duration),
    /// An update lock is held, even against force. Only requests that need locks are affected.
    Locked,
    /// The same as older supervisors tell it: 503 and `Updates are locked: …`, with the path of the lock.
    LockedAs503,
    /// The body of the answer comes byte by byte, with this pause before each.
    Drip(Duration),
    /// Bytes that are no HTTP, and the request not handled.
    Garbage,
    /// No answer, ever, and the request not handled.
    Silence,
}

/// A [`Fault`], how often it happens, and where.
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
    /// The fault, for every request until it is cleared.
    pub fn new(fault: Fault) -> Self {
        Self { fault, left: None, path: None }
    }

    /// Only for the next `count` requests.
    pub fn times(mut self, count: usize) -> Self {
        self.left = Some(count);
        self
    }

    /// Only for this path, without query.
    pub fn on(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }
}

/// Requests of one kind that the supervisor received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedRequest {
    /// Method.
    pub method: String,
    /// Path without query, and so without key.
    pub path: String,
    /// How many.
    pub count: usize,
}

/// The faults in force, and the record.
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

    /// The fault of this request: the oldest one that fits.
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

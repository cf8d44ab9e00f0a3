//! Wall time and sleeping, so that tests can freeze the one and pretend the other.

use std::fmt;
use std::pin::Pin;
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// Where the time of day comes from, and how waiting is done.
///
/// The library measures deadlines with the runtime's own clock; this one is for what is written into requests
/// (history since a date), for the age of a token, and for the waits that the server asks for.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The time of day.
    fn now(&self) -> Timestamp;

    /// A reading of a clock that nobody can set: only what lies between two readings means anything. It is the
    /// runtime's own clock unless told.
    fn monotonic(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    /// Resolves after `duration`.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// The system's clock and the runtime's timer.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(duration))
    }
}

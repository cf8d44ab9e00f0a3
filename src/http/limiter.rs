//! `request_limit`: at most so many requests per interval, shared by all clones of a client.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::Clock;

/// A sliding window over the last requests. Whoever comes too early waits its turn.
#[derive(Debug)]
pub(crate) struct Limiter {
    limit: usize,
    interval: Duration,
    clock: Arc<dyn Clock>,
    /// When the last `limit` requests may start; in the future for those that wait.
    starts: Mutex<VecDeque<Duration>>,
    origin: Instant,
    /// What pretended sleeping has added to the runtime's clock.
    slept: Mutex<Duration>,
}

impl Limiter {
    pub(crate) fn new(limit: NonZeroU32, interval: Duration, clock: Arc<dyn Clock>) -> Self {
        Self {
            limit: usize::try_from(limit.get()).unwrap_or(usize::MAX),
            interval,
            clock,
            starts: Mutex::default(),
            origin: Instant::now(),
            slept: Mutex::default(),
        }
    }

    /// Returns when the next request may start.
    pub(crate) async fn turn(&self) {
        let wait = self.reserve();
        if !wait.is_zero() {
            self.clock.sleep(wait).await;
        }
    }

    /// Books the next free start and tells how far away it is. A booking that is given up (a dropped future)
    /// still counts: the limit is never exceeded.
    fn reserve(&self) -> Duration {
        let now = self.origin.elapsed() + *self.slept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut starts = self.starts.lock().unwrap_or_else(PoisonError::into_inner);
        let start = if starts.len() < self.limit {
            now
        } else {
            starts.pop_front().map_or(now, |oldest| now.max(oldest + self.interval))
        };
        starts.push_back(start);
        start.saturating_sub(now)
    }
}

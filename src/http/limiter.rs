//! Rate limiter of the setting `request_limit`: a maximum number of requests per interval, shared by all clones of a
//! client.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::Clock;

/// A sliding window over the start times of the last requests. A request over the limit waits.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    limit: usize,
    interval: Duration,
    clock: Arc<dyn Clock>,
    /// Time of the first request, and the start times of the last `limit` requests as durations since then. Those of
    /// waiting requests are in the future.
    starts: Mutex<(Option<Timestamp>, VecDeque<Duration>)>,
}

impl RateLimiter {
    pub(crate) fn new(limit: NonZeroU32, interval: Duration, clock: Arc<dyn Clock>) -> Self {
        let limit = usize::try_from(limit.get()).unwrap_or(usize::MAX);
        Self { limit, interval, clock, starts: Mutex::default() }
    }

    /// Waits until the next request may start.
    pub(crate) async fn acquire(&self) {
        let wait = self.reserve();
        if !wait.is_zero() {
            self.clock.sleep(wait).await;
        }
    }

    /// Reserves the next start time and returns how long to wait for it. The reservation of a dropped future still
    /// counts, so the limit is never exceeded.
    fn reserve(&self) -> Duration {
        let mut state = self.starts.lock().unwrap_or_else(PoisonError::into_inner);
        let (origin, starts) = &mut *state;
        let now = self.clock.now();
        let origin = *origin.get_or_insert(now);
        // If the clock is set back, the result is capped below.
        let now = Duration::try_from(now.duration_since(origin)).unwrap_or_default();
        while starts.len() > self.limit {
            starts.pop_front();
        }
        let start = match starts.front() {
            Some(oldest) if starts.len() == self.limit => now.max(oldest.saturating_add(self.interval)),
            _ => now,
        };
        starts.push_back(start);
        if starts.len() > self.limit {
            starts.pop_front();
        }
        start
            .saturating_sub(now)
            .min(self.interval.saturating_mul(u32::try_from(starts.len()).unwrap_or(u32::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn an_interval_without_end_is_one() {
        let limiter = RateLimiter::new(NonZeroU32::MIN, Duration::MAX, Arc::new(SystemClock));
        assert_eq!(limiter.reserve(), Duration::ZERO);
        for _ in 0..3 {
            assert!(limiter.reserve() > Duration::from_secs(1 << 40));
        }
    }
}

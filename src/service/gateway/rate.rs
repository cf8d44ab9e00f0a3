//! A limit on the requests of a client: a token bucket. Pure.

use std::time::Duration;

/// Seconds of the rate that may come at once.
const BURST_SECONDS: f64 = 2.0;

/// Allows a number of requests per second, and some more after a quiet time.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    per_second: f64,
    left: f64,
    counted: Duration,
}

impl TokenBucket {
    /// Allows this many requests per second, and twice as many at once.
    pub(crate) fn new(per_second: u32) -> Self {
        let per_second = f64::from(per_second.max(1));
        Self { per_second, left: per_second * BURST_SECONDS, counted: Duration::ZERO }
    }

    /// Counts a request at `now`, a time since any fixed one.
    ///
    /// # Errors
    /// The time until the next request is allowed.
    pub(crate) fn take(&mut self, now: Duration) -> Result<(), Duration> {
        let quiet = now.saturating_sub(self.counted).as_secs_f64();
        self.counted = self.counted.max(now);
        self.left = (self.left + quiet * self.per_second).min(self.per_second * BURST_SECONDS);
        if self.left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - self.left) / self.per_second));
        }
        self.left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let mut bucket = TokenBucket::new(20);
        let at = Duration::from_millis;
        assert_eq!((0..100).filter(|_| bucket.take(at(5)).is_ok()).count(), 40);
        let wait = bucket.take(at(5)).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= at(50), "{wait:?}");
        let allowed = (0..10_000).filter(|ms| bucket.take(at(5 + ms)).is_ok()).count();
        assert!((195..=200).contains(&allowed), "{allowed} in 10 s");
        assert!(bucket.take(at(0)).is_err(), "a clock that goes back earns nothing");
        assert_eq!(
            (0..100).filter(|_| bucket.take(at(3_600_000)).is_ok()).count(),
            40,
            "nor does a quiet hour"
        );
    }
}

//! When a cloud request is retried, and after which back-off.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::Error;

/// How many attempts a cloud request has.
///
/// Idempotent requests (reads, and writes that have the same effect when sent twice) are retried if the server could
/// not be reached, and on 408, 429, 502, 503, 504 and Cloudflare's statuses for a server that does not respond (520 to
/// 527, 530). Any request is retried if no byte of it was sent, and on 425 (the server did not process it). Nothing
/// else is retried: never a POST that may have arrived, and never a 401.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    attempts: u32,
}

/// Longest pause before the second attempt. The bound doubles with each attempt.
const INITIAL_BACKOFF: Duration = Duration::from_millis(500);

impl RetryPolicy {
    /// Longest pause before any attempt.
    pub(crate) const MAX_BACKOFF: Duration = Duration::from_secs(30);

    /// Up to four attempts. The default.
    pub const fn standard() -> Self {
        Self { attempts: 4 }
    }

    /// One attempt, no retry.
    pub const fn never() -> Self {
        Self { attempts: 1 }
    }

    /// Returns whether another attempt may follow this many.
    pub(crate) fn allows_attempt(self, attempts: u32) -> bool {
        attempts < self.attempts
    }

    /// Returns a random pause after this many attempts, between zero and the bound (full jitter): a fleet must not
    /// retry in step.
    pub(crate) fn backoff(attempts: u32) -> Duration {
        let bound =
            INITIAL_BACKOFF.saturating_mul(1 << attempts.saturating_sub(1).min(10)).min(Self::MAX_BACKOFF);
        // If the system has no randomness, the pause is the bound.
        let random = getrandom::u32().unwrap_or(u32::MAX);
        bound.mul_f64(f64::from(random) / f64::from(u32::MAX))
    }

    /// Returns the pause after this many attempts of something that is retried for long: the longer one of back-off and
    /// `Retry-After`, because `Retry-After` may be 0.
    pub(crate) fn delay_after(attempts: u32, error: &Error) -> Duration {
        Self::backoff(attempts).max(error.retry_after().unwrap_or_default())
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::standard()
    }
}

/// A budget of retries, shared by all clones of a client: if every request fails, the load must not grow fourfold.
#[derive(Debug)]
pub(crate) struct RetryBudget(Mutex<(f64, Instant)>);

/// Retries in a burst, and how many are added per second.
const BURST: f64 = 20.0;
const PER_SECOND: f64 = 0.5;

impl RetryBudget {
    pub(crate) fn new() -> Self {
        Self(Mutex::new((BURST, Instant::now())))
    }

    /// Takes one retry from the budget. Returns `false` if it is used up.
    pub(crate) fn take(&self) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let (left, since) = *state;
        let left = (left + now.duration_since(since).as_secs_f64() * PER_SECOND).min(BURST);
        *state = (if left >= 1.0 { left - 1.0 } else { left }, now);
        left >= 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_stay_below_their_bound() {
        for attempts in 1..40 {
            let pause = RetryPolicy::backoff(attempts);
            assert!(
                pause <= RetryPolicy::MAX_BACKOFF
                    && pause <= INITIAL_BACKOFF.saturating_mul(1 << (attempts - 1).min(10))
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_budget_runs_out_and_comes_back() {
        let budget = RetryBudget::new();
        assert_eq!((0..50).filter(|_| budget.take()).count(), 20);
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!((0..50).filter(|_| budget.take()).count(), 2);
    }
}

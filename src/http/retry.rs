//! When a cloud request is sent again, and after how long.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::Error;

/// How often, and how patiently, cloud requests are tried again.
///
/// Reads, and writes that have the same effect however often they arrive, are tried again when the server
/// could not be reached, and on 408, 429, 502, 503, 504 and the statuses by which Cloudflare says that it has no
/// answer of the server; any request is when it never left, and on 425 (the server took up nothing). Nothing else is:
/// never a plain POST that may have arrived, and never after a 401.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    tries: u32,
}

/// Before the second try, at most; the bound doubles with every try.
const INITIAL_BACKOFF: Duration = Duration::from_millis(500);

impl RetryPolicy {
    /// Before any try, at most.
    pub(crate) const MAX_BACKOFF: Duration = Duration::from_secs(30);

    /// Up to four tries.
    pub const fn standard() -> Self {
        Self { tries: 4 }
    }

    /// One try.
    pub const fn never() -> Self {
        Self { tries: 1 }
    }

    /// Whether there is another try after this many.
    pub(crate) fn allows_attempt(self, tries: u32) -> bool {
        tries < self.tries
    }

    /// How long to wait after this many tries: anything up to the bound, so that a fleet does not come back
    /// in step.
    pub(crate) fn backoff(tries: u32) -> Duration {
        let bound =
            INITIAL_BACKOFF.saturating_mul(1 << tries.saturating_sub(1).min(10)).min(Self::MAX_BACKOFF);
        // Without randomness the bound itself is a fair pause.
        let random = getrandom::u32().unwrap_or(u32::MAX);
        bound.mul_f64(f64::from(random) / f64::from(u32::MAX))
    }

    /// How long to wait after so many tries of something that is tried for long: at least as long as the server
    /// says, and never no time at all, for it may say that.
    pub(crate) fn delay_after(tries: u32, error: &Error) -> Duration {
        Self::backoff(tries).max(error.retry_after().unwrap_or_default())
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::standard()
    }
}

/// Further tries that all clones of a client share: a server that fails everything must not be asked four
/// times as often.
#[derive(Debug)]
pub(crate) struct RetryBudget(Mutex<(f64, Instant)>);

/// Further tries in a burst, and how many come back per second.
const BURST: f64 = 20.0;
const PER_SECOND: f64 = 0.5;

impl RetryBudget {
    pub(crate) fn new() -> Self {
        Self(Mutex::new((BURST, Instant::now())))
    }

    /// Takes one further try, if there is one.
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
        for tries in 1..40 {
            let pause = RetryPolicy::backoff(tries);
            assert!(
                pause <= RetryPolicy::MAX_BACKOFF
                    && pause <= INITIAL_BACKOFF.saturating_mul(1 << (tries - 1).min(10))
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

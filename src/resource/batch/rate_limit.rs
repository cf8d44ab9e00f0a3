//! How a batch responds to `429 Too Many Requests`.

use std::time::Duration;

use crate::clock::Clock;
use crate::error::{Error, Result};

/// Longest wait. A longer `Retry-After` ends the batch.
const MAX_WAIT: Duration = Duration::from_secs(120);
/// Highest number of consecutive waits without a success.
const MAX_RETRIES: u32 = 5;

/// Whether a batch waits after a 429 with `Retry-After`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RetryAfterPolicy {
    /// Treats it as any other error.
    None,
    /// Waits as asked, a few times.
    AsTold,
}

impl RetryAfterPolicy {
    /// Returns how long to wait before the next attempt, after `waits` waits without a success.
    pub(crate) fn wait(self, error: &Error, waits: u32) -> Option<Duration> {
        let told = error.retry_after().filter(|_| error.is_rate_limited() && self == Self::AsTold)?;
        (waits < MAX_RETRIES && told <= MAX_WAIT).then_some(told)
    }

    /// Repeats the request until it succeeds, fails otherwise, or no wait is left.
    pub(crate) async fn retry<T, F: Future<Output = Result<T>>>(
        self,
        clock: &dyn Clock,
        ask: impl Fn() -> F,
    ) -> Result<T> {
        let mut waits = 0;
        loop {
            let error = match ask().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let Some(wait) = self.wait(&error, waits) else { return Err(error) };
            tracing::debug!(?wait, "too many requests, the batch waits as asked");
            clock.sleep(wait).await;
            waits += 1;
        }
    }
}

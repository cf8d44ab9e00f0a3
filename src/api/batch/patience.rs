//! How a batch takes it when it is told to wait.

use std::time::Duration;

use crate::clock::Clock;
use crate::error::{Error, Result};

/// A longer wait is no pause but an end.
const LONGEST: Duration = Duration::from_secs(120);
/// Waits in a row that bring nothing.
const TIMES: u32 = 5;

/// Whether a batch waits when the server says that it is too fast (429, with `Retry-After`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// It is an error like any other.
    None,
    /// It waits as long as it is told, a few times.
    AsTold,
}

impl Patience {
    /// How long to wait before the next try, after so many waits that brought nothing.
    pub(crate) fn wait(self, error: &Error, waits: u32) -> Option<Duration> {
        let told = error.retry_after().filter(|_| error.is_rate_limited() && self == Self::AsTold)?;
        (waits < TIMES && told <= LONGEST).then_some(told)
    }

    /// Asks until there is an answer, or no more patience.
    pub(crate) async fn ask<T, F: Future<Output = Result<T>>>(
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
            tracing::debug!(?wait, "one request too many, the batch waits as told");
            clock.sleep(wait).await;
            waits += 1;
        }
    }
}

//! Retries while the supervisor can't be reached.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, Result};

use super::endpoint::Retryability;

/// First pause between attempts; it doubles up to [`MAX_BACKOFF`].
const INITIAL_BACKOFF: Duration = Duration::from_millis(250);
const MAX_BACKOFF: Duration = Duration::from_secs(2);

/// Stands for an unlimited wait, within the range of the clock.
const UNLIMITED: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// Returns the end of a wait of this length.
pub(super) fn end_of(wait: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(wait).unwrap_or_else(|| now + UNLIMITED)
}

/// Retries until success, a permanent failure, or the end of the patience. Returns the number of attempts.
pub(super) async fn with_patience<T, F: Future<Output = Result<T>>>(
    nature: Retryability,
    patience: Option<Duration>,
    mut attempt: impl FnMut() -> F,
) -> Result<(T, u32)> {
    let until = patience.map(end_of);
    let mut pause = INITIAL_BACKOFF;
    let mut attempts = 1;
    loop {
        let error = match attempt().await {
            Ok(value) => return Ok((value, attempts)),
            Err(error) => error.with_attempts(attempts),
        };
        let now = Instant::now();
        // The last attempt is at the very end, so that a short patience is not shortened further.
        let wake = match until {
            Some(until) if may_try_again(&error, nature) && now < until => until.min(now + pause),
            _ => return Err(error),
        };
        tracing::debug!(attempts, %error, "the supervisor can't be reached, retrying");
        tokio::time::sleep_until(wake).await;
        pause = (pause * 2).min(MAX_BACKOFF);
        attempts += 1;
    }
}

/// A request that was not sent may always be retried. One that was sent may be retried only if the supervisor is or
/// was going down and the request is safe to send twice.
fn may_try_again(error: &Error, nature: Retryability) -> bool {
    if !error.was_sent() {
        return error.is_unreachable() || error.is_timeout();
    }
    let gone = error.is_unreachable()
        || error.is_unknown_outcome()
        || error.status() == Some(503) && error.is_server();
    gone && nature.may_repeat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    /// Runs attempts against a supervisor that is away for a while. Returns their number, the time taken, and the
    /// result.
    async fn bridge(
        gone: Duration,
        patience: Option<Duration>,
        nature: Retryability,
        error: fn() -> Error,
    ) -> (u32, Duration, Result<()>) {
        let began = Instant::now();
        let mut tries = 0;
        let result = with_patience(nature, patience, || {
            tries += 1;
            async move { if began.elapsed() < gone { Err(error()) } else { Ok(()) } }
        })
        .await;
        let result = result.map(|((), told)| assert_eq!(told, tries));
        (tries, began.elapsed(), result)
    }

    fn refused() -> Error {
        Error::new(ErrorKind::Unreachable, "refused")
    }

    fn cut_off() -> Error {
        Error::new(ErrorKind::Unreachable, "closed").with_sent(true)
    }

    fn perhaps() -> Error {
        Error::new(ErrorKind::UnknownOutcome, "closed").with_sent(true)
    }

    fn starting() -> Error {
        Error::new(ErrorKind::Server, "starting").with_status(503).with_sent(true)
    }

    fn connects_slowly() -> Error {
        Error::new(ErrorKind::Timeout, "no connection")
    }

    const MINUTE: Duration = Duration::from_secs(60);
    const NATURES: [Retryability; 4] =
        [Retryability::Read, Retryability::FragileRead, Retryability::IdempotentWrite, Retryability::Write];

    #[tokio::test(start_paused = true)]
    async fn a_minute_without_the_supervisor_is_bridged() {
        for nature in NATURES {
            for error in [refused, connects_slowly] {
                let (tries, took, result) = bridge(MINUTE, Some(2 * MINUTE), nature, error).await;
                result.unwrap();
                // Recovers within the longest pause, without too many attempts meanwhile.
                assert!((MINUTE..=MINUTE + MAX_BACKOFF).contains(&took), "{took:?}");
                assert!((30..=40).contains(&tries), "{tries} tries");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn patience_without_end_is_no_overflow() {
        let (tries, ..) = bridge(MINUTE, Some(Duration::MAX), Retryability::Read, refused).await;
        assert!(tries > 1);
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends_and_says_how_often_it_tried() {
        let (tries, took, result) = bridge(MINUTE, Some(MINUTE / 2), Retryability::Read, refused).await;
        assert_eq!(took, MINUTE / 2, "the last try is at the end");
        assert_eq!(result.unwrap_err().attempts(), tries);
        for none in [None, Some(Duration::ZERO)] {
            assert_eq!(bridge(MINUTE, none, Retryability::Read, refused).await.0, 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_sent_is_repeated_only_where_that_is_harmless() {
        for error in [cut_off, perhaps, starting] {
            for nature in NATURES {
                let (tries, ..) = bridge(MINUTE, Some(2 * MINUTE), nature, error).await;
                let harmless = matches!(nature, Retryability::Read | Retryability::IdempotentWrite);
                assert_eq!(tries > 1, harmless, "{nature:?} {}", error());
            }
        }
    }
}

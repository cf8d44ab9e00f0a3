//! A limit on how often a message is logged.

use std::time::Duration;

use tokio::time::Instant;

/// After the first lines, one line is allowed per this interval.
const INTERVAL: Duration = Duration::from_secs(60);

/// Allows some lines at once and one further line per minute.
#[derive(Debug)]
pub(crate) struct LogRateLimit {
    at_once: u32,
    left: u32,
    /// When `left` was last brought up to date.
    counted: Instant,
}

impl LogRateLimit {
    /// Allows this many lines at once.
    pub(crate) fn new(at_once: u32) -> Self {
        Self { at_once, left: at_once, counted: Instant::now() }
    }

    /// Returns whether another line may be logged now, and counts it if so.
    pub(crate) fn allows(&mut self) -> bool {
        while self.left < self.at_once && self.counted.elapsed() >= INTERVAL {
            self.left += 1;
            self.counted += INTERVAL;
        }
        if self.left == 0 {
            return false;
        }
        if self.left == self.at_once {
            self.counted = Instant::now();
        }
        self.left -= 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn some_at_once_then_one_a_minute() {
        let mut limit = LogRateLimit::new(3);
        let mut lines = 0;
        for _ in 0..600 {
            lines += u32::from(limit.allows());
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(lines, 3 + 9);
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(
            (0..10).filter(|_| limit.allows()).count(),
            3,
            "a quiet hour earns no more than the first"
        );
    }
}

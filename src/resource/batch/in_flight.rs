//! A small set of futures, polled by the task that awaits them.

use std::future::poll_fn;
use std::task::Poll;

use crate::http::BoxFuture;

/// The running futures, each with a number. Dropping it drops them all.
pub(super) struct InFlight<'a, T>(Vec<(usize, BoxFuture<'a, T>)>);

impl<'a, T> InFlight<'a, T> {
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn push(&mut self, number: usize, work: BoxFuture<'a, T>) {
        self.0.push((number, work));
    }

    /// Waits for the next future to complete, and returns its number and output. `None` if none is running.
    pub(super) async fn next(&mut self) -> Option<(usize, T)> {
        if self.0.is_empty() {
            return None;
        }
        // Polls all of them each time: there are at most a few dozen, each a request.
        poll_fn(|cx| {
            for at in 0..self.0.len() {
                let Some((number, work)) = self.0.get_mut(at) else { break };
                if let Poll::Ready(value) = work.as_mut().poll(cx) {
                    let number = *number;
                    drop(self.0.remove(at));
                    return Poll::Ready(Some((number, value)));
                }
            }
            Poll::Pending
        })
        .await
    }
}

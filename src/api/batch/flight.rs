//! A few futures at a time, in the task of the one that waits for them.

use std::future::poll_fn;
use std::task::Poll;

use crate::http::BoxFuture;

/// What is under way. Dropping it drops all of that.
pub(super) struct Flight<'a, T>(Vec<(usize, BoxFuture<'a, T>)>);

impl<'a, T> Flight<'a, T> {
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn push(&mut self, number: usize, work: BoxFuture<'a, T>) {
        self.0.push((number, work));
    }

    /// The next that is ready, with its number; `None` when nothing is under way.
    pub(super) async fn next(&mut self) -> Option<(usize, T)> {
        if self.0.is_empty() {
            return None;
        }
        // All of them are looked at each time: there are a few dozens at most, and each is a request.
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

//! Serializes changes of the device's state, with cancellation and preemption.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use super::lock;

/// Cancels a running change.
#[derive(Debug, Clone)]
pub(super) struct Abort(watch::Sender<bool>);

impl Abort {
    fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    fn abort(&self) {
        self.0.send_replace(true);
    }

    pub(super) fn is_aborted(&self) -> bool {
        *self.0.borrow()
    }

    pub(super) async fn aborted(&self) {
        // The sender is in `self`, so this can't fail.
        let _ = self.0.subscribe().wait_for(|aborted| *aborted).await;
    }

    /// Sleeps. Returns `false` if the change was cancelled meanwhile.
    pub(super) async fn sleep(&self, duration: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.aborted() => false,
            () = tokio::time::sleep(duration) => true,
        }
    }
}

/// A queued change.
#[derive(Debug)]
struct Waiter {
    turn: oneshot::Sender<()>,
    /// A trigger that was cancelled while it waited does nothing when it runs.
    abort: Abort,
}

#[derive(Debug, Default)]
struct Queue {
    running: Option<Running>,
    first: VecDeque<Waiter>,
    then: VecDeque<Waiter>,
}

#[derive(Debug)]
struct Running {
    abort: Abort,
    exclusive: bool,
}

/// Runs one change at a time: a user's action ([`Runner::exclusive`]) or the update loop ([`Runner::trigger`]).
#[derive(Debug, Default, Clone)]
pub(super) struct Runner {
    queue: Arc<Mutex<Queue>>,
}

/// Permission to change the state. Dropping it admits the next waiter.
#[derive(Debug)]
pub(super) struct ExclusivePermit {
    queue: Arc<Mutex<Queue>>,
    pub(super) abort: Abort,
    /// Whether a user's action was preempted for this change.
    pub(super) pushed_aside_an_action: bool,
}

impl Runner {
    pub(super) fn in_progress(&self) -> bool {
        lock(&self.queue).running.is_some()
    }

    /// Queues behind all others. `cancel` cancels the earlier triggers, running or waiting. Returns `None` if this
    /// one was cancelled.
    pub(super) fn trigger(
        &self,
        cancel: bool,
    ) -> impl Future<Output = Option<ExclusivePermit>> + Send + use<> {
        let mut queue = lock(&self.queue);
        if cancel {
            queue.cancel_triggers();
        }
        let waiting = Self::enqueue(&self.queue, &mut queue, false);
        drop(queue);
        async move { waiting.await.filter(|turn| !turn.abort.is_aborted()) }
    }

    /// Preempts all others and runs next. Returns `None` if another exclusive change preempted this one.
    pub(super) fn exclusive(&self) -> impl Future<Output = Option<ExclusivePermit>> + Send + use<> {
        let mut queue = lock(&self.queue);
        queue.cancel_triggers();
        let mut pushed_aside_an_action = false;
        if let Some(running) = &queue.running {
            running.abort.abort();
            pushed_aside_an_action = running.exclusive;
        }
        queue.first.clear();
        queue.then.clear();
        let waiting = Self::enqueue(&self.queue, &mut queue, true);
        drop(queue);
        async move {
            let mut turn = waiting.await?;
            turn.pushed_aside_an_action = pushed_aside_an_action;
            Some(turn)
        }
    }

    fn enqueue(
        shared: &Arc<Mutex<Queue>>,
        queue: &mut Queue,
        exclusive: bool,
    ) -> impl Future<Output = Option<ExclusivePermit>> + Send + use<> {
        let abort = Abort::new();
        let (sender, receiver) = oneshot::channel();
        let waiter = Waiter { turn: sender, abort: abort.clone() };
        if exclusive {
            queue.first.push_back(waiter);
        } else {
            queue.then.push_back(waiter);
        }
        queue.admit();
        let shared = Arc::clone(shared);
        async move {
            receiver.await.ok()?;
            Some(ExclusivePermit { queue: shared, abort, pushed_aside_an_action: false })
        }
    }
}

impl Queue {
    fn cancel_triggers(&mut self) {
        if let Some(running) = self.running.as_ref().filter(|running| !running.exclusive) {
            running.abort.abort();
        }
        self.then.iter().for_each(|waiter| waiter.abort.abort());
    }

    fn admit(&mut self) {
        while self.running.is_none() {
            let (waiter, exclusive) = match (self.first.pop_front(), &mut self.then) {
                (Some(waiter), _) => (waiter, true),
                (None, then) => match then.pop_front() {
                    Some(waiter) => (waiter, false),
                    None => return,
                },
            };
            if waiter.turn.send(()).is_ok() {
                self.running = Some(Running { abort: waiter.abort, exclusive });
            }
        }
    }
}

impl Drop for ExclusivePermit {
    fn drop(&mut self) {
        let mut queue = lock(&self.queue);
        queue.running = None;
        queue.admit();
    }
}

#[cfg(test)]
mod tests {
    use super::Runner;

    #[tokio::test]
    async fn an_action_pushes_the_loop_aside_and_cancels_what_waits() {
        let runner = Runner::default();
        let first = runner.trigger(false).await.expect("free");
        let queued = runner.trigger(false);
        let action = runner.exclusive();
        assert!(first.abort.is_aborted());
        assert!(queued.await.is_none());
        drop(first);
        let action = action.await.expect("next");
        assert!(!action.pushed_aside_an_action);
        let second = runner.exclusive();
        assert!(action.abort.is_aborted());
        drop(action);
        assert!(second.await.expect("next").pushed_aside_an_action);
        assert!(!runner.in_progress());
    }

    #[tokio::test]
    async fn force_alone_waits_and_cancel_does_not() {
        let runner = Runner::default();
        let running = runner.trigger(false).await.expect("free");
        let forced = runner.trigger(false);
        assert!(!running.abort.is_aborted());
        let cancelling = runner.trigger(true);
        assert!(running.abort.is_aborted());
        drop(running);
        assert!(forced.await.is_none());
        assert!(cancelling.await.is_some());
    }
}

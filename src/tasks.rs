//! Background tasks with an owner. The only place that starts tasks: one that is started here has a name,
//! and ends with the [`TaskSet`] that owns it.

#[cfg(feature = "service")]
mod kept;

use std::future::Future;
use std::pin::Pin;
#[cfg(feature = "service")]
use std::sync::Arc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

#[cfg(feature = "service")]
pub(crate) use kept::{OnEnd, Stop, TaskReport, jittered};

/// A set of named background tasks. Dropping the set aborts them all.
///
/// It ends in one of two ways: [`TaskSet::drain`] is for good, and what is started afterwards is refused with
/// [`Drained`]; [`TaskSet::cancel_all`] ends what runs now and leaves the set as good as new.
#[derive(Debug)]
pub(crate) struct TaskSet {
    tasks: Mutex<JoinSet<()>>,
    stop: watch::Sender<bool>,
    #[cfg(feature = "service")]
    kept: Arc<kept::Register>,
}

/// The set was asked to stop: it starts nothing any more, and the task was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Drained;

impl TaskSet {
    /// An empty set.
    pub(crate) fn new() -> Self {
        Self {
            tasks: Mutex::new(JoinSet::new()),
            stop: watch::Sender::new(false),
            #[cfg(feature = "service")]
            kept: Arc::default(),
        }
    }

    /// Starts `task`. `name` appears in logs.
    ///
    /// # Errors
    /// [`Drained`] after [`TaskSet::ask_to_stop`] or [`TaskSet::drain`]: the task does not start.
    pub(crate) fn spawn(
        &self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), Drained> {
        // Boxed, because tokio's part of a task is compiled for each type of future anew.
        self.spawn_boxed(name, Box::pin(task))
    }

    fn spawn_boxed(
        &self,
        name: &'static str,
        task: Pin<Box<dyn Future<Output = ()> + Send>>,
    ) -> Result<(), Drained> {
        let mut tasks = lock(&self.tasks);
        // Under the lock that `drain` takes after it said stop: what gets in here is still drained.
        if *self.stop.borrow() {
            tracing::debug!(task = name, "task not started: its set was asked to stop");
            return Err(Drained);
        }
        // Reap what has ended, so that a set that serves connections does not grow with every one of them.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            tracing::trace!(task = name, "task started");
            task.await;
            tracing::trace!(task = name, "task ended");
        });
        Ok(())
    }

    /// Asks every task to stop, and leaves it to them.
    pub(crate) fn ask_to_stop(&self) {
        self.stop.send_replace(true);
    }

    /// Resolves when [`TaskSet::ask_to_stop`] or [`TaskSet::drain`] has been called; tasks `select!` on it to end in an orderly way.
    pub(crate) fn stopping(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stop = self.stop.subscribe();
        async move {
            // An error means that the set is gone, which is as good as a stop.
            let _ = stop.wait_for(|stopping| *stopping).await;
        }
    }

    /// Aborts every task without waiting for any. For a `Drop`, which can't wait.
    #[cfg(feature = "simulator")]
    pub(crate) fn abort_all(&self) {
        lock(&self.tasks).abort_all();
    }

    /// Aborts every task and waits until they have ended. New tasks can be started afterwards.
    #[cfg(feature = "simulator")]
    pub(crate) async fn cancel_all(&self) {
        let mut tasks = std::mem::take(&mut *lock(&self.tasks));
        tasks.shutdown().await;
    }

    /// Asks every task to stop and waits for them, at most `grace`; the rest are aborted.
    /// Returns whether all ended by themselves. The set is over then: see [`Drained`].
    pub(crate) async fn drain(&self, grace: Duration) -> bool {
        self.ask_to_stop();
        let mut tasks = std::mem::take(&mut *lock(&self.tasks));
        let all_ended =
            tokio::time::timeout(grace, async { while tasks.join_next().await.is_some() {} }).await.is_ok();
        tasks.shutdown().await;
        all_ended
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(all(test, feature = "simulator"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_drained_set_refuses_and_a_cancelled_one_goes_on() {
        let set = TaskSet::new();
        let (alive, gone) = tokio::sync::oneshot::channel::<()>();
        let first = set.spawn("first", async move {
            let _alive = alive;
            std::future::pending::<()>().await;
        });
        assert_eq!(first, Ok(()));
        set.cancel_all().await;
        assert!(gone.await.is_err(), "it has ended when this returns");

        let (done, ran) = tokio::sync::oneshot::channel();
        assert_eq!(set.spawn("second", async move { done.send(()).unwrap() }), Ok(()));
        ran.await.unwrap();

        assert!(set.drain(Duration::from_secs(1)).await);
        assert_eq!(set.spawn("late", async {}), Err(Drained));
    }
}

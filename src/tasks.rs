//! Background tasks with an owner. All tasks start here: each has a name and ends with the [`TaskSet`] that owns it.

#[cfg(feature = "service")]
mod supervised;

use std::future::Future;
use std::pin::Pin;
#[cfg(feature = "service")]
use std::sync::Arc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

#[cfg(feature = "service")]
pub(crate) use supervised::{OnEnd, StopSignal, TaskReport, jittered};

/// A set of named background tasks. Dropping the set aborts them all.
///
/// [`TaskSet::drain`] ends the set for good: later tasks are refused with [`Drained`]. [`TaskSet::cancel_all`] ends
/// the running tasks only.
#[derive(Debug)]
pub(crate) struct TaskSet {
    tasks: Mutex<JoinSet<()>>,
    stop: watch::Sender<bool>,
    #[cfg(feature = "service")]
    kept: Arc<supervised::Registry>,
}

/// The set was asked to stop. The new task was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Drained;

impl TaskSet {
    /// Creates an empty set.
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
    /// [`Drained`] after [`TaskSet::begin_drain`] or [`TaskSet::drain`]: the task does not start.
    pub(crate) fn spawn(
        &self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), Drained> {
        // Boxed, because the compiler generates tokio's part of a task for each future type.
        self.spawn_boxed(name, Box::pin(task))
    }

    fn spawn_boxed(
        &self,
        name: &'static str,
        task: Pin<Box<dyn Future<Output = ()> + Send>>,
    ) -> Result<(), Drained> {
        let mut tasks = lock(&self.tasks);
        // `drain` takes this lock after it requests the stop, so a task added here is still drained.
        if *self.stop.borrow() {
            tracing::debug!(task = name, "task not started: its set was asked to stop");
            return Err(Drained);
        }
        // Drops ended tasks, so that a set that serves connections does not grow without bound.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            tracing::trace!(task = name, "task started");
            task.await;
            tracing::trace!(task = name, "task ended");
        });
        Ok(())
    }

    /// Asks all tasks to stop, without waiting for them.
    pub(crate) fn begin_drain(&self) {
        self.stop.send_replace(true);
    }

    /// Resolves after [`TaskSet::begin_drain`] or [`TaskSet::drain`]. Tasks `select!` on it to end in an orderly
    /// way.
    pub(crate) fn stopping(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stop = self.stop.subscribe();
        async move {
            // An error means that the set is dropped, which is a stop too.
            let _ = stop.wait_for(|stopping| *stopping).await;
        }
    }

    /// Aborts all tasks without waiting for them, for a `Drop`.
    #[cfg(feature = "simulator")]
    pub(crate) fn abort_all(&self) {
        lock(&self.tasks).abort_all();
    }

    /// Aborts all tasks and waits until they have ended. New tasks can then be started.
    #[cfg(feature = "simulator")]
    pub(crate) async fn cancel_all(&self) {
        let mut tasks = std::mem::take(&mut *lock(&self.tasks));
        tasks.shutdown().await;
    }

    /// Asks all tasks to stop, waits at most `grace` for them, and aborts the rest. Returns whether all ended by
    /// themselves. The set then starts no more tasks: see [`Drained`].
    pub(crate) async fn drain(&self, grace: Duration) -> bool {
        self.begin_drain();
        let mut tasks = std::mem::take(&mut *lock(&self.tasks));
        let all_ended =
            tokio::time::timeout(grace, async { while tasks.join_next().await.is_some() {} }).await.is_ok();
        tasks.shutdown().await;
        all_ended
    }
}

/// Runs `work`, which may block on files, on a thread for such work, without waiting for it. It is dropped without a
/// run if the runtime ends first.
#[cfg(feature = "service")]
pub(crate) fn spawn_blocking(work: impl FnOnce() + Send + 'static) {
    drop(tokio::task::spawn_blocking(work));
}

/// Locks a mutex. All data behind a mutex here stays valid when its holder panics.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
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

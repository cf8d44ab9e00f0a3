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
#[derive(Debug)]
pub(crate) struct TaskSet {
    tasks: Mutex<JoinSet<()>>,
    stop: watch::Sender<bool>,
    #[cfg(feature = "service")]
    kept: Arc<kept::Register>,
}

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

    /// Starts `task`. `name` appears in logs. After [`TaskSet::drain`] nothing is started any more.
    pub(crate) fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        // Boxed, because tokio's part of a task is compiled for each type of future anew.
        self.spawn_boxed(name, Box::pin(task));
    }

    fn spawn_boxed(&self, name: &'static str, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
        let mut tasks = lock(&self.tasks);
        // Under the lock that `drain` takes after it said stop: what gets in here is still drained.
        if *self.stop.borrow() {
            return;
        }
        // Reap what has ended, so that a set that serves connections does not grow with every one of them.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            tracing::trace!(task = name, "task started");
            task.await;
            tracing::trace!(task = name, "task ended");
        });
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

    /// Asks every task to stop and waits for them, at most `grace`; the rest are aborted.
    /// Returns whether all ended by themselves.
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

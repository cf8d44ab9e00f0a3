//! Background tasks with an owner. The only place that calls `tokio::spawn`: a task started here has a
//! name, and ends with the [`TaskSet`] that owns it.

use std::future::Future;
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

/// A set of named background tasks. Dropping the set aborts them all.
#[derive(Debug)]
pub(crate) struct TaskSet {
    tasks: Mutex<JoinSet<()>>,
    stop: watch::Sender<bool>,
}

impl TaskSet {
    /// An empty set.
    pub(crate) fn new() -> Self {
        Self { tasks: Mutex::new(JoinSet::new()), stop: watch::Sender::new(false) }
    }

    /// Starts `task`. `name` appears in logs.
    pub(crate) fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Reap what has ended, so that a set that serves connections does not grow with every one of them.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            tracing::trace!(task = name, "task started");
            task.await;
            tracing::trace!(task = name, "task ended");
        });
    }

    /// Asks every task to stop, and leaves it to them.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Resolves when [`TaskSet::stop`] or [`TaskSet::drain`] has been called; tasks `select!` on it to end in an orderly way.
    pub(crate) fn stopping(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stop = self.stop.subscribe();
        async move {
            // An error means that the set is gone, which is as good as a stop.
            let _ = stop.wait_for(|stopping| *stopping).await;
        }
    }

    /// Aborts every task without waiting for any. For a `Drop`, which can't wait.
    pub(crate) fn abort_all(&self) {
        self.tasks.lock().unwrap_or_else(std::sync::PoisonError::into_inner).abort_all();
    }

    /// Asks every task to stop and waits for them, at most `grace`; the rest are aborted.
    /// Returns whether all ended by themselves.
    pub(crate) async fn drain(&self, grace: Duration) -> bool {
        self.stop();
        let mut tasks =
            std::mem::take(&mut *self.tasks.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        let all_ended =
            tokio::time::timeout(grace, async { while tasks.join_next().await.is_some() {} }).await.is_ok();
        tasks.shutdown().await;
        all_ended
    }
}

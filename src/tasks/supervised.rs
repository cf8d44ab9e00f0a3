//! Supervised tasks: if one ends early, it is restarted or its set's owner is notified.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::{TaskSet, lock};
use crate::error::{Error, ErrorKind, Result};

/// Pause before the first restart. It doubles with each restart, up to [`MAX_BACKOFF`].
const INITIAL_BACKOFF: Duration = Duration::from_secs(1);
const MAX_BACKOFF: Duration = Duration::from_secs(60);
/// A run of this length resets the pause.
const STABLE_AFTER: Duration = Duration::from_secs(60);

/// What to do if a task ends without being asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnEnd {
    /// Restart it, after a pause that grows with each short run.
    Restart,
    /// Notify the owner of the set, through [`TaskSet::fatal`].
    Fatal,
}

/// State of a supervised task, as `/status` shows it.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct TaskReport {
    /// Name of the task, as in the log.
    pub(crate) name: &'static str,
    /// Current state.
    pub(crate) state: TaskState,
    /// Number of restarts.
    pub(crate) restarts: u64,
    /// Error of the last early end. Absent if there was none.
    pub(crate) last_error: Option<String>,
}

/// Current state of a supervised task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TaskState {
    /// Running.
    Running,
    /// Ended early; restarts after a pause.
    Waiting,
    /// Ended as asked.
    Stopped,
    /// Ended early; not restarted.
    Failed,
}

/// Signal that the set is being drained.
#[derive(Debug, Clone)]
pub(crate) struct StopSignal(watch::Receiver<bool>);

impl StopSignal {
    /// Resolves after [`TaskSet::drain`], or when the set is dropped.
    pub(crate) async fn requested(&self) {
        let _ = self.0.clone().wait_for(|stopping| *stopping).await;
    }

    /// Returns whether the drain was requested.
    pub(crate) fn is_requested(&self) -> bool {
        *self.0.borrow()
    }
}

#[derive(Debug, Default)]
pub(super) struct Registry {
    reports: Mutex<Vec<TaskReport>>,
    fatal: Mutex<Option<Error>>,
    told: Notify,
}

impl Registry {
    fn update(&self, index: usize, change: impl FnOnce(&mut TaskReport)) {
        if let Some(report) = lock(&self.reports).get_mut(index) {
            change(report);
        }
    }

    fn fail(&self, index: usize, error: Error) {
        self.update(index, |report| {
            report.state = TaskState::Failed;
            report.last_error = Some(error.to_string());
        });
        lock(&self.fatal).get_or_insert(error);
        self.told.notify_one();
    }
}

impl TaskSet {
    /// Starts a task that should run until the set is drained. `run` creates its future for each start. The future
    /// returns when its [`StopSignal`] is requested, or early with an error.
    pub(crate) fn supervise<F>(
        &self,
        name: &'static str,
        on_end: OnEnd,
        run: impl FnMut(StopSignal) -> F + Send + 'static,
    ) where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let index = {
            let mut reports = lock(&self.kept.reports);
            reports.push(TaskReport { name, state: TaskState::Running, restarts: 0, last_error: None });
            reports.len() - 1
        };
        let place = TaskEntry { register: self.kept.clone(), index, name };
        if self.spawn(name, place.keep(on_end, run, self.stop_signal())).is_err() {
            self.kept.update(index, |report| report.state = TaskState::Stopped);
        }
    }

    /// Returns the states of the supervised tasks, in the order of their first start.
    pub(crate) fn reports(&self) -> Vec<TaskReport> {
        lock(&self.kept.reports).clone()
    }

    /// Returns the drain signal. Unlike [`TaskSet::stopping`], it can be cloned and stored.
    pub(crate) fn stop_signal(&self) -> StopSignal {
        StopSignal(self.stop.subscribe())
    }

    /// Resolves when a task with [`OnEnd::Fatal`] has ended early.
    pub(crate) async fn fatal(&self) -> Error {
        loop {
            if let Some(error) = lock(&self.kept.fatal).take() {
                return error;
            }
            self.kept.told.notified().await;
        }
    }
}

/// Index of a supervised task in the set.
struct TaskEntry {
    register: Arc<Registry>,
    index: usize,
    name: &'static str,
}

impl TaskEntry {
    async fn keep<F>(
        self,
        on_end: OnEnd,
        mut run: impl FnMut(StopSignal) -> F + Send + 'static,
        stop: StopSignal,
    ) where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let mut pause = INITIAL_BACKOFF;
        loop {
            let started = Instant::now();
            let ended = run(stop.clone()).await;
            if stop.is_requested() {
                return self.stopped();
            }
            let error = ended.err().unwrap_or_else(|| Error::new(ErrorKind::Io, "it ended unasked"));
            let error = error.with_operation(format!("task {}", self.name));
            if on_end == OnEnd::Fatal {
                self.register.fail(self.index, error);
                return;
            }
            if started.elapsed() >= STABLE_AFTER {
                pause = INITIAL_BACKOFF;
            }
            let wait = jittered(pause, 50);
            tracing::warn!(task = self.name, %error, ?wait, "task ended early, starting it again");
            self.register.update(self.index, |report| {
                report.state = TaskState::Waiting;
                report.last_error = Some(error.to_string());
            });
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.requested() => return self.stopped(),
            }
            pause = (pause * 2).min(MAX_BACKOFF);
            self.register.update(self.index, |report| {
                report.state = TaskState::Running;
                report.restarts += 1;
            });
        }
    }

    fn stopped(&self) {
        self.register.update(self.index, |report| report.state = TaskState::Stopped);
    }
}

impl Drop for TaskEntry {
    /// Without `panic = "abort"`, a panic must not end a task unnoticed.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let error = Error::new(ErrorKind::Io, format!("task {} panicked", self.name));
            self.register.fail(self.index, error);
        }
    }
}

/// Returns `duration`, shortened by a random part of up to `percent`: the devices of a fleet that start together
/// must not stay in step.
pub(crate) fn jittered(duration: Duration, percent: u32) -> Duration {
    // Without a random number, the full duration is still correct.
    let random = getrandom::u32().unwrap_or(0) % 1000;
    duration.saturating_sub(duration * percent.min(100) / 100 * random / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test(start_paused = true)]
    async fn a_task_that_ends_early_is_restarted_with_growing_pauses() {
        let set = TaskSet::new();
        let starts = Arc::new(AtomicU32::new(0));
        let counter = starts.clone();
        set.supervise("bad", OnEnd::Restart, move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
            async { Err(Error::new(ErrorKind::Io, "out of luck")) }
        });
        tokio::time::sleep(Duration::from_secs(600)).await;
        let count = starts.load(Ordering::Relaxed);
        assert!((10..=30).contains(&count), "started {count} times in 10 min");
        let report = set.reports().remove(0);
        assert_eq!((report.name, report.restarts), ("bad", u64::from(count) - 1));
        assert_eq!(report.last_error.as_deref(), Some("task bad: out of luck"));
        assert!(set.drain(Duration::from_secs(1)).await, "a pause is cut short by a stop");
        assert!(set.stop_signal().is_requested());
    }

    #[tokio::test(start_paused = true)]
    async fn a_fatal_task_and_a_panic_reach_the_owner() {
        let set = TaskSet::new();
        set.supervise("door", OnEnd::Fatal, |_| async { Ok(()) });
        assert!(set.fatal().await.to_string().contains("task door: it ended unasked"));
        set.supervise("bomb", OnEnd::Restart, |_| async { panic!("on purpose") });
        assert!(set.fatal().await.to_string().contains("task bomb panicked"));
        assert!(set.reports().iter().all(|report| report.state == TaskState::Failed));
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_drain_nothing_starts() {
        let set = TaskSet::new();
        set.supervise("good", OnEnd::Restart, |stop| async move {
            stop.requested().await;
            Ok(())
        });
        tokio::task::yield_now().await;
        assert!(set.drain(Duration::from_secs(1)).await);
        let (alive, gone) = tokio::sync::oneshot::channel::<()>();
        assert!(set.spawn("late", async move { drop(alive) }).is_err());
        assert!(gone.await.is_err());
        set.supervise("later", OnEnd::Restart, |_| async { Ok(()) });
        assert!(set.reports().iter().all(|report| report.state == TaskState::Stopped));
    }

    #[test]
    fn jitter_stays_in_bounds() {
        for _ in 0..200 {
            let jittered = jittered(Duration::from_secs(10), 20);
            assert!((Duration::from_secs(8)..=Duration::from_secs(10)).contains(&jittered));
        }
    }
}

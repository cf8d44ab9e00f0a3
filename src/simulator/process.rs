//! One run of the supervisor: the state that is in memory and is lost when it ends.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::locks::{AppLocks, HeldLocks};
use super::machine::Machine;
use super::model::{Container, ContainerSpec};
use super::runner::Runner;
use super::{Power, lock};
use crate::tasks::TaskSet;

/// The update progress in `/v1/device`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Progress {
    pub(super) pending: bool,
    pub(super) failed: bool,
    pub(super) downloaded: bool,
    /// Number of consecutive failures; the pause before the next attempt grows with it.
    pub(super) failures: u32,
}

/// An event that a supervisor reports to the init system of its host.
#[derive(Debug, Clone, Copy)]
pub(super) enum Event {
    /// The host accepted a reboot or shutdown, and the supervisor closed.
    PowerRequested(Power),
    /// The supervisor crashed. It is to be started again after this time.
    Crashed(Duration),
}

#[derive(Debug)]
pub(super) struct Process {
    pub(super) machine: Arc<Machine>,
    pub(super) tasks: TaskSet,
    pub(super) runner: Runner,
    pub(super) turns: AppLocks,
    /// Temporary statuses by container id, which the engine does not know.
    passing: Mutex<HashMap<String, &'static str>>,
    /// Locks that the update loop holds, by app.
    pub(super) held: Mutex<HashMap<i64, HeldLocks>>,
    /// Images being downloaded, by reference, with the percentage.
    pub(super) downloads: Mutex<HashMap<String, (ContainerSpec, u32)>>,
    pub(super) progress: Mutex<Progress>,
    /// Start of the current run of the update loop.
    pub(super) applying_since: Mutex<Instant>,
    /// The power is about to go off: the loop does nothing more and reports nothing.
    pub(super) shutting_down: AtomicBool,
    events: mpsc::Sender<Event>,
}

impl Process {
    pub(super) fn new(machine: Arc<Machine>, events: mpsc::Sender<Event>) -> Arc<Self> {
        Arc::new(Self {
            machine,
            tasks: TaskSet::new(),
            runner: Runner::default(),
            turns: AppLocks::default(),
            passing: Mutex::default(),
            held: Mutex::default(),
            downloads: Mutex::default(),
            progress: Mutex::default(),
            applying_since: Mutex::new(Instant::now()),
            shutting_down: false.into(),
            events,
        })
    }

    /// Starts a task that ends with this run of the supervisor. Does nothing if it is shutting down.
    pub(super) fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        if self.tasks.spawn(name, task).is_err() {
            tracing::debug!(task = name, "the simulated supervisor is going down and starts nothing more");
        }
    }

    /// Stops listening and answering. Operations in progress continue.
    pub(super) fn close(&self) {
        self.shutting_down.store(true, Ordering::Relaxed);
        self.tasks.begin_drain();
    }

    /// Reboots or shuts down the host. The supervisor stops serving at once; the power goes off a moment later.
    pub(super) fn power(&self, power: Power) {
        if lock(&self.machine.host).go_down(power) {
            self.close();
            self.report_event(Event::PowerRequested(power));
        }
    }

    /// Crashes. The supervisor is started again after `downtime`.
    pub(super) fn crash(&self, downtime: Duration) {
        self.report_event(Event::Crashed(downtime));
    }

    /// Sends the event to the lifecycle of the host.
    fn report_event(&self, event: Event) {
        if self.events.try_send(event).is_err() {
            tracing::warn!(?event, "the simulated supervisor can't go down: its device has ended");
        }
    }

    /// Resolves when the supervisor stops serving.
    pub(super) fn closing(&self) -> impl Future<Output = ()> + Send + 'static {
        self.tasks.stopping()
    }

    /// Ends at once.
    pub(super) async fn end(&self) {
        self.close();
        self.tasks.drain(Duration::ZERO).await;
        // Lock files stay, as after a real crash.
        lock(&self.held).clear();
    }

    /// Returns whether the update loop has run for longer than `longest`. Downloads do not count.
    pub(super) fn is_stuck(&self, longest: Duration) -> bool {
        let downloading = !lock(&self.downloads).is_empty();
        self.runner.in_progress() && !downloading && lock(&self.applying_since).elapsed() >= longest
    }

    pub(super) fn report(&self, id: &str, status: &'static str) {
        lock(&self.passing).insert(id.to_owned(), status);
    }

    pub(super) fn report_done(&self, id: &str) {
        lock(&self.passing).remove(id);
    }

    pub(super) fn status_of(&self, container: &Container) -> &'static str {
        lock(&self.passing).get(&container.id).copied().unwrap_or_else(|| container.run.status())
    }
}

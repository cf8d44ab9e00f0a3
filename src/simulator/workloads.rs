//! The processes of containers: started, stopped and restarted as the engine does with containers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::Child;
use tokio::sync::watch;
use tokio::time::Instant;

use super::journal::Journal;
use super::lock;
use super::model::Container;
use super::workload::{Output, RestartPolicy, Workload};
use crate::tasks::TaskSet;

/// Pause before the first restart; it doubles with each further one, as the engine's.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A process that has run for this long is restarted after the first pause again.
const SETTLED: Duration = Duration::from_secs(10);

/// How a process is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// SIGTERM, and SIGKILL after this time.
    Orderly(Duration),
    /// SIGKILL at once, as at a power loss.
    Kill,
}

/// The process of one container.
#[derive(Debug, Clone)]
struct Running {
    service: (i64, String),
    stop: watch::Sender<Option<Stop>>,
    /// Id of the process, while there is one. Closed when it has ended for good.
    pid: watch::Receiver<Option<i32>>,
}

/// Processes by container, and what is to run in the containers of a service.
#[derive(Debug)]
pub(super) struct Workloads {
    known: Mutex<BTreeMap<(i64, String), Workload>>,
    running: Mutex<BTreeMap<String, Running>>,
    boot_id: PathBuf,
    journal: Arc<Journal>,
    tasks: TaskSet,
}

impl Workloads {
    pub(super) fn new(boot_id: PathBuf, journal: Arc<Journal>) -> Self {
        let (known, running) = (Mutex::default(), Mutex::default());
        Self { known, running, boot_id, journal, tasks: TaskSet::new() }
    }

    /// Sets what runs in the containers of a service from now on.
    pub(super) fn set(&self, app: i64, service: &str, workload: Workload) {
        lock(&self.known).insert((app, service.to_owned()), workload);
    }

    /// Starts the process of a container, if its service has one and it does not run. `variables` are the container's.
    pub(super) fn start(&self, container: &Container, variables: &BTreeMap<String, String>) {
        let service = (container.spec.app, container.spec.service.clone());
        let Some(workload) = lock(&self.known).get(&service).cloned() else { return };
        let mut running = lock(&self.running);
        running.retain(|_, running| !running.has_ended());
        if running.contains_key(&container.id) {
            return;
        }
        let (stop, stopped) = watch::channel(None);
        let (pid_sender, pid) = watch::channel(None);
        let process = Process {
            workload,
            variables: variables.clone(),
            boot_id: self.boot_id.clone(),
            container: container.clone(),
            journal: Arc::clone(&self.journal),
            stop: stopped,
            pid: pid_sender,
        };
        if self.tasks.spawn("workload", process.run()).is_ok() {
            running.insert(container.id.clone(), Running { service, stop, pid });
        }
    }

    /// Stops the process of a container and waits for its end. Returns whether there was one.
    pub(super) async fn stop(&self, id: &str, grace: Duration) -> bool {
        // It stays in the list, so that a power loss meanwhile finds it.
        let running = lock(&self.running).get(id).filter(|running| !running.has_ended()).cloned();
        let Some(running) = running else { return false };
        running.end(Stop::Orderly(grace)).await;
        true
    }

    /// Stops all processes and waits for their end.
    pub(super) async fn stop_all(&self, grace: Duration) {
        self.end_all(Stop::Orderly(grace)).await;
    }

    /// Kills all processes and waits for their end.
    pub(super) async fn kill_all(&self) {
        self.end_all(Stop::Kill).await;
    }

    async fn end_all(&self, how: Stop) {
        let all: Vec<Running> = lock(&self.running).values().cloned().collect();
        for running in &all {
            running.stop.send_replace(Some(how));
        }
        for running in all {
            running.end(how).await;
        }
    }

    /// Returns the id of the process of a service.
    pub(super) fn pid(&self, app: i64, service: &str) -> Option<u32> {
        let running = lock(&self.running);
        let mut of_service =
            running.values().filter(|running| running.service.0 == app && running.service.1 == service);
        of_service.find_map(|running| u32::try_from((*running.pid.borrow())?).ok())
    }

    /// Kills all processes without waiting.
    pub(super) fn abort(&self) {
        for running in lock(&self.running).values() {
            if let Some(pid) = *running.pid.borrow() {
                // It may have ended.
                let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
        self.tasks.abort_all();
    }
}

impl Running {
    fn has_ended(&self) -> bool {
        // The sender is gone when the process has ended for good.
        self.pid.has_changed().is_err()
    }

    /// Ends the process, and waits for its end.
    async fn end(mut self, how: Stop) {
        self.stop.send_replace(Some(how));
        while self.pid.changed().await.is_ok() {}
    }
}

/// The task of one container's process.
struct Process {
    workload: Workload,
    variables: BTreeMap<String, String>,
    boot_id: PathBuf,
    container: Container,
    journal: Arc<Journal>,
    stop: watch::Receiver<Option<Stop>>,
    pid: watch::Sender<Option<i32>>,
}

impl Process {
    /// Keeps the process running until it is stopped.
    async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let started = Instant::now();
            let stopped = self.run_once().await;
            if stopped || self.workload.restart == RestartPolicy::Never {
                return;
            }
            if started.elapsed() >= SETTLED {
                pause = FIRST_PAUSE;
            }
            tokio::select! {
                _ = asked_to_stop(&mut self.stop) => return,
                () = tokio::time::sleep(pause) => pause = pause.saturating_mul(2).min(LONGEST_PAUSE),
            }
        }
    }

    /// Runs the process until it ends. Returns whether it was stopped.
    async fn run_once(&mut self) -> bool {
        let mut child = match self.workload.command(&self.variables, &self.boot_id).spawn() {
            Ok(child) => child,
            Err(cause) => {
                self.say(&format!("the process can't be started: {cause}"));
                return false;
            }
        };
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        self.pid.send_replace(pid);
        let stopped = if self.workload.output() == Output::Journal {
            let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
            let (journal, container) = (Arc::clone(&self.journal), self.container.clone());
            let copied = async {
                tokio::join!(copy(stdout, &journal, &container), copy(stderr, &journal, &container));
                // A process may close its output and go on.
                std::future::pending::<()>().await;
            };
            tokio::select! {
                stopped = self.wait(&mut child, pid) => stopped,
                () = copied => false,
            }
        } else {
            self.wait(&mut child, pid).await
        };
        if let Some(pid) = pid {
            // Children that it left behind end with the container.
            let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
        }
        self.pid.send_replace(None);
        stopped
    }

    async fn wait(&mut self, child: &mut Child, pid: Option<i32>) -> bool {
        let mut stop = self.stop.clone();
        let how = tokio::select! {
            ended = child.wait() => {
                let text = ended.map_or_else(|cause| cause.to_string(), |status| status.to_string());
                self.say(&format!("the process has ended by itself: {text}"));
                return false;
            }
            how = asked_to_stop(&mut stop) => how,
        };
        if let (Stop::Orderly(grace), Some(pid)) = (how, pid) {
            // It may have ended.
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
            tokio::select! {
                _ = child.wait() => return true,
                () = tokio::time::sleep(grace) => {}
                // The power is lost meanwhile.
                _ = stop.wait_for(|how| *how == Some(Stop::Kill)) => {}
            }
        }
        if let Some(pid) = pid {
            let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
        }
        if let Err(error) = child.wait().await {
            tracing::warn!(%error, "a process of the simulated device can't be waited for");
        }
        true
    }

    fn say(&self, text: &str) {
        self.journal.write_of(&self.container, text);
    }
}

/// Waits until the process is to end.
async fn asked_to_stop(stop: &mut watch::Receiver<Option<Stop>>) -> Stop {
    match stop.wait_for(Option::is_some).await {
        Ok(how) => how.unwrap_or(Stop::Kill),
        // The device has been dropped.
        Err(_) => Stop::Kill,
    }
}

/// Copies lines into the journal until the end of the output.
async fn copy(output: Option<impl AsyncRead + Unpin>, journal: &Journal, container: &Container) {
    let Some(output) = output else { return };
    let mut reader = BufReader::new(output);
    let mut line = Vec::new();
    while matches!(reader.read_until(b'\n', &mut line).await, Ok(read) if read > 0) {
        journal.write_of(container, String::from_utf8_lossy(&line).trim_end_matches('\n'));
        line.clear();
    }
}

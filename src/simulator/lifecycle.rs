//! Starts, stops and restarts of the supervisor, and reboots and shutdowns of the host.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc;

use super::machine::{Machine, Stage};
use super::model::{EngineCall, Timings};
use super::process::{Event, Process};
use super::{Power, apply, lock, server, update};
use crate::tasks::TaskSet;

/// Interval of checking whether the power is off.
const POWER_POLL_INTERVAL: Duration = Duration::from_millis(5);
/// Interval of checking whether the engine is running.
const ENGINE_RETRY: Duration = Duration::from_millis(100);
/// Capacity of the queue of events. A supervisor sends one, when it ends.
const EVENT_QUEUE: usize = 8;
/// Length of the accept queue.
const BACKLOG: u32 = 128;

/// How the power goes off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PowerEnd {
    /// Processes are stopped first.
    Orderly,
    /// At once.
    Lost,
}

/// What starts and ends the supervisor and the host, as the init system of a device does.
#[derive(Debug)]
pub(super) struct Lifecycle {
    machine: Arc<Machine>,
    pub(super) process: Mutex<Option<Arc<Process>>>,
    /// Sender that each supervisor gets a clone of.
    events: mpsc::Sender<Event>,
    /// Whether a supervisor ran before: the first one finds everything settled, a later one polls the cloud at once.
    ran_before: AtomicBool,
    /// The device is being dropped: nothing is started any more.
    over: AtomicBool,
    /// Pending restarts of the supervisor.
    pub(super) restarts: TaskSet,
    /// The reader of events, and pending reboots and shutdowns.
    tasks: TaskSet,
    pub(super) address: SocketAddr,
    /// Bound but not listening: reserves the port while the supervisor is down, so that connections are refused.
    _reserved: TcpSocket,
}

/// Binds a socket that can share its port with the device's other one.
pub(super) fn bind(address: SocketAddr) -> std::io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    Ok(socket)
}

impl Lifecycle {
    /// Starts the supervisor of a device for the first time, on the address that `reserved` is bound to.
    pub(super) fn start(machine: Arc<Machine>, reserved: TcpSocket) -> std::io::Result<Arc<Self>> {
        let (events, received) = mpsc::channel(EVENT_QUEUE);
        let lifecycle = Arc::new(Self {
            machine,
            process: Mutex::default(),
            events,
            ran_before: false.into(),
            over: false.into(),
            restarts: TaskSet::new(),
            tasks: TaskSet::new(),
            address: reserved.local_addr()?,
            _reserved: reserved,
        });
        lifecycle.start_process()?;
        lifecycle.follow(received);
        Ok(lifecycle)
    }

    /// Does what the supervisors ask for.
    fn follow(self: &Arc<Self>, mut events: mpsc::Receiver<Event>) {
        let lifecycle = Arc::clone(self);
        let reader = async move {
            while let Some(event) = events.recv().await {
                match event {
                    Event::PowerRequested(power) => lifecycle.power_off(power, PowerEnd::Orderly),
                    // A supervisor that was stopped meanwhile is not started again.
                    Event::Crashed(_) if lock(&lifecycle.process).is_none() => {}
                    Event::Crashed(downtime) => lifecycle.crash(downtime),
                }
            }
        };
        if self.tasks.spawn("supervisor events", reader).is_err() {
            tracing::warn!("the simulated supervisor can't reboot or restart: its device has ended");
        }
    }

    /// Starts a supervisor, unless one is running. It listens when this returns.
    pub(super) fn start_process(self: &Arc<Self>) -> std::io::Result<()> {
        if lock(&self.machine.host).stage == Stage::Off {
            let message = "the simulated device is switched off: switch it on first";
            return Err(std::io::Error::new(std::io::ErrorKind::NotConnected, message));
        }
        let mut slot = lock(&self.process);
        if slot.is_none() && !self.over.load(Ordering::Relaxed) {
            let listener: TcpListener = bind(self.address)?.listen(BACKLOG)?;
            let process = Process::new(Arc::clone(&self.machine), self.events.clone());
            server::serve(&process, listener);
            // A supervisor first checks its apps, and then polls.
            apply::trigger(&process, apply::Trigger::default());
            update::start_polling(&process, self.ran_before.swap(true, Ordering::Relaxed));
            *slot = Some(process);
        }
        Ok(())
    }

    /// Stops the supervisor: open connections are cut, new ones refused.
    pub(super) async fn stop_process(&self) {
        let process = lock(&self.process).take();
        if let Some(process) = process {
            process.end().await;
        }
    }

    /// Crashes the supervisor. It restarts by itself after `downtime`, once the engine is running.
    pub(super) fn crash(self: &Arc<Self>, downtime: Duration) {
        let lifecycle = Arc::clone(self);
        let restart = async move {
            lifecycle.stop_process().await;
            tokio::time::sleep(downtime).await;
            lifecycle.start_when_possible().await;
        };
        if self.restarts.spawn("supervisor restart", restart).is_err() {
            tracing::warn!("the simulated supervisor can't come back: its device is over");
        }
    }

    async fn start_when_possible(self: &Arc<Self>) {
        let needed = [EngineCall::ListContainers, EngineCall::InspectContainer, EngineCall::ListImages];
        while needed.iter().any(|call| self.machine.engine.fails(*call)) {
            tokio::time::sleep(ENGINE_RETRY).await;
        }
        if let Err(error) = self.start_process() {
            tracing::warn!(%error, "the simulated supervisor could not listen again");
        }
    }

    /// Starts a reboot or shutdown. The supervisor stops serving at once; the power goes off a moment later.
    pub(super) fn power(self: &Arc<Self>, power: Power) {
        if !lock(&self.machine.host).go_down(power) {
            return;
        }
        let process = lock(&self.process).clone();
        if let Some(process) = process {
            process.close();
        }
        self.power_off(power, PowerEnd::Orderly);
    }

    /// Cuts the power, and switches it on again after the time for a boot.
    pub(super) fn cut_power(self: &Arc<Self>) {
        if lock(&self.machine.host).go_down(Power::Reboot) {
            self.power_off(Power::Reboot, PowerEnd::Lost);
        }
    }

    /// Switches the power off a moment later, and after a reboot on again. The supervisor has already closed.
    fn power_off(self: &Arc<Self>, power: Power, end: PowerEnd) {
        let lifecycle = Arc::clone(self);
        let power_task = async move {
            let machine = &lifecycle.machine;
            let Timings { power_off, stop_grace, .. } = *lock(&machine.timings);
            if end == PowerEnd::Orderly {
                // The host stops the containers while it goes down.
                let stopped = machine.engine.workloads.stop_all(stop_grace);
                tokio::join!(tokio::time::sleep(power_off), stopped);
            }
            lifecycle.restarts.cancel_all().await;
            lifecycle.stop_process().await;
            machine.engine.power_off().await;
            machine.locks.forget();
            // Last, so that a power-on in between can't be undone by the steps above.
            lock(&machine.host).stage = Stage::Off;
            if power == Power::Reboot {
                let boot = lock(&machine.timings).boot;
                tokio::time::sleep(boot).await;
                lifecycle.boot().await;
            }
        };
        if self.tasks.spawn("power", power_task).is_err() {
            tracing::warn!("the simulated device can't reboot or shut down: it is over");
        }
    }

    /// Switches the host on, after a pending shutdown is complete. Does nothing if it is on.
    pub(super) async fn switch_on(self: &Arc<Self>) {
        while lock(&self.machine.host).stage == Stage::GoingDown && !self.over.load(Ordering::Relaxed) {
            tokio::time::sleep(POWER_POLL_INTERVAL).await;
        }
        self.boot().await;
    }

    /// Boots the host. Does nothing unless it is off.
    pub(super) async fn boot(self: &Arc<Self>) {
        {
            let mut host = lock(&self.machine.host);
            if host.stage != Stage::Off {
                return;
            }
            host.stage = Stage::On;
        }
        self.machine.journal.boot(self.machine.settings(|settings| settings.persistent_logging()));
        if let Err(error) = self.machine.boot_id.replace(&self.machine.journal.boot_id()) {
            tracing::warn!(%error, "the simulated device could not write its boot id");
        }
        for container in self.machine.engine.all_containers() {
            // The engine creates the mount points; without the supervisor, only root can write to them.
            let _ = self.machine.locks.prepare(container.spec.app, &container.spec.service, false);
        }
        self.machine.engine.boot();
        lock(&self.machine.host).network.boot();
        self.start_when_possible().await;
    }

    /// Ends everything at once.
    pub(super) fn abort(&self) {
        self.over.store(true, Ordering::Relaxed);
        self.restarts.abort_all();
        self.tasks.abort_all();
        self.machine.engine.abort();
        if let Some(process) = lock(&self.process).take() {
            process.tasks.abort_all();
        }
    }
}

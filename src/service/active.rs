//! A service that can work with its settings: what it is made of, and the order in which its parts start and end.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use super::clock::{ServiceClock, SystemClock};
use super::config::Checked;
use super::context::Context;
use super::gateway::{self, Listeners};
use super::journal::{self, OwnedBy, OwnedJournal, Owner};
use super::locks::{self, Locks};
use super::standby::Standby;
use super::{actions, config, device, events, ledger, metrics, now};
use crate::Balena;
use crate::error::Result;
use crate::tasks::{OnEnd, TaskSet};

/// Time from the stop request to the end, with all steps. Container engines kill after 10 s.
const STOP_LIMIT: Duration = Duration::from_secs(8);

/// Time for the last entry of a run. The journal may wait for slow storage.
const LAST_ENTRY_LIMIT: Duration = Duration::from_secs(2);

/// The part of [`STOP_LIMIT`] for what is written after the tasks have ended.
const LAST_WRITES_LIMIT: Duration = Duration::from_secs(1);

/// Returns the secrets that must not come into the ledger.
fn secrets(balena: &Balena, config: &Checked) -> ledger::Secrets {
    let environment = balena.environment();
    let own = [&environment.supervisor_api_key, &environment.api_key];
    let clients = config.clients.iter().map(|client| &client.token);
    ledger::Secrets::new(own.into_iter().chain(clients).flatten().cloned())
}

/// Logs the address, the version and the main settings in one line.
fn log_start(context: &Context, addresses: &[SocketAddr]) {
    let config = &context.config;
    tracing::info!(
        version = %env!("CARGO_PKG_VERSION"),
        address = %words(addresses),
        supervisor = context.supervisor_address().map(tracing::field::display),
        events_clients = config.events_clients,
        poll_quick = ?config.poll_quick,
        poll_slow = ?config.poll_slow,
        poll_away = ?config.poll_away,
        "service started"
    );
}

fn words(list: &[impl ToString]) -> String {
    list.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// A service that can work with its settings.
#[derive(Debug)]
pub(super) struct Active {
    listeners: Listeners,
    context: Arc<Context>,
    tasks: Arc<TaskSet>,
}

impl Active {
    /// Binds the TCP sockets of a service with these settings.
    ///
    /// # Errors
    /// Those of the first address that can't be bound.
    pub(super) async fn start(balena: Balena, mut config: Checked) -> Result<Self> {
        // Other services of the application reach this one by its name.
        config.hosts.extend(balena.environment().service_name.clone());
        let listeners = Listeners::tcp(&config.listen).await?;
        if config.clients.is_empty() {
            for address in listeners.addresses().iter().filter(|address| !address.ip().is_loopback()) {
                tracing::warn!(
                    %address,
                    "listening beyond loopback without clients: others get /live and /ready only; name them with AGENT_CLIENT_<NAME>"
                );
            }
        }
        for fault in &config.faults {
            tracing::warn!(setting = %fault.setting, "{fault}");
        }
        let tasks = Arc::new(TaskSet::new());
        let started_at = now();
        let clock: Arc<dyn ServiceClock> = Arc::new(SystemClock::new());
        let events = events::EventLog::new(config.events_history);
        let subscribers = events.clone();
        let tell = move |event: locks::LeaseEvent| {
            if let Some(kind) = event.what.kind() {
                subscribers.publish(kind, &event.lease);
            }
        };
        let locks =
            Arc::new(Locks::new(balena.update_lock(), lease_limits(&config), clock.clone(), Box::new(tell)));
        let secrets = secrets(&balena, &config);
        let ledger = ledger::Ledger::new(events.clone(), clock.clone(), secrets, config.ledger.clone());
        let actions = actions::Actions::new(
            balena.clone(),
            locks.clone(),
            events.clone(),
            ledger.clone(),
            clock.clone(),
            Arc::downgrade(&tasks),
        );
        let context = Arc::new(Context {
            standby: Standby::new(),
            journal: OnceLock::new(),
            ledger,
            bus: watch::Sender::new(device::Snapshot::new(started_at)),
            events,
            meters: metrics::Metrics::default(),
            progress: device::Progress::new(),
            gateway: Arc::new(gateway::Clients::new(&config, admin_token(&config), gateway::NAME_SERVER)),
            clients: events::places(config.events_clients),
            started: Instant::now(),
            started_at,
            stop: tasks.stop_signal(),
            tasks: Arc::downgrade(&tasks),
            locks,
            actions: Arc::new(actions),
            clock,
            balena,
            faults: config::Faults::new(config.faults.clone()),
            config,
        });
        Ok(Active { listeners, context, tasks })
    }

    /// Returns the bound TCP addresses, with the actual ports.
    pub(super) fn addresses(&self) -> &[SocketAddr] {
        self.listeners.addresses()
    }

    /// Runs until `shutdown` resolves.
    ///
    /// First it only answers and watches the device. It acts as soon as no other agent owns the state: then the leases
    /// of the last run go on, before anything else.
    ///
    /// # Errors
    /// That of a part that the service can't work without.
    pub(super) async fn run(self, shutdown: impl Future<Output = ()>) -> Result<()> {
        let Self { listeners, context, tasks } = self;
        log_start(&context, listeners.addresses());
        serve(&tasks, &context, "server", listeners);
        let observed = context.clone();
        tasks.supervise("observer", OnEnd::Restart, move |stop| device::run(observed.clone(), stop));
        let mut shutdown = std::pin::pin!(shutdown);
        let mut owner = None;
        let failed = tokio::select! {
            biased;
            () = &mut shutdown => None,
            error = tasks.fatal() => Some(error),
            () = act(&context, &tasks, &mut owner) => tokio::select! {
                () = shutdown => None,
                error = tasks.fatal() => Some(error),
            },
        };
        tracing::info!("service stopping");
        let deadline = Instant::now() + STOP_LIMIT;
        context.events.publish(events::EventKind::AgentStopping, &());
        if context.standby.reason().is_none() {
            write_stop(&context).await;
        }
        let grace = (deadline - LAST_WRITES_LIMIT).saturating_duration_since(Instant::now());
        if !tasks.drain(grace).await {
            tracing::warn!(?grace, "some tasks did not end in time and were aborted");
        }
        if timeout_at(deadline, write_rest(&context)).await.is_err() {
            tracing::warn!(limit = ?STOP_LIMIT, "the last changes were not written in time");
        }
        // The next agent may act from here on.
        drop(owner);
        failed.map_or(Ok(()), Err)
    }
}

/// Waits until no other agent owns the state, continues what the last run left, and starts the parts that act.
///
/// The owner is in `owned` from then on, also if this future is dropped: no other agent may act before the parts that
/// have started have ended.
async fn act(context: &Arc<Context>, tasks: &TaskSet, owned: &mut Option<Owner>) {
    let OwnedJournal { journal, owner, faults } = own(&context.balena, &context.config, |other| {
        tracing::warn!("waiting: {other}");
        context.standby.wait_for(other.to_string());
    })
    .await;
    *owned = Some(owner);
    if !faults.is_empty() {
        context.faults.set("AGENT_STATE_DIRECTORY", faults.join("; "));
    }
    // This function runs once.
    let _ = context.journal.set(journal.clone());
    context.ledger.open(journal.clone());
    context.locks.start(&journal, locks::Parked::No).await;
    context.actions.start(&journal).await;
    let locks = context.locks.clone();
    tasks.supervise("locks", OnEnd::Restart, move |stop| locks::run(locks.clone(), stop));
    let recorded = context.clone();
    tasks.supervise("ledger", OnEnd::Restart, move |stop| ledger::run(recorded.clone(), stop));
    tasks.supervise("journal", OnEnd::Restart, move |stop| {
        let journal = journal.clone();
        async move { journal.run(stop).await }
    });
    let (sockets, off) = Listeners::unix(&context.config.clients);
    for (client, error) in off {
        let setting = format!("AGENT_CLIENT_{}_SOCKET", client.to_ascii_uppercase());
        context.faults.set(&setting, error.to_string());
    }
    if !sockets.is_empty() {
        serve(tasks, context, "socket server", sockets);
    }
    context.standby.end();
}

/// Opens the journal as its only owner. Calls `busy` for each other agent that it waits for.
async fn own(balena: &Balena, config: &Checked, busy: impl FnMut(&OwnedBy)) -> OwnedJournal {
    let lock = balena.update_lock();
    // Without that directory, as on a development machine, there is no lock to take either.
    let lock_directory = lock.path().parent().filter(|directory| directory.is_dir());
    journal::open_owned(config.state_directory.as_deref(), lock_directory, busy).await
}

/// While the settings can't work: continues the leases of the last run for at most an hour, and grants no new one. So
/// the release with the correction is not held back for longer.
///
/// `config` are the settings without those at fault: the leases are in the state directory of the last run.
pub(super) async fn honour_leases(balena: &Balena, config: &Checked, shutdown: impl Future<Output = ()>) {
    let tasks = TaskSet::new();
    let keep = async {
        let OwnedJournal { journal, owner, .. } = own(balena, config, |_| ()).await;
        let clock: Arc<dyn ServiceClock> = Arc::new(SystemClock::new());
        let locks = Arc::new(Locks::new(balena.update_lock(), lease_limits(config), clock, Box::new(drop)));
        locks.start(&journal, locks::Parked::Yes).await;
        tasks.supervise("locks", OnEnd::Restart, move |stop| locks::run(locks.clone(), stop));
        std::future::pending::<()>().await;
        drop(owner);
    };
    // Dropped last: it has the owner.
    let mut keep = std::pin::pin!(keep);
    tokio::select! {
        () = &mut keep => {}
        () = shutdown => drop(tasks.drain(LAST_ENTRY_LIMIT).await),
    }
}

fn lease_limits(config: &Checked) -> locks::LeaseLimits {
    locks::LeaseLimits { per_client: config.limits.leases, max_ttl: config.limits.lock_max_ttl }
}

/// Starts the task that accepts connections on these sockets.
fn serve(tasks: &TaskSet, context: &Arc<Context>, name: &'static str, listeners: Listeners) {
    let (listeners, context) = (Arc::new(listeners), context.clone());
    tasks.supervise(name, OnEnd::Fatal, move |stop| gateway::run(listeners.clone(), context.clone(), stop));
}

/// Writes that the agent was told to stop.
async fn write_stop(context: &Context) {
    match timeout(LAST_ENTRY_LIMIT, context.ledger.stopped()).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::warn!(%error, "can't write that the agent was told to stop"),
        Err(_) => tracing::warn!(limit = ?LAST_ENTRY_LIMIT, "the stop was not written in time"),
    }
}

/// Writes what the tasks have left. A stop amid the start comes before the task of the leases.
async fn write_rest(context: &Context) {
    context.locks.stop().await;
    if let Some(journal) = context.journal.get()
        && let Err(error) = journal.flush().await
    {
        tracing::warn!(%error, "the last changes could not be written");
    }
}

/// Opens the admin token. Without one, the service still works for its clients.
fn admin_token(config: &Checked) -> Option<gateway::AdminToken> {
    let directory = journal::StateDirectory::find(config.state_directory.as_deref());
    let prepared = directory.path().map_or(Ok(()), journal::prepare);
    prepared
        .and_then(|()| gateway::AdminToken::open(directory.path()))
        .inspect_err(|error| tracing::warn!(%error, "no admin token"))
        .ok()
}

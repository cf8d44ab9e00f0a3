//! The long-running service (`balena-agent run`): polls the supervisor and serves the device's state to other
//! containers.
//!
//! One task polls the supervisor and publishes snapshots on a `watch` channel. All endpoints read the latest
//! snapshot:
//!
//! | path | answer |
//! |---|---|
//! | `GET /live` | 200 while the service makes progress, else 503 with the reason |
//! | `GET /ready` | 200 when the supervisor answers and has loaded its state, else 503 with the reason |
//! | `GET /status` | the latest snapshot as JSON |
//! | `GET /metrics` | OpenMetrics text |
//! | `GET /events` | WebSocket: the state first, then each change as one JSON object |
//!
//! ```no_run
//! # async fn example() -> balena_agent::Result<()> {
//! use balena_agent::{Balena, service};
//!
//! let shutdown = std::future::pending(); // resolves when the service is to stop
//! service::run(Balena::from_env()?, service::Config::from_env(), shutdown).await
//! # }
//! ```

mod actions;
mod client;
mod clock;
mod config;
mod context;
mod device;
mod events;
mod gateway;
mod journal;
mod ledger;
mod locks;
mod log_rate_limit;
mod metrics;
mod scope;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::Balena;
use crate::error::{Error, Result};
use crate::tasks::{OnEnd, TaskSet};

use config::{Checked, Fault, Strictness};
#[cfg(feature = "cli")]
pub(crate) use config::{help as settings_help, report as check_settings, shown as settings};
use context::Context;
use gateway::{Parked, Unparked};

pub use client::{Client, Events, LedgerEntry, LedgerEvidence, LedgerQuery};
pub use config::Config;

/// Time from the stop request to the end. Container engines kill after 10 s.
const DRAIN_LIMIT: Duration = Duration::from_secs(8);

/// Time for the last entry of a run. The journal may wait for slow storage.
const LAST_ENTRY_LIMIT: Duration = Duration::from_secs(2);

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
        answers = %gateway::paths().join(" "),
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

/// Returns the time, truncated to milliseconds.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

/// A service that is bound to its socket and does not run yet. Returned by [`bind`].
#[derive(Debug)]
#[must_use = "call `run`"]
pub struct Service {
    balena: Balena,
    config: Config,
    state: State,
}

/// Whether the service can work with its settings.
#[derive(Debug)]
enum State {
    Active(Box<Active>),
    Parked(Parked),
}

/// A service that can work with its settings.
#[derive(Debug)]
struct Active {
    listeners: gateway::Listeners,
    context: Arc<Context>,
    tasks: Arc<TaskSet>,
}

/// Runs the service until `shutdown` resolves: [`bind`], then [`Service::run`].
///
/// # Errors
/// The errors of [`bind`] and of [`Service::run`].
pub async fn run(balena: Balena, config: Config, shutdown: impl Future<Output = ()>) -> Result<()> {
    let mut shutdown = std::pin::pin!(shutdown);
    let service = tokio::select! {
        biased;
        service = bind(balena, config) => service?,
        () = &mut shutdown => return Ok(()),
    };
    service.run(shutdown).await
}

/// Checks all settings and binds the socket. Serves no request yet. Retries for 5 s while another process listens on
/// the port, and for 70 s while a connection uses it.
///
/// With settings that can't work, the service is *parked*: it runs, answers `/live` with 200 and everything else with
/// 503, `/ready` with the list of faults, and does nothing else. So a container is not restarted again and again. It
/// listens on the addresses that can be bound, else on `127.0.0.1:48485`. If the only fault is an address that this
/// machine does not have, it starts as soon as the machine has it.
///
/// # Errors
/// With [`Config::strict`] `is_config`, with all faults of the settings and of the supervisor's variables, or if the
/// address is not one of this machine or needs privileges. `is_io` if the port stays in use.
pub async fn bind(balena: Balena, config: Config) -> Result<Service> {
    let state = State::new(&balena, &config).await?;
    Ok(Service { balena, config, state })
}

impl State {
    async fn new(balena: &Balena, config: &Config) -> Result<Self> {
        let refused = match config.check(balena) {
            Ok(checked) => {
                let listen = checked.listen.clone();
                match start(balena.clone(), checked).await {
                    Ok(active) => return Ok(Self::Active(Box::new(active))),
                    Err(error) if error.is_config() && config.strictness() == Strictness::Park => {
                        return Self::awaiting(&listen, &error).await;
                    }
                    Err(error) => return Err(error),
                }
            }
            Err(refused) => refused,
        };
        match config.strictness() {
            Strictness::Fail => Err(refused.error()),
            Strictness::Park => Ok(Self::Parked(Parked::bind(&refused.listen, refused.faults, None).await?)),
        }
    }

    /// Parks a service because of an address that can't be bound.
    async fn awaiting(listen: &[SocketAddr], error: &Error) -> Result<Self> {
        let mut awaited = None;
        for address in listen {
            if gateway::listen(*address).await.is_err() {
                awaited = Some(*address);
                break;
            }
        }
        let fault = Fault { setting: "AGENT_LISTEN".to_owned(), text: error.to_string() };
        Ok(Self::Parked(Parked::bind(listen, vec![fault], awaited).await?))
    }
}

/// Binds the socket of a service with these settings.
async fn start(balena: Balena, mut config: Checked) -> Result<Active> {
    // Other services of the application reach this one by its name.
    config.hosts.extend(balena.environment().service_name.clone());
    let (listeners, off) = gateway::Listeners::bind(&config).await?;
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
    let clock: Arc<dyn clock::ServiceClock> = Arc::new(clock::SystemClock::new());
    let limits = locks::LeaseLimits { per_client: config.limits.leases, max_ttl: config.limits.lock_max_ttl };
    let events = events::EventLog::new(config.events_history);
    let subscribers = events.clone();
    let tell = move |event: locks::LeaseEvent| {
        if let Some(kind) = event.what.kind() {
            subscribers.publish(kind, &event.lease);
        }
    };
    let locks = Arc::new(locks::Locks::new(balena.update_lock(), limits, clock.clone(), Box::new(tell)));
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
    for (client, error) in off {
        context
            .faults
            .set(&format!("AGENT_CLIENT_{}_SOCKET", client.to_ascii_uppercase()), error.to_string());
    }
    Ok(Active { listeners, context, tasks })
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

impl Service {
    /// Returns the first bound address, with the actual port if the setting was port 0.
    pub fn address(&self) -> SocketAddr {
        self.addresses().first().copied().unwrap_or(config::DEFAULT_LISTEN)
    }

    /// Returns all bound addresses, with the actual ports.
    pub fn addresses(&self) -> &[SocketAddr] {
        match &self.state {
            State::Active(active) => active.listeners.addresses(),
            State::Parked(parked) => parked.addresses(),
        }
    }

    /// Runs until `shutdown` resolves. Then `/ready` answers 503, no new connection is accepted, `/events` clients
    /// get close code 1001, and the tasks have 8 s to end. Dropping the future stops everything at once.
    ///
    /// # Errors
    /// Only if a part fails that the service can't work without. A supervisor that does not answer is no error: the
    /// service waits for it.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<()> {
        let Self { balena, config, mut state } = self;
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            match state {
                State::Active(active) => return active.run(shutdown).await,
                State::Parked(parked) => match parked.run(&mut shutdown).await {
                    Unparked::Shutdown => return Ok(()),
                    Unparked::AddressIsThere => state = State::new(&balena, &config).await?,
                },
            }
        }
    }
}

impl Active {
    /// Runs until `shutdown` resolves.
    async fn run(self, shutdown: impl Future<Output = ()>) -> Result<()> {
        let Self { listeners, context, tasks } = self;
        log_start(&context, listeners.addresses());
        let journal = journal::Journal::in_memory();
        context.ledger.open(journal.clone());
        // Before anything else: what an earlier process holds for its clients goes on.
        context.locks.start(&journal, locks::Parked::No).await;
        context.actions.start(&journal).await;
        let listeners = Arc::new(listeners);
        let locks = context.locks.clone();
        let (observer, door) = (context.clone(), context.clone());
        tasks.supervise("locks", OnEnd::Restart, move |stop| locks::run(locks.clone(), stop));
        tasks.supervise("observer", OnEnd::Restart, move |stop| device::run(observer.clone(), stop));
        let recorder = context.clone();
        tasks.supervise("ledger", OnEnd::Restart, move |stop| ledger::run(recorder.clone(), stop));
        tasks.supervise("server", OnEnd::Fatal, move |stop| {
            gateway::run(listeners.clone(), door.clone(), stop)
        });
        let failed = tokio::select! {
            () = shutdown => None,
            error = tasks.fatal() => Some(error),
        };
        tracing::info!("service stopping");
        context.events.publish(events::EventKind::AgentStopping, &());
        match tokio::time::timeout(LAST_ENTRY_LIMIT, context.ledger.stopped()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "can't write that the agent was told to stop"),
            Err(_) => tracing::warn!(limit = ?LAST_ENTRY_LIMIT, "the stop was not written in time"),
        }
        if !tasks.drain(DRAIN_LIMIT).await {
            tracing::warn!(limit = ?DRAIN_LIMIT, "some tasks did not end in time and were aborted");
        }
        failed.map_or(Ok(()), Err)
    }
}

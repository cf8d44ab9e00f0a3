//! The long-running service: watches this device through its supervisor and tells siblings about it.
//!
//! One task polls the supervisor and puts what it learns on a bus; everything else reads the bus:
//!
//! | path | answer |
//! |---|---|
//! | `GET /live` | 200 while the service makes progress, else 503 with the reason |
//! | `GET /ready` | 200 when the supervisor answers and has loaded its state, else 503 with the reason |
//! | `GET /status` | everything that is known, as JSON |
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

mod change;
mod client;
mod config;
mod events;
mod health;
mod http;
mod listen;
mod log_limit;
mod metrics;
mod observer;
mod openmetrics;
mod outage;
mod places;
mod server;
mod state;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::Balena;
use crate::error::Result;
use crate::tasks::{OnEnd, Stop, TaskSet};

pub use client::{Events, health, subscribe};
pub use config::Config;

/// Between the request to stop and the end; container engines kill after 10 s.
const DRAIN_LIMIT: Duration = Duration::from_secs(8);

/// What the rooms of the service share.
#[derive(Debug)]
pub(crate) struct Context {
    balena: Balena,
    config: config::Checked,
    /// The one bus of device state.
    bus: watch::Sender<state::Snapshot>,
    meters: metrics::Meters,
    progress: health::Progress,
    /// Of the clients of `/events`.
    clients: places::Places,
    started: Instant,
    started_at: Timestamp,
    stop: Stop,
    /// Weak, because the tasks hold this: else a dropped service would live on in its own tasks.
    tasks: Weak<TaskSet>,
}

impl Context {
    /// The present state.
    fn snapshot(&self) -> state::Snapshot {
        self.bus.borrow().clone()
    }

    /// Number of clients that follow `/events`.
    fn events_clients(&self) -> usize {
        self.clients.held()
    }

    /// The supervisor's address, without what somebody may have pasted behind it.
    fn supervisor_address(&self) -> Option<&str> {
        self.balena.supervisor().address()?.split(['?', '#']).next()
    }

    /// One line with what somebody who reads the log wants to know first.
    fn log_start(&self, address: SocketAddr) {
        let config = &self.config;
        tracing::info!(
            version = %env!("CARGO_PKG_VERSION"),
            %address,
            supervisor = self.supervisor_address().map(tracing::field::display),
            answers = %http::PATHS.join(" "),
            events_clients = config.events_clients,
            poll_quick = ?config.poll_quick,
            poll_slow = ?config.poll_slow,
            poll_away = ?config.poll_away,
            "service started"
        );
    }
}

/// The time in milliseconds: more digits would only pretend.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

/// A service that has its socket and has not started to work. From [`bind`].
#[derive(Debug)]
#[must_use = "call `run`"]
pub struct Service {
    listener: TcpListener,
    address: SocketAddr,
    context: Arc<Context>,
    tasks: Arc<TaskSet>,
}

/// Runs the service until `shutdown` resolves: [`bind`] and [`Service::run`] in one.
///
/// # Errors
/// Those of the two.
pub async fn run(balena: Balena, config: Config, shutdown: impl Future<Output = ()>) -> Result<()> {
    let mut shutdown = std::pin::pin!(shutdown);
    let service = tokio::select! {
        biased;
        service = bind(balena, config) => service?,
        () = &mut shutdown => return Ok(()),
    };
    service.run(shutdown).await
}

/// Checks all settings and takes the socket; nothing is served yet. While another process listens on the port it
/// tries again for 5 s, and while a connection uses it, for 70 s.
///
/// # Errors
/// `is_config` with every fault of the settings at once (the supervisor's variables among them), or when
/// the address is not one of this machine or needs privileges; `is_io` when the port stays taken.
pub async fn bind(balena: Balena, config: Config) -> Result<Service> {
    let config = config.check(&balena)?;
    let listener = listen::listen(config.listen).await?;
    let address = listener.local_addr().map_err(|cause| listen::no_address(config.listen, cause))?;
    if !address.ip().is_loopback() {
        tracing::warn!(%address, "listening beyond loopback: everyone who reaches this device can read its state");
    }
    let tasks = Arc::new(TaskSet::new());
    let started_at = now();
    let context = Arc::new(Context {
        bus: watch::Sender::new(state::Snapshot::new(started_at)),
        meters: metrics::Meters::default(),
        progress: health::Progress::new(),
        clients: events::places(config.events_clients),
        started: Instant::now(),
        started_at,
        stop: tasks.stop(),
        tasks: Arc::downgrade(&tasks),
        balena,
        config,
    });
    Ok(Service { listener, address, context, tasks })
}

impl Service {
    /// Where it listens; tells the port that was given for port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Works until `shutdown` resolves: then `/ready` turns to 503, no more connections are accepted,
    /// `/events` says goodbye (close code 1001), and the tasks get 8 s to end. Dropping the future ends
    /// everything at once.
    ///
    /// # Errors
    /// Only when a part fails that the service can't go on without. An absent supervisor is no such part:
    /// it is waited for.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<()> {
        let Self { listener, address, context, tasks } = self;
        context.log_start(address);
        let listener = Arc::new(listener);
        let (observer, door) = (context.clone(), context);
        tasks.keep("observer", OnEnd::Restart, move |stop| observer::run(observer.clone(), stop));
        tasks.keep("server", OnEnd::Fatal, move |stop| server::run(listener.clone(), door.clone(), stop));
        let failed = tokio::select! {
            () = shutdown => None,
            error = tasks.fatal() => Some(error),
        };
        tracing::info!("service stopping");
        if !tasks.drain(DRAIN_LIMIT).await {
            tracing::warn!(limit = ?DRAIN_LIMIT, "not everything ended in time; the rest was cut off");
        }
        failed.map_or(Ok(()), Err)
    }
}

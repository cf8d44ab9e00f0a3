//! The long-running service (`balena-agent run`): polls the supervisor, serves the device's state to other containers,
//! and holds update locks and does actions for those that it knows.
//!
//! One task polls the supervisor and publishes snapshots on a `watch` channel, which the routes read:
//!
//! | path | answer |
//! |---|---|
//! | `GET /live` | 200 while the service makes progress, else 503 with the reason |
//! | `GET /ready` | 200 when the supervisor answers and has loaded its state, else 503 with the reason |
//! | `GET /status` | the latest snapshot as JSON |
//! | `GET /metrics` | OpenMetrics text |
//! | `GET /events` | WebSocket or server-sent events: the state first, then each event as one JSON object |
//! | `/agent/v1/…` | state, ledger, leases of the update lock, actions: see `docs/api.md` and [`Client`] |
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
mod active;
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
mod standby;

use std::future::Future;
use std::net::SocketAddr;

use crate::Balena;
use crate::error::{Error, Result};
use jiff::Timestamp;

use active::Active;
use config::{Fault, Strictness};
#[cfg(feature = "cli")]
pub(crate) use config::{help as settings_help, report as check_settings, shown as settings};
use gateway::{Parked, Unparked};

pub use client::{
    AcquireLease, Action, ActionRequest, Client, Events, EventsRequest, HeldLease, Lease, LedgerEntry,
    LedgerEvidence, LedgerQuery, Readiness, ServiceState, SettingFault, SupervisorConnection,
};
#[cfg(feature = "cli")]
pub(crate) use client::{agent_beside, own_admin_token};
pub use config::Config;

/// Longest reason that a client may give, in characters.
const REASON_LIMIT: usize = 200;

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
                match Active::start(balena.clone(), checked).await {
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

impl Service {
    /// Returns the first bound address, with the actual port if the setting was port 0.
    pub fn address(&self) -> SocketAddr {
        self.addresses().first().copied().unwrap_or(config::DEFAULT_LISTEN)
    }

    /// Returns all bound addresses, with the actual ports.
    pub fn addresses(&self) -> &[SocketAddr] {
        match &self.state {
            State::Active(active) => active.addresses(),
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
                State::Parked(parked) => match park(parked, &balena, &config, &mut shutdown).await {
                    Unparked::Shutdown => return Ok(()),
                    Unparked::AddressIsThere => state = State::new(&balena, &config).await?,
                },
            }
        }
    }
}

/// Runs a parked service, and the leases of the last run beside it.
async fn park(
    parked: Parked,
    balena: &Balena,
    config: &Config,
    shutdown: impl Future<Output = ()>,
) -> Unparked {
    let (ended, end) = tokio::sync::oneshot::channel::<()>();
    let config = config.without_faults();
    let leases = active::honour_leases(balena, &config, async {
        let _ = end.await;
    });
    let parked = async {
        let unparked = parked.run(shutdown).await;
        drop(ended);
        unparked
    };
    let (unparked, ()) = tokio::join!(parked, leases);
    unparked
}

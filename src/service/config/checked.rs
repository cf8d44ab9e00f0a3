//! The settings without faults, as the parts of the service read them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use tracing::level_filters::LevelFilter;

use super::fault::Fault;
use crate::service::scope::Scopes;

/// Default address: only processes in the host's network namespace can reach it.
pub(crate) const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 48485);
const HOUR: Duration = Duration::from_secs(60 * 60);
/// Largest body of a request, in bytes.
pub(crate) const BODY_LIMIT: usize = 16 * 1024;

/// Settings without faults, with their defaults filled in.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    /// The TCP addresses to listen on; at least one.
    pub(crate) listen: Vec<SocketAddr>,
    /// Further names by which a client may address the service in `Host`, in lower case, without port.
    pub(crate) hosts: Vec<String>,
    /// The state directory; `None`: the default place, if it is a volume.
    pub(crate) state_directory: Option<PathBuf>,
    pub(crate) poll_quick: Duration,
    pub(crate) poll_slow: Duration,
    pub(crate) poll_away: Duration,
    /// Interval between two pings to a client of the events.
    pub(crate) heartbeat: Duration,
    /// Maximum number of WebSocket clients of the events.
    pub(crate) events_clients: usize,
    /// Number of past events that are kept.
    pub(crate) events_history: usize,
    /// What the command `run` logs.
    pub(crate) log: LevelFilter,
    /// The clients whose settings have no fault. Those with a fault are off: each is in `faults`.
    pub(crate) clients: Vec<ClientSettings>,
    pub(crate) limits: ClientLimits,
    pub(crate) ledger: LedgerLimits,
    /// Faults that the service can work with: clients that are off, unknown variables.
    pub(crate) faults: Vec<Fault>,
}

impl Default for Checked {
    fn default() -> Self {
        Self {
            listen: vec![DEFAULT_LISTEN],
            hosts: Vec::new(),
            state_directory: None,
            poll_quick: Duration::from_secs(2),
            poll_slow: Duration::from_secs(10),
            poll_away: Duration::from_secs(30),
            heartbeat: Duration::from_secs(30),
            events_clients: 32,
            events_history: 256,
            log: LevelFilter::INFO,
            clients: Vec::new(),
            limits: ClientLimits {
                leases: 16,
                lock_max_ttl: 24 * HOUR,
                requests_per_second: 20,
                streams: 8,
                body: BODY_LIMIT,
            },
            ledger: LedgerLimits { entries: 1000, age: 90 * 24 * HOUR, bytes: 256 * 1024 },
            faults: Vec::new(),
        }
    }
}

/// A client that may do more than what everyone on loopback may: `AGENT_CLIENT_<NAME>` and its companions.
#[derive(Debug, Clone)]
pub(crate) struct ClientSettings {
    /// The name in lower case: `web` for `AGENT_CLIENT_WEB`. Never `admin` or `anonymous`.
    pub(crate) name: String,
    pub(crate) scopes: Scopes,
    /// Known by this bearer token: 16 to 256 visible ASCII characters.
    pub(crate) token: Option<SecretString>,
    /// Known by being connected to this Unix socket: an absolute path; no other client's socket is in its directory.
    pub(crate) socket: Option<PathBuf>,
    /// Known by the address of this compose service. Such a client has at most `state events logs locks`.
    pub(crate) service: Option<String>,
}

/// Limits of every client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientLimits {
    /// Leases that a client may hold at once.
    pub(crate) leases: usize,
    /// Longest time to live of a lease.
    pub(crate) lock_max_ttl: Duration,
    /// Requests of a client per second.
    pub(crate) requests_per_second: u32,
    /// Streams (WebSocket, SSE) that a client may have open.
    pub(crate) streams: usize,
    /// Largest body of a request, in bytes.
    pub(crate) body: usize,
}

/// What the ledger keeps; the first limit that is reached counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LedgerLimits {
    pub(crate) entries: usize,
    /// Oldest entry.
    pub(crate) age: Duration,
    /// Bytes of all entries.
    pub(crate) bytes: usize,
}

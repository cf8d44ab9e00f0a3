//! The client of a running service, for other containers and for the command line.

mod action;
mod address;
mod call;
mod credential;
mod events;
mod find;
mod health;
mod lease;
mod ledger;
mod state;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use secrecy::SecretString;

use crate::error::Result;
use crate::http::HyperTransport;

use address::Address;
use credential::Credential;

pub use action::{Action, ActionRequest};
pub use events::{Events, EventsRequest};
#[cfg(feature = "cli")]
pub(crate) use find::{agent_beside, own_admin_token};
pub use lease::{AcquireLease, HeldLease, Lease};
pub use ledger::{LedgerEntry, LedgerEvidence, LedgerQuery};
pub use state::{Readiness, ServiceState, SettingFault, SupervisorConnection};

/// A client of a running `balena-agent run`. Clones share their idle connections.
///
/// ```no_run
/// # async fn example() -> balena_agent::Result<()> {
/// use balena_agent::service::Client;
///
/// // BALENA_AGENT_ADDRESS=http://agent:48485 or unix:/run/agent/main.sock, and BALENA_AGENT_TOKEN
/// let agent = Client::from_env()?;
/// agent.health().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    address: Address,
    credential: Credential,
    transport: Arc<HyperTransport>,
}

impl Client {
    /// Creates a client of the service at this address: `http://host:port`, `host:port` or `unix:/path`. The port is
    /// 48485 unless given.
    ///
    /// # Errors
    /// `is_config` if the address can't be parsed.
    pub fn new(address: impl AsRef<str>) -> Result<Self> {
        Address::parse("address", address.as_ref()).map(Self::with_address)
    }

    fn with_address(address: Address) -> Self {
        let transport = Arc::new(HyperTransport::new(address.server()));
        Self { address, credential: Credential::None, transport }
    }

    /// Sets the token of this client, as in `AGENT_CLIENT_<NAME>_TOKEN` of the service. A client that the service knows
    /// by its socket or its compose service name needs none.
    ///
    /// # Errors
    /// `is_config` if the token has characters that no HTTP header can have.
    pub fn token(mut self, token: impl Into<SecretString>) -> Result<Self> {
        self.credential = Credential::token(token.into())?;
        Ok(self)
    }
}

impl From<SocketAddr> for Client {
    fn from(address: SocketAddr) -> Self {
        Self::with_address(address.into())
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("address", &self.address).finish_non_exhaustive()
    }
}

//! The client of a running service, for other containers and for the command line.

mod action;
mod address;
mod call;
mod events;
mod health;
mod ledger;
mod lease;
mod state;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use secrecy::SecretString;

use crate::error::{Error, ErrorKind, Result};
use crate::http::HyperTransport;

use address::Address;

pub use action::{Action, ActionRequest};
pub use events::Events;
pub use ledger::{LedgerEntry, LedgerEvidence, LedgerQuery};
pub use lease::{AcquireLease, HeldLease, Lease};
pub use state::{Readiness, ServiceState, SettingFault, SupervisorConnection};

/// The variable with the address of the service, in containers beside it.
const ADDRESS: &str = "BALENA_AGENT_ADDRESS";
/// The variable with the token of this client.
const TOKEN: &str = "BALENA_AGENT_TOKEN";

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
    token: Option<SecretString>,
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

    /// Creates a client from `BALENA_AGENT_ADDRESS` (default `127.0.0.1:48485`) and `BALENA_AGENT_TOKEN` (optional).
    ///
    /// # Errors
    /// `is_config` if a value can't be parsed.
    pub fn from_env() -> Result<Self> {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let address = match variable(ADDRESS) {
            Some(text) => Address::parse(ADDRESS, &text.to_string_lossy())?,
            None => SocketAddr::from(([127, 0, 0, 1], 48485)).into(),
        };
        let client = Self::with_address(address);
        match variable(TOKEN) {
            None => Ok(client),
            Some(token) => match token.into_string() {
                Ok(token) => client.token(token.trim().to_owned()),
                Err(_) => Err(Error::new(ErrorKind::Config, format!("{TOKEN} is not UTF-8"))),
            },
        }
    }

    fn with_address(address: Address) -> Self {
        let transport = Arc::new(HyperTransport::new(address.server()));
        Self { address, token: None, transport }
    }

    /// Sets the token of this client, as in `AGENT_CLIENT_<NAME>_TOKEN` of the service. A client that the service knows
    /// by its socket or its compose service name needs none.
    ///
    /// # Errors
    /// `is_config` if the token has characters that no HTTP header can have.
    pub fn token(mut self, token: impl Into<SecretString>) -> Result<Self> {
        let token = token.into();
        let text = secrecy::ExposeSecret::expose_secret(&token);
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            let why = "a token has to be printable ASCII without spaces";
            return Err(Error::new(ErrorKind::Config, why));
        }
        self.token = Some(token);
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

//! The clients that the settings name, and how each is known.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::{self, HeaderMap, HeaderValue};
use secrecy::SecretString;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::admin_token::AdminToken;
use super::caller::{Caller, Usage, Via};
use super::response::Refusal;
use super::token::{Credential, TokenDigest, credential};
use super::{dns, neighbours};
use crate::service::config::{Checked, ClientSettings};
use crate::service::scope::{Scope, Scopes};

/// The engine's name server, in each container of a compose network.
pub(crate) const NAME_SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 11)), 53);
/// Time to find out the service of an address, for all names together.
const NAME_LIMIT: Duration = Duration::from_secs(2);

/// What everyone on loopback may do.
fn for_loopback() -> Scopes {
    Scopes::new([Scope::State, Scope::Events])
}

/// The most that a client may do that is known by the name of its service.
fn for_services() -> [Scope; 4] {
    [Scope::State, Scope::Events, Scope::Logs, Scope::Locks]
}

/// One client of the settings.
#[derive(Debug)]
struct Known {
    name: Arc<str>,
    scopes: Arc<Scopes>,
    token: Option<TokenDigest>,
    service: Option<String>,
    usage: Arc<Usage>,
}

/// All clients that may be known.
#[derive(Debug)]
pub(crate) struct Clients {
    known: Vec<Known>,
    admin: Option<AdminToken>,
    admin_usage: Arc<Usage>,
    admin_scopes: Arc<Scopes>,
    anonymous: Arc<str>,
    on_loopback: Arc<Scopes>,
    nothing: Arc<Scopes>,
    name_server: SocketAddr,
}

/// Where a connection comes from, and what was found out about it.
#[derive(Debug)]
pub(crate) struct Origin {
    address: IpAddr,
    /// Name of the client whose Unix socket this is.
    socket: Option<Arc<str>>,
    /// The only client whose service has this address; asked for once.
    service: OnceCell<Option<usize>>,
}

impl Origin {
    /// A TCP connection from this address.
    pub(crate) fn tcp(address: IpAddr) -> Self {
        Self { address: address.to_canonical(), socket: None, service: OnceCell::new() }
    }

    /// A connection to the Unix socket of this client.
    pub(crate) fn socket(client: Arc<str>) -> Self {
        Self { address: Ipv4Addr::LOCALHOST.into(), socket: Some(client), service: OnceCell::new() }
    }

    /// Returns the address that the connection counts for; loopback for a Unix socket.
    pub(crate) fn address(&self) -> IpAddr {
        self.address
    }

    /// Returns whether it came over TCP.
    pub(crate) fn is_tcp(&self) -> bool {
        self.socket.is_none()
    }
}

impl Clients {
    /// Takes the clients of the settings.
    pub(crate) fn new(config: &Checked, admin: Option<AdminToken>, name_server: SocketAddr) -> Self {
        let limits = &config.limits;
        let usage = || Usage::new(limits.requests_per_second, limits.streams);
        let known = |client: &ClientSettings| {
            let scopes = if client.token.is_none() && client.socket.is_none() {
                Scopes::new(for_services().into_iter().filter(|scope| client.scopes.allows(scope)))
            } else {
                client.scopes.clone()
            };
            Known {
                name: client.name.as_str().into(),
                scopes: Arc::new(scopes),
                token: client.token.as_ref().map(TokenDigest::of),
                service: client.service.clone(),
                usage: usage(),
            }
        };
        Self {
            known: config.clients.iter().map(known).collect(),
            admin,
            admin_usage: usage(),
            admin_scopes: Arc::new(Scopes::new([Scope::Admin])),
            anonymous: "anonymous".into(),
            on_loopback: Arc::new(for_loopback()),
            nothing: Arc::default(),
            name_server,
        }
    }

    /// Finds out who sends a request. Who presents nothing and is not known has no scopes, or those of loopback.
    ///
    /// # Errors
    /// 401 if a credential is presented that is not one of ours.
    pub(crate) async fn identify(&self, origin: &Origin, headers: &HeaderMap) -> Result<Caller, Refusal> {
        match credential(headers) {
            Credential::Token(token) => {
                self.by_token(&token, origin.address).ok_or_else(|| unauthorized(UNKNOWN_TOKEN))
            }
            Credential::Malformed => {
                Err(unauthorized("the header `authorization` has to be `Bearer <token>`, once"))
            }
            Credential::None => Ok(self.without_token(origin).await),
        }
    }

    /// Finds a client by its token. Compares with all of them.
    pub(crate) fn by_token(&self, token: &SecretString, address: IpAddr) -> Option<Caller> {
        let digest = TokenDigest::of(token);
        let mut found = None;
        for known in &self.known {
            if known.token.as_ref().is_some_and(|token| token.is_same(&digest)) {
                found = Some(known);
            }
        }
        if let Some(known) = found {
            return Some(known.caller(Via::Token, address));
        }
        self.admin.as_ref().filter(|admin| admin.is(&digest)).map(|_| Caller {
            name: "admin".into(),
            scopes: self.admin_scopes.clone(),
            via: Via::Admin,
            address,
            usage: Some(self.admin_usage.clone()),
        })
    }

    async fn without_token(&self, origin: &Origin) -> Caller {
        if let Some(name) = &origin.socket
            && let Some(known) = self.known.iter().find(|known| known.name == *name)
        {
            return known.caller(Via::Socket, origin.address);
        }
        if origin.address.is_loopback() {
            return self.unknown(origin.address, &self.on_loopback);
        }
        let service = origin.service.get_or_init(|| self.by_service(origin.address)).await;
        match service.and_then(|index| self.known.get(index)) {
            Some(known) => known.caller(Via::Service, origin.address).at_most(&for_services()),
            None => self.unknown(origin.address, &self.nothing),
        }
    }

    fn unknown(&self, address: IpAddr, scopes: &Arc<Scopes>) -> Caller {
        let (name, scopes) = (self.anonymous.clone(), scopes.clone());
        Caller { name, scopes, via: Via::Anonymous, address, usage: None }
    }

    /// Returns the only client whose service has this address, if the address is one of a network of ours.
    async fn by_service(&self, address: IpAddr) -> Option<usize> {
        let IpAddr::V4(address) = address else { return None };
        if self.known.iter().all(|known| known.service.is_none()) {
            return None;
        }
        let routes = std::fs::read_to_string(Path::new("/proc/net/route")).ok()?;
        if !neighbours::is_neighbour(&routes, address) {
            return None;
        }
        timeout(NAME_LIMIT, self.only_service_at(address)).await.ok().flatten()
    }

    async fn only_service_at(&self, address: Ipv4Addr) -> Option<usize> {
        let mut found = None;
        for (index, known) in self.known.iter().enumerate() {
            let Some(service) = &known.service else { continue };
            // Without an answer for each name, a second match can't be excluded.
            if dns::lookup(self.name_server, service).await.ok()?.contains(&address)
                && found.replace(index).is_some()
            {
                return None;
            }
        }
        found
    }
}

impl Known {
    fn caller(&self, via: Via, address: IpAddr) -> Caller {
        Caller {
            name: self.name.clone(),
            scopes: self.scopes.clone(),
            via,
            address,
            usage: Some(self.usage.clone()),
        }
    }
}

impl Caller {
    /// Keeps only these scopes.
    fn at_most(mut self, scopes: &[Scope]) -> Self {
        self.scopes = Arc::new(Scopes::new(scopes.iter().filter(|scope| self.scopes.allows(scope)).cloned()));
        self
    }
}

/// What a client with a wrong token is told.
pub(crate) const UNKNOWN_TOKEN: &str = "the token is not known: send the value of the service's AGENT_CLIENT_<NAME>_TOKEN, or the present admin token";

/// A refusal with 401.
pub(crate) fn unauthorized(error: &str) -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, "unauthorized", error)
        .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}

#[cfg(test)]
mod tests;

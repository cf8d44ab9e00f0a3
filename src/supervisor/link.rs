//! Where the supervisor is and how it is spoken to: address, key, connections.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::env::Environment;
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Plain, PlainEndpoint, Transport};

/// The label that gives a container the supervisor's address and a key.
const LABEL: &str = "io.balena.features.supervisor-api";

/// Characters that stay as they are in a query value.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The supervisor of this device. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Supervisor(Arc<Inner>);

struct Inner {
    link: std::result::Result<Link, Missing>,
    app_id: Option<String>,
    uuid: Option<String>,
    patience: Option<Duration>,
    turn: Semaphore,
}

/// What a request needs.
pub(crate) struct Link {
    pub(crate) transport: Box<dyn Transport>,
    pub(crate) host: HeaderValue,
    /// `apikey=…`, encoded. Never printed.
    pub(crate) query: String,
    address: String,
    key: SecretString,
}

/// Why there is no supervisor to speak to; kept so that the error can come with the first call.
#[derive(Debug, Clone)]
enum Missing {
    Variable(&'static str),
    BadAddress { address: String, why: String },
}

impl Supervisor {
    /// The supervisor that the environment tells of.
    ///
    /// Never fails: without the variables every call fails with [`ErrorKind::Config`], naming the variable
    /// and the compose label.
    pub fn new(env: &Environment) -> Self {
        Self::build(env, None)
    }

    pub(crate) fn build(env: &Environment, patience: Option<Duration>) -> Self {
        Self(Arc::new(Inner {
            link: Link::new(env),
            app_id: env.app_id.clone(),
            uuid: env.device_uuid.clone(),
            patience,
            turn: Semaphore::new(1),
        }))
    }

    /// Whether the environment has both address and key.
    pub fn is_configured(&self) -> bool {
        self.0.link.is_ok()
    }

    /// Base address, e.g. `http://10.114.104.1:48484`.
    pub fn address(&self) -> Option<&str> {
        self.0.link.as_ref().ok().map(|link| link.address.as_str())
    }

    pub(crate) fn patience(&self) -> Option<Duration> {
        self.0.patience
    }

    pub(crate) fn link(&self) -> Result<&Link> {
        self.0.link.as_ref().map_err(Missing::error)
    }

    /// The id of this container's application, as text.
    pub(crate) fn own_app_id(&self) -> Result<&str> {
        self.0.app_id.as_deref().ok_or_else(|| {
            Error::new(
                ErrorKind::Config,
                "BALENA_APP_ID is not set, and this call has to name the application",
            )
            .help("balena sets it in every service container; elsewhere set it to the fleet's numeric id")
        })
    }

    /// The uuid of this device.
    pub(super) fn own_uuid(&self) -> Option<&str> {
        self.0.uuid.as_deref()
    }

    pub(crate) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed; `None` would only mean that nobody waits.
        self.0.turn.acquire().await.ok()
    }

    /// The key, to be searched for in a server's words.
    pub(super) fn secret(&self) -> &str {
        self.0.link.as_ref().map_or("", |link| link.key.expose_secret())
    }
}

impl Link {
    fn new(env: &Environment) -> std::result::Result<Self, Missing> {
        let address = env.supervisor_address.clone().ok_or(Missing::Variable("BALENA_SUPERVISOR_ADDRESS"))?;
        let key = env.supervisor_api_key.clone().ok_or(Missing::Variable("BALENA_SUPERVISOR_API_KEY"))?;
        let (endpoint, host) =
            parse_address(&address).map_err(|why| Missing::BadAddress { address: address.clone(), why })?;
        let host_header = HeaderValue::from_str(&host).map_err(|_| Missing::BadAddress {
            address: address.clone(),
            why: "it is not an address".into(),
        })?;
        // Without a path or query, which do not count and might hold what nobody should see.
        let address = match &endpoint {
            PlainEndpoint::Tcp(_) => format!("http://{host}"),
            PlainEndpoint::Unix(_) => address,
        };
        let query = format!("apikey={}", utf8_percent_encode(key.expose_secret(), QUERY));
        Ok(Self { transport: Box::new(Plain::new(endpoint)), host: host_header, query, address, key })
    }
}

/// `http://host[:port][/…]` or `unix:///path`; a path after the port is not part of the API's address.
fn parse_address(address: &str) -> std::result::Result<(PlainEndpoint, String), String> {
    if let Some(path) = address.strip_prefix("unix://") {
        return if path.starts_with('/') {
            Ok((PlainEndpoint::Unix(path.into()), "localhost".into()))
        } else {
            Err("the path of a Unix socket starts with /".into())
        };
    }
    let uri: http::Uri = address.parse().map_err(|cause| format!("{cause}"))?;
    match uri.scheme_str() {
        Some("http") => {}
        Some(other) => return Err(format!("the supervisor speaks plain http, not {other}")),
        None => return Err("it has to start with http://".into()),
    }
    let authority = uri.authority().ok_or("the host is missing")?;
    if authority.as_str().contains('@') {
        return Err("it must not hold a user or password".into());
    }
    if authority.host().is_empty() {
        return Err("the host is missing".into());
    }
    // `Authority::port` is silent about a port that is none.
    let port = match authority.as_str().strip_prefix(authority.host()).unwrap_or_default() {
        "" => 80,
        port => {
            port.trim_start_matches(':').parse::<u16>().map_err(|_| format!("\"{port}\" is not a port"))?
        }
    };
    Ok((PlainEndpoint::Tcp(format!("{}:{port}", authority.host())), authority.to_string()))
}

impl Missing {
    fn error(&self) -> Error {
        match self {
            Self::Variable(name) => Error::new(
                ErrorKind::Config,
                format!("{name} is not set, so the supervisor of this device can't be reached"),
            )
            .help(format!(
                "give the service the label {LABEL}: '1' in docker-compose.yml; without a device, \
                 `balena-agent simulate` prints variables of a simulated one"
            )),
            Self::BadAddress { address, why } => {
                // Somebody may have pasted a whole request address, key included.
                let address = address.split(['?', '#']).next().unwrap_or_default();
                let address = address.rsplit_once('@').map_or(address, |(_, host)| host);
                Error::new(
                    ErrorKind::Config,
                    format!("BALENA_SUPERVISOR_ADDRESS is \"{}\": {why}", address.escape_debug()),
                )
                .help("it looks like http://10.114.104.1:48484; do not set it yourself on a device")
            }
        }
    }
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor")
            .field("address", &self.address())
            .field("app_id", &self.0.app_id)
            .field("patience", &self.0.patience)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn supervisor(address: &str) -> Supervisor {
        let vars = [("BALENA_SUPERVISOR_ADDRESS", address), ("BALENA_SUPERVISOR_API_KEY", "k+1")];
        Supervisor::new(&Environment::from_vars(vars).unwrap())
    }

    #[test]
    fn addresses() {
        for good in
            ["http://10.114.104.1:48484", "http://localhost", "http://[::1]:1/base/", "unix:///run/s.sock"]
        {
            assert!(supervisor(good).is_configured(), "{good}");
        }
        for bad in [
            "10.114.104.1:48484",
            "https://h:1",
            "http://",
            "http://h:",
            "http://h:99999",
            "http://u:p@h:1",
            "unix://x",
            "http://a b",
        ] {
            let error = supervisor(bad).link().err().unwrap();
            assert!(error.is_config(), "{bad}");
            assert!(error.to_string().contains("BALENA_SUPERVISOR_ADDRESS"), "{error}");
            assert!(!error.to_string().contains("p@"), "{error}");
        }
    }
}

//! Connection to the supervisor: address, key, transport.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::checks;
use crate::env::{Environment, MalformedKey};
use crate::error::{Error, ErrorKind, Result};
use crate::http::{HyperTransport, ServerAddress, Transport};

/// The label that gives a container the supervisor's address and key.
const LABEL: &str = "io.balena.features.supervisor-api";

/// Number of characters of an invalid address that its error shows.
const SHOWN: usize = 60;

/// Characters that are not encoded in a query value.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The supervisor of this device. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Supervisor(Arc<Inner>);

struct Inner {
    connection: std::result::Result<SupervisorConnection, ConfigFault>,
    app_id: Option<String>,
    uuid: Option<String>,
    patience: Option<Duration>,
    serialized: Semaphore,
}

/// What every request needs.
pub(crate) struct SupervisorConnection {
    pub(crate) transport: Box<dyn Transport>,
    pub(crate) host: HeaderValue,
    /// The encoded `apikey=…` parameter. Never printed.
    pub(crate) query: String,
    address: String,
    key: SecretString,
}

/// Why the supervisor can't be used. Kept so that the first call returns the error.
#[derive(Debug, Clone)]
enum ConfigFault {
    Variable(&'static str),
    BadAddress { variable: String, address: String, why: String },
    BadKey(MalformedKey),
}

impl Supervisor {
    /// Creates the client from the environment.
    ///
    /// Never fails: if variables are missing, every call fails with [`ErrorKind::Config`], naming the variable and
    /// the compose label.
    pub fn new(env: &Environment) -> Self {
        Self::build(env, None)
    }

    pub(crate) fn build(env: &Environment, patience: Option<Duration>) -> Self {
        Self(Arc::new(Inner {
            connection: SupervisorConnection::new(env),
            app_id: env.app_id.clone(),
            uuid: env.device_uuid.clone(),
            patience,
            serialized: Semaphore::new(1),
        }))
    }

    /// Returns whether the environment contains both address and key.
    pub fn is_configured(&self) -> bool {
        self.0.connection.is_ok()
    }

    /// Returns the base address, e.g. `http://10.114.104.1:48484`.
    pub fn address(&self) -> Option<&str> {
        self.0.connection.as_ref().ok().map(|link| link.address.as_str())
    }

    pub(crate) fn patience(&self) -> Option<Duration> {
        self.0.patience
    }

    pub(crate) fn connection(&self) -> Result<&SupervisorConnection> {
        self.0.connection.as_ref().map_err(ConfigFault::error)
    }

    /// Returns the id of this container's application as text.
    pub(crate) fn own_app_id(&self) -> Result<&str> {
        self.0.app_id.as_deref().ok_or_else(|| {
            Error::new(
                ErrorKind::Config,
                "BALENA_APP_ID is not set, and this call needs the application's id",
            )
            .with_help(
                "balena sets it in every service container; elsewhere set it to the fleet's numeric id",
            )
        })
    }

    /// Returns the uuid of this device.
    pub(super) fn own_uuid(&self) -> Option<&str> {
        self.0.uuid.as_deref()
    }

    pub(crate) async fn serialized_permit(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed; `None` would only mean that no call waits.
        self.0.serialized.acquire().await.ok()
    }

    /// Returns the key, to be redacted in responses.
    pub(super) fn secret(&self) -> &str {
        self.0.connection.as_ref().map_or("", |link| link.key.expose_secret())
    }
}

impl SupervisorConnection {
    fn new(env: &Environment) -> std::result::Result<Self, ConfigFault> {
        let address =
            env.supervisor_address.clone().ok_or(ConfigFault::Variable("BALENA_SUPERVISOR_ADDRESS"))?;
        let key = env.supervisor_key().ok_or(ConfigFault::Variable("BALENA_SUPERVISOR_API_KEY"))?;
        let bad_address = |why: String| ConfigFault::BadAddress {
            variable: env.variable("SUPERVISOR_ADDRESS"),
            address: address.clone(),
            why,
        };
        let (endpoint, host) = parse_address(&address).map_err(bad_address)?;
        let host_header =
            HeaderValue::from_str(&host).map_err(|_| bad_address("it is not an address".into()))?;
        let key = key.map_err(ConfigFault::BadKey)?;
        let address = match &endpoint {
            ServerAddress::Tcp(_) => format!("http://{host}"),
            ServerAddress::Unix(_) => address,
        };
        let query = format!("apikey={}", utf8_percent_encode(key.expose_secret(), QUERY));
        Ok(Self {
            transport: Box::new(HyperTransport::new(endpoint)),
            host: host_header,
            query,
            address,
            key,
        })
    }
}

/// Parses `http://host[:port]` or `unix:///path`. A path after the port would be ignored, so it is rejected, except
/// for one that ends with a slash: the SDKs accept such an address and use its host and port.
fn parse_address(address: &str) -> std::result::Result<(ServerAddress, String), String> {
    if let Some(path) = address.strip_prefix("unix://") {
        return if path.starts_with('/') {
            Ok((ServerAddress::Unix(path.into()), "localhost".into()))
        } else {
            Err("the path of a Unix socket starts with /".into())
        };
    }
    let uri = checks::base_address(address)?;
    match uri.scheme_str() {
        Some("http") => {}
        other => return Err(format!("the supervisor uses plain HTTP, not {}", other.unwrap_or_default())),
    }
    let authority = uri.authority().ok_or("the host is missing")?;
    if !uri.path().ends_with('/') {
        return Err("it has a path, and the supervisor's API has none".into());
    }
    if uri.path().len() > 1 {
        tracing::warn!("the path in the supervisor's address is not used: its API has none");
    }
    let port = authority.port_u16().unwrap_or(80);
    Ok((ServerAddress::Tcp(format!("{}:{port}", authority.host())), authority.to_string()))
}

impl ConfigFault {
    fn error(&self) -> Error {
        match self {
            Self::Variable(name) => Error::new(
                ErrorKind::Config,
                format!("{name} is not set, so the supervisor of this device can't be reached"),
            )
            .with_help(format!(
                "give the service the label {LABEL}: '1' in docker-compose.yml; without a device, \
                 `balena-agent simulate` prints variables of a simulated one"
            )),
            Self::BadKey(malformed) => malformed.error(),
            Self::BadAddress { variable, address, why } => {
                // The value may be a complete request URL with the key, or contain a password.
                let address = if address.contains('@') { "" } else { address };
                let (scheme, rest) = match address.split_once("://") {
                    Some((scheme, rest)) => (format!("{scheme}://"), rest),
                    None => (String::new(), address),
                };
                let address = scheme + rest.split(['/', '?', '#']).next().unwrap_or_default();
                let head: String = address.chars().take(SHOWN).collect();
                let more = if head.len() < address.len() { "…" } else { "" };
                let is = if head.is_empty() {
                    String::new()
                } else {
                    format!(" (\"{}{more}\")", head.escape_debug())
                };
                Error::new(
                    ErrorKind::Config,
                    format!("{variable}{is} is not the supervisor's address: {why}"),
                )
                .with_help("the form is http://10.114.104.1:48484; on a device the label sets it, do not override it")
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
        for good in ["http://10.114.104.1:48484", "http://localhost", "http://[::1]:1/", "unix:///run/s.sock"]
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
            "http://h:1/base",
            "http://h:1/v1/device",
            "http://h:1//x",
            "http://h:1?apikey=s3",
            "http://h:1/?apikey=s3",
            "http://h:1/v1/device?apikey=s3",
            "http://h:1#s3",
            "http://h:1/#s3",
            "http://u:s3?x@h:1",
            "http://u:s3@h:1/base/",
            "http://h:1\n",
            " http://h:1",
            "'http://h:1'",
            "http://h:+1",
            "http://h:0",
        ] {
            let error = supervisor(bad).connection().err().unwrap();
            assert!(error.is_config(), "{bad}");
            assert!(error.to_string().contains("BALENA_SUPERVISOR_ADDRESS"), "{error}");
            assert!(error.to_string().contains("http://10.114.104.1:48484"), "{error}");
            assert!(!error.to_string().contains("p@") && !error.to_string().contains("s3"), "{error}");
        }
    }

    #[test]
    fn what_is_malformed_names_the_variable_that_was_read() {
        let (address, key) = ("SUPERVISOR_ADDRESS", "SUPERVISOR_API_KEY");
        for prefix in ["BALENA", "RESIN"] {
            for (bad, value, word) in [
                (address, "http://h:1/v1", "path"),
                (key, "s3\n", "line break"),
                (key, "\"s3\"", "quotes"),
                (key, " s3", "white space"),
                (key, "s3\u{1b}", "control"),
                (key, &"s3".repeat(3000), "longer"),
            ] {
                let vars = [(address, "http://h:1"), (key, "k")]
                    .map(|(name, good)| (format!("{prefix}_{name}"), if name == bad { value } else { good }));
                let error =
                    Supervisor::new(&Environment::from_vars(vars).unwrap()).connection().err().unwrap();
                let text = error.to_string();
                assert!(error.is_config() && text.starts_with(&format!("{prefix}_{bad}")), "{text}");
                assert!(text.contains(word) && !text.contains("s3"), "{text}");
            }
        }
    }
}

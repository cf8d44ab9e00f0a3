//! The host's network settings: host name and proxy (reference 4.2).

mod change;
mod host_settings;
mod patch;
mod replace;

use std::fmt;

use secrecy::SecretString;
use serde::{Deserialize, Serialize, Serializer};

use crate::error::Result;
use crate::open_enum::open_enum;

use super::call::Call;
use super::client::Supervisor;
use super::device::number_or_text;
use super::endpoint as e;
use super::request::RequestSpec;

pub use change::SetHostConfig;
pub(crate) use host_settings::{HostSettings, Limits};
pub use patch::{Dns, HostConfigPatch, ProxyPatch};
pub use replace::HostConfigOutcome;

/// Path of the endpoint.
const PATH: &str = "/v1/device/host-config";

open_enum! {
    /// Protocol of a proxy.
    ProxyKind {
        /// SOCKS 4.
        Socks4 = "socks4",
        /// SOCKS 5.
        Socks5 = "socks5",
        /// HTTP with the CONNECT method.
        HttpConnect = "http-connect",
        /// HTTP that relays requests, without CONNECT.
        HttpRelay = "http-relay",
    }
}

/// Host settings (`GET /v1/device/host-config`).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HostConfig {
    /// The network settings; the API has no other part.
    #[serde(default)]
    pub network: Network,
}

/// Network settings of the host.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Network {
    /// Current host name. A change shows only after the host OS has applied it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// The proxy; `None` if there is none. All its fields are `None` if the host's proxy file is invalid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Proxy>,
}

/// Proxy settings of the host.
#[derive(Clone, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Proxy {
    /// Protocol.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<ProxyKind>,
    /// IP address or host name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// Port. Older supervisors send it as text.
    #[serde(default, deserialize_with = "number_or_text", skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// User name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// Password. The supervisor sends it in clear text; here it is printed and serialized as `[REDACTED]`.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "redacted")]
    pub password: Option<SecretString>,
    /// Resolver used through the proxy, as `ADDRESS:PORT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<String>,
    /// Addresses and networks reached without the proxy.
    #[serde(default, rename = "noProxy", skip_serializing_if = "Option::is_none")]
    pub no_proxy: Option<Vec<String>>,
}

#[expect(clippy::ref_option, reason = "the shape that serde calls")]
fn redacted<S: Serializer>(_: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str("[REDACTED]")
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("kind", &self.kind)
            .field("ip", &self.ip)
            .field("port", &self.port)
            .field("login", &self.login)
            .field("password", &self.password.as_ref().map(|_| "[REDACTED]"))
            .field("dns", &self.dns)
            .field("no_proxy", &self.no_proxy)
            .finish()
    }
}

impl Supervisor {
    /// Returns the host's network settings (`GET /v1/device/host-config`).
    pub fn host_config(&self) -> Call<HostConfig> {
        Call::new(self, Ok(RequestSpec::new(&e::HOST_CONFIG, PATH)), |answer| answer.json())
    }
}

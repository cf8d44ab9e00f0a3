//! The host's network settings: name and proxy (reference 4.2).

mod change;
mod patch;
mod replace;

use std::fmt;

use secrecy::SecretString;
use serde::{Deserialize, Serialize, Serializer};

use crate::error::Result;
use crate::open_enum::open_enum;

use super::call::{Call, Spec};
use super::device::number_or_text;
use super::endpoint as e;
use super::link::Supervisor;

pub use change::{HostConfigOutcome, SetHostConfig};
pub(crate) use change::{HostSettings, Limits};
pub use patch::{Dns, HostConfigPatch, ProxyPatch};

/// Path of the endpoint.
const PATH: &str = "/v1/device/host-config";

open_enum! {
    /// Kind of a proxy.
    ProxyKind {
        /// SOCKS 4.
        Socks4 = "socks4",
        /// SOCKS 5.
        Socks5 = "socks5",
        /// HTTP with the CONNECT method.
        HttpConnect = "http-connect",
        /// HTTP that relays requests.
        HttpRelay = "http-relay",
    }
}

/// Host settings (`GET /v1/device/host-config`).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HostConfig {
    /// The network part, the only one there is.
    #[serde(default)]
    pub network: Network,
}

/// Network settings of the host.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Network {
    /// Name of the host as it is now; a change shows only after the host OS has applied it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// The proxy; `None` when there is none. All of its fields are `None` when its file is invalid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Proxy>,
}

/// Proxy settings of the host.
#[derive(Clone, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Proxy {
    /// Its kind.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<ProxyKind>,
    /// Its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// Its port; older supervisors send it as text.
    #[serde(default, deserialize_with = "number_or_text", skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// User name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// Password. The supervisor tells it in clear text; it is printed and serialised as `[REDACTED]` here.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "redacted")]
    pub password: Option<SecretString>,
    /// Resolver that is reached through the proxy, `ADDRESS:PORT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<String>,
    /// Addresses and networks that are reached without the proxy.
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
    /// The host's network settings (`GET /v1/device/host-config`).
    pub fn host_config(&self) -> Call<HostConfig> {
        Call::new(self, Ok(Spec::new(&e::HOST_CONFIG, PATH)), |answer| answer.json())
    }
}

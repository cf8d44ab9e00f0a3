//! The host's network settings: name and proxy (reference 4.2).

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::open_enum::open_enum;

use super::call::{Call, Forceable, Spec};
use super::device::{done, number_or_text};
use super::endpoint as e;
use super::link::Supervisor;

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

/// How names are resolved behind a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dns {
    /// Not through the proxy.
    Off,
    /// Through the proxy, at 8.8.8.8.
    Default,
    /// Through the proxy, at this resolver.
    At(SocketAddr),
}

/// A complete proxy, to be set with [`HostConfigPatch::proxy`].
///
/// It replaces what is there as a whole: the supervisor merges, and a partial change can delete the rest.
#[derive(Debug, Clone)]
pub struct ProxyPatch {
    kind: ProxyKind,
    ip: String,
    port: u16,
    login: Option<(String, SecretString)>,
    dns: Dns,
    no_proxy: Vec<String>,
}

impl ProxyPatch {
    /// A proxy of this kind at this address, without login, without its own resolver, for every destination.
    pub fn new(kind: ProxyKind, ip: impl Into<String>, port: u16) -> Self {
        Self { kind, ip: ip.into(), port, login: None, dns: Dns::Off, no_proxy: Vec::new() }
    }

    /// User name and password.
    pub fn login(mut self, login: impl Into<String>, password: SecretString) -> Self {
        self.login = Some((login.into(), password));
        self
    }

    /// How names are resolved (supervisor ≥ 16.6).
    pub fn dns(mut self, dns: Dns) -> Self {
        self.dns = dns;
        self
    }

    /// Addresses and networks (`10.0.0.0/8`) that are reached without the proxy.
    pub fn no_proxy<S: Into<String>>(mut self, destinations: impl IntoIterator<Item = S>) -> Self {
        self.no_proxy = destinations.into_iter().map(Into::into).collect();
        self
    }

    /// The supervisor takes nonsense with a 200 and then shows no proxy: so it is checked here.
    fn body(&self) -> Result<Value> {
        if let ProxyKind::Other(kind) = &self.kind {
            let kind = kind.escape_debug();
            return Err(Error::argument(
                "proxy",
                format_args!("kind \"{kind}\" is none of socks4, socks5, http-connect, http-relay"),
            ));
        }
        if self.ip.is_empty()
            || self.ip.contains(|c: char| c.is_whitespace() || c.is_control() || "\"{};".contains(c))
        {
            return Err(Error::argument(
                "proxy",
                format_args!("\"{}\" is not an address", self.ip.escape_debug()),
            ));
        }
        if self.port == 0 {
            return Err(Error::argument("proxy", "the port is 0"));
        }
        for destination in &self.no_proxy {
            let (address, bits) =
                destination.split_once('/').map_or((&**destination, None), |(a, b)| (a, Some(b)));
            let limit = match address.parse() {
                Ok(IpAddr::V4(_)) => 32,
                Ok(IpAddr::V6(_)) => 128,
                Err(_) => 0,
            };
            if limit == 0 || bits.is_some_and(|bits| bits.parse().map_or(true, |bits: u8| bits > limit)) {
                return Err(Error::argument(
                    "proxy",
                    format_args!(
                        "no_proxy \"{}\" is neither an address nor a network",
                        destination.escape_debug()
                    ),
                ));
            }
        }
        let mut proxy = json!({
            "type": self.kind,
            "ip": self.ip,
            "port": self.port,
            "dns": match self.dns {
                Dns::Off => Value::Bool(false),
                Dns::Default => Value::Bool(true),
                Dns::At(address) => address.to_string().into(),
            },
            "noProxy": self.no_proxy,
        });
        if let (Some((login, password)), Some(fields)) = (&self.login, proxy.as_object_mut()) {
            fields.insert("login".into(), login.as_str().into());
            fields.insert("password".into(), password.expose_secret().into());
        }
        Ok(proxy)
    }
}

#[derive(Debug, Clone)]
enum ProxyChange {
    Remove,
    Set(ProxyPatch),
}

/// A change of the host settings. What is not named stays.
#[derive(Debug, Clone, Default)]
pub struct HostConfigPatch {
    hostname: Option<String>,
    proxy: Option<ProxyChange>,
}

impl HostConfigPatch {
    /// A change of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another host name. Every service with host networking is recreated, and on balenaOS the engine
    /// restarts: this container may go down.
    pub fn hostname(mut self, hostname: impl Into<String>) -> Self {
        self.hostname = Some(hostname.into());
        self
    }

    /// The host name that is made of the first seven characters of the device's uuid.
    pub fn reset_hostname(mut self) -> Self {
        self.hostname = Some(String::new());
        self
    }

    /// Another proxy.
    pub fn proxy(mut self, proxy: ProxyPatch) -> Self {
        self.proxy = Some(ProxyChange::Set(proxy));
        self
    }

    /// No proxy. Its stored `noProxy` list stays on the device, unused.
    pub fn remove_proxy(mut self) -> Self {
        self.proxy = Some(ProxyChange::Remove);
        self
    }

    fn body(&self) -> Result<Value> {
        let mut network = Map::new();
        if let Some(hostname) = &self.hostname {
            if hostname.len() > 253
                || hostname.contains(|c: char| !(c.is_ascii_alphanumeric() || "-.".contains(c)))
            {
                let hostname = hostname.escape_debug();
                return Err(Error::argument("hostname", format_args!("\"{hostname}\" is not a host name")));
            }
            network.insert("hostname".into(), hostname.as_str().into());
        }
        match &self.proxy {
            Some(ProxyChange::Remove) => drop(network.insert("proxy".into(), json!({}))),
            Some(ProxyChange::Set(proxy)) => drop(network.insert("proxy".into(), proxy.body()?)),
            None => {}
        }
        if network.is_empty() {
            return Err(Error::argument("patch", "it changes nothing"));
        }
        Ok(json!({ "network": network }))
    }
}

impl Supervisor {
    /// The host's network settings (`GET /v1/device/host-config`).
    pub fn host_config(&self) -> Call<HostConfig> {
        Call::new(self, Ok(Spec::new(&e::HOST_CONFIG, "/v1/device/host-config")), |answer| answer.json())
    }

    /// Changes the host's network settings (`PATCH /v1/device/host-config`).
    ///
    /// # Errors
    /// `is_invalid_argument` for settings that the supervisor would take and then ignore; `is_locked` when
    /// any service of any application holds an update lock.
    pub fn set_host_config(&self, patch: &HostConfigPatch) -> Call<(), Forceable> {
        let spec =
            patch.body().map(|body| Spec::new(&e::SET_HOST_CONFIG, "/v1/device/host-config").body(body));
        Call::new(self, spec, done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_supervisor_would_swallow_is_refused_here() {
        let good = ProxyPatch::new(ProxyKind::Socks5, "192.0.2.1", 1080);
        assert_eq!(
            HostConfigPatch::new().proxy(good.clone()).body().unwrap(),
            json!({"network": {"proxy": {"type": "socks5", "ip": "192.0.2.1", "port": 1080, "dns": false, "noProxy": []}}})
        );
        for bad in [
            HostConfigPatch::new(),
            HostConfigPatch::new().hostname("a b"),
            HostConfigPatch::new().proxy(ProxyPatch::new("ftp".into(), "192.0.2.1", 1)),
            HostConfigPatch::new().proxy(ProxyPatch::new(ProxyKind::Socks4, "", 1)),
            HostConfigPatch::new().proxy(ProxyPatch::new(ProxyKind::Socks4, "192.0.2.1", 0)),
            HostConfigPatch::new().proxy(good.clone().no_proxy(["10.0.0.0/33"])),
            HostConfigPatch::new().proxy(good.no_proxy(["example.com"])),
        ] {
            assert!(bad.body().unwrap_err().is_invalid_argument(), "{bad:?}");
        }
    }
}

//! Changes of the host's settings, and checks that the host can use them.

use std::net::SocketAddr;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};

use crate::checks;
use crate::error::{Error, Result, escaped};

use super::{Proxy, ProxyKind};

/// Name of the argument in errors.
const PROXY: &str = "proxy";
/// Longest user name or password of SOCKS 5, in bytes (RFC 1929).
const SOCKS5_LIMIT: usize = 255;
/// The resolver that the supervisor uses for `true`.
const DEFAULT_RESOLVER: &str = "8.8.8.8:53";

/// Name resolution behind a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dns {
    /// Without the proxy.
    Off,
    /// Through the proxy, with the resolver 8.8.8.8.
    Default,
    /// Through the proxy, with this resolver (IPv4).
    At(SocketAddr),
}

/// A complete proxy for [`HostConfigPatch::proxy`]. It replaces the stored one as a whole.
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
    /// Creates a proxy without login, resolver and exceptions.
    ///
    /// `ip` is a single IPv4 address or host name: redsocks on the host does not support IPv6.
    pub fn new(kind: ProxyKind, ip: impl Into<String>, port: u16) -> Self {
        Self { kind, ip: ip.into(), port, login: None, dns: Dns::Off, no_proxy: Vec::new() }
    }

    /// Sets user name and password. Both must not contain `"`, `;`, `=`, `{`, `}`, a backslash or a control
    /// character, which the host's file can't represent.
    pub fn login(mut self, login: impl Into<String>, password: SecretString) -> Self {
        self.login = Some((login.into(), password));
        self
    }

    /// Sets the name resolution (supervisor ≥ 16.6).
    pub fn dns(mut self, dns: Dns) -> Self {
        self.dns = dns;
        self
    }

    /// Sets the addresses and networks (`10.0.0.0/8`) to reach without the proxy.
    pub fn no_proxy<S: Into<String>>(mut self, destinations: impl IntoIterator<Item = S>) -> Self {
        self.no_proxy = destinations.into_iter().map(Into::into).collect();
        self
    }

    pub(super) fn has_login(&self) -> bool {
        self.login.is_some()
    }

    /// Checks the settings: the supervisor stores invalid ones with a 200, and the host's proxy then fails to start.
    fn check(&self) -> Result<()> {
        if let ProxyKind::Other(kind) = &self.kind {
            let kind = escaped(kind);
            let why = format_args!("kind \"{kind}\" is not one of socks4, socks5, http-connect, http-relay");
            return Err(Error::argument(PROXY, why));
        }
        checks::proxy_address(PROXY, &self.ip)?;
        if self.port == 0 {
            return Err(Error::argument(PROXY, "the port is 0"));
        }
        if let Dns::At(address) = self.dns {
            checks::resolver("dns", address)?;
        }
        for destination in &self.no_proxy {
            checks::no_proxy("no_proxy", destination)?;
        }
        match &self.login {
            Some((login, password)) => self.check_login(login, password.expose_secret()),
            None => Ok(()),
        }
    }

    fn check_login(&self, login: &str, password: &str) -> Result<()> {
        if login.is_empty() {
            return Err(Error::argument("login", "it is empty"));
        }
        if self.kind == ProxyKind::Socks5 && password.is_empty() {
            return Err(Error::argument("password", "it is empty, and SOCKS 5 has no empty password"));
        }
        if matches!(self.kind, ProxyKind::HttpConnect | ProxyKind::HttpRelay) && login.contains(':') {
            return Err(Error::argument(
                "login",
                "it contains a colon, which HTTP uses to separate the password",
            ));
        }
        // The value is not shown: it may be the password.
        for (name, text) in [("login", login), ("password", password)] {
            if text.contains(|c: char| c.is_control() || "\";={}\\".contains(c)) {
                let why = "it contains a character that the host's file can't represent: one of \" ; = { } \\, or a control character";
                return Err(Error::argument(name, why));
            }
            if self.kind == ProxyKind::Socks5 && text.len() > SOCKS5_LIMIT {
                let why = format_args!("it has {} bytes; SOCKS 5 allows {SOCKS5_LIMIT}", text.len());
                return Err(Error::argument(name, why));
            }
        }
        Ok(())
    }

    /// Returns the request body: with every field that can be set, because the supervisor merges.
    pub(super) fn body(&self) -> Value {
        let dns = match self.dns {
            Dns::Off => Value::Bool(false),
            Dns::Default => Value::Bool(true),
            Dns::At(address) => address.to_string().into(),
        };
        let mut fields = Map::new();
        fields.insert("type".into(), json!(self.kind));
        fields.insert("ip".into(), self.ip.as_str().into());
        fields.insert("port".into(), self.port.into());
        if let Some((login, password)) = &self.login {
            fields.insert("login".into(), login.as_str().into());
            fields.insert("password".into(), password.expose_secret().into());
        }
        fields.insert("dns".into(), dns);
        fields.insert("noProxy".into(), self.no_proxy.as_slice().into());
        Value::Object(fields)
    }

    /// Returns whether this is the stored proxy.
    pub(super) fn is(&self, stored: &Proxy) -> bool {
        let resolver = match self.dns {
            Dns::Off => None,
            Dns::Default => Some(DEFAULT_RESOLVER.to_owned()),
            Dns::At(address) => Some(address.to_string()),
        };
        let (login, password) = match &self.login {
            Some((login, password)) => (Some(login.as_str()), Some(password.expose_secret())),
            None => (None, None),
        };
        let sorted = |list: &[String]| {
            let mut list = list.to_vec();
            list.sort_unstable();
            list
        };
        stored.kind.as_ref() == Some(&self.kind)
            && stored.ip.as_deref() == Some(&*self.ip)
            && stored.port == Some(self.port)
            && stored.login.as_deref() == login
            && stored.password.as_ref().map(SecretString::expose_secret) == password
            && stored.dns == resolver
            && sorted(stored.no_proxy.as_deref().unwrap_or_default()) == sorted(&self.no_proxy)
    }
}

/// Returns the request body that stores this proxy again.
pub(super) fn again(stored: &Proxy) -> Value {
    let mut fields = match json!(stored) {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    if let Some(password) = &stored.password {
        fields.insert("password".into(), password.expose_secret().into());
    }
    fields.entry("dns").or_insert(Value::Bool(false));
    fields.entry("noProxy").or_insert_with(|| json!([]));
    Value::Object(fields)
}

/// Change of the proxy.
#[derive(Debug, Clone)]
pub(super) enum ProxyChange {
    Remove,
    Set(ProxyPatch),
}

/// A change of the host settings. Settings that are not named stay unchanged.
#[derive(Debug, Clone, Default)]
pub struct HostConfigPatch {
    pub(super) hostname: Option<String>,
    pub(super) proxy: Option<ProxyChange>,
}

impl HostConfigPatch {
    /// Creates a patch without changes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the host name (RFC 1123, at most 64 characters). Services with host networking are recreated, and on
    /// balenaOS the engine restarts: this container may be restarted.
    pub fn hostname(mut self, hostname: impl Into<String>) -> Self {
        self.hostname = Some(hostname.into());
        self
    }

    /// Resets the host name to the first seven characters of the device's uuid.
    pub fn reset_hostname(mut self) -> Self {
        self.hostname = Some(String::new());
        self
    }

    /// Sets the proxy.
    pub fn proxy(mut self, proxy: ProxyPatch) -> Self {
        self.proxy = Some(ProxyChange::Set(proxy));
        self
    }

    /// Removes the proxy and the stored list of exceptions.
    pub fn remove_proxy(mut self) -> Self {
        self.proxy = Some(ProxyChange::Remove);
        self
    }

    pub(super) fn is_empty(&self) -> bool {
        self.hostname.is_none() && self.proxy.is_none()
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.is_empty() {
            return Err(Error::argument("patch", "it changes nothing"));
        }
        if let Some(hostname) = self.hostname.as_deref().filter(|hostname| !hostname.is_empty()) {
            checks::host_name("hostname", hostname)?;
        }
        match &self.proxy {
            Some(ProxyChange::Set(proxy)) => proxy.check(),
            Some(ProxyChange::Remove) | None => Ok(()),
        }
    }

    /// Returns the body of one request: the host name and this proxy.
    pub(super) fn with(&self, proxy: Option<Value>) -> Value {
        let mut network = Map::new();
        if let Some(hostname) = &self.hostname {
            network.insert("hostname".into(), hostname.as_str().into());
        }
        if let Some(proxy) = proxy {
            network.insert("proxy".into(), proxy);
        }
        json!({ "network": network })
    }
}

//! The address of a running service.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::error::{Error, ErrorKind, Result};
use crate::http::ServerAddress;

/// The port of the service, unless the address names another.
const DEFAULT_PORT: u16 = 48485;

const EXAMPLES: &str = "http://agent:48485 or unix:/run/agent/main.sock";

/// Where a service listens: a host and a port, or a Unix socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// `host:port`.
    Tcp(String),
    /// Absolute path of a Unix socket.
    Unix(PathBuf),
}

impl Address {
    /// Parses `http://host[:port]`, `host:port` or `unix:/path`.
    pub(super) fn parse(name: &str, text: &str) -> Result<Self> {
        let fault = |why: &str| {
            let text = text.escape_debug();
            Err(Error::new(ErrorKind::Config, format!("{name} is \"{text}\": {why}, e.g. {EXAMPLES}")))
        };
        let text = text.trim();
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").filter(|path| path.starts_with('/')).unwrap_or(path);
            if path.starts_with('/') {
                return Ok(Self::Unix(path.into()));
            }
            return fault("the path of the socket has to be absolute");
        }
        if text.starts_with("https://") {
            return fault("the service speaks plain HTTP");
        }
        let authority = text.strip_prefix("http://").unwrap_or(text);
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        if authority.contains(['/', '?', '#', '@']) {
            return fault("it has to be a host and a port without a path or credentials");
        }
        let Ok(parsed) = authority.parse::<http::uri::Authority>() else {
            return fault("it has to be a host and a port");
        };
        let host = parsed.host();
        // The names of compose services may have underscores.
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        let is_host = host.starts_with('[') || !host.is_empty() && host.bytes().all(is_part);
        // `Authority::port` takes a number that is too large for none.
        let port = match authority.strip_prefix(host).map(|rest| rest.strip_prefix(':')) {
            Some(Some(port)) => port.parse::<u16>().ok(),
            _ => Some(DEFAULT_PORT),
        };
        match port {
            Some(port) if is_host => Ok(Self::Tcp(format!("{host}:{port}"))),
            _ => fault("it has to be a host and a port"),
        }
    }

    pub(super) fn server(&self) -> ServerAddress {
        match self {
            Self::Tcp(authority) => ServerAddress::Tcp(authority.clone()),
            Self::Unix(path) => ServerAddress::Unix(path.clone()),
        }
    }

    /// Returns the `Host` of a request.
    pub(super) fn host(&self) -> &str {
        match self {
            Self::Tcp(authority) => authority,
            Self::Unix(_) => "localhost",
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address.to_string())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(authority) => f.write_str(authority),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, shown) in [
            ("http://agent:48485", "agent:48485"),
            ("http://agent/", "agent:48485"),
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("[::1]:80", "[::1]:80"),
            ("agent", "agent:48485"),
            ("unix:/run/agent/main.sock", "unix:/run/agent/main.sock"),
            ("unix:///run/agent/main.sock", "unix:/run/agent/main.sock"),
        ] {
            assert_eq!(Address::parse("X", text).unwrap().to_string(), shown, "{text}");
        }
        for text in [
            "",
            "https://agent",
            "unix:run/x",
            "unix:",
            "http://a b",
            "agent:99999",
            "agent:x",
            "http://u:p@agent",
            "http://agent/path",
            "agent?x",
            "a,b:1",
            "http://",
            ":80",
        ] {
            let error = Address::parse("BALENA_AGENT_ADDRESS", text).unwrap_err();
            assert!(error.is_config() && error.to_string().contains("http://agent:48485"), "{text}: {error}");
        }
    }
}

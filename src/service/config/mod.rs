//! The service's settings. A flag overrides a variable, a variable a default; all faults are reported at once.

mod check;
mod checked;
mod clients;
mod fault;
mod parse;
#[cfg(feature = "cli")]
mod show;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
#[cfg(feature = "cli")]
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
#[cfg(feature = "cli")]
use tracing::level_filters::LevelFilter;

use crate::error::{Error, ErrorKind, Result};

#[cfg(feature = "cli")]
pub(crate) use check::report;
pub(crate) use checked::{Checked, DEFAULT_LISTEN};
pub(crate) use checked::{ClientSettings, LedgerLimits};
pub(crate) use fault::{Fault, Faults};
#[cfg(feature = "cli")]
pub(crate) use show::{help, shown};
use table::duration_text;

/// The beginning of the names of all settings.
const PREFIX: &str = "AGENT_";

/// Settings of the service.
///
/// Built from defaults or from the environment; setters override both. No value is checked before
/// [`bind`](crate::service::bind), which then parks the service (see there), or with [`strict`](Self::strict) returns
/// all faults in one error.
///
/// `docs/settings.md` and `balena-agent config show` list all settings with their ranges. Those without a setter here
/// are set by the name of their variable: [`set`](Self::set).
///
/// ```
/// use balena_agent::service::Config;
///
/// let config = Config::default()
///     .listen("0.0.0.0:48485")
///     .set("AGENT_CLIENT_WEB", "state events actions:restart:web")
///     .set("AGENT_CLIENT_WEB_SOCKET", "/run/web/agent.sock");
/// # let _ = config;
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct Config {
    /// By variable.
    given: BTreeMap<String, Given>,
    strictness: Strictness,
    /// Faults from outside of the settings.
    faults: Vec<Fault>,
}

/// A value as given. It may be a secret, also in the wrong variable.
#[derive(Clone)]
struct Given {
    text: SecretString,
    #[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "printed by `config show`"))]
    origin: Origin,
}

/// Where the value of a setting comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    #[cfg(feature = "cli")]
    Default,
    Variable,
    /// A flag of the command line, or a setter.
    Flag,
}

/// What [`bind`](crate::service::bind) does with settings that can't work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Strictness {
    /// It returns a service that is parked.
    #[default]
    Park,
    /// It returns an error.
    Fail,
}

impl Config {
    /// Reads the settings from the environment of this process.
    pub fn from_env() -> Self {
        // A value that is not UTF-8 becomes an invalid value, so that it is reported as a fault.
        Self::from_vars(std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
        }))
    }

    /// Reads the settings from these variables. An empty value counts as unset. A variable that begins with `AGENT_`
    /// and is no setting is a fault that the service works with.
    pub fn from_vars<K: AsRef<str>, V: AsRef<str>>(vars: impl IntoIterator<Item = (K, V)>) -> Self {
        let mut config = Self::default();
        for (name, value) in vars {
            if name.as_ref().starts_with(PREFIX) {
                config.give(name.as_ref(), value.as_ref(), Origin::Variable);
            }
        }
        config
    }

    fn give(&mut self, name: &str, value: &str, origin: Origin) {
        let value = value.trim();
        if value.is_empty() {
            return;
        }
        self.given.insert(name.to_owned(), Given { text: value.into(), origin });
    }

    /// Sets a setting by the name of its variable, e.g. `AGENT_EVENTS_HISTORY`; an empty value changes nothing.
    pub fn set(mut self, variable: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.give(variable.as_ref(), value.as_ref(), Origin::Flag);
        self
    }

    /// Sets the addresses and ports to listen on, separated by commas, e.g. `127.0.0.1:48485` or `[::1]:48485`. Port 0
    /// takes any free port. At most 16.
    pub fn listen(self, addresses: impl AsRef<str>) -> Self {
        // An empty text is a fault, not the default.
        let addresses = addresses.as_ref().trim();
        self.set("AGENT_LISTEN", if addresses.is_empty() { "," } else { addresses })
    }

    /// Sets further names by which a request may address the service in `Host`, separated by commas, without ports.
    pub fn hosts(self, names: impl AsRef<str>) -> Self {
        self.set("AGENT_HOSTS", names)
    }

    /// Sets the directory for what has to survive a restart. An absolute path.
    pub fn state_directory(self, path: impl AsRef<Path>) -> Self {
        self.set("AGENT_STATE_DIRECTORY", path.as_ref().to_string_lossy())
    }

    /// Sets the interval between two polls of the supervisor while an update or a service is changing state. 10 ms to
    /// 1 h; 2 s by default.
    pub fn poll_quick(self, interval: Duration) -> Self {
        self.set("AGENT_POLL_QUICK", duration_text(interval))
    }

    /// Sets the interval between two polls while nothing changes: `poll_quick` to 1 h, 10 s by default. Each is
    /// shortened by up to 10 % at random.
    pub fn poll_slow(self, interval: Duration) -> Self {
        self.set("AGENT_POLL_SLOW", duration_text(interval))
    }

    /// Sets the longest pause between two polls while the supervisor does not answer: `poll_slow` to 1 h, 30 s by
    /// default.
    pub fn poll_away(self, interval: Duration) -> Self {
        self.set("AGENT_POLL_AWAY", duration_text(interval))
    }

    /// Sets the interval between two pings to each client of the events: 10 ms to 60 s, 30 s by default. A client that
    /// leaves two pings unanswered is disconnected.
    pub fn heartbeat(self, interval: Duration) -> Self {
        self.set("AGENT_EVENTS_HEARTBEAT", duration_text(interval))
    }

    /// Sets the maximum number of clients of the events: 1 to 1024, 32 by default. Further ones are rejected with 503.
    pub fn events_clients(self, number: usize) -> Self {
        self.set("AGENT_EVENTS_CLIENTS", number.to_string())
    }

    /// Sets the number of past events that are kept for clients that come back: 16 to 4096, 256 by default.
    pub fn events_history(self, number: usize) -> Self {
        self.set("AGENT_EVENTS_HISTORY", number.to_string())
    }

    /// Adds a client with these scopes, e.g. `state locks`, known by this token of 16 to 256 characters. The name has
    /// capital letters, digits and `_`.
    pub fn client(self, name: &str, scopes: &str, token: impl Into<SecretString>) -> Self {
        let variable = format!("{}{name}", table::CLIENT);
        let token: SecretString = token.into();
        self.set(&variable, scopes).set(format!("{variable}_TOKEN"), token.expose_secret())
    }

    /// Makes [`bind`](crate::service::bind) and [`run`](crate::service::run) return an error if the settings can't
    /// work. Without it the service is parked: it answers with the faults, which a container needs that would
    /// otherwise be restarted again and again.
    pub fn strict(mut self) -> Self {
        self.strictness = Strictness::Fail;
        self
    }

    /// Returns the address at which a client on this machine reaches a service with these settings: the first one of
    /// loopback, else the first one. An unspecified address (`0.0.0.0`, `[::]`) becomes loopback. If `listen` has a
    /// fault, it is where the parked service listens.
    ///
    /// # Errors
    /// `is_config` if the port is 0.
    pub fn local_address(&self) -> Result<SocketAddr> {
        let listen = self.listening().unwrap_or_else(|refused| refused.listen);
        let local = listen.iter().map(|address| {
            let ip = match address.ip() {
                IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
                ip => ip,
            };
            SocketAddr::new(ip, address.port())
        });
        let local: Vec<SocketAddr> = local.collect();
        let loopback = local.iter().find(|address| address.ip().is_loopback());
        let address = loopback.or(local.first()).copied().unwrap_or(DEFAULT_LISTEN);
        if address.port() == 0 {
            let why = "AGENT_LISTEN has port 0, which takes any free port, so the address of the service is not known here; \
                       set it to the port of the service, e.g. 127.0.0.1:48485";
            return Err(Error::new(ErrorKind::Config, why));
        }
        Ok(address)
    }

    pub(crate) fn strictness(&self) -> Strictness {
        self.strictness
    }

    /// Returns the state directory as given, if it is a path that can be one.
    #[cfg(feature = "cli")]
    pub(crate) fn configured_state_directory(&self) -> Option<PathBuf> {
        self.text("AGENT_STATE_DIRECTORY").map(PathBuf::from).filter(|path| path.is_absolute())
    }

    /// Adds a fault from outside of the settings. The service is parked with it.
    #[cfg(feature = "cli")]
    pub(crate) fn with_fault(mut self, setting: &str, text: String) -> Self {
        self.faults.push(Fault { setting: setting.to_owned(), text });
        self
    }

    /// Returns the log level of the command `run`: `info` if `AGENT_LOG` is unset or can't be parsed.
    #[cfg(feature = "cli")]
    pub(crate) fn log_level(&self) -> LevelFilter {
        self.text("AGENT_LOG").and_then(|text| parse::log_level(text).ok()).unwrap_or(LevelFilter::INFO)
    }

    /// Returns the value as given; `None` if the default counts.
    fn text(&self, name: &str) -> Option<&str> {
        self.given.get(name).map(|given| given.text.expose_secret())
    }
}

impl fmt::Debug for Config {
    /// Only the names of what is given: each value may be a secret in the wrong variable.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.given.keys().map(String::as_str).collect();
        f.debug_struct("Config")
            .field("given", &names)
            .field("strictness", &self.strictness)
            .finish_non_exhaustive()
    }
}

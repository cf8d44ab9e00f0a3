//! The service's settings. A flag overrides a variable, a variable a default; one error reports all faults.

mod checked;
mod fault;

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use jiff::SignedDuration;
use tracing::level_filters::LevelFilter;

use crate::Balena;
use crate::error::{Error, ErrorKind, Result};

pub(crate) use checked::{Checked, DEFAULT_LISTEN};
#[allow(unused_imports, reason = "read by the gateway and the locks, next commits")]
pub(crate) use checked::{ClientLimits, ClientSettings, LedgerLimits};

/// Lower bound of the polling intervals: on each poll the supervisor inspects every container.
const SHORTEST_POLL: Duration = Duration::from_millis(10);
/// Upper bound of the polling intervals: `/live` and `/ready` would otherwise report outdated state.
const LONGEST_POLL: Duration = Duration::from_secs(3600);
/// Upper bound of the ping interval: clients give up after 150 s without a message (`service/client/events.rs`).
const LONGEST_HEARTBEAT: Duration = Duration::from_secs(60);
/// Upper bound of `/events` clients: each takes a socket and some KiB.
const MOST_CLIENTS: usize = 1024;

/// Settings of the service.
///
/// Built from defaults or from the environment; setters override both. No value is checked before
/// [`bind`](crate::service::bind), which reports all faults in one error.
///
/// | setting | variable | default | range |
/// |---|---|---|---|
/// | [`listen`](Self::listen) | `AGENT_LISTEN` | `127.0.0.1:48485` | |
/// | [`poll_quick`](Self::poll_quick) | `AGENT_POLL_QUICK` | `2s` | `10ms` to `1h` |
/// | [`poll_slow`](Self::poll_slow) | `AGENT_POLL_SLOW` | `10s` | `poll_quick` to `1h` |
/// | [`poll_away`](Self::poll_away) | `AGENT_POLL_AWAY` | `30s` | `poll_slow` to `1h` |
/// | [`heartbeat`](Self::heartbeat) | `AGENT_EVENTS_HEARTBEAT` | `30s` | `10ms` to `60s` |
/// | [`events_clients`](Self::events_clients) | `AGENT_EVENTS_CLIENTS` | `32` | 1 to 1024 |
/// | what the command `run` logs: `warn`, `info` or `debug` | `AGENT_LOG` | `info` | |
#[derive(Debug, Clone)]
#[must_use]
pub struct Config {
    listen: Setting<SocketAddr>,
    poll_quick: Setting<Duration>,
    poll_slow: Setting<Duration>,
    poll_away: Setting<Duration>,
    heartbeat: Setting<Duration>,
    events_clients: Setting<usize>,
    log: Setting<LevelFilter>,
}

/// A value, or the text of the fault in it.
type Setting<T> = std::result::Result<T, String>;

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: Ok(DEFAULT_LISTEN),
            poll_quick: Ok(Duration::from_secs(2)),
            poll_slow: Ok(Duration::from_secs(10)),
            poll_away: Ok(Duration::from_secs(30)),
            heartbeat: Ok(Duration::from_secs(30)),
            events_clients: Ok(32),
            log: Ok(LevelFilter::INFO),
        }
    }
}

impl Config {
    /// Reads the settings from the environment of this process.
    pub fn from_env() -> Self {
        // A value that is not UTF-8 becomes an invalid value, so that it is reported as a fault.
        Self::from_vars(std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
        }))
    }

    /// Reads the settings from these variables. Names that are not in the table are ignored; an empty value counts as
    /// unset.
    pub fn from_vars<K: AsRef<str>, V: AsRef<str>>(vars: impl IntoIterator<Item = (K, V)>) -> Self {
        let mut config = Self::default();
        for (name, value) in vars {
            let (name, value) = (name.as_ref(), value.as_ref().trim());
            if value.is_empty() {
                continue;
            }
            match name {
                "AGENT_LISTEN" => config.listen = parse_listen(name, value),
                "AGENT_POLL_QUICK" => config.poll_quick = parse_duration(name, value),
                "AGENT_POLL_SLOW" => config.poll_slow = parse_duration(name, value),
                "AGENT_POLL_AWAY" => config.poll_away = parse_duration(name, value),
                "AGENT_EVENTS_HEARTBEAT" => config.heartbeat = parse_duration(name, value),
                "AGENT_EVENTS_CLIENTS" => {
                    config.events_clients =
                        value.parse().map_err(|_| fault(name, value, "it has to be a whole number"));
                }
                "AGENT_LOG" => config.log = parse_log(name, value),
                _ => {}
            }
        }
        config
    }

    /// Sets the address and port to listen on, e.g. `127.0.0.1:48485` or `[::1]:48485`. Port 0 takes any free port.
    /// Any host that reaches an address other than loopback can read the state of the device.
    pub fn listen(mut self, address: impl AsRef<str>) -> Self {
        self.listen = parse_listen("listen", address.as_ref().trim());
        self
    }

    /// Sets the interval between two polls of the supervisor while an update or a service is changing state. At most
    /// 1 h.
    pub fn poll_quick(mut self, interval: Duration) -> Self {
        self.poll_quick = Ok(interval);
        self
    }

    /// Sets the interval between two polls while nothing changes. Each is shortened by up to 10 % at random.
    pub fn poll_slow(mut self, interval: Duration) -> Self {
        self.poll_slow = Ok(interval);
        self
    }

    /// Sets the longest pause between two polls while the supervisor does not answer.
    pub fn poll_away(mut self, interval: Duration) -> Self {
        self.poll_away = Ok(interval);
        self
    }

    /// Sets the interval between two pings to each client of `/events`. A client that leaves two pings unanswered is
    /// disconnected.
    pub fn heartbeat(mut self, interval: Duration) -> Self {
        self.heartbeat = Ok(interval);
        self
    }

    /// Sets the maximum number of `/events` clients. Further ones are rejected with 503.
    pub fn events_clients(mut self, number: usize) -> Self {
        self.events_clients = Ok(number);
        self
    }

    /// Returns the address at which a client on this machine reaches a service with these settings: an unspecified
    /// address (`0.0.0.0`, `[::]`) becomes loopback.
    ///
    /// # Errors
    /// `is_config` if `listen` can't be parsed or has port 0.
    pub fn local_address(&self) -> Result<SocketAddr> {
        let mut address = self.listen.clone().map_err(|fault| faults(vec![fault]))?;
        if address.port() == 0 {
            let why = "port 0 takes any free port, so the address of the service is not known here";
            return Err(faults(vec![fault("AGENT_LISTEN", &address.to_string(), why)]));
        }
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        Ok(address)
    }

    /// Returns the log level of the command `run`: `info` if `AGENT_LOG` is unset or can't be parsed.
    #[cfg(feature = "cli")]
    pub(crate) fn log_level(&self) -> LevelFilter {
        self.log.as_ref().copied().unwrap_or(LevelFilter::INFO)
    }

    /// Returns the checked settings, or one error with all faults of these settings and of the client's.
    pub(crate) fn check(self, balena: &Balena) -> Result<Checked> {
        let mut found = Vec::new();
        take(self.log, &mut found);
        if let Err(error) = balena.supervisor().connection() {
            found.push(error.to_string());
        }
        let polls = SHORTEST_POLL..=LONGEST_POLL;
        let beats = SHORTEST_POLL..=LONGEST_HEARTBEAT;
        let checked = (
            take(self.listen, &mut found),
            in_range("poll_quick (AGENT_POLL_QUICK)", self.poll_quick, &polls, &mut found),
            in_range("poll_slow (AGENT_POLL_SLOW)", self.poll_slow, &polls, &mut found),
            in_range("poll_away (AGENT_POLL_AWAY)", self.poll_away, &polls, &mut found),
            in_range("heartbeat (AGENT_EVENTS_HEARTBEAT)", self.heartbeat, &beats, &mut found),
            in_range(
                "events_clients (AGENT_EVENTS_CLIENTS)",
                self.events_clients,
                &(1..=MOST_CLIENTS),
                &mut found,
            ),
        );
        if let (_, Some(quick), Some(slow), Some(away), ..) = checked
            && !(quick <= slow && slow <= away)
        {
            found.push(format!(
                "AGENT_POLL_QUICK ({quick:?}), AGENT_POLL_SLOW ({slow:?}) and AGENT_POLL_AWAY ({away:?}) must not decrease in this order"
            ));
        }
        match checked {
            (
                Some(listen),
                Some(poll_quick),
                Some(poll_slow),
                Some(poll_away),
                Some(heartbeat),
                Some(events_clients),
            ) if found.is_empty() => Ok(Checked {
                listen: vec![listen],
                poll_quick,
                poll_slow,
                poll_away,
                heartbeat,
                events_clients,
                ..Checked::default()
            }),
            _ => Err(faults(found)),
        }
    }
}

fn faults(mut found: Vec<String>) -> Error {
    if found.len() == 1 {
        return Error::new(ErrorKind::Config, found.remove(0));
    }
    let mut text = format!("{} faults in the settings:", found.len());
    for (number, fault) in (1..).zip(found) {
        // One line, as for every error. Numbered, because a fault may contain a `;`.
        let _ = write!(text, " ({number}) {fault}");
    }
    Error::new(ErrorKind::Config, text)
}

fn fault(name: &str, value: &str, why: &str) -> String {
    format!("{name} is \"{}\": {why}", value.escape_debug())
}

fn take<T>(setting: Setting<T>, found: &mut Vec<String>) -> Option<T> {
    setting.map_err(|fault| found.push(fault)).ok()
}

fn in_range<T: PartialOrd + std::fmt::Debug>(
    name: &str,
    setting: Setting<T>,
    range: &std::ops::RangeInclusive<T>,
    found: &mut Vec<String>,
) -> Option<T> {
    let value = take(setting, found)?;
    if range.contains(&value) {
        return Some(value);
    }
    found.push(format!("{name} is {value:?}: it has to be {:?} to {:?}", range.start(), range.end()));
    None
}

fn parse_listen(name: &str, value: &str) -> Setting<SocketAddr> {
    value.parse().map_err(|_| {
        fault(name, value, "it has to be address:port, e.g. 127.0.0.1:48485, or 0.0.0.0:48485 for everyone")
    })
}

fn parse_log(name: &str, value: &str) -> Setting<LevelFilter> {
    let levels = [("warn", LevelFilter::WARN), ("info", LevelFilter::INFO), ("debug", LevelFilter::DEBUG)];
    let level = levels.iter().find(|(word, _)| word.eq_ignore_ascii_case(value));
    level.map(|(_, level)| *level).ok_or_else(|| fault(name, value, "it has to be warn, info or debug"))
}

fn parse_duration(name: &str, value: &str) -> Setting<Duration> {
    let parsed: std::result::Result<SignedDuration, _> = value.parse();
    parsed
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok())
        .ok_or_else(|| fault(name, value, "it has to be a duration, e.g. 500ms, 2s or 1m"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Environment;

    fn on_a_device() -> Balena {
        let vars =
            [("BALENA_SUPERVISOR_ADDRESS", "http://127.0.0.1:1"), ("BALENA_SUPERVISOR_API_KEY", "s3cret")];
        Balena::builder().environment(Environment::from_vars(vars).unwrap()).build()
    }

    #[test]
    fn defaults_variables_and_setters() {
        let vars = [("AGENT_LISTEN", ""), ("AGENT_POLL_SLOW", "15s"), ("AGENT_EVENTS_CLIENTS", "5")];
        let config = Config::from_vars(vars).poll_quick(Duration::from_secs(1));
        let checked = config.check(&on_a_device()).unwrap();
        assert_eq!(checked.listen, ["127.0.0.1:48485".parse().unwrap()]);
        assert_eq!(
            (checked.poll_quick, checked.poll_slow),
            (Duration::from_secs(1), Duration::from_secs(15))
        );
        assert_eq!((checked.poll_away, checked.events_clients), (Duration::from_secs(30), 5));
    }

    #[test]
    fn all_faults_at_once() {
        let vars = [
            ("AGENT_LISTEN", "localhost"),
            ("AGENT_POLL_QUICK", "soon"),
            ("AGENT_EVENTS_CLIENTS", "-1"),
            ("AGENT_POLL_SLOW", "2h"),
        ];
        let error = Config::from_vars(vars).check(&Balena::builder().build()).unwrap_err();
        assert!(error.is_config());
        let text = error.to_string();
        for word in [
            "5 faults",
            "AGENT_LISTEN",
            "AGENT_POLL_QUICK",
            "CLIENTS",
            "AGENT_POLL_SLOW",
            "(5) ",
            "BALENA_SUPERVISOR_ADDRESS",
        ] {
            assert!(text.contains(word), "{word}: {text}");
        }
        assert_eq!(text.lines().count(), 1, "{text}");
    }

    #[test]
    fn a_flag_replaces_a_bad_variable_and_order_counts() {
        let config = Config::from_vars([("AGENT_LISTEN", "nonsense")]).listen("[::1]:0");
        assert!(config.check(&on_a_device()).is_ok());
        let config = Config::default().poll_slow(Duration::from_secs(1));
        assert!(config.check(&on_a_device()).unwrap_err().to_string().contains("must not decrease"));
        assert!(Config::default().heartbeat(Duration::ZERO).check(&on_a_device()).is_err());
    }

    #[test]
    fn clients_of_this_machine_use_loopback() {
        let local = |listen: &str| Config::default().listen(listen).local_address().unwrap().to_string();
        assert_eq!(local("0.0.0.0:80"), "127.0.0.1:80");
        assert_eq!(local("[::]:80"), "[::1]:80");
        assert_eq!(local("10.0.0.7:80"), "10.0.0.7:80");
        assert!(Config::default().listen("127.0.0.1:0").local_address().unwrap_err().is_config());
    }
}

//! The table of all `AGENT_*` settings. It drives the parsing, `config show`, `run --help`, the documentation and the
//! block; tests hold them together.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tracing::level_filters::LevelFilter;

use super::checked::Checked;

/// A setting of the service.
#[derive(Debug)]
pub(crate) struct Setting {
    /// The variable. `<NAME>` in it stands for the name of a client.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// The value that counts if the variable is unset or empty; empty if no literal value does.
    pub(crate) default: &'static str,
    /// What it does, in one sentence.
    #[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "printed by the command line"))]
    pub(crate) what: &'static str,
    /// The version that has it first.
    #[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "printed by the command line"))]
    pub(crate) since: &'static str,
}

/// The type of a setting, with its range and the field that it sets.
#[derive(Debug)]
pub(crate) enum Kind {
    Addresses(fn(&mut Checked, Vec<SocketAddr>)),
    Hosts(fn(&mut Checked, Vec<String>)),
    Directory(fn(&mut Checked, PathBuf)),
    Duration(Duration, Duration, fn(&mut Checked, Duration)),
    Number(usize, usize, fn(&mut Checked, usize)),
    /// A number of bytes.
    Size(usize, usize, fn(&mut Checked, usize)),
    LogLevel(fn(&mut Checked, LevelFilter)),
    /// Read by every program with this library, not by the service.
    Library,
    /// `AGENT_CLIENT_<NAME>` and its companions: see `clients.rs`.
    #[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "printed by the command line"))]
    Client(ClientPart),
}

/// The variables of one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientPart {
    Scopes,
    Token,
    Socket,
    Service,
}

/// The beginning of the variables of clients.
pub(crate) const CLIENT: &str = "AGENT_CLIENT_";

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Lower bound of the polling intervals: on each poll the supervisor inspects every container.
const SHORTEST_POLL: Duration = Duration::from_millis(10);
/// Upper bound of the polling intervals: `/live` and `/ready` would otherwise report outdated state.
const LONGEST_POLL: Duration = HOUR;
/// Upper bound of the ping interval: clients give up after 150 s without a message.
const LONGEST_HEARTBEAT: Duration = Duration::from_secs(60);
/// Upper bound of the events' clients: each takes a socket and some KiB.
const MOST_CLIENTS: usize = 1024;

/// Every setting, in the order of the documentation.
pub(crate) static SETTINGS: &[Setting] = &[
    Setting {
        name: "AGENT_LISTEN",
        kind: Kind::Addresses(|to, value| to.listen = value),
        default: "127.0.0.1:48485",
        what: "where `run` answers; `0.0.0.0:48485` if other containers shall reach it, as `http://agent:48485`",
        since: "0.1.0",
    },
    Setting {
        name: "AGENT_HOSTS",
        kind: Kind::Hosts(|to, value| to.hosts = value),
        default: "",
        what: "names beside IP addresses, `localhost` and the own service's name that requests may have as `Host`",
        since: "0.1.0",
    },
    Setting {
        name: "AGENT_STATE_DIRECTORY",
        kind: Kind::Directory(|to, value| to.state_directory = Some(value)),
        default: "",
        what: "where leases, ledger and asked actions are kept; without it `/data/balena-agent` if `/data` is a volume, else memory only",
        since: "0.1.0",
    },
    Setting {
        name: "AGENT_POLL_QUICK",
        kind: Kind::Duration(SHORTEST_POLL, LONGEST_POLL, |to, value| to.poll_quick = value),
        default: "2s",
        what: "how often `run` polls the device during a change",
        since: "0.1.0",
    },
    Setting {
        name: "AGENT_POLL_SLOW",
        kind: Kind::Duration(SHORTEST_POLL, LONGEST_POLL, |to, value| to.poll_slow = value),
        default: "10s",
        what: "how often `run` polls the device while nothing changes; not shorter than `AGENT_POLL_QUICK`",
        since: "0.1.0",
    },
    Setting {
        name: "AGENT_POLL_AWAY",
        kind: Kind::Duration(SHORTEST_POLL, LONGEST_POLL, |to, value| to.poll_away = value),
        default: "30s",
        what: "how often at least `run` polls while the supervisor does not answer; not shorter than `AGENT_POLL_SLOW`",
        since: "0.1.0",
    },
    Setting {
        name: "AGENT_EVENTS_HEARTBEAT",
        kind: Kind::Duration(SHORTEST_POLL, LONGEST_HEARTBEAT, |to, value| to.heartbeat = value),
        default: "30s",
        what: "how often clients of the events get a ping",
        since: "0.1.0",
    },
    Setting {
        name: "AGENT_EVENTS_CLIENTS",
        kind: Kind::Number(1, MOST_CLIENTS, |to, value| to.events_clients = value),
        default: "32",
        what: "how many clients of the events there may be",
        since: "0.1.0",
    },
    Setting {
        name: "AGENT_EVENTS_HISTORY",
        kind: Kind::Number(16, 4096, |to, value| to.events_history = value),
        default: "256",
        what: "how many past events are kept for clients that come back",
        since: "0.1.0",
    },
    Setting {
        name: "AGENT_LOG",
        kind: Kind::LogLevel(|to, value| to.log = value),
        default: "info",
        what: "how much `run` logs: `warn`, `info` or `debug`",
        since: "0.1.0",
    },
    Setting {
        name: "AGENT_CLIENT_<NAME>",
        kind: Kind::Client(ClientPart::Scopes),
        default: "",
        what: "what the client of this name may do: its scopes",
        since: "0.1.0",
    },
    Setting {
        name: "AGENT_CLIENT_<NAME>_TOKEN",
        kind: Kind::Client(ClientPart::Token),
        default: "",
        what: "the token by which the client is known; as a variable of the two services only",
        since: "0.1.0",
    },
    Setting {
        name: "AGENT_CLIENT_<NAME>_SOCKET",
        kind: Kind::Client(ClientPart::Socket),
        default: "",
        what: "the Unix socket by which the client is known; in a volume that only this client has",
        since: "0.1.0",
    },
    Setting {
        name: "AGENT_CLIENT_<NAME>_SERVICE",
        kind: Kind::Client(ClientPart::Service),
        default: "",
        what: "the compose service whose address the client has; it may have the scopes `state events logs locks` at most",
        since: "0.1.0",
    },
    Setting {
        name: "AGENT_LEASES_PER_CLIENT",
        kind: Kind::Number(1, 256, |to, value| to.limits.leases = value),
        default: "16",
        what: "how many leases of the update lock a client may hold",
        since: "0.1.0",
    },
    Setting {
        name: "AGENT_LOCK_MAX_TTL",
        kind: Kind::Duration(SECOND, DAY.saturating_mul(30), |to, value| to.limits.lock_max_ttl = value),
        default: "24h",
        what: "the longest time to live of a lease",
        since: "0.1.0",
    },
    Setting {
        name: "AGENT_REQUEST_RATE",
        kind: Kind::Number(1, 10_000, |to, value| {
            to.limits.requests_per_second = u32::try_from(value).unwrap_or(u32::MAX);
        }),
        default: "20",
        what: "how many requests a client may send in a second",
        since: "0.1.0",
    },
    Setting {
        name: "AGENT_STREAMS_PER_CLIENT",
        kind: Kind::Number(1, 256, |to, value| to.limits.streams = value),
        default: "8",
        what: "how many streams of events a client may have open",
        since: "0.1.0",
    },
    Setting {
        name: "AGENT_LEDGER_ENTRIES",
        kind: Kind::Number(10, 100_000, |to, value| to.ledger.entries = value),
        default: "1000",
        what: "how many entries the ledger keeps",
        since: "0.1.0",
    },
    Setting {
        name: "AGENT_LEDGER_DAYS",
        kind: Kind::Number(1, 3650, |to, value| {
            to.ledger.age = DAY.saturating_mul(u32::try_from(value).unwrap_or(u32::MAX));
        }),
        default: "90",
        what: "for how many days the ledger keeps an entry",
        since: "0.1.0",
    },
    Setting {
        name: "AGENT_LEDGER_SIZE",
        kind: Kind::Size(4 * 1024, 16 * 1024 * 1024, |to, value| to.ledger.bytes = value),
        default: "256KiB",
        what: "how many bytes the ledger keeps",
        since: "0.1.0",
    },
    Setting {
        name: "AGENT_ALLOW_HTTP",
        kind: Kind::Library,
        default: "",
        what: "with `1`, the key also goes to a cloud over plain `http://`",
        since: "0.1.0",
    },
];

/// Returns the setting with this name; not those of clients.
pub(crate) fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

impl Setting {
    /// Whether its value is a secret.
    #[cfg(feature = "cli")]
    pub(crate) fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Client(ClientPart::Token))
    }

    /// Returns the type in words, with an example where it needs one.
    #[cfg(feature = "cli")]
    pub(crate) fn type_text(&self) -> &'static str {
        match self.kind {
            Kind::Addresses(_) => "addresses with port",
            Kind::Hosts(_) => "host names",
            Kind::Directory(_) | Kind::Client(ClientPart::Socket) => "absolute path",
            Kind::Duration(..) => "duration",
            Kind::Number(..) => "number",
            Kind::Size(..) => "size",
            Kind::LogLevel(_) => "level",
            Kind::Library => "`1`",
            Kind::Client(ClientPart::Scopes) => "scopes",
            Kind::Client(ClientPart::Token) => "16 to 256 characters",
            Kind::Client(ClientPart::Service) => "service name",
        }
    }

    /// Returns the range as `least to most`; empty if there is none.
    pub(crate) fn range_text(&self) -> String {
        match self.kind {
            Kind::Duration(least, most, _) => {
                format!("{} to {}", duration_text(least), duration_text(most))
            }
            Kind::Number(least, most, _) => format!("{least} to {most}"),
            Kind::Size(least, most, _) => format!("{} to {}", size_text(least), size_text(most)),
            Kind::LogLevel(_) => "warn, info, debug".to_owned(),
            _ => String::new(),
        }
    }
}

/// Writes a duration as a user would: `10ms`, `1h`, `1m 30s`.
pub(crate) fn duration_text(duration: Duration) -> String {
    let signed = jiff::SignedDuration::try_from(duration).unwrap_or(jiff::SignedDuration::MAX);
    format!("{signed:#}")
}

/// Writes a number of bytes as a user would: `256KiB`.
fn size_text(bytes: usize) -> String {
    match bytes {
        bytes if bytes % (1024 * 1024) == 0 => format!("{}MiB", bytes / (1024 * 1024)),
        bytes if bytes % 1024 == 0 => format!("{}KiB", bytes / 1024),
        bytes => format!("{bytes}B"),
    }
}

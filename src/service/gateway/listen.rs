//! Binds the service's address, and reports what occupies it on failure.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use nix::errno::Errno;
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::{Instant, sleep};

use crate::error::{Error, ErrorKind, Result};

/// Length of the accept queue, the same as tokio's default.
const BACKLOG: u32 = 1024;
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(500);
/// Retry limit while another process listens: it may be ending, e.g. this service before its update.
const LISTENER_LIMIT: Duration = Duration::from_secs(5);
/// Retry limit while a connection uses the port: the kernel keeps it for 60 s after the close (`TIME_WAIT`).
const CONNECTION_LIMIT: Duration = Duration::from_secs(70);
/// Lower ports need privileges.
const FIRST_FREE_PORT: u16 = 1024;

/// Listens on this address. Retries for a while if the port is in use. Safe to cancel.
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener> {
    let started = Instant::now();
    let mut told = false;
    loop {
        let cause = match try_listen(address) {
            Ok(listener) => return Ok(listener),
            Err(cause) => cause,
        };
        if cause.kind() != io::ErrorKind::AddrInUse {
            return Err(no_address(address, cause));
        }
        let obstacle = PortConflict::find(address);
        if started.elapsed() >= obstacle.limit() {
            return Err(obstacle.error(address, cause));
        }
        if !told && matches!(obstacle, PortConflict::Connection { .. }) {
            told = true;
            tracing::warn!(%address, limit = ?CONNECTION_LIMIT, "can't listen yet: {obstacle}; retrying");
        }
        sleep(PAUSE).await;
    }
}

fn try_listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Without `SO_REUSEADDR`, closed connections of an earlier run (`TIME_WAIT`) would block the port. A listener, or
    // an open connection to another host, still does.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// What occupies the port.
#[derive(Debug, Clone, PartialEq, Eq)]
enum PortConflict {
    /// A socket that listens on this address.
    Listener(SocketAddr),
    /// A connection, most likely an outgoing one that the kernel gave the port to.
    Connection { local: SocketAddr, remote: SocketAddr, state: &'static str },
    /// Not visible from here: a socket that is bound and does not listen, or there is no `/proc`.
    Unseen,
}

impl PortConflict {
    /// Searches listeners first: the connections of a listener are in the table too.
    fn find(address: SocketAddr) -> Self {
        let mut found = Self::Unseen;
        for path in ["/proc/self/net/tcp", "/proc/self/net/tcp6"] {
            let Ok(table) = File::open(path) else { continue };
            for line in BufReader::new(table).lines().map_while(io::Result::ok) {
                match Self::read(&line, address) {
                    Some(listener @ Self::Listener(_)) => return listener,
                    Some(connection) if found == Self::Unseen => found = connection,
                    _ => {}
                }
            }
        }
        found
    }

    /// Parses a line of the kernel's socket table. Returns `None` if its local address is another one.
    fn read(line: &str, address: SocketAddr) -> Option<Self> {
        let mut words = line.split_ascii_whitespace().skip(1);
        let (local, remote, state) = (words.next()?, words.next()?, words.next()?);
        let (local, remote) = (read_address(local)?, read_address(remote)?);
        let (here, there) = (local.ip().to_canonical(), address.ip().to_canonical());
        let meets = here == there || here.is_unspecified() || there.is_unspecified();
        if local.port() != address.port() || !meets {
            return None;
        }
        Some(match state {
            "0A" => Self::Listener(local),
            "01" => Self::Connection { local, remote, state: "ESTABLISHED" },
            "06" => Self::Connection { local, remote, state: "TIME_WAIT" },
            _ => Self::Connection { local, remote, state: "closing or opening" },
        })
    }

    /// Returns how long [`listen`] retries for this obstacle.
    fn limit(&self) -> Duration {
        match self {
            Self::Connection { .. } => CONNECTION_LIMIT,
            Self::Listener(_) | Self::Unseen => LISTENER_LIMIT,
        }
    }

    fn error(&self, address: SocketAddr, cause: io::Error) -> Error {
        let port = address.port();
        let help = match self {
            Self::Listener(_) => {
                "stop it, maybe it is another balena-agent, or set AGENT_LISTEN to another port".to_owned()
            }
            Self::Connection { .. } => match outgoing_ports() {
                Some((first, last)) if (first..=last).contains(&port) => format!(
                    "the kernel gives the ports {first} to {last} to outgoing connections: set AGENT_LISTEN to a \
                     port outside of them, or keep {port} free with the sysctl net.ipv4.ip_local_reserved_ports"
                ),
                _ => "end that connection, or set AGENT_LISTEN to another port".to_owned(),
            },
            Self::Unseen => "find the socket, or set AGENT_LISTEN to another port".to_owned(),
        };
        Error::new(ErrorKind::Io, format!("can't listen on {address}: {self} ({cause})"))
            .with_source(cause)
            .with_help(help)
    }
}

impl std::fmt::Display for PortConflict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Listener(local) => write!(f, "another process listens on {local}"),
            Self::Connection { local, remote, state } => {
                write!(f, "a connection from {local} to {remote} uses the port ({state})")
            }
            Self::Unseen => f.write_str("a socket that is not visible from here uses the port"),
        }
    }
}

/// Parses an address such as `0100007F:BD65`: 32-bit words in native byte order, then the port in big-endian.
fn read_address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let mut bytes = Vec::with_capacity(16);
    for at in (0..ip.len()).step_by(8) {
        let word = u32::from_str_radix(ip.get(at..at + 8)?, 16).ok()?;
        bytes.extend_from_slice(&word.to_ne_bytes());
    }
    let ip = match (<[u8; 4]>::try_from(bytes.as_slice()), <[u8; 16]>::try_from(bytes.as_slice())) {
        (Ok(v4), _) => IpAddr::from(Ipv4Addr::from(v4)),
        (_, Ok(v6)) => IpAddr::from(Ipv6Addr::from(v6)),
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

/// Returns the first and the last port that the kernel assigns to outgoing connections.
fn outgoing_ports() -> Option<(u16, u16)> {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut ports = range.split_ascii_whitespace().map(str::parse);
    Some((ports.next()?.ok()?, ports.next()?.ok()?))
}

/// Returns the error for an address that can't be bound, which no retry changes.
pub(crate) fn no_address(address: SocketAddr, cause: io::Error) -> Error {
    let is = |errno: Errno| cause.raw_os_error() == Some(errno as i32);
    let (kind, what, help) = if cause.kind() == io::ErrorKind::AddrNotAvailable {
        let help = "set AGENT_LISTEN to an address of this machine, 127.0.0.1:48485 or 0.0.0.0:48485";
        (ErrorKind::Config, "the address is not one of this machine", help)
    } else if is(Errno::EAFNOSUPPORT) {
        let help = "set AGENT_LISTEN to an IPv4 address, 127.0.0.1:48485 or 0.0.0.0:48485";
        (ErrorKind::Config, "this machine has no IPv6", help)
    } else if cause.kind() == io::ErrorKind::PermissionDenied && address.port() < FIRST_FREE_PORT {
        let help = "ports below 1024 need privileges: set AGENT_LISTEN to a higher one";
        (ErrorKind::Config, "this process may not use the port", help)
    } else if cause.kind() == io::ErrorKind::PermissionDenied {
        let help = "a rule of this machine forbids it: check the security options of the container";
        (ErrorKind::Config, "this process may not listen there", help)
    } else if address.ip().is_multicast() || cause.kind() == io::ErrorKind::InvalidInput {
        let help = "set AGENT_LISTEN to an address of this machine; a link-local one names its interface: [fe80::1%2]:48485";
        (ErrorKind::Config, "no socket can listen on such an address", help)
    } else {
        (ErrorKind::Io, "the system rejects it", "set AGENT_LISTEN to another address or port")
    };
    Error::new(kind, format!("can't listen on {address}: {what} ({cause})"))
        .with_source(cause)
        .with_help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection whose local port the kernel assigned.
    fn connection() -> (std::net::TcpStream, std::net::TcpStream) {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let out = std::net::TcpStream::connect(server.local_addr().unwrap()).unwrap();
        (out, server.accept().unwrap().0)
    }

    /// Time is paused: waiting takes no real time here.
    async fn refusal(address: SocketAddr) -> (Error, Duration) {
        let started = Instant::now();
        let error = listen(address).await.unwrap_err();
        (error, started.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_in_the_way_is_told_after_a_while() {
        let (out, other_end) = connection();
        let address = out.local_addr().unwrap();
        let (error, waited) = refusal(address).await;
        assert!(error.is_io() && waited >= CONNECTION_LIMIT, "{error} after {waited:?}");
        let told = format!("a connection from {address} to {} uses the port", out.peer_addr().unwrap());
        assert!(error.to_string().contains(&told), "{error}");
        assert!(error.to_string().contains("ip_local_reserved_ports"), "{error}");
        let (error, _) = refusal(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port())).await;
        assert!(error.to_string().contains(&told), "{error}");
        drop(out);
        let (error, _) = refusal(address).await;
        assert!(error.to_string().contains("a connection from"), "{error}");
        drop(other_end);
        let (error, _) = refusal(address).await;
        assert!(error.to_string().contains("(TIME_WAIT)"), "{error}");

        let other = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
        let port = other.local_addr().unwrap().port();
        let (error, waited) = refusal(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)).await;
        assert!(error.is_io() && waited < CONNECTION_LIMIT, "{error} after {waited:?}");
        assert!(error.to_string().contains(&format!("another process listens on 0.0.0.0:{port}")), "{error}");
        assert!(error.to_string().contains("another balena-agent"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_can_never_be_is_told_at_once() {
        for (address, words) in
            [("203.0.113.1:48485", "not one of this machine"), ("[2001:db8::1]:48485", "this machine")]
        {
            let (error, waited) = refusal(address.parse().unwrap()).await;
            assert!(error.is_config() && waited < PAUSE, "{error} after {waited:?}");
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    #[tokio::test]
    async fn closed_connections_of_an_earlier_run_are_no_obstacle() {
        let first = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = first.local_addr().unwrap();
        let client = std::net::TcpStream::connect(address).unwrap();
        // Closed from this end, so that the kernel keeps `TIME_WAIT` for this end.
        drop(first.accept().await.unwrap());
        drop((client, first));
        assert!(try_listen(address).is_ok());
    }

    #[test]
    fn lines_of_the_kernels_table() {
        let line = |local: &str, state: &str| {
            format!("   1: {local} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 0 0 1 1")
        };
        let word = |ip: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(ip));
        let v4 = |ip: [u8; 4]| format!("{}:BD65", word(ip));
        let at = |line: &str, address: &str| PortConflict::read(line, address.parse().unwrap());
        let loopback = line(&v4([127, 0, 0, 1]), "0A");
        let listener = Some(PortConflict::Listener("127.0.0.1:48485".parse().unwrap()));
        assert_eq!(at(&loopback, "127.0.0.1:48485"), listener);
        assert_eq!(at(&loopback, "0.0.0.0:48485"), listener);
        assert_eq!(at(&loopback, "[::]:48485"), listener);
        assert_eq!(at(&loopback, "127.0.0.1:48486"), None);
        assert_eq!(at(&loopback, "10.0.0.7:48485"), None);
        assert!(at(&line(&v4([0; 4]), "06"), "10.0.0.7:48485").unwrap().to_string().contains("TIME_WAIT"));
        let mapped = [word([0; 4]), word([0; 4]), word([0, 0, 255, 255]), word([127, 0, 0, 1])].concat();
        assert!(at(&line(&format!("{mapped}:BD65"), "01"), "127.0.0.1:48485").is_some());
        for nonsense in ["", "sl local_address rem_address st", "0: 0100007F 0:0 0A", "0: zz:BD65 0:0 0A"] {
            assert_eq!(at(nonsense, "0.0.0.0:48485"), None, "{nonsense}");
        }
    }
}

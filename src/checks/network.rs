//! Checks of host names and addresses: the host's configuration files contain them unquoted.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::error::{Error, Result};

use super::reject;

/// Longest host name in Linux.
const HOST_NAME: usize = 64;
/// Longest DNS name.
const DNS_NAME: usize = 253;
/// Longest label of a name, between its dots.
const LABEL: usize = 63;

/// Checks a host name (RFC 1123).
pub(crate) fn host_name(argument: &'static str, name: &str) -> Result<()> {
    match unfit_host_name(name) {
        Some(why) => reject(argument, name, &format!("is not a host name: {why}")),
        None => Ok(()),
    }
}

fn unfit_host_name(name: &str) -> Option<Cow<'static, str>> {
    if name.parse::<IpAddr>().is_ok() {
        return Some("it is an IP address".into());
    }
    if name.len() > HOST_NAME {
        return Some(format!("it has {} characters; Linux allows {HOST_NAME}", name.len()).into());
    }
    unfit_labels(name, "-")
}

/// Returns what is wrong with the labels of a name, which consist of letters, digits and `others`.
fn unfit_labels(name: &str, others: &str) -> Option<Cow<'static, str>> {
    if name.contains(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || others.contains(c))) {
        return Some("it may contain only letters, digits, hyphens and dots".into());
    }
    name.split('.').find_map(|label| {
        if label.is_empty() {
            Some("one of its parts is empty".into())
        } else if label.len() > LABEL {
            Some(format!("one of its parts has {} characters; {LABEL} are allowed", label.len()).into())
        } else if label.starts_with('-') || label.ends_with('-') {
            Some("one of its parts begins or ends with a hyphen".into())
        } else {
            None
        }
    })
}

/// Checks the address of a proxy: a single IP address or host name.
pub(crate) fn proxy_address(argument: &'static str, address: &str) -> Result<()> {
    // Text before an `@` may be a password.
    if address.contains('@') {
        let why = "the address contains a user: pass user and password separately";
        return Err(Error::argument(argument, why));
    }
    match unfit_address(address) {
        Some(why) => reject(argument, address, &format!("is not a proxy address: {why}")),
        None => Ok(()),
    }
}

fn unfit_address(address: &str) -> Option<Cow<'static, str>> {
    if let Ok(address) = address.parse::<Ipv4Addr>() {
        let nobody = address.is_unspecified() || address.is_multicast() || address.is_broadcast();
        return nobody.then(|| "it can't belong to a host".into());
    }
    let inside = address.strip_prefix('[').and_then(|inside| inside.strip_suffix(']'));
    Some(match inside.unwrap_or(address).parse::<Ipv6Addr>() {
        Ok(_) => {
            "redsocks on the host does not support IPv6 addresses: give an IPv4 address or a host name".into()
        }
        _ if address.is_empty() => "it is empty".into(),
        _ if address.contains("://") => "write it without a scheme".into(),
        _ if address.contains('/') => "write it without a path".into(),
        _ if address.contains([',', ' ']) => "only one address is allowed".into(),
        _ if address.contains(':') => {
            "it contains a colon: give the port separately; IPv6 is not supported".into()
        }
        _ if address.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') => {
            "an IPv4 address is four numbers from 0 to 255 with dots between them".into()
        }
        _ if address.starts_with(|c: char| c.is_ascii_digit()) => {
            "redsocks on the host reads a name that begins with a digit as a number".into()
        }
        _ if address.len() > DNS_NAME => format!("a name has at most {DNS_NAME} characters").into(),
        _ => return unfit_labels(address, "-_"),
    })
}

/// Checks an exception from the proxy: an address or a network.
pub(crate) fn no_proxy(argument: &'static str, destination: &str) -> Result<()> {
    let (address, bits) = destination.split_once('/').map_or((destination, None), |(a, b)| (a, Some(b)));
    let limit = match address.parse() {
        Ok(IpAddr::V4(_)) => Some(32),
        Ok(IpAddr::V6(_)) => Some(128),
        Err(_) => None,
    };
    let digits = |bits: &str| bits.bytes().all(|byte| byte.is_ascii_digit());
    let fits = |limit: u8| {
        bits.is_none_or(|bits| digits(bits) && bits.parse::<u8>().is_ok_and(|bits| bits <= limit))
    };
    if limit.is_some_and(fits) {
        return Ok(());
    }
    reject(argument, destination, "is neither an address nor a network like 10.0.0.0/8")
}

/// Checks a resolver behind a proxy. The supervisor truncates it at the first colon.
pub(crate) fn resolver(argument: &'static str, resolver: SocketAddr) -> Result<()> {
    let address = resolver.ip();
    let why = if resolver.port() == 0 {
        "has port 0"
    } else if address.is_ipv6() {
        "is an IPv6 address, which the supervisor truncates"
    } else if address.is_unspecified() || address.is_multicast() {
        "can't be the address of a host"
    } else {
        return Ok(());
    };
    reject(argument, &resolver.to_string(), why)
}

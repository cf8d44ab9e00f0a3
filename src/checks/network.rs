//! Host names and addresses, as the host's files take them: unquoted, and read by programs of the host.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use crate::error::{Error, Result};

use super::refuse;

/// Linux takes no longer name of a host.
const HOST_NAME: usize = 64;
/// A name in the DNS.
const DNS_NAME: usize = 253;
/// One part of a name, between its dots.
const LABEL: usize = 63;

/// The name of a host (RFC 1123).
pub(crate) fn host_name(argument: &'static str, name: &str) -> Result<()> {
    match unfit_host_name(name) {
        Some(why) => refuse(argument, name, &format!("is not a host name: {why}")),
        None => Ok(()),
    }
}

fn unfit_host_name(name: &str) -> Option<Cow<'static, str>> {
    if name.parse::<IpAddr>().is_ok() {
        return Some("it is an address".into());
    }
    if name.len() > HOST_NAME {
        return Some(format!("it has {} characters, and Linux takes {HOST_NAME}", name.len()).into());
    }
    unfit_labels(name, "-")
}

/// What is wrong with the parts of a name; besides letters and digits they have `others` in them.
fn unfit_labels(name: &str, others: &str) -> Option<Cow<'static, str>> {
    if name.contains(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || others.contains(c))) {
        return Some("it is of letters, digits, hyphens and dots".into());
    }
    name.split('.').find_map(|label| {
        if label.is_empty() {
            Some("a part of it is empty".into())
        } else if label.len() > LABEL {
            Some(format!("a part of it has {} characters, and {LABEL} is the most", label.len()).into())
        } else if label.starts_with('-') || label.ends_with('-') {
            Some("a part of it begins or ends with a hyphen".into())
        } else {
            None
        }
    })
}

/// The address of a proxy: one address, or one name of a host.
pub(crate) fn proxy_address(argument: &'static str, address: &str) -> Result<()> {
    // What stands before an @ may be a password.
    if address.contains('@') {
        let why = "the address has a user in it: give user and password apart";
        return Err(Error::argument(argument, why));
    }
    match unfit_address(address) {
        Some(why) => refuse(argument, address, &format!("is not the address of a proxy: {why}")),
        None => Ok(()),
    }
}

fn unfit_address(address: &str) -> Option<Cow<'static, str>> {
    if let Ok(address) = address.parse::<IpAddr>() {
        let broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
        let nobody = address.is_unspecified() || address.is_multicast() || broadcast;
        return nobody.then(|| "no host has it".into());
    }
    let inside = address.strip_prefix('[').and_then(|inside| inside.strip_suffix(']'));
    Some(match inside.map(str::parse::<IpAddr>) {
        Some(Ok(IpAddr::V6(address))) => format!("write it without brackets, {address}").into(),
        _ if address.contains("://") => "write it without a scheme".into(),
        _ if address.contains('/') => "write it without a path".into(),
        _ if address.contains([',', ' ']) => "write one only".into(),
        _ if address.contains(':') => "it has a port of its own, or is no IPv6 address".into(),
        _ if address.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') => {
            "an IPv4 address is four numbers from 0 to 255 with dots between them".into()
        }
        _ if address.starts_with(|c: char| c.is_ascii_digit()) => {
            "redsocks, which reads it on the host, takes a name that begins with a digit for a number".into()
        }
        _ if address.len() > DNS_NAME => format!("a name has at most {DNS_NAME} characters").into(),
        _ => return unfit_labels(address, "-_"),
    })
}

/// What is reached without a proxy: an address or a network.
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
    refuse(argument, destination, "is neither an address nor a network like 10.0.0.0/8")
}

/// A resolver that is reached through a proxy. The supervisor cuts at the first colon.
pub(crate) fn resolver(argument: &'static str, resolver: SocketAddr) -> Result<()> {
    let address = resolver.ip();
    let why = if resolver.port() == 0 {
        "has port 0"
    } else if address.is_ipv6() {
        "is an IPv6 address, of which the supervisor keeps the beginning only"
    } else if address.is_unspecified() || address.is_multicast() {
        "is no address of a host"
    } else {
        return Ok(());
    };
    refuse(argument, &resolver.to_string(), why)
}

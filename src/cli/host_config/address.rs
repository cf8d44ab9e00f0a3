//! The value of `--proxy`: TYPE://ADDRESS:PORT.

use std::net::Ipv6Addr;

use crate::error::{Error, Result};
use crate::supervisor::ProxyKind;

const FORM: &str = "write TYPE://ADDRESS:PORT, e.g. socks5://192.0.2.1:1080";

/// Parses type, address and port. The address itself is checked when the request is made.
///
/// # Errors
/// `is_invalid_argument` with what is wrong; text that may be a password is not quoted.
pub(super) fn read(text: &str) -> Result<(ProxyKind, &str, u16)> {
    let refuse = |why: &dyn std::fmt::Display| Err(Error::argument("--proxy", format_args!("{why}: {FORM}")));
    // Text before an `@` may be a password.
    if text.contains('@') {
        let why = "it contains a user: pass the user with --proxy-login and the password on stdin";
        return Err(Error::argument("--proxy", why));
    }
    let Some((kind, place)) = text.split_once("://") else { return refuse(&"the type is missing") };
    if kind.is_empty() {
        return refuse(&"the type is missing");
    }
    let kind = ProxyKind::from(kind);
    if let ProxyKind::Other(kind) = &kind {
        let kind = crate::error::escaped(kind);
        return refuse(&format_args!(
            "type \"{kind}\" is not one of socks4, socks5, http-connect, http-relay"
        ));
    }
    if place.contains(['/', '?', '#']) {
        return refuse(&"a path or another address follows the address");
    }
    if place.starts_with('[') || place.parse::<Ipv6Addr>().is_ok() {
        return refuse(
            &"redsocks on the host does not support IPv6 addresses: use an IPv4 address or a host name",
        );
    }
    let (address, port) = place.rsplit_once(':').map_or((place, None), |(a, p)| (a, Some(p)));
    if address.is_empty() {
        return refuse(&"the address is missing");
    }
    let Some(port) = port.filter(|port| !port.is_empty()) else { return refuse(&"the port is missing") };
    if !port.bytes().all(|digit| digit.is_ascii_digit()) {
        return refuse(&format_args!("the port \"{}\" is not a number", port.escape_debug()));
    }
    match port.parse() {
        Ok(port) if port > 0 => Ok((kind, address, port)),
        _ => refuse(&format_args!("the port {port} is not one of 1 to {}", u16::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told() {
        for (text, why) in [
            (":1080", "the type is missing"),
            ("10.0.0.1:1080", "the type is missing"),
            ("://10.0.0.1:1080", "the type is missing"),
            ("", "the type is missing"),
            ("http://10.0.0.1:3128", "type \"http\" is not one of socks4"),
            ("SOCKS5://10.0.0.1:1080", "type \"SOCKS5\" is not one of"),
            ("socks5://", "the address is missing"),
            ("socks5://:", "the address is missing"),
            ("socks5://:1080", "the address is missing"),
            ("socks5://host", "the port is missing"),
            ("socks5://host:", "the port is missing"),
            ("socks4://10.0.0.1", "the port is missing"),
            ("http-connect://host:99999", "the port 99999 is not one of 1 to 65535"),
            ("http-connect://host:99999999999999999999", "is not one of 1 to 65535"),
            ("http-connect://host:0", "the port 0 is not one of 1 to 65535"),
            ("socks5://host:+1080", "the port \"+1080\" is not a number"),
            ("socks5://host:-1", "the port \"-1\" is not a number"),
            ("socks5://host:socks", "the port \"socks\" is not a number"),
            ("socks5://host: 1080", "the port \" 1080\" is not a number"),
            ("socks5://fd00::1", "does not support IPv6 addresses"),
            ("socks5://fd00::1:1080", "does not support IPv6 addresses"),
            ("socks5://[fd00::1]:1080", "does not support IPv6 addresses"),
            ("socks5://[fd00::1]", "does not support IPv6 addresses"),
            ("socks5://10.0.0.1:1080/", "a path or another address"),
            ("socks5://10.0.0.1/path:1080", "a path or another address"),
            ("http-connect://http://10.0.0.1:3128", "a path or another address follows"),
            ("socks5://u:pa55@10.0.0.1:1080", "it contains a user: pass the user with --proxy-login"),
            ("u:pa55@10.0.0.1:1080", "it contains a user"),
            ("u:pa55@socks5://10.0.0.1:1080", "it contains a user"),
        ] {
            let error = read(text).unwrap_err();
            let shown = error.to_string();
            assert!(error.is_invalid_argument() && shown.contains(why), "{text}: {shown}");
            assert!(!shown.contains("pa55"), "{shown}");
        }
        assert_eq!(read("socks5://host:65535").unwrap(), (ProxyKind::Socks5, "host", 65535));
    }
}

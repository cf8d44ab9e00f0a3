//! Proxies: their addresses, and the hosts that are reached without one (`NO_PROXY`).

use std::net::IpAddr;

use reqwest::Url;

use crate::error::{Error, ErrorKind, Result, escaped};

/// Beginning of an error text if the request goes through a proxy.
pub(super) const VIA_PROXY: &str = "through the proxy ";
/// `NO_PROXY` entries that always apply: this machine.
const OWN_MACHINE: &str = "localhost,127.0.0.0/8,[::1]";

/// The proxy for each scheme of a request, and the hosts that are reached without one.
#[derive(Debug)]
pub(super) struct ProxyMatcher {
    pub(super) https: Option<Url>,
    pub(super) http: Option<Url>,
    pub(super) direct: NoProxy,
}

impl ProxyMatcher {
    /// Returns the proxy for requests to this URL, if there is one.
    pub(super) fn to(&self, url: &Url) -> Option<&Url> {
        let proxy = if url.scheme() == "https" { &self.https } else { &self.http };
        proxy.as_ref().filter(|_| !self.direct.reaches(url))
    }
}

/// Parses the address of a proxy. The scheme is optional; the default is `http`.
///
/// # Errors
/// `is_config` if it is not valid. The text omits the address, which may contain a password.
pub(super) fn parse_proxy_url(text: &str, for_scheme: &str) -> Result<Url> {
    let text = text.trim();
    let refuse = |why: &str| {
        Err(Error::new(ErrorKind::Config, format!("the proxy for {for_scheme} URLs is not valid: {why}"))
            .with_help(format!(
                "{for_scheme}_proxy has to look like http://user:password@proxy.example:3128"
            )))
    };
    let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
    let scheme = scheme.to_ascii_lowercase();
    if scheme.starts_with("socks") {
        return refuse("SOCKS is not supported, only HTTP proxies are");
    }
    if !matches!(&*scheme, "http" | "https") {
        return refuse("it begins with neither http:// nor https://");
    }
    // A delimiter in the password would end the host there, and the rest of the password would be sent in the clear.
    if let Some((user, _)) = rest.rsplit_once('@') {
        for (odd, encoded) in [
            ('\\', "%5C"),
            ('/', "%2F"),
            ('?', "%3F"),
            ('#', "%23"),
            ('@', "%40"),
            (' ', "%20"),
            ('[', "%5B"),
            (']', "%5D"),
        ] {
            if user.contains(odd) {
                return refuse(&format!("it has `{odd}` in user or password: write {encoded}"));
            }
        }
        if has_bare_percent(user) {
            return refuse("it has a `%` in user or password that encodes nothing: write %25");
        }
    } else if rest.contains('\\') {
        return refuse("it has a `\\`: in user or password write %5C");
    }
    match format!("{scheme}://{rest}").parse::<Url>() {
        Ok(url) if url.has_host() => Ok(url),
        _ => refuse("it is not an address"),
    }
}

/// Returns whether a `%` is not followed by two hex digits.
fn has_bare_percent(text: &str) -> bool {
    let encodes =
        |rest: &str| rest.get(..2).is_some_and(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()));
    text.split('%').skip(1).any(|rest| !encodes(rest))
}

/// The hosts that are reached without a proxy.
///
/// As in curl, a name (`own.example`, `.own.example`) matches the host and all its subdomains. As in Go,
/// `*.own.example` matches the subdomains only, and an entry with a port (`own.example:8443`) that port only. A name
/// that is not ASCII is rejected: it must be punycode (`xn--mnchen-3ya.example`).
#[derive(Debug)]
pub(super) struct NoProxy(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Debug)]
enum Hosts {
    All,
    /// Addresses with this prefix, of this many bits.
    Network(IpAddr, u32),
    /// This host and its subdomains.
    Named(String),
    /// The subdomains of this host.
    Below(String),
}

impl NoProxy {
    /// Parses `NO_PROXY`: entries separated by commas or white space.
    ///
    /// # Errors
    /// `is_config` if an entry can't be parsed.
    pub(super) fn of(no_proxy: Option<&str>) -> Result<Self> {
        let entries = [OWN_MACHINE, no_proxy.unwrap_or_default()];
        let entries = entries.iter().flat_map(|text| text.split([',', ' ', '\t'])).map(str::trim);
        let entries = entries.filter(|entry| !entry.is_empty()).map(|entry| {
            Entry::of(entry).ok_or_else(|| {
                let text = format!("NO_PROXY has an invalid entry: {}", escaped(entry));
                Error::new(ErrorKind::Config, text).with_help(
                    "entries are names (own.example, *.own.example), addresses (10.0.0.1), networks (10.0.0.0/8 or 10.*), each with a port or without, or * for all; a name is written in ASCII (xn--…)",
                )
            })
        });
        entries.collect::<Result<_>>().map(Self)
    }

    fn reaches(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).trim_end_matches('.');
        let address = host.parse().ok().map(|address: IpAddr| address.to_canonical());
        self.0.iter().any(|entry| {
            let is_port = entry.port.is_none_or(|port| url.port_or_known_default() == Some(port));
            is_port && entry.hosts.has(host, address)
        })
    }
}

impl Hosts {
    fn has(&self, host: &str, address: Option<IpAddr>) -> bool {
        let is_below = |name: &str| host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'));
        match (self, address) {
            (Self::All, _) => true,
            (Self::Network(network, bits), Some(address)) => is_within(address, *network, *bits),
            (Self::Named(name), None) => host == name || is_below(name),
            (Self::Below(name), None) => is_below(name),
            _ => false,
        }
    }
}

fn is_within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            (address.to_bits() ^ network.to_bits()).leading_zeros() >= bits
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            (address.to_bits() ^ network.to_bits()).leading_zeros() >= bits
        }
        _ => false,
    }
}

impl Entry {
    /// Parses an entry; `None` if it is not valid.
    fn of(entry: &str) -> Option<Self> {
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                (host, Some(port.parse().ok()?))
            }
            _ => (entry, None),
        };
        let host = host.strip_prefix('[').map_or(Some(host), |host| host.strip_suffix(']'))?;
        Some(Self { hosts: Hosts::of(host)?, port })
    }
}

impl Hosts {
    fn of(host: &str) -> Option<Self> {
        if host == "*" {
            return Some(Self::All);
        }
        let most = |address: &IpAddr| if address.is_ipv4() { 32 } else { 128 };
        if let Some((address, bits)) = host.split_once('/') {
            let address: IpAddr = address.parse().ok()?;
            let bits = bits.parse().ok().filter(|bits| *bits <= most(&address))?;
            return Some(Self::Network(address, bits));
        }
        if let Ok(address) = host.parse::<IpAddr>() {
            let address = address.to_canonical();
            return Some(Self::Network(address, most(&address)));
        }
        // `192.168.*` is the network 192.168.0.0/16.
        let known = host.trim_end_matches(".*");
        if known.len() < host.len() {
            return network(known, (host.len() - known.len()) / 2);
        }
        let (below, name) = match host.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, host.strip_prefix('.').unwrap_or(host)),
        };
        let name = name_of_host(name.strip_suffix('.').unwrap_or(name))?;
        Some(if below { Self::Below(name) } else { Self::Named(name) })
    }
}

/// Returns the network of addresses that begin with these octets. `open` is the number of `*` behind them.
fn network(known: &str, open: usize) -> Option<Hosts> {
    let mut octets: Vec<u8> = known.split('.').map(|octet| octet.parse().ok()).collect::<Option<_>>()?;
    let length = octets.len();
    if length + open > 4 {
        return None;
    }
    octets.resize(4, 0);
    let octets: [u8; 4] = octets.try_into().ok()?;
    Some(Hosts::Network(IpAddr::from(octets), u32::try_from(8 * length).ok()?))
}

/// Returns the host name in lower case; `None` if it is not valid.
fn name_of_host(name: &str) -> Option<String> {
    // A name that ends with digits is a mistyped address.
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_address = last.starts_with(|c: char| c.is_ascii_digit())
        && (name.contains('.') || last.bytes().all(|byte| byte.is_ascii_digit()));
    let is_label = |label: &str| {
        !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    (!is_address && name.split('.').all(is_label)).then(|| name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_other_programs_are_understood_or_refused() {
        // Hosts that the entry matches, and hosts that it does not.
        for (entry, direct, through) in [
            (
                "own.example",
                "own.example a.own.example own.example:8443 OWN.example.",
                "notown.example own.example.org",
            ),
            ("Own.Example.", "own.example a.own.example", "example"),
            (".own.example", "own.example a.own.example", "notown.example"),
            ("*.own.example", "a.own.example a.b.own.example", "own.example notown.example"),
            ("own.example:8443", "own.example:8443 a.own.example:8443", "own.example own.example:8080"),
            ("own.example:443", "own.example own.example:443", "own.example:8443"),
            ("*.own.example:8443", "a.own.example:8443", "a.own.example own.example:8443"),
            ("xn--mnchen-3ya.example", "xn--mnchen-3ya.example a.xn--mnchen-3ya.example", "munchen.example"),
            ("192.168.*", "192.168.0.1 192.168.255.255:80", "192.169.0.1"),
            ("192.168.*.*", "192.168.0.1", "192.169.0.1"),
            ("10.*", "10.1.2.3", "11.1.2.3 10.example"),
            ("10.0.0.*:80", "10.0.0.7:80", "10.0.0.7 10.0.1.7:80"),
            ("10.0.0.1", "10.0.0.1 10.0.0.1:8080", "10.0.0.2"),
            ("10.0.0.1:8080", "10.0.0.1:8080", "10.0.0.1"),
            ("10.0.0.0/8", "10.1.2.3", "11.0.0.1"),
            ("0.0.0.0/0", "10.1.2.3", "own.example [fd00::1]"),
            ("fd00::/8", "[fd12::1]", "[fe80::1] 10.0.0.1"),
            ("[fd00::1]:443", "[fd00::1]", "[fd00::1]:8443 [fd00::2]"),
            ("*", "own.example 10.0.0.1 [fd00::1]:1", ""),
            (" , ", "localhost 127.0.0.1:3128 127.8.8.8 [::1]:80", "own.example"),
        ] {
            let routes = NoProxy::of(Some(entry)).unwrap();
            let reaches = |host: &str| routes.reaches(&format!("https://{host}/").parse().unwrap());
            for host in direct.split_whitespace() {
                assert!(reaches(host), "{entry} {host}");
            }
            for host in through.split_whitespace() {
                assert!(!reaches(host), "{entry} {host}");
            }
        }
        for odd in [
            "192.*.1.1",
            "a*b.example",
            "*own.example",
            "10.0.0.0/33",
            "10.0.0.1-9",
            "http://own.example",
            "10.256.*",
            "10.0.0.0.*",
            "1.2.3.4.*",
            "fd00::*",
            "own.example:port",
            "own.example:",
            "own.example:70000",
            "[::1",
            "a..b",
            "m\u{fc}nchen.example",
            "10.0.0",
            "~",
            "\u{1b}[2J",
            "\u{202e}.example",
        ] {
            let error = NoProxy::of(Some(odd)).unwrap_err();
            assert!(error.is_config() && error.to_string().contains("NO_PROXY"), "{odd}: {error}");
            assert!(!error.to_string().contains(['\u{1b}', '\u{202e}']));
        }
    }

    #[test]
    fn what_would_end_an_address_in_a_password_is_to_be_encoded() {
        for (text, words) in [
            ("http://corp\\me:s3cret@proxy:3128", "write %5C"),
            ("corp\\me:s3cret@proxy:3128", "write %5C"),
            ("http://proxy\\:3128", "write %5C"),
            ("http://me:s3c/ret@proxy:3128", "write %2F"),
            ("http://me:s3c?ret@proxy:3128", "write %3F"),
            ("http://me:s3c#ret@proxy:3128", "write %23"),
            ("http://me:s3c@ret@proxy:3128", "write %40"),
            ("http://me:s3c%ret@proxy:3128", "write %25"),
            ("http://me:s3c%2@proxy:3128", "write %25"),
            ("socks5://me:s3cret@proxy:1080", "SOCKS"),
            ("SOCKS5h://proxy:1080", "SOCKS"),
            ("ftp://proxy", "neither http:// nor https://"),
            ("http://", "not an address"),
        ] {
            let error = parse_proxy_url(text, "https").unwrap_err();
            let text = error.to_string();
            assert!(error.is_config() && text.contains(words) && text.contains("3128"), "{text}");
            assert!(!text.contains("s3c"), "{text}");
        }
        for good in [
            "proxy.example:3128",
            "http://corp%5Cme:p%40ss@proxy:3128",
            "HTTPS://proxy",
            "http://[::1]:3128/",
        ] {
            parse_proxy_url(good, "https").unwrap();
        }
    }
}

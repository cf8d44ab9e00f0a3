//! Which proxy leads out, and what is reached without one.

use reqwest::Url;

use crate::error::{Error, ErrorKind, Result, shown};

/// What is never reached through a proxy: this machine.
const OWN_MACHINE: &str = "localhost,127.0.0.0/8,::1";

/// The address of a proxy, with or without its scheme.
///
/// # Errors
/// `is_config`, without the address: it may hold a password.
pub(super) fn address(text: &str, for_scheme: &str) -> Result<Url> {
    let text = text.trim();
    let refuse = |why: &str| {
        Err(Error::new(ErrorKind::Config, format!("the proxy for {for_scheme} addresses is none: {why}"))
            .help(format!("{for_scheme}_proxy has to look like http://user:password@proxy.example:3128")))
    };
    let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
    let scheme = scheme.to_ascii_lowercase();
    if scheme.starts_with("socks") {
        return refuse("SOCKS is not spoken here, only HTTP proxies are");
    }
    if !matches!(&*scheme, "http" | "https") {
        return refuse("it begins with neither http:// nor https://");
    }
    // What ends a host would end it in the middle of a password, and the rest of that would be sent in the clear.
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
                return refuse(&format!("`{odd}` in user or password: write {encoded}"));
            }
        }
    } else if rest.contains('\\') {
        return refuse("`\\` is in it: in user or password write %5C");
    }
    match format!("{scheme}://{rest}").parse::<Url>() {
        Ok(url) if url.has_host() => Ok(url),
        _ => refuse("it is not an address"),
    }
}

/// What is reached without a proxy, as the layer below has it: there `*` is for names alone, and neither
/// `*.`, nor `192.168.*`, nor a port is known.
///
/// # Errors
/// `is_config` for an entry that can't be understood.
pub(super) fn direct(no_proxy: Option<&str>) -> Result<String> {
    let mut entries = vec![OWN_MACHINE.to_owned()];
    for entry in no_proxy.unwrap_or_default().split([',', ' ', '\t']).map(str::trim) {
        if entry.is_empty() {
            continue;
        }
        entries.push(translated(entry).ok_or_else(|| {
            let text = format!("NO_PROXY has an entry that means nothing: {}", shown(entry));
            Error::new(ErrorKind::Config, text).help(
                "entries are names (own.example), addresses (10.0.0.1), networks (10.0.0.0/8 or 10.*), or * for all",
            )
        })?);
    }
    Ok(entries.join(","))
}

fn translated(entry: &str) -> Option<String> {
    let host = match entry.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            port.parse::<u16>().ok()?;
            host
        }
        _ => entry,
    };
    let host = host.strip_prefix('[').map_or(Some(host), |host| host.strip_suffix(']'))?;
    if host == "*" {
        return Some("*,0.0.0.0/0,::/0".to_owned());
    }
    if let Some((address, bits)) = host.split_once('/') {
        let most = match address.parse().ok()? {
            std::net::IpAddr::V4(_) => 32,
            std::net::IpAddr::V6(_) => 128,
        };
        return bits.parse::<u8>().is_ok_and(|bits| bits <= most).then(|| host.to_owned());
    }
    if host.parse::<std::net::IpAddr>().is_ok() {
        return Some(host.to_owned());
    }
    // `192.168.*` is a network.
    let known = host.trim_end_matches(".*");
    if known.len() < host.len() {
        let octets: Vec<u8> = known.split('.').map(|octet| octet.parse().ok()).collect::<Option<_>>()?;
        let length = octets.len();
        if length + (host.len() - known.len()) / 2 > 4 {
            return None;
        }
        let all: Vec<String> =
            octets.iter().map(u8::to_string).chain(std::iter::repeat_n("0".to_owned(), 4 - length)).collect();
        return Some(format!("{}/{}", all.join("."), 8 * length));
    }
    let name = host.strip_prefix("*.").or_else(|| host.strip_prefix('.')).unwrap_or(host);
    let name = name.strip_suffix('.').unwrap_or(name);
    // What ends like an address and is none was meant as something else.
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_address = last.starts_with(|c: char| c.is_ascii_digit())
        && (name.contains('.') || last.bytes().all(|byte| byte.is_ascii_digit()));
    let is_label =
        |label: &str| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_');
    let is_name = name.split('.').all(is_label) && !is_address;
    is_name.then(|| {
        if host.len() > name.len() && host.starts_with(['.', '*']) {
            format!(".{name}")
        } else {
            name.to_owned()
        }
        .to_lowercase()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_other_programs_are_understood_or_refused() {
        for (entry, expected) in [
            ("own.example", "own.example"),
            ("Own.Example.", "own.example"),
            (".own.example", ".own.example"),
            ("*.own.example", ".own.example"),
            ("own.example:8080", "own.example"),
            ("192.168.*", "192.168.0.0/16"),
            ("192.168.*.*", "192.168.0.0/16"),
            ("10.*", "10.0.0.0/8"),
            ("10.0.0.*:80", "10.0.0.0/24"),
            ("10.0.0.1", "10.0.0.1"),
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("fd00::/8", "fd00::/8"),
            ("[::1]:443", "::1"),
            ("*", "*,0.0.0.0/0,::/0"),
        ] {
            assert_eq!(direct(Some(entry)).unwrap(), format!("{OWN_MACHINE},{expected}"), "{entry}");
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
            "[::1",
            "a..b",
            "10.0.0",
            "~",
            "\u{1b}[2J",
        ] {
            let error = direct(Some(odd)).unwrap_err();
            assert!(error.is_config() && error.to_string().contains("NO_PROXY"), "{odd}: {error}");
            assert!(!error.to_string().contains('\u{1b}'));
        }
        assert_eq!(direct(Some(" , ")).unwrap(), OWN_MACHINE);
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
            ("socks5://me:s3cret@proxy:1080", "SOCKS"),
            ("SOCKS5h://proxy:1080", "SOCKS"),
            ("ftp://proxy", "neither http:// nor https://"),
            ("http://", "not an address"),
        ] {
            let error = address(text, "https").unwrap_err();
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
            address(good, "https").unwrap();
        }
    }
}

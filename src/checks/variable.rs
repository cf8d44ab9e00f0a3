//! Checks of keys and addresses in variables: detects remains of a file, a shell or a form.

use http::Uri;

use crate::error::is_hidden;

/// Longest key or token, in bytes; session tokens have some hundreds.
const KEY: usize = 4096;

/// What is wrong with a text, and what to do. Neither contains any of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) why: &'static str,
    pub(crate) remedy: &'static str,
}

/// Returns what belongs to no key or address.
fn stray_characters(text: &str) -> Option<Fault> {
    const BREAKS: [char; 2] = ['\r', '\n'];
    let is_quote = |c: char| "\"'`\u{2018}\u{2019}\u{201c}\u{201d}".contains(c);
    let fault = |why, remedy| Some(Fault { why, remedy });
    if text.trim().is_empty() {
        fault("it is only white space", "set it, or unset it")
    } else if text.trim_end().contains(BREAKS) {
        fault("it contains a line break", "remove the line break: it is one line")
    } else if text.ends_with(BREAKS) {
        fault("it ends with a line break", "remove the line break at its end")
    } else if text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace) {
        fault("it begins or ends with white space", "remove the white space at its beginning and end")
    } else if text.starts_with(is_quote) || text.ends_with(is_quote) {
        fault("it is in quotes", "remove the quotes: env files treat them as part of the value")
    } else if text.contains(is_hidden) {
        fault("it contains a control or invisible character", "copy it again")
    } else {
        None
    }
}

/// Returns why a text can't be a key of any server.
pub(crate) fn key_fault(key: &str) -> Option<Fault> {
    stray_characters(key).or_else(|| {
        (key.len() > KEY).then_some(Fault {
            why: "it is longer than 4096 bytes, which no key is",
            remedy: "set it to the key alone",
        })
    })
}

/// Returns why a text can't be a key or token of the cloud API, which is sent in a header.
pub(crate) fn token_fault(token: &str) -> Option<Fault> {
    key_fault(token).or_else(|| {
        if token.contains(char::is_whitespace) {
            Some(Fault {
                why: "it contains white space",
                remedy: "set it to the key alone, without `Bearer`",
            })
        } else if token.contains(|c: char| !c.is_ascii_graphic() || "<>{}\"".contains(c)) {
            Some(Fault { why: "it contains characters that are not valid in a key", remedy: "copy it again" })
        } else {
            None
        }
    })
}

/// Parses a base address: scheme, host and optional path.
///
/// # Errors
/// Returns what is wrong with the address.
pub(crate) fn base_address(text: &str) -> Result<Uri, &'static str> {
    if let Some(fault) = stray_characters(text) {
        return Err(fault.why);
    }
    if text.contains(char::is_whitespace) {
        return Err("it contains white space");
    }
    // `Uri` drops the fragment.
    if text.contains('#') {
        return Err("it contains a fragment (#)");
    }
    let address: Uri = text.parse().map_err(|_| "it is not an address")?;
    if address.scheme().is_none() {
        return Err("it does not begin with http:// or https://");
    }
    let authority = address.authority().ok_or("the host is missing")?.as_str();
    if authority.contains('@') {
        return Err("it contains a user or a password (@)");
    }
    if address.query().is_some() {
        return Err("it contains a query (?)");
    }
    let host = address.host().filter(|host| !host.is_empty()).ok_or("the host is missing")?;
    // `Uri::port` returns `None` for an invalid port.
    let port = authority.strip_prefix(host).filter(|port| !port.is_empty());
    let is_port = |port: &str| {
        let digits = port.strip_prefix(':').unwrap_or_default();
        digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok_and(|port| port > 0)
    };
    if port.is_some_and(|port| !is_port(port)) {
        return Err("its port is not a number from 1 to 65535");
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_a_key_is_told_by_what_to_do() {
        for (key, word) in [
            ("s3cret\n", "at its end"),
            ("s3cret\r\n", "at its end"),
            ("s3\ncret", "line break"),
            ("\r\ns3cret", "line break"),
            ("\"s3cret\"", "quotes"),
            ("'s3cret'", "quotes"),
            ("\u{201c}s3cret\u{201d}", "quotes"),
            ("\"s3cret", "quotes"),
            ("\"s3cret\"\n", "line break"),
            (" s3cret", "white space"),
            ("s3cret\t", "white space"),
            ("s3cret\u{a0}", "white space"),
            (" ", "unset"),
            ("s3\0cret", "copy"),
            ("s3\u{200b}cret", "copy"),
            ("\u{feff}s3cret", "copy"),
            (&"s3cret".repeat(1000), "key alone"),
        ] {
            let fault = key_fault(key).unwrap();
            assert!(fault.remedy.contains(word) && token_fault(key) == Some(fault), "{key:?}: {fault:?}");
        }
        for good in ["f1e2d3c4b5a6", "k+1", "a.b-c_d~", &"0".repeat(2000)] {
            assert_eq!((key_fault(good), token_fault(good)), (None, None), "{good}");
        }
        // Characters that can be encoded in a query.
        assert_eq!(key_fault("a b&c=d/+é"), None);
        for (bad, word) in [("Bearer s3cret", "Bearer"), ("s3cret\u{e9}", "copy"), ("<s3cret>", "copy")] {
            assert!(token_fault(bad).unwrap().remedy.contains(word), "{bad}");
        }
    }

    #[test]
    fn what_an_address_must_not_have() {
        for good in ["http://h", "https://h/", "https://h:1/a/b", "http://[::1]:48484", "https://h//"] {
            assert!(base_address(good).is_ok(), "{good}: {:?}", base_address(good));
        }
        for (bad, word) in [
            ("h:1", "begin with"),
            ("h", "begin with"),
            ("http://", "address"),
            ("http://:1", "host"),
            ("http://h:", "port"),
            ("http://h:0", "port"),
            ("http://h:+1", "port"),
            ("http://h:65536", "port"),
            ("http://u@h", "user"),
            ("http://u:p@h:1/", "user"),
            ("http://h?a=b", "query"),
            ("http://h/?", "query"),
            ("http://h/#", "fragment"),
            ("http://h#a", "fragment"),
            ("http://h:1\n", "line break"),
            ("http://h:1 ", "white space"),
            ("http://a b", "white space"),
            ("\"http://h:1\"", "quotes"),
            ("http://h\u{200b}:1", "invisible"),
        ] {
            let why = base_address(bad).unwrap_err();
            assert!(why.contains(word) || why == "it is not an address", "{bad:?}: {why}");
        }
    }
}

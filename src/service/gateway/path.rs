//! Request paths: which are accepted, and how they are matched. Pure.
//!
//! A path is split at `/` before anything is decoded. Literal segments of a route are compared byte for byte with the
//! undecoded path: an encoded, differently cased or normalised spelling matches nothing. Only parameters are decoded.

use percent_encoding::percent_decode_str;

/// Values of a route's path parameters, decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Params(Vec<(&'static str, String)>);

impl Params {
    /// Returns the value of this parameter; empty if the route has none of this name.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0
            .iter()
            .find_map(|(known, value)| (*known == name).then_some(value.as_str()))
            .unwrap_or_default()
    }
}

/// Returns why a path is rejected before it is matched: it could mean another path to another reader.
pub(crate) fn fault(path: &str) -> Option<&'static str> {
    path.split('/').find_map(|segment| {
        if !is_well_encoded(segment) {
            return Some("`%` has to be followed by two hexadecimal digits");
        }
        let Ok(decoded) = percent_decode_str(segment).decode_utf8() else {
            return Some("decoded, it is not UTF-8");
        };
        if decoded == "." || decoded == ".." {
            return Some("it has a dot segment");
        }
        if decoded.contains(['/', '\\']) {
            return Some("it has an encoded slash, or a backslash");
        }
        decoded.contains(char::is_control).then_some("it has a control character")
    })
}

fn is_well_encoded(segment: &str) -> bool {
    let mut parts = segment.split('%');
    parts.next();
    parts.all(|part| part.as_bytes().get(..2).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)))
}

/// Matches a path with a route's pattern, e.g. `/agent/v1/locks/{name}`. A parameter is one segment that is not empty.
pub(crate) fn matches(pattern: &'static str, path: &str) -> Option<Params> {
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    let mut params = Params::default();
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(params),
            (Some(wanted), Some(given)) => match parameter(wanted) {
                Some(name) if !given.is_empty() => {
                    params.0.push((name, percent_decode_str(given).decode_utf8().ok()?.into_owned()));
                }
                None if wanted == given => {}
                _ => return None,
            },
            _ => return None,
        }
    }
}

/// Returns the name of a parameter segment: `name` for `{name}`.
pub(crate) fn parameter(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_path_matches() {
        let pattern = "/agent/v1/locks/{name}";
        for (path, name) in [
            ("/agent/v1/locks/backup", Some("backup")),
            ("/agent/v1/locks/b%C3%A4ckup%20x", Some("b\u{e4}ckup x")),
            ("/agent/v1/locks/{name}", Some("{name}")),
            ("/agent/v1/locks/", None),
            ("/agent/v1/locks", None),
            ("/agent/v1/locks/a/", None),
            ("/agent/v1/locks/a/b", None),
            ("//agent/v1/locks/a", None),
            ("/agent//v1/locks/a", None),
            ("/Agent/v1/locks/a", None),
            ("/%61gent/v1/locks/a", None),
            ("/agent/v1/lock%73/a", None),
            ("/agent/v1/locks;x/a", None),
            ("agent/v1/locks/a", None),
        ] {
            let found = matches(pattern, path);
            assert_eq!(found.as_ref().map(|params| params.get("name")), name, "{path}");
        }
        assert_eq!(matches("/live", "/live"), Some(Params::default()));
        assert_eq!(matches("/live", "/live/"), None);
    }

    #[test]
    fn paths_that_could_mean_another_path_are_faults() {
        for path in [
            "/agent/v1/../live",
            "/./live",
            "/%2e%2E/live",
            "/.%2e/x",
            "/agent%2fv1/state",
            "/agent%5Cv1",
            "/agent\\v1",
            "/live%00",
            "/live%0d%0a",
            "/live%",
            "/live%4",
            "/live%zz",
            "/%ff",
            "/%c0%ae",
        ] {
            assert!(fault(path).is_some(), "{path}");
        }
        for path in ["/", "/live", "/a.b/...", "/b%C3%A4r", "/a%20b", "/%7Ea", "//x", "/x/"] {
            assert_eq!(fault(path), None, "{path}");
        }
    }
}

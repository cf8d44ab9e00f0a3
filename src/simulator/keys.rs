//! The API keys of the device, and the apps they can access.

use super::fixture::KeyScope;

/// Apps that an authenticated request can access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Every app.
    All,
    /// One app.
    App(i64),
}

impl Access {
    pub(super) fn covers(self, app: i64) -> bool {
        match self {
            Self::All => true,
            Self::App(own) => own == app,
        }
    }
}

/// A key. `name` is the name of a service, or `global`.
#[derive(Debug)]
struct Key {
    name: String,
    scope: KeyScope,
    value: String,
}

/// All keys of the device. They survive a restart of the supervisor.
#[derive(Debug, Default)]
pub(super) struct Keys {
    keys: Vec<Key>,
}

impl Keys {
    /// Adds a key with a new value, unless the name has one.
    pub(super) fn add(&mut self, name: &str, scope: KeyScope) {
        if self.value(name).is_none() {
            self.keys.push(Key { name: name.to_owned(), scope, value: super::random_hex(32) });
        }
    }

    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.keys.iter().find(|key| key.name == name).map(|key| key.value.as_str())
    }

    /// Returns the key of a service, if it has one.
    pub(super) fn of_service(&self, app: i64, service: &str) -> Option<&str> {
        self.keys
            .iter()
            .find(|key| key.name == service && key.scope == KeyScope::App { app })
            .map(|key| key.value.as_str())
    }

    pub(super) fn access(&self, value: &str) -> Option<Access> {
        self.keys.iter().find(|key| key.value == value).map(|key| match key.scope {
            KeyScope::Global => Access::All,
            KeyScope::App { app } => Access::App(app),
        })
    }

    /// Replaces a key; the old value becomes invalid. Returns `None` if the key is unknown.
    pub(super) fn rotate(&mut self, value: &str) -> Option<String> {
        let key = self.keys.iter_mut().find(|key| key.value == value)?;
        key.value = super::random_hex(32);
        Some(key.value.clone())
    }
}

/// Returns the key of a request: the query's `apikey` if it is a single non-empty text, else that of the header.
pub(super) fn presented(query: &[(String, String)], header: Option<&str>) -> Option<String> {
    let mut in_query = query.iter().filter(|(name, _)| name == "apikey");
    match (in_query.next(), in_query.next()) {
        (Some((_, value)), None) if !value.is_empty() => Some(value.clone()),
        _ => header.and_then(from_header).map(str::to_owned),
    }
}

/// Parses exactly `Bearer KEY` or `ApiKey KEY`; the case of the scheme is ignored.
fn from_header(header: &str) -> Option<&str> {
    let (scheme, key) = header.split_once(' ')?;
    let known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("apikey");
    let word = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (known && word).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::presented;

    fn query(value: &str) -> Vec<(String, String)> {
        vec![("apikey".to_owned(), value.to_owned())]
    }

    #[test]
    fn the_query_wins_unless_it_is_empty_or_repeated() {
        let header = Some("Bearer good");
        assert_eq!(presented(&query("other"), header).as_deref(), Some("other"));
        assert_eq!(presented(&query(""), header).as_deref(), Some("good"));
        assert_eq!(presented(&[query("a"), query("b")].concat(), header).as_deref(), Some("good"));
    }

    #[test]
    fn the_header_is_read_strictly() {
        assert_eq!(presented(&[], Some("apikey abc_1")).as_deref(), Some("abc_1"));
        for header in ["abc", "Basic abc", "Bearer  abc", "Bearer abc def", "Bearer a-b", "Bearer "] {
            assert_eq!(presented(&[], Some(header)), None, "{header}");
        }
    }
}

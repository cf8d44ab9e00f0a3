//! Foreign text on its way into the ledger: one line, bounded, without control characters and secrets.

use std::borrow::Cow;
use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};

use crate::error::escaped;
use crate::supervisor::redact;

/// Longest text, in characters.
pub(crate) const LONGEST: usize = 200;

/// Shortest secret that is looked for: a shorter one would be found in ordinary words.
const SHORTEST_SECRET: usize = 8;

/// The secrets that must not come into the ledger.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Vec<SecretString>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secrets", self.0.len())
    }
}

impl Secrets {
    pub(crate) fn new(secrets: impl IntoIterator<Item = SecretString>) -> Self {
        let is_long = |secret: &SecretString| secret.expose_secret().len() >= SHORTEST_SECRET;
        Self(secrets.into_iter().filter(is_long).collect())
    }

    /// Returns the text as it may be stored: secrets replaced (also percent-encoded ones), control characters
    /// escaped, at most 200 characters.
    pub(crate) fn clean(&self, text: &str) -> String {
        // A long text is cut before the search, but far enough that no secret is cut in half.
        let head: String = text.chars().take(16 * LONGEST).collect();
        let clean = self.0.iter().fold(Cow::from(head), |text, secret| redact(text, secret.expose_secret()));
        shortened(&escaped(clean.trim()).to_string())
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => {
            let kept: String = text.get(..end).unwrap_or_default().chars().take(LONGEST - 1).collect();
            format!("{kept}…")
        }
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_one_bounded_line() {
        let secrets = Secrets::default();
        assert_eq!(secrets.clean(" nightly restart "), "nightly restart");
        assert_eq!(secrets.clean("a\nb\u{1b}[31m"), "a\\nb\\u{1b}[31m");
        let long = secrets.clean(&"ü".repeat(5000));
        assert_eq!((long.chars().count(), long.ends_with('…')), (LONGEST, true));
    }

    #[test]
    fn secrets_are_replaced() {
        let secrets = Secrets::new(["k3ykeyk3y0123".to_owned().into(), "key".to_owned().into()]);
        assert_eq!(secrets.clean("with k3ykeyk3y0123"), "with [REDACTED]");
        assert_eq!(secrets.clean("?apikey=k3ykeyk3y%30123&x"), "?apikey=[REDACTED]&x");
        assert_eq!(secrets.clean("a key"), "a key", "too short to be told from a word");
        let late = format!("{}k3ykeyk3y0123", "x".repeat(LONGEST - 6));
        assert!(!secrets.clean(&late).contains("k3yk"), "not even a part of it");
        assert_eq!(format!("{secrets:?}"), "1 secrets");
    }
}

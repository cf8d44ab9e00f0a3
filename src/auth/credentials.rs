//! The credentials of a login or a registration.

use std::fmt;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};

use crate::error::Error;
use crate::maps::collect_unsorted;

/// User name and password for [`Auth::login`](super::Auth::login), or e-mail address and password for
/// [`Auth::register`](super::Auth::register), with any further fields that the API requires.
#[derive(Clone, Default)]
pub struct Credentials(Vec<(String, SecretString)>);

impl Credentials {
    /// Creates the credentials of a login. The name is the user name or the e-mail address.
    pub fn new(username: impl Into<String>, password: impl Into<SecretString>) -> Self {
        Self::default().field("username", username.into()).field("password", password)
    }

    /// Creates the credentials of a registration.
    pub fn for_email(email: impl Into<String>, password: impl Into<SecretString>) -> Self {
        Self::default().field("email", email.into()).field("password", password)
    }

    /// Adds a field, e.g. `g-recaptcha-response`.
    pub fn field(mut self, name: impl Into<String>, value: impl Into<SecretString>) -> Self {
        self.0.push((name.into(), value.into()));
        self
    }

    pub(super) fn body(&self) -> Map<String, Value> {
        let fields = self.0.iter();
        collect_unsorted(fields.map(|(name, value)| (name.clone(), value.expose_secret().into())))
    }

    /// Removes the response body from the error if it repeats one of these secrets.
    pub(super) fn redact(&self, error: Error) -> Error {
        let repeats =
            |words: &str| self.0.iter().any(|(name, value)| !is_public(name) && repeats(words, value));
        if error.body().is_some_and(repeats) { error.without_body() } else { error }
    }
}

/// Returns whether errors may show the field: a user name is no secret, and "user name taken" must name it.
fn is_public(name: &str) -> bool {
    matches!(name, "username" | "email")
}

/// Returns whether the text contains the secret, in any encoding that a server uses.
fn repeats(words: &str, secret: &SecretString) -> bool {
    let plain = secret.expose_secret();
    if plain.is_empty() {
        return false;
    }
    let json = Value::from(plain).to_string();
    let html = plain.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let quoted = html.replace('"', "&quot;").replace('\'', "&#39;");
    let url = utf8_percent_encode(plain, NON_ALPHANUMERIC).to_string();
    let forms = [plain, json.trim_matches('"'), &html, &quoted, &url];
    forms.iter().any(|form| !form.is_empty() && words.contains(form))
}

impl<N: Into<String>, P: Into<SecretString>> From<(N, P)> for Credentials {
    fn from((username, password): (N, P)) -> Self {
        Self::new(username, password)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_secret_is_found_in_every_form() {
        let secret = SecretString::from("p&ss \"w\"/\u{e9}");
        for words in [
            "wrong: p&ss \"w\"/\u{e9}",
            r#"{"password":"p&ss \"w\"/é"}"#,
            "<p>p&amp;ss \"w\"/\u{e9}</p>",
            "<p>p&amp;ss &quot;w&quot;/\u{e9}</p>",
            "password=p%26ss%20%22w%22%2F%C3%A9",
        ] {
            assert!(repeats(words, &secret), "{words}");
        }
        assert!(!repeats("Unauthorized", &secret));
    }

    #[test]
    fn debug_names_fields_and_shows_none() {
        let text = format!("{:?}", Credentials::new("me", "secret").field("extra", "hidden"));
        assert_eq!(text, r#"["username", "password", "extra"]"#);
    }
}

//! Tokens of clients. They are compared as digests, so that the time of a comparison tells nothing about a token.

use std::hint::black_box;

use http::header::{self, HeaderMap};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

/// The SHA-256 of a token. Neither shown nor logged.
#[derive(Clone)]
pub(crate) struct TokenDigest([u8; 32]);

impl std::fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenDigest(..)")
    }
}

impl TokenDigest {
    /// Returns the digest of a token.
    pub(crate) fn of(token: &SecretString) -> Self {
        Self(Sha256::digest(token.expose_secret()).into())
    }

    /// Compares without an early exit.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let different = self.0.iter().zip(&other.0).fold(0, |found, (one, two)| found | (one ^ two));
        black_box(different) == 0
    }
}

/// What a request presents.
#[derive(Debug)]
pub(crate) enum Credential {
    /// Nothing.
    None,
    /// A bearer token.
    Token(SecretString),
    /// Something that is no bearer token.
    Malformed,
}

/// Reads the `Authorization` header.
pub(crate) fn credential(headers: &HeaderMap) -> Credential {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return if headers.contains_key(header::AUTHORIZATION) {
            Credential::Malformed
        } else {
            Credential::None
        };
    };
    let token = value.to_str().ok().and_then(|value| value.split_once(' ')).and_then(|(scheme, token)| {
        let token = token.trim();
        (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && !token.contains(' ')).then_some(token)
    });
    token.map_or(Credential::Malformed, |token| Credential::Token(token.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn headers_and_what_they_present() {
        let read = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, HeaderValue::from_static(value));
            }
            match credential(&headers) {
                Credential::None => "none".to_owned(),
                Credential::Malformed => "malformed".to_owned(),
                Credential::Token(token) => token.expose_secret().to_owned(),
            }
        };
        assert_eq!(read(&[]), "none");
        assert_eq!((read(&["Bearer abc"]), read(&["bearer  abc"])), ("abc".into(), "abc".into()));
        for bad in ["", "Bearer", "Bearer ", "abc", "Basic abc", "Bearer a b", "Bearerabc"] {
            assert_eq!(read(&[bad]), "malformed", "{bad}");
        }
        assert_eq!(read(&["Bearer abc", "Bearer abc"]), "malformed");
    }

    #[test]
    fn only_the_same_token_has_the_same_digest() {
        let digest = |text: &str| TokenDigest::of(&text.to_owned().into());
        assert!(digest("0123456789abcdef").is_same(&digest("0123456789abcdef")));
        for other in ["", "0123456789abcde", "0123456789abcdeF", "0123456789abcdef "] {
            assert!(!digest("0123456789abcdef").is_same(&digest(other)), "{other}");
        }
        assert_eq!(format!("{:?}", digest("x")), "TokenDigest(..)");
    }
}

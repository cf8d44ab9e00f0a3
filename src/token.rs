//! The form of tokens, and the claims of session tokens.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::StatusCode;
use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::checks;

/// Accepts text with and without padding, and ignores trailing bits.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Whether the text has the form of a token or a key: an HTML page, a sentence and an empty text have not.
pub(crate) fn is_token(text: &str) -> bool {
    checks::token_fault(text).is_none()
}

/// Returns the token in a response body. Some servers send plain text, others a JSON string.
pub(crate) fn token_in_response(body: &[u8]) -> Option<SecretString> {
    let text = match serde_json::from_slice(body) {
        Ok(Value::String(text)) => text,
        Ok(_) => return None,
        Err(_) => std::str::from_utf8(body).ok()?.trim().to_owned(),
    };
    (is_token(&text) && !is_status(&text)).then(|| SecretString::from(text))
}

/// Whether the text is the reason phrase of a status, such as `OK`, which servers send instead of an empty body.
fn is_status(text: &str) -> bool {
    let mut all = (100..600).filter_map(|status| StatusCode::from_u16(status).ok()?.canonical_reason());
    all.any(|name| name.eq_ignore_ascii_case(text))
}

/// The claims of a session token (JWT). The signature is not verified. API keys have no claims.
#[derive(Debug)]
pub(crate) struct Claims(Map<String, Value>);

impl Claims {
    /// Decodes the claims; `None` if the token is not a JSON Web Token.
    pub(crate) fn of(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let (head, claims, signature) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        base64url(signature)?;
        serde_json::from_slice::<Map<String, Value>>(&base64url(head)?).ok()?;
        serde_json::from_slice(&base64url(claims)?).ok().map(Self)
    }

    /// Returns the time of issue (`iat`) in Unix milliseconds, rounded down to a second.
    pub(crate) fn issued_at(&self) -> Option<i64> {
        self.milliseconds("iat")
    }

    /// Returns the expiry time (`exp`) in Unix milliseconds, rounded down to a second.
    pub(crate) fn expires_at(&self) -> Option<i64> {
        self.milliseconds("exp")
    }

    fn milliseconds(&self, claim: &str) -> Option<i64> {
        let written = match self.0.get(claim)? {
            Value::Number(number) => number.to_string(),
            Value::String(text) => text.clone(),
            _ => return None,
        };
        written.split('.').next()?.parse::<i64>().ok()?.checked_mul(1000)
    }

    /// Whether the account has a second factor: the claim `twoFactorRequired` exists, with any value.
    pub(crate) fn has_second_factor(&self) -> bool {
        self.0.contains_key("twoFactorRequired")
    }

    /// Whether the session still needs the second factor: the claim `twoFactorRequired` is neither null nor `false`.
    pub(crate) fn needs_second_factor(&self) -> bool {
        !matches!(self.0.get("twoFactorRequired"), None | Some(Value::Null | Value::Bool(false)))
    }
}

fn base64url(text: &str) -> Option<Vec<u8>> {
    BASE64URL.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    #[test]
    fn base64_of_every_length() {
        for (text, plain) in [("", ""), ("Zg", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYg==", "foob")] {
            assert_eq!(base64url(text).unwrap(), plain.as_bytes());
        }
        assert_eq!(base64url("-_8").unwrap(), [0xFB, 0xFF]);
        assert!(base64url("a b").is_none() && base64url("a+/b").is_none());
    }

    #[test]
    fn only_a_session_token_has_claims() {
        // {"alg":"HS256"} . {"iat":1718449200,"twoFactorRequired":true} . s
        let token = "eyJhbGciOiJIUzI1NiJ9.eyJpYXQiOjE3MTg0NDkyMDAsInR3b0ZhY3RvclJlcXVpcmVkIjp0cnVlfQ.cw";
        let claims = Claims::of(token).unwrap();
        assert_eq!(claims.issued_at(), Some(1_718_449_200_000));
        assert!(claims.has_second_factor() && claims.needs_second_factor());
        for none in ["", "key", "a.b.c", "eyJ9.eyJ9", &format!("{token}.x"), "W10.W10.cw"] {
            assert!(Claims::of(none).is_none(), "{none}");
        }
        assert_eq!(Claims::of("e30.e30.cw").unwrap().issued_at(), None);
    }

    #[test]
    fn an_answer_that_is_no_token_is_none() {
        for token in ["abc", "\"abc\"", "abc\n"] {
            assert_eq!(token_in_response(token.as_bytes()).unwrap().expose_secret(), "abc");
        }
        for other in [
            "",
            " ",
            "\"\"",
            "null",
            "true",
            "404",
            "{}",
            "[]",
            "Not Found",
            "OK",
            "\"Unauthorized\"",
            "<html>",
            "{\"token\": 1",
            "\u{e4}",
        ] {
            assert!(token_in_response(other.as_bytes()).is_none(), "{other}");
        }
    }
}

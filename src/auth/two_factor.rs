//! Two-factor authentication.

use std::sync::Arc;

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use crate::api::read::about;
use crate::api::request::Request;
use crate::core::{Core, Plain, not_logged_in};
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Refusals, Reply, wants_fresh_login};
use crate::token::Claims;

use super::{Credentials, token_in};

/// Two-factor authentication of the user. From [`Auth::two_factor`](super::Auth::two_factor).
#[derive(Debug, Clone)]
pub struct TwoFactor {
    core: Arc<Core>,
}

impl TwoFactor {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone() }
    }

    /// Whether the account has a second factor, as the session token tells.
    ///
    /// # Errors
    /// `is_unauthorized` when nobody is logged in; `is_unsupported` when it was with an API key.
    #[doc(alias = "isEnabled")]
    pub fn is_enabled(&self) -> Result<bool> {
        Ok(self.claims()?.has_second_factor())
    }

    /// Whether this session has passed the second factor, or needs none, as its token tells.
    ///
    /// # Errors
    /// As [`is_enabled`](Self::is_enabled).
    #[doc(alias = "isPassed")]
    pub fn is_passed(&self) -> Result<bool> {
        Ok(!self.claims()?.wants_second_factor())
    }

    /// The key to put into an authenticator, before [`enable`](Self::enable) (`GET /auth/totp/setup`).
    ///
    /// # Errors
    /// `is_unauthorized` when nobody is logged in; `is_decode` when the answer has no key.
    #[doc(alias = "getSetupKey")]
    pub fn get_setup_key(&self) -> Request<SecretString> {
        let core = self.core.clone();
        let ask = Plain { refusals: Refusals::OfAPath, ..Plain::get("/auth/totp/setup") };
        Request::new(async move { setup_key(&core.plain(ask).await?) })
    }

    /// Turns the second factor on, with a code of the authenticator (`POST /auth/totp/verify`). The new
    /// session token counts from now on; here it is.
    ///
    /// # Errors
    /// `is_unauthorized` when nobody is logged in, or the code is wrong; `is_decode` when the answer is no
    /// token; `is_io`, `is_config` when the settings file can't be written. The old token stays then.
    pub fn enable(&self, code: impl Into<SecretString>) -> Request<SecretString> {
        self.exchange("/auth/totp/verify", "code", code.into(), Then::Keep)
    }

    /// A session token that has passed the second factor (`POST /auth/totp/verify`). The old one stays in use:
    /// see [`challenge`](Self::challenge).
    ///
    /// # Errors
    /// `is_unauthorized` when nobody is logged in, or the code is wrong; `is_decode` when the answer is no
    /// token.
    pub fn verify(&self, code: impl Into<SecretString>) -> Request<SecretString> {
        self.exchange("/auth/totp/verify", "code", code.into(), Then::Give)
    }

    /// Passes the second factor, after a login (`POST /auth/totp/verify`). The new session token counts from
    /// now on.
    ///
    /// # Errors
    /// As [`enable`](Self::enable).
    pub fn challenge(&self, code: impl Into<SecretString>) -> Request<()> {
        let exchange = self.exchange("/auth/totp/verify", "code", code.into(), Then::Keep);
        Request::new(async move { exchange.await.map(drop) })
    }

    /// Turns the second factor off (`POST /auth/totp/disable`). The session has to have passed it. The new
    /// session token counts from now on; here it is.
    ///
    /// # Errors
    /// As [`enable`](Self::enable), with the password instead of the code.
    pub fn disable(&self, password: impl Into<SecretString>) -> Request<SecretString> {
        self.exchange("/auth/totp/disable", "password", password.into(), Then::Keep)
    }

    fn claims(&self) -> Result<Claims> {
        let token = self.core.login()?.ok_or_else(not_logged_in)?;
        Claims::of(token.expose_secret()).ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, "this login is by an API key, which has no second factor")
                .help("log in with user name and password, or with a session token")
        })
    }

    /// A new session token for this one and a secret.
    pub(super) fn exchange(
        &self,
        path: &'static str,
        name: &'static str,
        secret: SecretString,
        then: Then,
    ) -> Request<SecretString> {
        let core = self.core.clone();
        Request::new(async move {
            if secret.expose_secret().trim().is_empty() {
                return Err(Error::argument(name, "it is empty"));
            }
            let Some(token) = core.token().await? else {
                return Err(not_logged_in().operation(format!("POST {path}")));
            };
            let body = Credentials::default().field(name, secret);
            let answer = core.confide(path, &body, Some(token)).await;
            let new = token_in(&answer.map_err(|error| match error.kind() {
                ErrorKind::Unauthorized if !wants_fresh_login(&error) => {
                    error.help(format!("is the {name} right, and the login still good?"))
                }
                _ => error,
            })?)?;
            if then == Then::Keep {
                core.store.set_token(&new)?;
            }
            Ok(new)
        })
    }
}

/// What becomes of the new token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    Keep,
    Give,
}

/// The key in an `otpauth:` address, in its query alone, or by itself.
///
/// # Errors
/// `is_decode`, without what was answered.
fn setup_key(reply: &Reply) -> Result<SecretString> {
    let text = match serde_json::from_slice(&reply.body) {
        Ok(Value::String(text)) => text,
        _ => String::from_utf8_lossy(&reply.body).trim().to_owned(),
    };
    let query = text.split_once('?').map_or(&*text, |(_, query)| query);
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let key = match pairs.find(|(name, _)| *name == "secret") {
        Some((_, value)) => percent_decode_str(&value.replace('+', " ")).decode_utf8_lossy().into_owned(),
        None => text.clone(),
    };
    // Base 32, with or without padding.
    let bare = key.trim_end_matches('=');
    if bare.is_empty() || !bare.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'2'..=b'7')) {
        return Err(about(reply, ErrorKind::Decode, "the answer has no setup key".to_owned())
            .help("is a second factor set up already? `disable` it first"));
    }
    Ok(key.into())
}

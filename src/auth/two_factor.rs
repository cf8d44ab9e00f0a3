//! Two-factor authentication: state, setup and codes.

use std::sync::Arc;

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use crate::core::{Core, EndpointRequest, not_logged_in};
use crate::error::{Error, ErrorKind, Result};
use crate::http::{BufferedResponse, StatusPolicy, wants_fresh_login};
use crate::resource::read::response_error;
use crate::resource::request::Request;
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

    /// Returns whether the account has a second factor, from the session token.
    ///
    /// # Errors
    /// `is_unauthorized` if nobody is logged in; `is_unsupported` if the login is an API key.
    #[doc(alias = "isEnabled")]
    pub fn is_enabled(&self) -> Result<bool> {
        Ok(self.claims()?.has_second_factor())
    }

    /// Returns whether this session has passed the second factor or needs none, from its token.
    ///
    /// # Errors
    /// As [`is_enabled`](Self::is_enabled).
    #[doc(alias = "isPassed")]
    pub fn is_passed(&self) -> Result<bool> {
        Ok(!self.claims()?.needs_second_factor())
    }

    /// Requests the key to enter into an authenticator, before [`enable`](Self::enable) (`GET /auth/totp/setup`).
    ///
    /// # Errors
    /// `is_unauthorized` if nobody is logged in; `is_decode` if the response has no key.
    #[doc(alias = "getSetupKey")]
    pub fn get_setup_key(&self) -> Request<SecretString> {
        let core = self.core.clone();
        let ask = EndpointRequest {
            status_policy: StatusPolicy::Collection,
            ..EndpointRequest::get("/auth/totp/setup")
        };
        Request::new(async move { setup_key(&core.send(ask).await?) })
    }

    /// Enables the second factor with a code of the authenticator (`POST /auth/totp/verify`). Returns the new
    /// session token, which replaces the old one.
    ///
    /// # Errors
    /// `is_unauthorized` if nobody is logged in or the code is wrong; `is_decode` if the response is not a token;
    /// `is_io` or `is_config` if the settings file can't be written. The old token then stays in use.
    pub fn enable(&self, code: impl Into<SecretString>) -> Request<SecretString> {
        self.exchange("/auth/totp/verify", "code", code.into(), TokenUse::Keep)
    }

    /// Requests a session token that has passed the second factor (`POST /auth/totp/verify`). The login keeps the
    /// old token: see [`challenge`](Self::challenge).
    ///
    /// # Errors
    /// `is_unauthorized` if nobody is logged in or the code is wrong; `is_decode` if the response is not a token.
    pub fn verify(&self, code: impl Into<SecretString>) -> Request<SecretString> {
        self.exchange("/auth/totp/verify", "code", code.into(), TokenUse::Give)
    }

    /// Passes the second factor after a login (`POST /auth/totp/verify`). The new session token replaces the old
    /// one.
    ///
    /// # Errors
    /// As [`enable`](Self::enable).
    pub fn challenge(&self, code: impl Into<SecretString>) -> Request<()> {
        let exchange = self.exchange("/auth/totp/verify", "code", code.into(), TokenUse::Keep);
        Request::new(async move { exchange.await.map(drop) })
    }

    /// Disables the second factor (`POST /auth/totp/disable`). The session must have passed it. Returns the new
    /// session token, which replaces the old one.
    ///
    /// # Errors
    /// As [`enable`](Self::enable), for the password instead of the code.
    pub fn disable(&self, password: impl Into<SecretString>) -> Request<SecretString> {
        self.exchange("/auth/totp/disable", "password", password.into(), TokenUse::Keep)
    }

    fn claims(&self) -> Result<Claims> {
        let token = self.core.login_token()?.ok_or_else(not_logged_in)?;
        Claims::of(token.expose_secret()).ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, "the login is an API key, which has no second factor")
                .with_help("log in with user name and password, or with a session token")
        })
    }

    /// Exchanges the session token and a secret for a new session token.
    pub(super) fn exchange(
        &self,
        path: &'static str,
        name: &'static str,
        secret: SecretString,
        then: TokenUse,
    ) -> Request<SecretString> {
        let core = self.core.clone();
        Request::new(async move {
            if secret.expose_secret().trim().is_empty() {
                return Err(Error::argument(name, "it is empty"));
            }
            let Some(token) = core.token().await? else {
                return Err(not_logged_in().with_operation(format!("POST {path}")));
            };
            let body = Credentials::default().field(name, secret);
            let answer = core.store_token(path, &body, Some(token)).await;
            let new = token_in(&answer.map_err(|error| match error.kind() {
                ErrorKind::Unauthorized if !wants_fresh_login(&error) => {
                    error.with_help(format!("check the {name}, and that the login is still valid"))
                }
                _ => error,
            })?)?;
            if then == TokenUse::Keep {
                core.store.set_token(&new)?;
            }
            Ok(new)
        })
    }
}

/// What to do with the new token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenUse {
    Keep,
    Give,
}

/// Extracts the key from an `otpauth:` address, from its query string alone, or from the bare key.
///
/// # Errors
/// `is_decode`, without the response body.
fn setup_key(response: &BufferedResponse) -> Result<SecretString> {
    let text = match serde_json::from_slice(&response.body) {
        Ok(Value::String(text)) => text,
        _ => String::from_utf8_lossy(&response.body).trim().to_owned(),
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
        return Err(response_error(response, ErrorKind::Decode, "the response has no setup key".to_owned())
            .with_help("if a second factor is already set up, `disable` it first"));
    }
    Ok(key.into())
}

//! What a client shows to the service.

use std::fmt;

use http::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};

use crate::error::{Error, ErrorKind, Result};
use crate::service::gateway::AdminToken;

/// What a client shows to the service.
#[derive(Clone)]
pub(super) enum Credential {
    /// Nothing: the service knows the client by its address or socket, or not at all.
    None,
    /// A token.
    Token(SecretString),
    /// The admin token, read for each request: it may be replaced.
    #[cfg_attr(not(feature = "cli"), allow(dead_code, reason = "for commands in the service's container"))]
    Admin(AdminToken),
}

impl Credential {
    /// Checks a token that is given.
    ///
    /// # Errors
    /// `is_config` if it has characters that no HTTP header can have.
    pub(super) fn token(token: SecretString) -> Result<Self> {
        let text = token.expose_secret();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            let why = "a token has to be printable ASCII without spaces";
            return Err(Error::new(ErrorKind::Config, why));
        }
        Ok(Self::Token(token))
    }

    /// Returns the value of the header `authorization`.
    ///
    /// # Errors
    /// Those of reading the admin token.
    pub(super) fn header(&self) -> Result<Option<HeaderValue>> {
        let read;
        let token = match self {
            Self::None => return Ok(None),
            Self::Token(token) => token,
            Self::Admin(file) => {
                read = file.read()?;
                &read
            }
        };
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))
            .map_err(|_| Error::new(ErrorKind::Config, "the token has characters that no header can have"))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Token(_) => "Token(..)",
            Self::Admin(_) => "Admin(..)",
        })
    }
}

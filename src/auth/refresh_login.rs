//! Renewing a login that is too old for a sensitive request.

use secrecy::SecretString;

use crate::resource::request::Request;

use super::Auth;
use super::two_factor::{TokenUse, TwoFactor};

impl Auth {
    /// Renews the login with the password (`POST /user/v1/refresh-token`), for calls that the API refuses with
    /// `Fresh authentication token required`. The new session token replaces the old one.
    ///
    /// # Errors
    /// `is_unauthorized` if nobody is logged in or the password is wrong; `is_decode` if the response is not a
    /// token; `is_io` or `is_config` if the settings file can't be written. The old token then stays in use.
    pub fn refresh_login(&self, password: impl Into<SecretString>) -> Request<()> {
        let two_factor = TwoFactor::new(&self.core);
        let exchange =
            two_factor.exchange("/user/v1/refresh-token", "password", password.into(), TokenUse::Keep);
        Request::new(async move { exchange.await.map(drop) })
    }
}

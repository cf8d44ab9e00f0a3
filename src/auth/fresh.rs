//! A login that is too old for what is asked for.

use secrecy::SecretString;

use crate::api::request::Request;

use super::Auth;
use super::two_factor::{Then, TwoFactor};

impl Auth {
    /// Makes the login fresh again, with the password (`POST /user/v1/refresh-token`): for calls that the server
    /// refuses with `Fresh authentication token required`. The new session token counts from now on.
    ///
    /// # Errors
    /// `is_unauthorized` when nobody is logged in, or the password is wrong; `is_decode` when the answer is no
    /// token; `is_io`, `is_config` when the settings file can't be written. The old token stays then.
    pub fn refresh_login(&self, password: impl Into<SecretString>) -> Request<()> {
        let two_factor = TwoFactor::new(&self.core);
        let exchange = two_factor.exchange("/user/v1/refresh-token", "password", password.into(), Then::Keep);
        Request::new(async move { exchange.await.map(drop) })
    }
}

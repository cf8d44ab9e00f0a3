//! Logging in and out, and whose credentials these are.

mod credentials;
mod fresh;
mod two_factor;

use std::sync::Arc;

use http::Method;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde_json::{Value, json};

use crate::api::read::about;
use crate::api::request::Request;
use crate::api::write::Rows;
use crate::core::{Core, Plain};
use crate::error::{Error, ErrorKind, Result};
use crate::http::Reply;
use crate::token;
use crate::whoami::{Actor, WhoAmI};

pub use credentials::Credentials;
pub use two_factor::TwoFactor;

/// Logins. From [`Balena::auth`](crate::Balena::auth).
///
/// A login is a token among the settings, shared by all clones of a client. A session token that is older than
/// the setting `token_refresh_interval` (an hour) is exchanged for a new one by the next request, once for all
/// clones (`GET /user/v1/refresh-token`); an API key never is. A server that can't do that now leaves the old token
/// in use, and is asked again after a minute. A session that has expired is nobody's: what needs a login fails
/// without a request (`is_unauthorized`). Without a login the key of the environment (`BALENA_API_KEY`) is what requests go out with.
#[derive(Debug, Clone)]
pub struct Auth {
    core: Arc<Core>,
}

/// The user whose credentials these are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct UserInfo {
    /// Id of the user.
    pub id: i64,
    /// Id of the actor.
    pub actor: i64,
    /// E-mail address, where there is one.
    pub email: Option<String>,
    /// Name of the user.
    pub username: String,
}

impl Auth {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone() }
    }

    /// Two-factor authentication.
    pub fn two_factor(&self) -> TwoFactor {
        TwoFactor::new(&self.core)
    }

    /// Whose credentials these are (`GET /actor/v1/whoami`). Asked once for each login.
    ///
    /// # Errors
    /// `is_unauthorized` when nobody is logged in, or the server does not know the token.
    pub fn whoami(&self) -> Request<WhoAmI> {
        let core = self.core.clone();
        Request::new(async move { core.whoami().await })
    }

    /// The user whose credentials these are (`GET /actor/v1/whoami`).
    ///
    /// # Errors
    /// As [`whoami`](Self::whoami); `is_unsupported` when they are an application's or a device's.
    #[doc(alias = "getUserInfo")]
    pub fn get_user_info(&self) -> Request<UserInfo> {
        let core = self.core.clone();
        Request::new(async move {
            let who = core.whoami().await?;
            match &who.actor {
                Actor::User { id, username: Some(username), email } => {
                    Ok(UserInfo { id: *id, actor: who.id, email: email.clone(), username: username.clone() })
                }
                Actor::User { .. } => Err(Error::new(ErrorKind::Decode, "the answer names no user")
                    .operation("GET /actor/v1/whoami")
                    .sent(true)),
                _ => Err(who.is_no_user()),
            }
        })
    }

    /// Id of the actor whose credentials these are (`GET /actor/v1/whoami`).
    ///
    /// # Errors
    /// As [`whoami`](Self::whoami).
    #[doc(alias = "getActorId")]
    pub fn get_actor_id(&self) -> Request<i64> {
        let core = self.core.clone();
        Request::new(async move { Ok(core.whoami().await?.id) })
    }

    /// Whether the server knows the credentials (`GET /actor/v1/whoami`); it is asked each time.
    ///
    /// # Errors
    /// When that can't be told: the server can't be reached, or failed.
    #[doc(alias = "isLoggedIn")]
    pub fn is_logged_in(&self) -> Request<bool> {
        let core = self.core.clone();
        Request::new(async move {
            match core.whoami_now().await {
                Ok(_) => Ok(true),
                Err(error) if error.is_unauthorized() => Ok(false),
                Err(error) => Err(error),
            }
        })
    }

    /// The token of the login. The key of the environment is none.
    ///
    /// # Errors
    /// `is_unauthorized` when the session has expired; `is_io`, `is_config` when the settings file can't be used.
    #[doc(alias = "getToken")]
    pub fn get_token(&self) -> Result<Option<SecretString>> {
        self.core.login()
    }

    /// A session token for user name and password (`POST /login_`). Nobody is logged in by it: see
    /// [`login`](Self::login).
    ///
    /// # Errors
    /// `is_unauthorized` when they are wrong; `is_rate_limited` after too many tries; `is_decode` when the
    /// answer is no token.
    pub fn authenticate(&self, credentials: impl Into<Credentials>) -> Request<SecretString> {
        let (core, credentials) = (self.core.clone(), credentials.into());
        Request::new(async move { authenticate(&core, &credentials).await })
    }

    /// Logs in with user name and password (`POST /login_`): from now on requests go out with the token of
    /// this session. An account with a second factor has to pass [`TwoFactor::challenge`] next.
    ///
    /// # Errors
    /// As [`authenticate`](Self::authenticate); `is_io`, `is_config` when the settings file can't be written.
    /// Whoever was logged in before still is then.
    pub fn login(&self, credentials: impl Into<Credentials>) -> Request<()> {
        let (core, credentials) = (self.core.clone(), credentials.into());
        Request::new(async move { core.store.set_token(&authenticate(&core, &credentials).await?) })
    }

    /// Logs in with a session token, or an API key. Asks nobody whether it is a good one: see
    /// [`is_logged_in`](Self::is_logged_in).
    ///
    /// # Errors
    /// `is_invalid_argument` for what can't be a token; `is_unauthorized` for a session token that has expired; `is_io`, `is_config` when the settings file can't be
    /// written. Whoever was logged in before still is then.
    #[doc(alias = "loginWithToken")]
    pub fn login_with_token(&self, token: impl Into<SecretString>) -> Result<()> {
        let token = token.into();
        self.core.check_expiry(&token)?;
        self.core.store.set_token(&token)
    }

    /// Forgets the token. The server is not told: the token is good until it expires.
    ///
    /// # Errors
    /// `is_io`, `is_config` when the settings file can't be written.
    pub fn logout(&self) -> Result<()> {
        self.core.store.forget_token()
    }

    /// A new account, by e-mail address and password, and a session token for it (`POST /user/register`).
    /// Nobody is logged in by it: see [`login_with_token`](Self::login_with_token).
    ///
    /// # Errors
    /// As the server refuses it; `is_decode` when the answer is no token.
    pub fn register(&self, credentials: impl Into<Credentials>) -> Request<SecretString> {
        let (core, credentials) = (self.core.clone(), credentials.into());
        Request::new(async move {
            let answer = core.confide("/user/register", &credentials, None).await;
            token_in(&answer.map_err(|error| match error.kind() {
                ErrorKind::Unauthorized => error.help("the server refuses this account: see what it says"),
                _ => error,
            })?)
        })
    }

    /// Confirms an e-mail address by the token that was sent to it, and gives a session token
    /// (`POST /user/v1/verify-email`). Nobody is logged in by it.
    ///
    /// # Errors
    /// `is_unauthorized` when the token is wrong or was used before; `is_decode` when the answer is no token.
    #[doc(alias = "verifyEmail")]
    pub fn verify_email(
        &self,
        email: impl Into<String>,
        token: impl Into<SecretString>,
    ) -> Request<SecretString> {
        let (core, email, token) = (self.core.clone(), email.into(), token.into());
        Request::new(async move {
            if email.trim().is_empty() {
                return Err(Error::argument("email", "it is empty"));
            }
            if token.expose_secret().trim().is_empty() {
                return Err(Error::argument("token", "it is empty"));
            }
            let body = Credentials::default().field("verificationToken", token).field("email", email);
            let answer = core.confide("/user/v1/verify-email", &body, None).await;
            token_in(&answer.map_err(|error| match error.kind() {
                ErrorKind::Unauthorized => error.help(
                    "is it the whole token, and the newest? `request_verification_email` sends another",
                ),
                _ => error,
            })?)
        })
    }

    /// Has another e-mail sent to the user, to confirm the address (`PATCH /v6/user`).
    ///
    /// # Errors
    /// `is_unauthorized` when nobody is logged in; `is_unsupported` when the credentials are not of a user.
    #[doc(alias = "requestVerificationEmail")]
    pub fn request_verification_email(&self) -> Request<()> {
        let core = self.core.clone();
        Request::new(async move {
            let user = core.whoami().await?.user_id()?;
            core.change("user", &Rows::id(user), &json!({ "has_been_sent_verification_email": true })).await
        })
    }
}

async fn authenticate(core: &Core, credentials: &Credentials) -> Result<SecretString> {
    let answer = core.confide("/login_", credentials, None).await;
    token_in(&answer.map_err(|error| match error.kind() {
        ErrorKind::Unauthorized => error.help("user name or password is wrong"),
        ErrorKind::RateLimited => error.help("wait before the next try"),
        _ => error,
    })?)
}

/// # Errors
/// `is_decode`, without what was answered: it may be half a token.
fn token_in(reply: &Reply) -> Result<SecretString> {
    token::in_answer(&reply.body).ok_or_else(|| {
        about(reply, ErrorKind::Decode, "the answer is not a token".to_owned())
            .help("is the address of the API right, and no proxy or portal in between?")
    })
}

impl Core {
    /// Posts what nobody else may read, and keeps it out of what comes back.
    async fn confide(&self, path: &str, secrets: &Credentials, token: Option<SecretString>) -> Result<Reply> {
        let plain = Plain::post(Method::POST, path, Some(Value::Object(secrets.body())));
        self.plain_as(plain, token).await.map_err(|error| secrets.kept_from(error))
    }
}

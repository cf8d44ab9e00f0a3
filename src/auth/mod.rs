//! Login, logout, registration, and the actor of the credential.

mod credentials;
mod refresh_login;
mod two_factor;

use std::sync::Arc;

use http::Method;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde_json::{Value, json};

use crate::core::{Core, EndpointRequest};
use crate::error::{Error, ErrorKind, Result};
use crate::http::BufferedResponse;
use crate::resource::read::response_error;
use crate::resource::request::Request;
use crate::resource::write::RowSelector;
use crate::token;
use crate::whoami::{ActorKind, WhoAmI};

pub use credentials::Credentials;
pub use two_factor::TwoFactor;

/// Logins. From [`Balena::auth`](crate::Balena::auth).
///
/// A login is a token in the settings, shared by all clones of a client. The next request exchanges a session token
/// older than the setting `token_refresh_interval` (one hour) for a new one, once for all clones
/// (`GET /user/v1/refresh-token`). API keys are never exchanged. If the API can't exchange the token, the old one
/// stays in use and the exchange is tried again after a minute. After a session has expired, calls that need a login
/// fail without a request (`is_unauthorized`). Without a login, requests use the key of the environment
/// (`BALENA_API_KEY`).
#[derive(Debug, Clone)]
pub struct Auth {
    core: Arc<Core>,
}

/// The user of the credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct UserInfo {
    /// Id of the user in the resource `user`.
    pub id: i64,
    /// Id of the user's actor, which API keys and permissions refer to.
    pub actor: i64,
    /// E-mail address. Absent if the account has none.
    pub email: Option<String>,
    /// User name, as used to log in.
    pub username: String,
}

impl Auth {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone() }
    }

    /// Returns the functions for two-factor authentication.
    pub fn two_factor(&self) -> TwoFactor {
        TwoFactor::new(&self.core)
    }

    /// Returns the actor of the credential (`GET /actor/v1/whoami`). Requested once per login.
    ///
    /// # Errors
    /// `is_unauthorized` if nobody is logged in or the API does not know the token.
    pub fn whoami(&self) -> Request<WhoAmI> {
        let core = self.core.clone();
        Request::new(async move { core.whoami().await })
    }

    /// Returns the user of the credential (`GET /actor/v1/whoami`).
    ///
    /// # Errors
    /// As [`whoami`](Self::whoami); `is_unsupported` if the credential belongs to an application or a device.
    #[doc(alias = "getUserInfo")]
    pub fn get_user_info(&self) -> Request<UserInfo> {
        let core = self.core.clone();
        Request::new(async move {
            let who = core.whoami().await?;
            match &who.actor {
                ActorKind::User { id, username: Some(username), email } => {
                    Ok(UserInfo { id: *id, actor: who.id, email: email.clone(), username: username.clone() })
                }
                ActorKind::User { .. } => Err(Error::new(ErrorKind::Decode, "the response names no user")
                    .with_operation("GET /actor/v1/whoami")
                    .with_sent(true)),
                _ => Err(who.not_a_user_error()),
            }
        })
    }

    /// Returns the id of the actor of the credential (`GET /actor/v1/whoami`).
    ///
    /// # Errors
    /// As [`whoami`](Self::whoami).
    #[doc(alias = "getActorId")]
    pub fn get_actor_id(&self) -> Request<i64> {
        let core = self.core.clone();
        Request::new(async move { Ok(core.whoami().await?.id) })
    }

    /// Returns whether the API accepts the credential (`GET /actor/v1/whoami`). Sends a request on each call.
    ///
    /// # Errors
    /// Any error other than a refused credential: the API is unreachable or failed.
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

    /// Returns the token of the login. The key of the environment is not a login.
    ///
    /// # Errors
    /// `is_unauthorized` if the session has expired; `is_io` or `is_config` if the settings file can't be used.
    #[doc(alias = "getToken")]
    pub fn get_token(&self) -> Result<Option<SecretString>> {
        self.core.login_token()
    }

    /// Requests a session token for a user name and a password (`POST /login_`). Does not log in: see
    /// [`login`](Self::login).
    ///
    /// # Errors
    /// `is_unauthorized` if user name or password is wrong; `is_rate_limited` after too many attempts; `is_decode`
    /// if the response is not a token.
    pub fn authenticate(&self, credentials: impl Into<Credentials>) -> Request<SecretString> {
        let (core, credentials) = (self.core.clone(), credentials.into());
        Request::new(async move { authenticate(&core, &credentials).await })
    }

    /// Logs in with user name and password (`POST /login_`): further requests use the token of this session. An
    /// account with a second factor then needs [`TwoFactor::challenge`].
    ///
    /// # Errors
    /// As [`authenticate`](Self::authenticate); `is_io` or `is_config` if the settings file can't be written. An
    /// earlier login then stays.
    pub fn login(&self, credentials: impl Into<Credentials>) -> Request<()> {
        let (core, credentials) = (self.core.clone(), credentials.into());
        Request::new(async move { core.store.set_token(&authenticate(&core, &credentials).await?) })
    }

    /// Logs in with a session token or an API key. Sends no request, so an invalid token is not noticed: see
    /// [`is_logged_in`](Self::is_logged_in).
    ///
    /// # Errors
    /// `is_invalid_argument` if the text can't be a token; `is_unauthorized` if the session token has expired;
    /// `is_io` or `is_config` if the settings file can't be written. An earlier login then stays.
    #[doc(alias = "loginWithToken")]
    pub fn login_with_token(&self, token: impl Into<SecretString>) -> Result<()> {
        let token = token.into();
        self.core.check_expiry(&token)?;
        self.core.store.set_token(&token)
    }

    /// Deletes the token from the settings. Sends no request: the token itself stays valid until it expires.
    ///
    /// # Errors
    /// `is_io` or `is_config` if the settings file can't be written.
    pub fn logout(&self) -> Result<()> {
        self.core.store.forget_token()
    }

    /// Creates an account with e-mail address and password, and returns a session token for it
    /// (`POST /user/register`). Does not log in: see [`login_with_token`](Self::login_with_token).
    ///
    /// # Errors
    /// The kind that matches the API's status; `is_decode` if the response is not a token.
    pub fn register(&self, credentials: impl Into<Credentials>) -> Request<SecretString> {
        let (core, credentials) = (self.core.clone(), credentials.into());
        Request::new(async move {
            let answer = core.store_token("/user/register", &credentials, None).await;
            token_in(&answer.map_err(|error| match error.kind() {
                ErrorKind::Unauthorized => error.with_help("the API refuses this account: see its message"),
                _ => error,
            })?)
        })
    }

    /// Confirms an e-mail address with the token sent to it, and returns a session token
    /// (`POST /user/v1/verify-email`). Does not log in.
    ///
    /// # Errors
    /// `is_unauthorized` if the token is wrong or was used before; `is_decode` if the response is not a token.
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
            let answer = core.store_token("/user/v1/verify-email", &body, None).await;
            token_in(&answer.map_err(|error| match error.kind() {
                ErrorKind::Unauthorized => error.with_help(
                    "check that the token is complete and the newest one; `request_verification_email` sends another",
                ),
                _ => error,
            })?)
        })
    }

    /// Requests another e-mail to confirm the user's address (`PATCH /v6/user`).
    ///
    /// # Errors
    /// `is_unauthorized` if nobody is logged in; `is_unsupported` if the credential does not belong to a user.
    #[doc(alias = "requestVerificationEmail")]
    pub fn request_verification_email(&self) -> Request<()> {
        let core = self.core.clone();
        Request::new(async move {
            let user = core.whoami().await?.user_id()?;
            core.change("user", &RowSelector::id(user), &json!({ "has_been_sent_verification_email": true }))
                .await
        })
    }
}

async fn authenticate(core: &Core, credentials: &Credentials) -> Result<SecretString> {
    let answer = core.store_token("/login_", credentials, None).await;
    token_in(&answer.map_err(|error| match error.kind() {
        ErrorKind::Unauthorized => error.with_help("user name or password is wrong"),
        ErrorKind::RateLimited => error.with_help("wait before the next attempt"),
        _ => error,
    })?)
}

/// # Errors
/// `is_decode`, without the response body: it may contain part of a token.
fn token_in(response: &BufferedResponse) -> Result<SecretString> {
    token::token_in_response(&response.body).ok_or_else(|| {
        response_error(response, ErrorKind::Decode, "the response is not a token".to_owned()).with_help(
            "check the address of the API, and whether a proxy or captive portal answers in its place",
        )
    })
}

impl Core {
    /// Sends secrets with `POST`, and removes them from an error.
    async fn store_token(
        &self,
        path: &str,
        secrets: &Credentials,
        token: Option<SecretString>,
    ) -> Result<BufferedResponse> {
        let plain = EndpointRequest::new(Method::POST, path, Some(Value::Object(secrets.body())));
        self.send_with_token(plain, token).await.map_err(|error| secrets.redact(error))
    }
}

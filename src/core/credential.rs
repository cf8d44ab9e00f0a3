//! The token of every request. A session token is renewed when it reaches `token_refresh_interval`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::{HeaderMap, Method};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;

use crate::env::MalformedKey;
use crate::error::{Error, ErrorKind, Result};
use crate::http::{ApiRequest, RateLimitRetry, StatusPolicy};
use crate::settings::Settings;
use crate::token::{self, Claims};

use super::Core;

/// Endpoint that exchanges a session token for a new one; the same for every API version.
const RENEWAL_PATH: &str = "/user/v1/refresh-token";

/// Pause after a renewal that failed without a refusal.
const RENEWAL_BACKOFF: Duration = Duration::from_secs(60);

/// What all clones share about the token. The token itself is in the settings store.
#[derive(Debug)]
pub(crate) struct Credential {
    /// Key of the environment; used if the store has no token of a login.
    api_key: Option<Result<SecretString, MalformedKey>>,
    /// Permit to renew: only one task renews at a time. A dropped future releases it.
    renewal_permit: Semaphore,
    last: Mutex<LastRenewal>,
}

/// Outcome of the last renewal. Its times are monotonic: if the wall clock is ahead of the server's, every new token
/// looks old.
#[derive(Debug, Default)]
struct LastRenewal {
    /// Number of renewals that ended.
    generation: u64,
    /// The new token, and when it was received.
    renewed: Option<(SecretString, Instant)>,
    /// When the last renewal failed without a refusal.
    unavailable_since: Option<Instant>,
    /// The refusal, if the server refused the last renewal.
    refused: Option<RenewalRefusal>,
}

/// How a renewal ended.
enum RenewalOutcome {
    Renewed(SecretString),
    /// The server did not renew it; the old token stays in use.
    Unavailable,
    /// The server refused the old token (401).
    Refused(RenewalRefusal),
}

/// The parts of a refusal that every waiting request gets as an error.
#[derive(Debug, Clone)]
struct RenewalRefusal {
    kind: ErrorKind,
    status: Option<u16>,
    body: String,
    operation: String,
    text: String,
}

impl Credential {
    pub(crate) fn new(api_key: Option<Result<SecretString, MalformedKey>>) -> Self {
        Self { api_key, renewal_permit: Semaphore::new(1), last: Mutex::default() }
    }

    fn last(&self) -> MutexGuard<'_, LastRenewal> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, ended: RenewalOutcome, now: Instant) {
        let mut last = self.last();
        last.generation += 1;
        last.unavailable_since = matches!(ended, RenewalOutcome::Unavailable).then_some(now);
        last.refused = None;
        match ended {
            RenewalOutcome::Renewed(new) => last.renewed = Some((new, now)),
            RenewalOutcome::Refused(refusal) => last.refused = Some(refusal),
            RenewalOutcome::Unavailable => {}
        }
    }

    /// Returns the outcome of a renewal that another task ended since this generation, if one did.
    fn outcome_since(&self, generation: u64) -> Option<Result<()>> {
        let last = self.last();
        (last.generation != generation)
            .then(|| last.refused.as_ref().map_or(Ok(()), |refusal| Err(refusal.error())))
    }

    fn is_backing_off(&self, now: Instant) -> bool {
        self.last().unavailable_since.is_some_and(|at| now.saturating_duration_since(at) < RENEWAL_BACKOFF)
    }

    /// Returns the time since this token was renewed, if the last renewal returned it.
    fn age_since_renewal(&self, token: &SecretString, now: Instant) -> Option<Duration> {
        let last = self.last();
        let (renewed, at) = last.renewed.as_ref()?;
        (renewed.expose_secret() == token.expose_secret()).then(|| now.saturating_duration_since(*at))
    }
}

impl RenewalRefusal {
    fn of(error: &Error, operation: String) -> Self {
        Self {
            kind: error.kind(),
            status: error.status(),
            body: error.body().unwrap_or_default().to_owned(),
            operation,
            text: format!("the session was not renewed: {}", error.message()),
        }
    }

    fn error(&self) -> Error {
        let error = Error::new(self.kind, self.text.clone())
            .with_operation(self.operation.clone())
            .with_body(self.body.clone())
            .with_attempts(1)
            .with_sent(true)
            .with_help("log in again");
        match self.status {
            Some(status) => error.with_status(status),
            None => error,
        }
    }
}

impl Core {
    /// Returns the token to send: the one of the login, else the key of the environment. Renews the login's token
    /// first if it is due.
    ///
    /// # Errors
    /// `is_unauthorized` if the session has expired or the server refuses to renew it; `is_io` or `is_config` if the
    /// settings file can't be read; `is_config` if the variable does not hold a key.
    pub(crate) async fn token(&self) -> Result<Option<SecretString>> {
        let generation = self.credential.last().generation;
        let Some(found) = self.token_to_renew()? else { return self.current_token() };
        // The semaphore is never closed.
        let _permit = self.credential.renewal_permit.acquire().await;
        // Another process that shares the settings file, or a new login, may have replaced the token meanwhile.
        let Some(old) = self.token_to_renew()? else { return self.current_token() };
        match self.credential.outcome_since(generation) {
            Some(Ok(())) => self.current_token(),
            Some(Err(refusal)) if old.expose_secret() == found.expose_secret() => Err(refusal),
            _ => self.renew(old).await,
        }
    }

    /// Returns the token of the login, without renewing it.
    ///
    /// # Errors
    /// `is_unauthorized` if it has expired; `is_io` or `is_config` if the settings file can't be read.
    pub(crate) fn login_token(&self) -> Result<Option<SecretString>> {
        let token = self.store.token()?.0;
        token.as_ref().map_or(Ok(()), |token| self.check_expiry(token))?;
        Ok(token)
    }

    /// Checks that the token has not expired.
    ///
    /// # Errors
    /// `is_unauthorized` if it is a session token that has expired.
    pub(crate) fn check_expiry(&self, token: &SecretString) -> Result<()> {
        match self.expired_at(token) {
            None => Ok(()),
            Some(at) => {
                let text = format!("nobody is logged in: the session expired at {at}");
                Err(Error::new(ErrorKind::Unauthorized, text)
                    .with_help("log in again, or log out to go on with the key of the environment; and is the clock here right?"))
            }
        }
    }

    /// Returns when the token expired, if it has.
    fn expired_at(&self, token: &SecretString) -> Option<Timestamp> {
        let claims = Claims::of(token.expose_secret())?;
        let expiry = claims.expires_at()?;
        let clock = &self.http.clock;
        let left = match (claims.issued_at(), self.credential.age_since_renewal(token, clock.monotonic())) {
            (Some(issued), Some(since)) => expiry.saturating_sub(issued).saturating_sub(milliseconds(since)),
            _ => expiry.saturating_sub(clock.now().as_millisecond()),
        };
        Timestamp::from_millisecond(expiry).ok().filter(|_| left <= 0)
    }

    /// Returns the token of the login, else the key of the environment, without renewing it.
    fn current_token(&self) -> Result<Option<SecretString>> {
        match self.login_token()? {
            Some(token) => Ok(Some(token)),
            None => self.credential.api_key.clone().transpose().map_err(|malformed| malformed.error()),
        }
    }

    /// Returns the token of the login if it is due for renewal. An expired token can't be renewed.
    fn token_to_renew(&self) -> Result<Option<SecretString>> {
        Ok(self
            .store
            .token()?
            .0
            .filter(|token| self.is_due_for_renewal(token) && self.expired_at(token).is_none()))
    }

    fn is_due_for_renewal(&self, token: &SecretString) -> bool {
        let clock = &self.http.clock;
        let Some(issued) = Claims::of(token.expose_secret()).and_then(|claims| claims.issued_at()) else {
            return false;
        };
        let age = match self.credential.age_since_renewal(token, clock.monotonic()) {
            Some(since) => milliseconds(since),
            None => clock.now().as_millisecond().saturating_sub(issued),
        };
        age >= milliseconds(self.settings().token_refresh_interval)
            && !self.credential.is_backing_off(clock.monotonic())
    }

    /// Renews the token and returns the one to send.
    async fn renew(&self, old: SecretString) -> Result<Option<SecretString>> {
        let api_request = renewal_request(&self.settings(), old.clone());
        let operation = api_request.operation();
        let answer = self.http.execute(api_request).await;
        let refusal = answer
            .as_ref()
            .err()
            .filter(|error| is_refusal(error))
            .map(|error| RenewalRefusal::of(error, operation));
        let ended = match (&refusal, answer.map(|reply| session_token(&reply.body))) {
            (Some(refusal), _) => RenewalOutcome::Refused(refusal.clone()),
            (None, Ok(Some(new))) => {
                self.store.renew_token(&old, &new);
                RenewalOutcome::Renewed(new)
            }
            (None, not_now) => {
                let why =
                    not_now.err().map_or("the response is no token".to_owned(), |error| error.to_string());
                tracing::debug!(why, "session token not renewed, the old one stays in use");
                RenewalOutcome::Unavailable
            }
        };
        self.credential.record(ended, self.http.clock.monotonic());
        // If a login or logout replaced the token meanwhile, the refusal no longer matters.
        let is_same = self.store.token()?.0.is_some_and(|now| now.expose_secret() == old.expose_secret());
        match refusal {
            Some(refusal) if is_same => Err(refusal.error()),
            _ => self.current_token(),
        }
    }
}

/// Returns the session token in the response. A captive portal may answer 200 with a page, so the text must be a JWT.
fn session_token(body: &[u8]) -> Option<SecretString> {
    token::token_in_response(body).filter(|new| Claims::of(new.expose_secret()).is_some())
}

fn renewal_request(settings: &Arc<Settings>, token: SecretString) -> ApiRequest {
    ApiRequest {
        method: Method::GET,
        url: format!("{}{RENEWAL_PATH}", settings.api()),
        token: Some(token),
        headers: HeaderMap::new(),
        body: bytes::Bytes::new(),
        // No retries: the old token stays valid meanwhile, and the renewal is tried again after a pause.
        idempotent: false,
        rate_limit_retry: RateLimitRetry::Never,
        timeout: settings.timeout,
        status_policy: StatusPolicy::Collection,
        secret_segment: None,
    }
}

/// Returns whether the server refused the token: only 401 does. Any other failure (no such endpoint, rate limit, 5xx, a
/// page of a proxy, no response) says nothing about the token.
fn is_refusal(error: &Error) -> bool {
    error.status() == Some(401)
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Adds a help text to a refusal if the token still needs the second factor. The server answers such a token like a
/// wrong one.
pub(super) fn explain_second_factor(error: Error, token: Option<&SecretString>) -> Error {
    let waits = error.is_unauthorized()
        && token
            .and_then(|token| Claims::of(token.expose_secret()))
            .is_some_and(|claims| claims.needs_second_factor());
    if waits {
        error.with_help("the account has a second factor: pass `auth().two_factor().challenge(code)` first")
    } else {
        error
    }
}

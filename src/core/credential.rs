//! The token of every request, renewed by its age; and whose it is, asked once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::{HeaderMap, Method};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;

use crate::env::Malformed;
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Outgoing, Refusals, Turn};
use crate::settings::Settings;
use crate::token::{self, Claims};

use super::Core;

/// Where an aged session token is exchanged for a new one, under each version of the API.
const RENEWAL: &str = "/user/v1/refresh-token";

/// How long a server that could not renew a token is not asked again.
const PAUSE: Duration = Duration::from_secs(60);

/// What all clones share about the token, besides the token.
#[derive(Debug)]
pub(crate) struct Credential {
    /// Key of the environment: what counts while nobody is logged in.
    api_key: Option<Result<SecretString, Malformed>>,
    /// One at a time renews. Whoever gives up lets the next one go on.
    turn: Semaphore,
    last: Mutex<Last>,
}

/// How renewing went last. The readings are of a clock that nobody can set: the time of day may be ahead of the
/// server's, and then every new token seems to be an old one.
#[derive(Debug, Default)]
struct Last {
    times: u64,
    /// The token that came of it, and when.
    renewed: Option<(SecretString, Instant)>,
    /// When the server could not renew it.
    not_now: Option<Instant>,
    /// What the server answered when it refused, the last time that it was asked.
    refused: Option<Refusal>,
}

enum Ended {
    Renewed(SecretString),
    /// The server could not; the old token goes on.
    NotNow,
    /// The server said no.
    Refused(Refusal),
}

#[derive(Debug, Clone)]
struct Refusal {
    kind: ErrorKind,
    status: Option<u16>,
    body: String,
    operation: String,
    text: String,
}

impl Credential {
    pub(crate) fn new(api_key: Option<Result<SecretString, Malformed>>) -> Self {
        Self { api_key, turn: Semaphore::new(1), last: Mutex::default() }
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ended(&self, ended: Ended, now: Instant) {
        let mut last = self.last();
        last.times += 1;
        last.not_now = matches!(ended, Ended::NotNow).then_some(now);
        last.refused = None;
        match ended {
            Ended::Renewed(new) => last.renewed = Some((new, now)),
            Ended::Refused(refusal) => last.refused = Some(refusal),
            Ended::NotNow => {}
        }
    }

    /// What the others found out while this one waited.
    fn meanwhile(&self, times: u64) -> Option<Result<()>> {
        let last = self.last();
        (last.times != times).then(|| last.refused.as_ref().map_or(Ok(()), |refusal| Err(refusal.error())))
    }

    fn pauses(&self, now: Instant) -> bool {
        self.last().not_now.is_some_and(|at| now.saturating_duration_since(at) < PAUSE)
    }

    /// How long ago this token came of a renewal, if it did.
    fn since_renewal(&self, token: &SecretString, now: Instant) -> Option<Duration> {
        let last = self.last();
        let (renewed, at) = last.renewed.as_ref()?;
        (renewed.expose_secret() == token.expose_secret()).then(|| now.saturating_duration_since(*at))
    }
}

impl Refusal {
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
            .operation(self.operation.clone())
            .with_body(self.body.clone())
            .with_attempts(1)
            .sent(true)
            .help("log in again");
        match self.status {
            Some(status) => error.with_status(status),
            None => error,
        }
    }
}

impl Core {
    /// The token to send, renewed first if it is old: the one of the login, else the key of the environment.
    ///
    /// # Errors
    /// `is_unauthorized` when the session has expired, or the server refuses to renew it; `is_io`, `is_config`
    /// when the settings file can't be read; `is_config` when the variable does not hold a key.
    pub(crate) async fn token(&self) -> Result<Option<SecretString>> {
        let times = self.credential.last().times;
        let Some(found) = self.old_token()? else { return self.current() };
        // Nobody closes it.
        let _turn = self.credential.turn.acquire().await;
        // Another process that shares the file, or another login, may have been faster.
        let Some(old) = self.old_token()? else { return self.current() };
        match self.credential.meanwhile(times) {
            Some(Ok(())) => self.current(),
            Some(Err(refusal)) if old.expose_secret() == found.expose_secret() => Err(refusal),
            _ => self.renew(old).await,
        }
    }

    /// The token of the login, whatever its age.
    ///
    /// # Errors
    /// `is_unauthorized` when it has expired; `is_io`, `is_config` when the settings file can't be read.
    pub(crate) fn login(&self) -> Result<Option<SecretString>> {
        let token = self.store.token()?.0;
        token.as_ref().map_or(Ok(()), |token| self.check_expiry(token))?;
        Ok(token)
    }

    /// # Errors
    /// `is_unauthorized` for a session token that has expired.
    pub(crate) fn check_expiry(&self, token: &SecretString) -> Result<()> {
        match self.expired_at(token) {
            None => Ok(()),
            Some(at) => {
                let text = format!("nobody is logged in: the session expired at {at}");
                Err(Error::new(ErrorKind::Unauthorized, text)
                    .help("log in again, or log out to go on with the key of the environment; and is the clock here right?"))
            }
        }
    }

    fn expired_at(&self, token: &SecretString) -> Option<Timestamp> {
        let claims = Claims::of(token.expose_secret())?;
        let expiry = claims.expires_at()?;
        let clock = &self.http.clock;
        let left = match (claims.issued_at(), self.credential.since_renewal(token, clock.monotonic())) {
            (Some(issued), Some(since)) => expiry.saturating_sub(issued).saturating_sub(milliseconds(since)),
            _ => expiry.saturating_sub(clock.now().as_millisecond()),
        };
        Timestamp::from_millisecond(expiry).ok().filter(|_| left <= 0)
    }

    /// The token of the login, else the key of the environment, whatever its age.
    fn current(&self) -> Result<Option<SecretString>> {
        match self.login()? {
            Some(token) => Ok(Some(token)),
            None => self.credential.api_key.clone().transpose().map_err(|malformed| malformed.error()),
        }
    }

    /// The token of the login, if it is to be renewed: an expired one can't be.
    fn old_token(&self) -> Result<Option<SecretString>> {
        Ok(self.store.token()?.0.filter(|token| self.is_old(token) && self.expired_at(token).is_none()))
    }

    fn is_old(&self, token: &SecretString) -> bool {
        let clock = &self.http.clock;
        let Some(issued) = Claims::of(token.expose_secret()).and_then(|claims| claims.issued_at()) else {
            return false;
        };
        let age = match self.credential.since_renewal(token, clock.monotonic()) {
            Some(since) => milliseconds(since),
            None => clock.now().as_millisecond().saturating_sub(issued),
        };
        age >= milliseconds(self.settings().token_refresh_interval)
            && !self.credential.pauses(clock.monotonic())
    }

    async fn renew(&self, old: SecretString) -> Result<Option<SecretString>> {
        let outgoing = renewal(&self.settings(), old.clone());
        let operation = outgoing.operation();
        let answer = self.http.execute(outgoing).await;
        let refusal = answer
            .as_ref()
            .err()
            .filter(|error| is_refusal(error))
            .map(|error| Refusal::of(error, operation));
        let ended = match (&refusal, answer.map(|reply| session_in(&reply.body))) {
            (Some(refusal), _) => Ended::Refused(refusal.clone()),
            (None, Ok(Some(new))) => {
                self.store.renew_token(&old, &new);
                Ended::Renewed(new)
            }
            (None, not_now) => {
                let why =
                    not_now.err().map_or("the answer is no token".to_owned(), |error| error.to_string());
                tracing::debug!(why, "going on with the old token");
                Ended::NotNow
            }
        };
        self.credential.ended(ended, self.http.clock.monotonic());
        // Whoever logged in or out meanwhile has nothing to do with this.
        let is_same = self.store.token()?.0.is_some_and(|now| now.expose_secret() == old.expose_secret());
        match refusal {
            Some(refusal) if is_same => Err(refusal.error()),
            _ => self.current(),
        }
    }
}

/// A page of a portal is no session, whatever its status.
fn session_in(body: &[u8]) -> Option<SecretString> {
    token::in_answer(body).filter(|new| Claims::of(new.expose_secret()).is_some())
}

fn renewal(settings: &Arc<Settings>, token: SecretString) -> Outgoing {
    Outgoing {
        method: Method::GET,
        url: format!("{}{RENEWAL}", settings.api()),
        token: Some(token),
        headers: HeaderMap::new(),
        body: bytes::Bytes::new(),
        // The old token is good enough for another minute: no reason to insist.
        repeatable: false,
        turn: Turn::No,
        timeout: settings.timeout,
        what: Refusals::OfAPath,
        secret: None,
    }
}

/// Only 401 is about the token. A server without the endpoint, one that is asked too often or fails, a page of what
/// stands in front of it and no answer at all leave the old token as good as it was.
fn is_refusal(error: &Error) -> bool {
    error.status() == Some(401)
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// A token that can do nothing before the second factor looks like a wrong one to the server.
pub(super) fn explained(error: Error, token: Option<&SecretString>) -> Error {
    let waits = error.is_unauthorized()
        && token
            .and_then(|token| Claims::of(token.expose_secret()))
            .is_some_and(|claims| claims.wants_second_factor());
    if waits {
        error.help("the account has a second factor: pass `auth().two_factor().challenge(code)` first")
    } else {
        error
    }
}

//! The token of every request, renewed by its age; and whose it is, asked once.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, Method};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;

use crate::error::{Error, ErrorKind, Result};
use crate::http::{Outgoing, Refusals, Turn};
use crate::settings::Settings;
use crate::token::{self, Claims};

use super::Core;

/// A server that can't renew now (or at all: openBalena lacks the old endpoint) is not asked before each request.
const PAUSE: Duration = Duration::from_secs(60);

/// What all clones share about the token, besides the token.
#[derive(Debug)]
pub(crate) struct Credential {
    /// Key of the environment: what counts while nobody is logged in.
    pub(crate) api_key: Option<SecretString>,
    /// One at a time renews. Whoever gives up lets the next one go on.
    turn: Semaphore,
    last: Mutex<Last>,
}

/// How renewing went last.
#[derive(Debug, Default)]
struct Last {
    times: u64,
    ended: Ended,
}

#[derive(Debug, Default)]
enum Ended {
    #[default]
    Renewed,
    /// The server could not; the old token goes on.
    NotNow(Timestamp),
    /// The server said no: what its answer was.
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
    pub(crate) fn new(api_key: Option<SecretString>) -> Self {
        Self { api_key, turn: Semaphore::new(1), last: Mutex::default() }
    }

    fn times(&self) -> u64 {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).times
    }

    fn ended(&self, ended: Ended) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.times += 1;
        last.ended = ended;
    }

    /// What the others found out while this one waited.
    fn meanwhile(&self, times: u64) -> Option<Result<()>> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        (last.times != times).then(|| match &last.ended {
            Ended::Renewed | Ended::NotNow(_) => Ok(()),
            Ended::Refused(refusal) => Err(refusal.error()),
        })
    }

    fn pauses(&self, now: Timestamp) -> bool {
        match self.last.lock().unwrap_or_else(PoisonError::into_inner).ended {
            // A clock that was set back does not make the pause longer.
            Ended::NotNow(at) => now >= at && now.duration_since(at) < PAUSE.try_into().unwrap_or_default(),
            Ended::Renewed | Ended::Refused(_) => false,
        }
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
            .help(if self.kind == ErrorKind::RateLimited {
                "wait a little, and send fewer requests: the setting request_limit paces them"
            } else {
                "log in again"
            });
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
    /// What the server says when it refuses to renew it; `is_io`, `is_config` when the settings file can't be
    /// read.
    pub(crate) async fn token(&self) -> Result<Option<SecretString>> {
        let times = self.credential.times();
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

    /// The token of the login, else the key of the environment, whatever its age.
    fn current(&self) -> Result<Option<SecretString>> {
        Ok(self.store.token()?.0.or_else(|| self.credential.api_key.clone()))
    }

    /// The token of the login, if it is to be renewed.
    fn old_token(&self) -> Result<Option<SecretString>> {
        Ok(self.store.token()?.0.filter(|token| self.is_old(token)))
    }

    fn is_old(&self, token: &SecretString) -> bool {
        let now = self.http.clock.now();
        let Some(issued) = Claims::of(token.expose_secret()).and_then(|claims| claims.issued_at()) else {
            return false;
        };
        let age = now.as_millisecond().saturating_sub(issued);
        let interval = i64::try_from(self.settings().token_refresh_interval.as_millis()).unwrap_or(i64::MAX);
        age >= interval && !self.credential.pauses(now)
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
                Ended::Renewed
            }
            (None, not_now) => {
                let why =
                    not_now.err().map_or("the answer is no token".to_owned(), |error| error.to_string());
                tracing::debug!(why, "going on with the old token");
                Ended::NotNow(self.http.clock.now())
            }
        };
        self.credential.ended(ended);
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
    let path = settings.api_version.names().token_renewal;
    Outgoing {
        method: Method::GET,
        url: format!("{}{path}", settings.api()),
        token: Some(token),
        headers: HeaderMap::new(),
        body: bytes::Bytes::new(),
        // The old token is good enough for another minute: no reason to insist.
        repeatable: false,
        turn: Turn::No,
        timeout: settings.timeout,
        what: Refusals::OfAThing,
        secret: None,
    }
}

/// A server without the endpoint (404), one that gave up waiting (408) or fails, a proxy (407), and none at all do
/// not refuse.
fn is_refusal(error: &Error) -> bool {
    error.status().is_some_and(|status| matches!(status, 400..500) && !matches!(status, 404 | 407 | 408))
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

//! Leases of the update lock, asked for from a running service.

use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Mutex;
use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep, sleep_until};

use crate::error::{Error, ErrorKind, Result};
use crate::tasks::lock;

use super::Client;
use super::call::Call;

const PATH: &str = "/agent/v1/locks";
/// TTL of a lease, unless another is asked for.
const DEFAULT_TTL: Duration = Duration::from_secs(300);
/// Time for the service to answer beyond the wait for the lock.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// Time for a release with all its attempts.
const RELEASE_LIMIT: Duration = Duration::from_secs(10);
/// Pause before a renewal that failed is tried again.
const RETRY_DELAY: Duration = Duration::from_secs(1);
/// Pause between two renewals that does not exhaust the rate that a client has, however short the TTL is.
const SHORTEST_PAUSE: Duration = Duration::from_millis(300);
/// Pause between two renewals of a lease without expiry, which only tell whether it is lost.
const KEPT_PAUSE: Duration = Duration::from_secs(60);

/// A lease of the update lock, as the service describes it. Durations are in seconds.
///
/// While any lease is held, the supervisor does not update, stop, restart or purge the services of the application,
/// and does not reboot or shut down the device, unless it is told to with `force`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Lease {
    /// Name that the client chose.
    pub name: String,
    /// The client.
    pub client: String,
    /// `held`, `lost`, `expired`, `released` or `revoked`.
    pub state: String,
    /// Id of this grant. Only the client that holds the lease sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Why the client holds it. Only that client sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The TTL; `None` if it does not expire.
    #[serde(default)]
    pub ttl: Option<u64>,
    /// When it was granted; `None` if the clock of the device was not trusted then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Time until it ends without a renewal; `None` if nothing ends it.
    #[serde(default)]
    pub seconds_left: Option<u64>,
    /// When that is; `None` if the clock of the device is not trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Time after which to renew it; `None` if nothing ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renew_after: Option<u64>,
    /// It is never held beyond this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
    /// Time until the service ends it, if that is announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_in: Option<u64>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// Whether it survives a restart of the service and a power loss. `None` in a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub durable: Option<bool>,
}

impl Lease {
    /// Returns whether the update lock is held for it.
    pub fn is_held(&self) -> bool {
        self.state == "held"
    }

    fn next_pause(&self) -> Duration {
        self.renew_after.map_or(KEPT_PAUSE, Duration::from_secs).max(SHORTEST_PAUSE)
    }
}

impl Client {
    /// Returns all leases that the service knows; those that ended for an hour too (`GET /agent/v1/locks`).
    ///
    /// # Errors
    /// `is_unauthorized` without the scope `locks`; the errors of [`health`](Self::health).
    pub async fn locks(&self) -> Result<Vec<Lease>> {
        #[derive(Deserialize)]
        struct Body {
            leases: Vec<Lease>,
        }
        let body: Body = self.call(Call::get(PATH)).await?;
        Ok(body.leases)
    }

    /// Asks for a lease of the update lock. Nothing is sent before `.await`.
    ///
    /// The name has 1 to 64 letters, digits, `.`, `_`, `-`. It is the client's own: two clients may use the same one. A
    /// client that asks again for a name that it holds renews the same lease.
    ///
    /// ```no_run
    /// # async fn example(agent: balena_agent::service::Client) -> balena_agent::Result<()> {
    /// # async fn write_firmware() {}
    /// use std::time::Duration;
    ///
    /// let lease = agent.lock("flash-modem").reason("writes firmware").wait(Duration::from_secs(60)).await?;
    /// tokio::select! {
    ///     () = write_firmware() => lease.release().await?,
    ///     error = lease.lost() => return Err(error), // an update or a reboot may come at any time
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn lock(&self, name: impl Into<String>) -> AcquireLease {
        AcquireLease {
            client: self.clone(),
            name: name.into(),
            ttl: Some(DEFAULT_TTL),
            reason: None,
            not_after: None,
            wait: Duration::ZERO,
        }
    }

    /// Releases a lease of this client by its name, e.g. one that an earlier process left. Returns it as it ended.
    ///
    /// # Errors
    /// `is_not_found` if there is none; `is_unauthorized` without the scope `locks`; the errors of
    /// [`health`](Self::health).
    pub async fn release_lock(&self, name: &str) -> Result<Lease> {
        self.call(Call::new(Method::DELETE, path_of(name))).await
    }
}

fn path_of(name: &str) -> String {
    format!("{PATH}/{}", utf8_percent_encode(name, NON_ALPHANUMERIC))
}

/// The request for a lease. Nothing is sent before `.await`.
#[derive(Debug, Clone)]
#[must_use = "the lease is not asked for before `.await`"]
pub struct AcquireLease {
    client: Client,
    name: String,
    ttl: Option<Duration>,
    reason: Option<String>,
    not_after: Option<Timestamp>,
    wait: Duration,
}

impl AcquireLease {
    /// Sets the TTL: the lease ends by itself this long after the last renewal. Whole seconds; 5 min by default.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Asks for a lease without expiry, which needs the scope `locks:keep`. It ends by a release only.
    pub fn keep(mut self) -> Self {
        self.ttl = None;
        self
    }

    /// Sets the reason for people who look. Up to 200 characters. Other clients do not see it.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Sets a time beyond which the lease is never held, however often it is renewed.
    pub fn not_after(mut self, time: Timestamp) -> Self {
        self.not_after = Some(time);
        self
    }

    /// Sets how long to wait while another program or the supervisor holds the lock: at most 5 min. Whole seconds; no
    /// wait by default.
    pub fn wait(mut self, limit: Duration) -> Self {
        self.wait = limit;
        self
    }

    async fn send(self) -> Result<HeldLease> {
        let mut body = Map::from_iter([("name".to_owned(), json!(self.name)), term(self.ttl)]);
        if let Some(reason) = &self.reason {
            body.insert("reason".to_owned(), json!(reason));
        }
        if let Some(time) = self.not_after {
            body.insert("not_after".to_owned(), json!(time));
        }
        if self.wait > Duration::ZERO {
            body.insert("wait".to_owned(), json!(self.wait.as_secs()));
        }
        let asked = Instant::now();
        let deadline = self.wait.saturating_add(ANSWER_LIMIT);
        // For one client and name the service grants one lease, so a second request does no harm.
        let call = Call::new(Method::POST, PATH).body(Value::Object(body)).deadline(deadline).repeatable();
        let lease: Lease = self.client.call(call).await?;
        let renewal = Renewal { last: asked, next: Instant::now() + lease.next_pause() };
        let path = path_of(&self.name);
        Ok(HeldLease { client: self.client, path, ttl: self.ttl, renewal: Mutex::new(renewal), lease })
    }
}

impl IntoFuture for AcquireLease {
    type Output = Result<HeldLease>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    /// # Errors
    /// `is_locked` if the lock is held by another program or the supervisor;
    /// [`lock_holder`](crate::Error::lock_holder) names it. `is_invalid_argument` if a value is out of its range.
    /// `is_unauthorized` without the scope `locks`. `is_rate_limited` if the client has too many leases. `is_server` if
    /// the service is starting, stopping or parked. The errors of [`Client::health`].
    ///
    /// Dropping the future ends the wait. A lease that was granted just then ends after its TTL.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// A lease that this program holds. Dropping it does not release it: it then ends after its TTL. Call
/// [`release`](Self::release).
#[derive(Debug)]
#[must_use = "renew it with `lost`, and release it"]
pub struct HeldLease {
    client: Client,
    path: String,
    ttl: Option<Duration>,
    renewal: Mutex<Renewal>,
    lease: Lease,
}

#[derive(Debug, Clone, Copy)]
struct Renewal {
    /// Start of the last successful one.
    last: Instant,
    next: Instant,
}

impl HeldLease {
    /// Returns the lease as it was granted.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Renews the lease until it is lost, then resolves with the reason. For `select!` next to the guarded work.
    ///
    /// While the service does not answer, the renewal is tried again until the TTL is over: a service that restarts
    /// continues the lease. Dropping the future stops the renewals; a later call goes on with them.
    pub async fn lost(&self) -> Error {
        loop {
            let Renewal { last, next } = *lock(&self.renewal);
            sleep_until(next).await;
            let asked = Instant::now();
            let end = self.ttl.map(|ttl| last + ttl);
            let left = end.map_or(ANSWER_LIMIT, |end| end.saturating_duration_since(asked));
            let renewed = self.renew(left.clamp(RETRY_DELAY, ANSWER_LIMIT)).await;
            let now = Instant::now();
            match renewed {
                Ok(lease) => *lock(&self.renewal) = Renewal { last: asked, next: now + lease.next_pause() },
                Err(error) if is_passing(&error) && end.is_none_or(|end| now < end) => {
                    lock(&self.renewal).next = now + RETRY_DELAY;
                }
                Err(error) => return error,
            }
        }
    }

    async fn renew(&self, deadline: Duration) -> Result<Lease> {
        let mut body = Map::from_iter([term(self.ttl)]);
        if let Some(id) = &self.lease.id {
            body.insert("id".to_owned(), json!(id));
        }
        let call = Call::new(Method::PUT, self.path.as_str()).body(Value::Object(body)).deadline(deadline);
        self.client.call(call).await
    }

    /// Releases the lease. While the service does not answer, tries again for 10 s: it may be restarting.
    ///
    /// # Errors
    /// `is_conflict` if it had ended before, so that the work was not guarded to the end. The errors of
    /// [`Client::health`]: the lease then ends after its TTL.
    pub async fn release(self) -> Result<()> {
        let end = Instant::now() + RELEASE_LIMIT;
        let lease: Lease = loop {
            let call = Call::new(Method::DELETE, self.path.as_str()).deadline(RELEASE_LIMIT);
            match self.client.call(call).await {
                Ok(lease) => break lease,
                Err(error) if is_passing(&error) && Instant::now() + RETRY_DELAY < end => {
                    sleep(RETRY_DELAY).await;
                }
                // The service has forgotten it, as after a restart without a state directory.
                Err(error) if error.is_not_found() => return Err(error.with_kind(ErrorKind::Conflict)),
                Err(error) => return Err(error),
            }
        };
        if lease.state == "released" {
            return Ok(());
        }
        let why = lease.ended.as_deref().unwrap_or("no reason given");
        let text = format!("lease {} was {} before its release: {why}", lease.name, lease.state);
        Err(Error::new(ErrorKind::Conflict, text)
            .with_operation(format!("DELETE {}", self.path))
            .with_sent(true)
            .with_help("what it guarded may have been interrupted"))
    }
}

/// The field of a request that says how long the lease lasts.
fn term(ttl: Option<Duration>) -> (String, Value) {
    ttl.map_or(("keep".to_owned(), json!(true)), |ttl| ("ttl".to_owned(), json!(ttl.as_secs())))
}

/// Returns whether a later renewal may succeed. A token that is refused may be one that is being replaced.
fn is_passing(error: &Error) -> bool {
    use ErrorKind::{RateLimited, Server, Timeout, Unauthorized, Unreachable};
    matches!(error.kind(), Unreachable | Timeout | Server | RateLimited | Unauthorized)
}

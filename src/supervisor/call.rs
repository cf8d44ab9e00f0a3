//! One request to the supervisor: built first, sent by `.await`.

use std::borrow::Cow;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header;
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::error::{BODY_LIMIT, Error, ErrorKind, Result};
use crate::http::{Body, BodyError, FreshConnection, Request, TransportError, of_lost};

use super::Supervisor;
use super::answer::{Answer, no_answer};
use super::device::data_or_error;
use super::endpoint::{Endpoint, Nature};
use super::link::Link;
use super::patience::with_patience;
use super::redact::SPELLING;

/// Largest answer that is read into memory.
const ANSWER_LIMIT: usize = 64 * 1024 * 1024;

/// Options of a call that can override update locks.
#[derive(Debug)]
pub struct Forceable;

/// Options of [`Supervisor::update`].
#[derive(Debug)]
pub struct Updating;

/// A call to the supervisor. Nothing is sent before `.await`; `O` says which options it has.
///
/// Every call has a deadline for each try (reads 10 s, device actions 20 s, service actions and host
/// config 60 s, app restart and purge 300 s) and, unless given [patience](Self::patience), is tried once.
/// Dropping the future cancels the wait; a change that was already sent may still happen.
#[must_use = "nothing is sent before `.await`"]
pub struct Call<T, O = ()> {
    supervisor: Supervisor,
    spec: Result<Spec>,
    deadline: Option<Duration>,
    patience: Option<Duration>,
    read: Reader<T>,
    options: PhantomData<fn(O)>,
}

/// From a whole answer to the value.
pub(crate) type Reader<T> = fn(Answer) -> Result<T>;

/// What is sent.
pub(crate) struct Spec {
    pub(crate) endpoint: &'static Endpoint,
    pub(crate) path: Cow<'static, str>,
    /// Encoded pairs that follow the key.
    pub(crate) query: Option<String>,
    /// `None` is no body at all, which is not the same as `{}`.
    pub(crate) body: Option<Value>,
}

impl Spec {
    pub(crate) fn new(endpoint: &'static Endpoint, path: impl Into<Cow<'static, str>>) -> Self {
        Self { endpoint, path: path.into(), query: None, body: None }
    }

    pub(crate) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    fn set(&mut self, name: &str, value: Value) {
        if let Value::Object(fields) = self.body.get_or_insert_with(|| Value::Object(Map::new())) {
            fields.insert(name.to_owned(), value);
        }
    }

    fn operation(&self) -> String {
        format!("{} {}", self.endpoint.method, self.path)
    }
}

/// Without values: a body may hold a password, a target state holds every secret there is.
impl std::fmt::Debug for Spec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let fields: Option<Vec<&String>> =
            self.body.as_ref().and_then(Value::as_object).map(|fields| fields.keys().collect());
        f.debug_struct("Spec")
            .field("operation", &self.operation())
            .field("fields", &fields)
            .finish_non_exhaustive()
    }
}

impl<T, O> Call<T, O> {
    pub(crate) fn new(supervisor: &Supervisor, spec: Result<Spec>, read: Reader<T>) -> Self {
        Self {
            supervisor: supervisor.clone(),
            spec,
            deadline: None,
            patience: supervisor.patience(),
            read,
            options: PhantomData,
        }
    }

    /// Keeps trying for this long while the supervisor can't be reached, as during its restart (15–60 s).
    ///
    /// A request that never left is sent again. One that was sent is repeated only if that is safe: reads
    /// that can't take the supervisor down, and changes with the same effect however often they arrive
    /// (start-service, tags). Without patience every call fails at once.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// Another deadline for each try than the endpoint's own.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// What is sent, within what time, and how the answer is read: for a call that goes another way.
    pub(crate) fn into_parts(self) -> Result<(Spec, Option<Duration>, Reader<T>)> {
        Ok((self.spec?, self.deadline, self.read))
    }

    /// The same call, of whose answer nothing is wanted.
    pub(crate) fn without_value(self) -> Call<(), O> {
        Call {
            supervisor: self.supervisor,
            spec: self.spec,
            deadline: self.deadline,
            patience: self.patience,
            read: data_or_error,
            options: PhantomData,
        }
    }
}

impl<T> Call<T, Forceable> {
    /// Overrides update locks: the supervisor deletes the lock files of others and goes on. On reboot and
    /// shutdown it also ignores a running host OS update.
    pub fn force(mut self) -> Self {
        if let Ok(spec) = &mut self.spec {
            spec.set("force", true.into());
        }
        self
    }
}

impl<T> Call<T, Updating> {
    /// Applies the update although update locks are held. While a locked update is already being
    /// retried, force alone changes nothing: add [`cancel`](Self::cancel) (§8).
    pub fn force(mut self) -> Self {
        if let Ok(spec) = &mut self.spec {
            spec.set("force", true.into());
        }
        self
    }

    /// Ends what is being applied or downloaded and starts over; also the way to make the supervisor
    /// notice at once that a lock is gone.
    pub fn cancel(mut self) -> Self {
        if let Ok(spec) = &mut self.spec {
            spec.set("cancel", true.into());
        }
        self
    }
}

impl<T: Send + 'static, O: 'static> IntoFuture for Call<T, O> {
    type Output = Result<T>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let sent = self.supervisor.answer(self.spec?, self.deadline, self.patience).await;
            let (answer, attempts) = sent?;
            (self.read)(answer).map_err(|error| error.with_attempts(attempts))
        })
    }
}

impl<T, O> std::fmt::Debug for Call<T, O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call")
            .field("spec", &self.spec)
            .field("deadline", &self.deadline)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

/// The head of an answer, its body still to come.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) operation: String,
    body: Body,
}

impl Opened {
    /// The next piece of the body, `None` at its end.
    ///
    /// # Errors
    /// `is_unreachable` when the connection broke.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        self.body.poll_next(cx).map_err(|error| {
            Error::new(ErrorKind::Unreachable, format!("the stream broke ({error})"))
                .operation(self.operation.clone())
                .sent(true)
                .because(error)
                .help("the supervisor restarted or was stopped; open the stream again")
        })
    }
}

impl Supervisor {
    /// Sends and reads the whole answer, and tells how often it had to. Not generic: compiled once for every endpoint.
    pub(crate) async fn answer(
        &self,
        spec: Spec,
        deadline: Option<Duration>,
        patience: Option<Duration>,
    ) -> Result<(Answer, u32)> {
        let link = self.link()?;
        // Held until the answer is there, so that the next app restart or purge starts after this one.
        let _turn = if spec.endpoint.takes_turns { Some(self.turn().await) } else { None };
        let each = deadline.unwrap_or(spec.endpoint.deadline);
        with_patience(spec.endpoint.nature, patience, || async {
            let left = AtomicBool::new(false);
            tokio::time::timeout(each, async {
                let (status, body) = self.open(link, &spec, &left).await?;
                self.finish(&spec, status, body).await
            })
            .await
            .unwrap_or_else(|_| Err(no_answer(spec.endpoint, spec.operation(), each, left.into_inner())))
        })
        .await
    }

    /// Sends and hands the body over unread, for streams.
    pub(crate) async fn open_stream(&self, spec: Spec, patience: Option<Duration>) -> Result<Opened> {
        let link = self.link()?;
        let each = spec.endpoint.deadline;
        with_patience(spec.endpoint.nature, patience, || async {
            let left = AtomicBool::new(false);
            tokio::time::timeout(each, async {
                let (status, body) = self.open(link, &spec, &left).await?;
                if status == 200 {
                    return Ok(Opened { operation: spec.operation(), body });
                }
                let answer = self.finish(&spec, status, body).await?;
                Err(answer.unreadable("not a stream"))
            })
            .await
            .unwrap_or_else(|_| Err(no_answer(spec.endpoint, spec.operation(), each, left.into_inner())))
        })
        .await
        .map(|(opened, _)| opened)
    }

    /// One exchange, up to the head of the answer.
    async fn open(&self, link: &Link, spec: &Spec, left: &AtomicBool) -> Result<(u16, Body)> {
        let started = Instant::now();
        let result = match link.transport.send_noting(request(link, spec)?, left).await {
            // The server may close an idle connection just as it is used again; a read can simply be sent anew.
            Err(error) if error.reused && (!error.sent || spec.endpoint.nature == Nature::Read) => {
                let mut request = request(link, spec)?;
                request.extensions_mut().insert(FreshConnection);
                link.transport.send_noting(request, left).await
            }
            result => result,
        };
        let elapsed = started.elapsed();
        match result {
            Ok(response) => {
                let status = response.status().as_u16();
                tracing::debug!(method = %spec.endpoint.method, path = %spec.path, status, ?elapsed, "supervisor call");
                Ok((status, response.into_body()))
            }
            Err(error) => {
                tracing::debug!(method = %spec.endpoint.method, path = %spec.path, %error, ?elapsed, "supervisor call failed");
                Err(self.broken(spec, None, error))
            }
        }
    }

    async fn finish(&self, spec: &Spec, status: u16, body: Body) -> Result<Answer> {
        let says_no = spec.endpoint.says_no_by_500 && status == 500;
        let refused = !(200..300).contains(&status) && !says_no;
        let body = if refused {
            // Some more than is kept, so that no key is cut in two and then not recognised.
            body.collect_some(BODY_LIMIT + self.secret().len() * SPELLING).await
        } else {
            body.collect(ANSWER_LIMIT).await.map_err(|error| match error {
                BodyError::Transport(error) => self.broken(spec, Some(status), error),
                BodyError::TooLong(limit) => {
                    Error::new(ErrorKind::Decode, format!("the answer is longer than {limit} bytes"))
                        .operation(spec.operation())
                        .with_status(status)
                        .sent(true)
                }
            })?
        };
        let supervisor = self.clone();
        let answer =
            Answer { supervisor, endpoint: spec.endpoint, operation: spec.operation(), status, body };
        if refused { Err(answer.refusal()) } else { Ok(answer) }
    }

    /// No answer, or half of one: nothing happened, it may have happened, or a read just failed.
    fn broken(&self, spec: &Spec, status: Option<u16>, cause: TransportError) -> Error {
        let address = self.address().unwrap_or_default();
        let kind = of_lost(spec.endpoint.nature.effect(), cause.sent);
        let when = if status.is_some() { "in mid-answer" } else { "before an answer" };
        let (kind, message, help) = if !cause.sent {
            (kind, format!("can't reach the supervisor at {address} ({cause})"), GONE)
        } else if kind == ErrorKind::UnknownOutcome {
            (kind, format!("the connection closed {when} ({cause})"), LOOK)
        } else if cause.is_garbled() {
            (ErrorKind::Decode, format!("what listens at {address} does not speak HTTP ({cause})"), WHOSE)
        } else {
            (kind, format!("the supervisor at {address} closed the connection {when} ({cause})"), GONE)
        };
        let error = Error::new(kind, message).operation(spec.operation()).sent(cause.sent).help(help);
        let error = error.because(cause);
        match status {
            Some(status) => error.with_status(status),
            None => error,
        }
    }
}

const GONE: &str = "it restarts within a minute if the device is well; the label \
                    io.balena.features.supervisor-api opens the way to it";
pub(super) const LOOK: &str =
    "it may have happened, and may have ended the caller: look at the state before sending it again";
const WHOSE: &str = "is BALENA_SUPERVISOR_ADDRESS really the supervisor's? `balena-agent doctor` tells";

fn request(link: &Link, spec: &Spec) -> Result<Request> {
    let mut uri = String::with_capacity(spec.path.len() + link.query.len() + 16);
    uri.push_str(&spec.path);
    let mut separator = '?';
    for part in [Some(link.query.as_str()), spec.query.as_deref()].into_iter().flatten() {
        if !part.is_empty() {
            uri.push(separator);
            uri.push_str(part);
            separator = '&';
        }
    }
    let mut request = http::Request::builder()
        .method(spec.endpoint.method.clone())
        .uri(uri)
        .header(header::HOST, link.host.clone())
        .header(header::USER_AGENT, USER_AGENT);
    let body = match &spec.body {
        Some(body) => {
            request = request.header(header::CONTENT_TYPE, "application/json");
            Bytes::from(body.to_string())
        }
        None => Bytes::new(),
    };
    if spec.endpoint.nature != Nature::Read {
        request = request.extension(FreshConnection);
    }
    // Every part was checked when it was made; what is left is a service name with odd characters.
    request
        .body(body)
        .map_err(|_| Error::argument("path", "it can't be part of an address").operation(spec.operation()))
}

/// Neutral: a proxy in front of newer supervisors routes by `Supervisor/…` (§1.1).
const USER_AGENT: &str = concat!("balena-agent/", env!("CARGO_PKG_VERSION"));

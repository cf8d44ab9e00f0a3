//! One request to the supervisor: built first, sent by `.await`.

use std::borrow::Cow;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::header;
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result};
use crate::http::{Body, BodyError, FreshConnection, Request, TransportError};

use super::Supervisor;
use super::answer::{Answer, no_answer};
use super::device::data_or_error;
use super::endpoint::{Endpoint, Nature};

/// Largest answer that is read into memory.
const ANSWER_LIMIT: usize = 64 * 1024 * 1024;
/// First pause between tries when a call has patience; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

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
#[derive(Debug)]
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
            let answer = self.supervisor.answer(self.spec?, self.deadline, self.patience).await?;
            (self.read)(answer)
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
pub(crate) struct Opened {
    pub(crate) operation: String,
    pub(crate) body: Body,
}

impl Supervisor {
    /// Sends and reads the whole answer. Not generic: compiled once for every endpoint.
    pub(crate) async fn answer(
        &self,
        spec: Spec,
        deadline: Option<Duration>,
        patience: Option<Duration>,
    ) -> Result<Answer> {
        // Held until the answer is there, so that the next app restart or purge starts after this one.
        let _turn = if spec.endpoint.takes_turns { Some(self.turn().await) } else { None };
        let each = deadline.unwrap_or(spec.endpoint.deadline);
        self.with_patience(spec.endpoint.nature, patience, || async {
            tokio::time::timeout(each, async {
                let (status, body) = self.open(&spec).await?;
                self.finish(&spec, status, body).await
            })
            .await
            .unwrap_or_else(|_| Err(no_answer(spec.endpoint, spec.operation(), each, true)))
        })
        .await
    }

    /// Sends and hands the body over unread, for streams.
    pub(crate) async fn open_stream(&self, spec: Spec, patience: Option<Duration>) -> Result<Opened> {
        let each = spec.endpoint.deadline;
        self.with_patience(spec.endpoint.nature, patience, || async {
            tokio::time::timeout(each, async {
                let (status, body) = self.open(&spec).await?;
                if status == 200 {
                    Ok(Opened { operation: spec.operation(), body })
                } else {
                    Err(self.finish(&spec, status, body).await.err().unwrap_or_else(|| {
                        Error::new(ErrorKind::Decode, format!("status {status} instead of a stream"))
                    }))
                }
            })
            .await
            .unwrap_or_else(|_| Err(no_answer(spec.endpoint, spec.operation(), each, true)))
        })
        .await
    }

    /// Tries until it succeeds, fails for good, or the patience runs out.
    async fn with_patience<T, F: Future<Output = Result<T>>>(
        &self,
        nature: Nature,
        patience: Option<Duration>,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T> {
        let until = patience.map(|patience| Instant::now() + patience);
        let mut pause = FIRST_PAUSE;
        let mut attempts = 1;
        loop {
            let error = match attempt().await {
                Ok(value) => return Ok(value),
                Err(error) => error.with_attempts(attempts),
            };
            let gone = error.is_unreachable()
                || error.is_unknown_outcome()
                || error.status() == Some(503) && error.is_server();
            let again = gone && (!error.was_sent() || nature.may_repeat());
            match until {
                Some(until) if again && Instant::now() + pause < until => {}
                _ => return Err(error),
            }
            tracing::debug!(attempts, error = %error, "the supervisor is not there, trying again");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            attempts += 1;
        }
    }

    /// One exchange, up to the head of the answer.
    async fn open(&self, spec: &Spec) -> Result<(u16, Body)> {
        let started = Instant::now();
        let result = match self.link()?.transport.send(self.request(spec)?).await {
            // The server may close an idle connection just as it is used again; a read can simply be sent anew.
            Err(error) if error.reused && (!error.sent || spec.endpoint.nature == Nature::Read) => {
                let mut request = self.request(spec)?;
                request.extensions_mut().insert(FreshConnection);
                self.link()?.transport.send(request).await
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
                Err(self.broken(spec, error))
            }
        }
    }

    async fn finish(&self, spec: &Spec, status: u16, body: Body) -> Result<Answer> {
        let refused = status >= 300;
        let body = if refused {
            self.without_key(body.collect_some(crate::error::BODY_LIMIT).await)
        } else {
            body.collect(ANSWER_LIMIT).await.map_err(|error| match error {
                BodyError::Transport(error) => self.broken(spec, error),
                BodyError::TooLong(limit) => {
                    Error::new(ErrorKind::Decode, format!("the answer is longer than {limit} bytes"))
                        .operation(spec.operation())
                        .with_status(status)
                        .sent(true)
                }
            })?
        };
        let answer = Answer { endpoint: spec.endpoint, operation: spec.operation(), status, body };
        if refused { Err(answer.refusal()) } else { Ok(answer) }
    }

    fn request(&self, spec: &Spec) -> Result<Request> {
        let link = self.link()?;
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
        request.body(body).map_err(|_| {
            Error::argument("path", "it can't be part of an address").operation(spec.operation())
        })
    }

    /// No answer: nothing happened, it may have happened, or a read just failed.
    fn broken(&self, spec: &Spec, error: TransportError) -> Error {
        let operation = spec.operation();
        let sent = error.sent;
        if sent && spec.endpoint.nature.changes() {
            return Error::new(ErrorKind::UnknownOutcome, format!("the connection closed before an answer ({error})"))
                .operation(operation)
                .sent(true)
                .because(error)
                .help("it may have happened, and may have ended the caller: look at the state before sending it again");
        }
        let address = self.address().unwrap_or_default();
        let message = if sent {
            format!("the supervisor at {address} closed the connection before an answer ({error})")
        } else {
            format!("can't reach the supervisor at {address} ({error})")
        };
        Error::new(ErrorKind::Unreachable, message)
            .operation(operation)
            .sent(sent)
            .because(error)
            .help("it restarts within a minute if the device is well; the label io.balena.features.supervisor-api opens the way to it")
    }
}

/// Neutral: a proxy in front of newer supervisors routes by `Supervisor/…` (§1.1).
const USER_AGENT: &str = concat!("balena-agent/", env!("CARGO_PKG_VERSION"));

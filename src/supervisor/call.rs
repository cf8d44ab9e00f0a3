//! One request to the supervisor: built first, sent by `.await`.

use std::borrow::Cow;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result};
use crate::http::{Body, BoxFuture};

use super::Supervisor;
use super::affected::Affected;
use super::answer::Answer;
use super::confirm::Confirm;
use super::device::data_or_error;
use super::endpoint::Endpoint;
use super::locked::Force;
use super::patience::end_of;

/// Options of a call that can override update locks.
#[derive(Debug)]
pub struct Forceable;

/// Options of [`Supervisor::update`].
#[derive(Debug)]
pub struct Updating;

/// Options of a call that makes all containers of an application anew.
#[derive(Debug)]
pub struct Recreating;

/// Options of [`Application::restart_service`](super::Application::restart_service).
#[derive(Debug)]
pub struct RestartingService;

/// Options of [`Application::stop_service`](super::Application::stop_service).
#[derive(Debug)]
pub struct StoppingService;

/// Options of [`Application::start_service`](super::Application::start_service).
#[derive(Debug)]
pub struct StartingService;

mod sealed {
    pub trait Options {}
}

macro_rules! options {
    ($($(#[$doc:meta])* $option:ident: $($of:ident)+;)*) => {$(
        $(#[$doc])*
        pub trait $option: sealed::Options {}
        $(impl $option for $of {})+
    )*};
}

impl sealed::Options for Forceable {}
impl sealed::Options for Recreating {}
impl sealed::Options for RestartingService {}
impl sealed::Options for StoppingService {}
impl sealed::Options for StartingService {}

options! {
    /// Options of calls that update locks refuse, and that can override them.
    TakesForce: Forceable Recreating RestartingService StoppingService;
    /// Options of calls that name a service.
    NamesService: RestartingService StoppingService StartingService;
    /// Options of calls after which containers are new ones.
    MakesContainers: Recreating RestartingService;
}

/// A call to the supervisor. Nothing is sent before `.await`; `O` says which options it has.
///
/// Every call has a deadline for each try (reads 10 s, device actions 20 s, service actions and host
/// config 60 s, app restart and purge 300 s) and, unless given [patience](Self::patience), is tried once.
/// Dropping the future cancels the wait; a change that was already sent may still happen.
#[must_use = "nothing is sent before `.await`"]
pub struct Call<T, O = ()> {
    sending: Sending,
    read: Reader<T>,
    options: PhantomData<fn(O)>,
}

/// A call without the type of its value: what sends it is compiled once for all of them.
pub(crate) struct Sending {
    supervisor: Supervisor,
    pub(crate) spec: Result<Spec>,
    pub(crate) deadline: Option<Duration>,
    patience: Option<Duration>,
    /// What of this device it acts on, where that can be looked at before.
    affected: Option<Affected>,
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

    /// Whether it overrides update locks.
    pub(crate) fn force(&self) -> Force {
        let given = self.body.as_ref().and_then(|body| body.get("force")) == Some(&Value::Bool(true));
        match (self.endpoint.takes_locks, given) {
            (false, _) => Force::NotTaken,
            (true, false) => Force::Offered,
            (true, true) => Force::Given,
        }
    }

    fn set(&mut self, name: &str, value: Value) {
        if let Value::Object(fields) = self.body.get_or_insert_with(|| Value::Object(Map::new())) {
            fields.insert(name.to_owned(), value);
        }
    }

    pub(super) fn operation(&self) -> String {
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
        let supervisor = supervisor.clone();
        let patience = supervisor.patience();
        let sending = Sending { supervisor, spec, deadline: None, patience, affected: None };
        Self { sending, read, options: PhantomData }
    }

    /// The same call, which acts on this.
    pub(super) fn on(mut self, affected: Option<Affected>) -> Self {
        // For a wrong argument nothing is looked at.
        self.sending.affected = affected.filter(|_| self.sending.spec.is_ok());
        self
    }

    /// Keeps trying for this long while the supervisor can't be reached, as during its restart (15–60 s).
    ///
    /// A request that never left is sent again. One that was sent is repeated only if that is safe: reads
    /// that can't take the supervisor down, and changes with the same effect however often they arrive
    /// (start-service, tags). Without patience every call fails at once.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.sending.patience = Some(patience);
        self
    }

    /// Another deadline for each try than the endpoint's own.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.sending.deadline = Some(deadline);
        self
    }

    /// What is sent, and how the answer is read.
    pub(crate) fn into_parts(self) -> (Sending, Reader<T>) {
        (self.sending, self.read)
    }

    /// The same call, of whose answer nothing is wanted.
    pub(crate) fn without_value(self) -> Call<(), O> {
        Call { sending: self.sending, read: data_or_error, options: PhantomData }
    }
}

impl<T, O: TakesForce> Call<T, O> {
    /// Overrides update locks: the supervisor deletes the lock files of others and goes on. On reboot and
    /// shutdown it also ignores a running host OS update.
    pub fn force(mut self) -> Self {
        if let Ok(spec) = &mut self.sending.spec {
            spec.set("force", true.into());
        }
        self
    }
}

impl<T, O: NamesService> Call<T, O> {
    /// Sends it without a look at the service's name first.
    pub fn unchecked(mut self) -> Self {
        self.sending.affected = self.sending.affected.map(Affected::unchecked);
        self
    }

    /// Looks at an image id too before it is sent (`GET /v2/applications/:appId/state`), as by default at a name.
    ///
    /// # Errors
    /// `is_not_found` when no service of the application runs this image; nothing was sent then.
    pub fn checked(mut self) -> Self {
        self.sending.affected = self.sending.affected.map(Affected::checked);
        self
    }
}

impl<O: MakesContainers> Call<(), O> {
    /// Tells whether the containers are new ones: the supervisor answers 200 also when the engine could not stop
    /// a container. Their ids are read once before and once after (`GET /v2/state/status`); if the engine is ill
    /// that read can make the supervisor exit.
    ///
    /// # Errors
    /// Those of the call; `is_server` when it was answered with success and a container is the same as before.
    pub fn confirm(self) -> Confirm<O> {
        Confirm::new(self)
    }
}

impl<T> Call<T, Updating> {
    /// Applies the update although update locks are held. While a locked update is already being
    /// retried, force alone changes nothing: add [`cancel`](Self::cancel) (§8).
    pub fn force(mut self) -> Self {
        if let Ok(spec) = &mut self.sending.spec {
            spec.set("force", true.into());
        }
        self
    }

    /// Ends what is being applied or downloaded and starts over; also the way to make the supervisor
    /// notice at once that a lock is gone.
    pub fn cancel(mut self) -> Self {
        if let Ok(spec) = &mut self.sending.spec {
            spec.set("cancel", true.into());
        }
        self
    }
}

impl<T: Send + 'static, O: 'static> IntoFuture for Call<T, O> {
    type Output = Result<T>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { sending, read, .. } = self;
        let answered = sending.answered();
        Box::pin(async move {
            let (answer, attempts) = answered.await?;
            read(answer).map_err(|error| error.with_attempts(attempts))
        })
    }
}

impl Sending {
    /// The answer, and how often it had to be sent for it.
    pub(crate) fn answered(self) -> BoxFuture<'static, Result<(Answer, u32)>> {
        Box::pin(async move {
            let time = self.time();
            self.check(&time).await?;
            self.send(&time).await
        })
    }

    pub(super) fn time(&self) -> CallTime {
        CallTime { deadline: self.deadline, until: self.patience.map(end_of) }
    }

    /// Looks whether the service is there that the call names.
    pub(super) async fn check(&self, time: &CallTime) -> Result<()> {
        match (&self.spec, &self.affected) {
            (Ok(spec), Some(affected)) => affected.check(&self.supervisor, &spec.operation(), time).await,
            _ => Ok(()),
        }
    }

    /// The supervisor, what the call acts on, and what it is called.
    pub(super) fn about(&self) -> (Supervisor, Option<Affected>, String) {
        let operation = self.spec.as_ref().map(Spec::operation).unwrap_or_default();
        (self.supervisor.clone(), self.affected.clone(), operation)
    }

    pub(super) async fn send(self, time: &CallTime) -> Result<(Answer, u32)> {
        self.supervisor.answer(self.spec?, time.deadline, time.patience()).await
    }
}

/// The time that a call has, together with the reads around it.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallTime {
    /// For each try.
    pub(super) deadline: Option<Duration>,
    /// When its patience ends.
    until: Option<Instant>,
}

impl CallTime {
    /// What is left of its patience.
    pub(super) fn patience(&self) -> Option<Duration> {
        self.until.map(|until| until.saturating_duration_since(Instant::now()))
    }

    /// The deadline of a read around it: never longer than the read's own.
    pub(super) fn for_read(&self, endpoint: &Endpoint) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.min(endpoint.deadline))
    }
}

impl<T, O> std::fmt::Debug for Call<T, O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call")
            .field("spec", &self.sending.spec)
            .field("deadline", &self.sending.deadline)
            .field("patience", &self.sending.patience)
            .finish_non_exhaustive()
    }
}

/// The head of an answer, its body still to come.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) operation: String,
    pub(super) body: Body,
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

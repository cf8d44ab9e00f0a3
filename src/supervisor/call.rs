//! One request to the supervisor, which is built first and sent by `.await`.

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
use super::action_target::ActionTarget;
use super::confirm::Confirm;
use super::device::data_or_error;
use super::endpoint::Endpoint;
use super::locked::Force;
use super::patience::end_of;
use super::response::SupervisorResponse;

/// Options of a call that can override update locks.
#[derive(Debug)]
pub struct ForceOptions;

/// Options of [`Supervisor::update`].
#[derive(Debug)]
pub struct UpdateOptions;

/// Options of a call that recreates all containers of an application.
#[derive(Debug)]
pub struct RecreateOptions;

/// Options of [`Application::restart_service`](super::Application::restart_service).
#[derive(Debug)]
pub struct RestartServiceOptions;

/// Options of [`Application::stop_service`](super::Application::stop_service).
#[derive(Debug)]
pub struct StopServiceOptions;

/// Options of [`Application::start_service`](super::Application::start_service).
#[derive(Debug)]
pub struct StartServiceOptions;

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

impl sealed::Options for ForceOptions {}
impl sealed::Options for RecreateOptions {}
impl sealed::Options for RestartServiceOptions {}
impl sealed::Options for StopServiceOptions {}
impl sealed::Options for StartServiceOptions {}

options! {
    /// Options of calls that are subject to update locks and can override them.
    TakesForce: ForceOptions RecreateOptions RestartServiceOptions StopServiceOptions;
    /// Options of calls that name a service.
    NamesService: RestartServiceOptions StopServiceOptions StartServiceOptions;
    /// Options of calls that recreate containers.
    MakesContainers: RecreateOptions RestartServiceOptions;
}

/// A call to the supervisor. Nothing is sent before `.await`. `O` determines which options it has.
///
/// Each attempt has a deadline: reads 10 s, device actions 20 s, service actions and host config 60 s, app restart
/// and purge 300 s. Without [patience](Self::patience) there is one attempt. Dropping the future cancels the wait; a
/// change that was already sent may still take effect.
#[must_use = "nothing is sent before `.await`"]
pub struct Call<T, O = ()> {
    call: PendingCall,
    read: Decoder<T>,
    options: PhantomData<fn(O)>,
}

/// A call without the type of its value, so that the code that sends it is compiled only once.
pub(crate) struct PendingCall {
    supervisor: Supervisor,
    pub(crate) spec: Result<RequestSpec>,
    pub(crate) deadline: Option<Duration>,
    patience: Option<Duration>,
    /// What the call acts on, if that can be checked before it is sent.
    affected: Option<ActionTarget>,
}

/// Converts a buffered response to the value.
pub(crate) type Decoder<T> = fn(SupervisorResponse) -> Result<T>;

/// A request: endpoint, path, query and body.
pub(crate) struct RequestSpec {
    pub(crate) endpoint: &'static Endpoint,
    pub(crate) path: Cow<'static, str>,
    /// Encoded query parameters after the key.
    pub(crate) query: Option<String>,
    /// `None` is no body, which differs from `{}`.
    pub(crate) body: Option<Value>,
}

impl RequestSpec {
    pub(crate) fn new(endpoint: &'static Endpoint, path: impl Into<Cow<'static, str>>) -> Self {
        Self { endpoint, path: path.into(), query: None, body: None }
    }

    pub(crate) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// Returns whether the request overrides update locks.
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

/// Omits the values: a body may contain a password, a target state contains every secret.
impl std::fmt::Debug for RequestSpec {
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
    pub(crate) fn new(supervisor: &Supervisor, spec: Result<RequestSpec>, read: Decoder<T>) -> Self {
        let supervisor = supervisor.clone();
        let patience = supervisor.patience();
        let sending = PendingCall { supervisor, spec, deadline: None, patience, affected: None };
        Self { call: sending, read, options: PhantomData }
    }

    /// Returns the same call with what it acts on.
    pub(super) fn acting_on(mut self, affected: Option<ActionTarget>) -> Self {
        // An invalid argument needs no check.
        self.call.affected = affected.filter(|_| self.call.spec.is_ok());
        self
    }

    /// Retries for this long while the supervisor can't be reached, as during its restart (15–60 s).
    ///
    /// A request that was not sent is always retried. One that was sent is retried only if that is safe: reads that
    /// can't crash the supervisor, and idempotent changes (start-service, tags). Without patience a call has a single
    /// attempt.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.call.patience = Some(patience);
        self
    }

    /// Replaces the endpoint's deadline of each attempt.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.call.deadline = Some(deadline);
        self
    }

    /// Returns what sends the request and what reads the response.
    pub(crate) fn into_parts(self) -> (PendingCall, Decoder<T>) {
        (self.call, self.read)
    }

    /// Returns the same call without a value.
    pub(crate) fn without_value(self) -> Call<(), O> {
        Call { call: self.call, read: data_or_error, options: PhantomData }
    }
}

impl<T, O: TakesForce> Call<T, O> {
    /// Overrides update locks: the supervisor deletes the lock files of others and proceeds. On reboot and shutdown
    /// it also ignores a running host OS update.
    pub fn force(mut self) -> Self {
        if let Ok(spec) = &mut self.call.spec {
            spec.set("force", true.into());
        }
        self
    }
}

impl<T, O: NamesService> Call<T, O> {
    /// Sends the call without checking the service's name first.
    pub fn unchecked(mut self) -> Self {
        self.call.affected = self.call.affected.map(ActionTarget::unchecked);
        self
    }

    /// Checks an image id too before the call is sent (`GET /v2/applications/:appId/state`); a name is always
    /// checked.
    ///
    /// # Errors
    /// `is_not_found` if no service of the application runs this image; nothing is sent then.
    pub fn checked(mut self) -> Self {
        self.call.affected = self.call.affected.map(ActionTarget::checked);
        self
    }
}

impl<O: MakesContainers> Call<(), O> {
    /// Checks that the containers were recreated: the supervisor answers 200 even if the engine could not stop a
    /// container. Their ids are read before and after (`GET /v2/state/status`). If the engine fails, that read can
    /// crash the supervisor.
    ///
    /// # Errors
    /// Those of the call; `is_server` if it succeeded and a container is the same as before.
    pub fn confirm(self) -> Confirm<O> {
        Confirm::new(self)
    }
}

impl<T> Call<T, UpdateOptions> {
    /// Applies the update in spite of update locks. While a locked update is being retried, force alone has no
    /// effect: add [`cancel`](Self::cancel) (§8).
    pub fn force(mut self) -> Self {
        if let Ok(spec) = &mut self.call.spec {
            spec.set("force", true.into());
        }
        self
    }

    /// Cancels the running download or update and starts again. Also makes the supervisor notice a released lock at
    /// once.
    pub fn cancel(mut self) -> Self {
        if let Ok(spec) = &mut self.call.spec {
            spec.set("cancel", true.into());
        }
        self
    }
}

impl<T: Send + 'static, O: 'static> IntoFuture for Call<T, O> {
    type Output = Result<T>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { call: sending, read, .. } = self;
        let answered = sending.respond();
        Box::pin(async move {
            let (answer, attempts) = answered.await?;
            read(answer).map_err(|error| error.with_attempts(attempts))
        })
    }
}

impl PendingCall {
    /// Returns the response and the number of attempts.
    pub(crate) fn respond(self) -> BoxFuture<'static, Result<(SupervisorResponse, u32)>> {
        Box::pin(async move {
            let time = self.time_budget();
            self.check(&time).await?;
            self.send(&time).await
        })
    }

    pub(super) fn time_budget(&self) -> TimeBudget {
        TimeBudget { deadline: self.deadline, until: self.patience.map(end_of) }
    }

    /// Checks that the service named by the call exists.
    pub(super) async fn check(&self, time: &TimeBudget) -> Result<()> {
        match (&self.spec, &self.affected) {
            (Ok(spec), Some(affected)) => affected.check(&self.supervisor, spec, time).await,
            _ => Ok(()),
        }
    }

    /// Returns the supervisor, what the call acts on, and the operation's name.
    pub(super) fn about(&self) -> (Supervisor, Option<ActionTarget>, String) {
        let operation = self.spec.as_ref().map(RequestSpec::operation).unwrap_or_default();
        (self.supervisor.clone(), self.affected.clone(), operation)
    }

    pub(super) async fn send(self, time: &TimeBudget) -> Result<(SupervisorResponse, u32)> {
        self.supervisor.execute(self.spec?, time.deadline, time.patience()).await
    }
}

/// Time limits of a call and of the reads around it.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimeBudget {
    /// Deadline of each attempt.
    pub(super) deadline: Option<Duration>,
    /// When the patience ends.
    until: Option<Instant>,
}

impl TimeBudget {
    /// Returns the remaining patience.
    pub(super) fn patience(&self) -> Option<Duration> {
        self.until.map(|until| until.saturating_duration_since(Instant::now()))
    }

    /// Returns the deadline of a read around the call: at most the read's own.
    pub(super) fn for_read(&self, endpoint: &Endpoint) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.min(endpoint.deadline))
    }
}

impl<T, O> std::fmt::Debug for Call<T, O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call")
            .field("spec", &self.call.spec)
            .field("deadline", &self.call.deadline)
            .field("patience", &self.call.patience)
            .finish_non_exhaustive()
    }
}

/// A streaming response: the head was received, the body was not.
#[derive(Debug)]
pub(crate) struct StreamingResponse {
    pub(crate) operation: String,
    pub(super) body: Body,
}

impl StreamingResponse {
    /// Returns the next chunk of the body, `None` at its end.
    ///
    /// # Errors
    /// `is_unreachable` if the connection breaks.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        self.body.poll_next(cx).map_err(|error| {
            Error::new(ErrorKind::Unreachable, format!("the stream broke ({error})"))
                .with_operation(self.operation.clone())
                .with_sent(true)
                .with_source(error)
                .with_help("the supervisor restarted or was stopped; open the stream again")
        })
    }
}

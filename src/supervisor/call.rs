//! One request to the supervisor, which is built first and sent by `.await`.

use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;
use std::time::Duration;

use crate::error::Result;
use crate::http::BoxFuture;

use super::action_target::ActionTarget;
use super::client::Supervisor;
use super::request::RequestSpec;
use super::response::{Decoder, SupervisorResponse, data_or_error};
use super::time_budget::TimeBudget;

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
    pending: PendingCall,
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

impl<T, O> Call<T, O> {
    pub(crate) fn new(supervisor: &Supervisor, spec: Result<RequestSpec>, read: Decoder<T>) -> Self {
        let supervisor = supervisor.clone();
        let patience = supervisor.patience();
        let pending = PendingCall { supervisor, spec, deadline: None, patience, affected: None };
        Self { pending, read, options: PhantomData }
    }

    /// Returns the same call with what it acts on.
    pub(super) fn acting_on(mut self, affected: Option<ActionTarget>) -> Self {
        // An invalid argument needs no check.
        self.pending.affected = affected.filter(|_| self.pending.spec.is_ok());
        self
    }

    /// Retries for this long while the supervisor can't be reached, as during its restart (15–60 s).
    ///
    /// A request that was not sent is always retried. One that was sent is retried only if that is safe: reads that
    /// can't crash the supervisor, and idempotent changes (start-service, tags). Without patience a call has a single
    /// attempt.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.pending.patience = Some(patience);
        self
    }

    /// Replaces the endpoint's deadline of each attempt.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.pending.deadline = Some(deadline);
        self
    }

    /// Returns what sends the request and what reads the response.
    pub(crate) fn into_parts(self) -> (PendingCall, Decoder<T>) {
        (self.pending, self.read)
    }

    /// Returns the same call without a value.
    pub(crate) fn without_value(self) -> Call<(), O> {
        Call { pending: self.pending, read: data_or_error, options: PhantomData }
    }
}

impl<T, O: TakesForce> Call<T, O> {
    /// Overrides update locks: the supervisor deletes the lock files of others and proceeds. On reboot and shutdown
    /// it also ignores a running host OS update.
    pub fn force(mut self) -> Self {
        if let Ok(spec) = &mut self.pending.spec {
            spec.set("force", true.into());
        }
        self
    }
}

impl<T, O: NamesService> Call<T, O> {
    /// Sends the call without checking the service's name first.
    pub fn unchecked(mut self) -> Self {
        self.pending.affected = self.pending.affected.map(ActionTarget::unchecked);
        self
    }

    /// Checks an image id too before the call is sent (`GET /v2/applications/:appId/state`); a name is always
    /// checked.
    ///
    /// # Errors
    /// `is_not_found` if no service of the application runs this image; nothing is sent then.
    pub fn checked(mut self) -> Self {
        self.pending.affected = self.pending.affected.map(ActionTarget::checked);
        self
    }
}

impl<T> Call<T, UpdateOptions> {
    /// Applies the update in spite of update locks. While a locked update is being retried, force alone has no
    /// effect: add [`cancel`](Self::cancel) (§8).
    pub fn force(mut self) -> Self {
        if let Ok(spec) = &mut self.pending.spec {
            spec.set("force", true.into());
        }
        self
    }

    /// Cancels the running download or update and starts again. Also makes the supervisor notice a released lock at
    /// once.
    pub fn cancel(mut self) -> Self {
        if let Ok(spec) = &mut self.pending.spec {
            spec.set("cancel", true.into());
        }
        self
    }
}

impl<T: Send + 'static, O: 'static> IntoFuture for Call<T, O> {
    type Output = Result<T>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { pending, read, .. } = self;
        let answered = pending.respond();
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
        TimeBudget::new(self.deadline, self.patience)
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

impl<T, O> std::fmt::Debug for Call<T, O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call")
            .field("spec", &self.pending.spec)
            .field("deadline", &self.pending.deadline)
            .field("patience", &self.pending.patience)
            .finish_non_exhaustive()
    }
}

//! The request that changes the host's settings: built first, sent by `.await`.

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::http::BoxFuture;
use crate::supervisor::answer::Answer;
use crate::supervisor::call::Spec;
use crate::supervisor::link::Supervisor;

use super::patch::HostConfigPatch;
use super::replace;

/// What a change of the host settings came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostConfigOutcome {
    /// The settings are stored. The host applies them.
    Stored,
    /// They were stored already, and nothing was sent: only with [`SetHostConfig::if_changed`].
    Unchanged,
}

/// How long a request may take.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Limits {
    pub(crate) deadline: Option<Duration>,
    pub(crate) patience: Option<Duration>,
}

/// The settings of a host, wherever it is.
pub(crate) trait HostSettings: Send + Sync {
    /// Sends one request and returns its answer.
    fn send(&self, spec: Spec, limits: Limits) -> BoxFuture<'_, Result<Answer>>;

    /// The error of an answer that can't be read, with advice that fits the way to the host.
    fn explained(&self, error: Error) -> Error {
        error
    }

    /// What the host is called by default: the beginning of its uuid.
    fn default_name(&self) -> Option<&str>;

    /// Whether the way to it may lead through the proxy that is changed.
    fn is_behind_its_proxy(&self) -> bool;
}

impl HostSettings for Supervisor {
    fn send(&self, spec: Spec, limits: Limits) -> BoxFuture<'_, Result<Answer>> {
        Box::pin(async move {
            let patience = limits.patience.or(self.patience());
            let (answer, _) = self.answer(spec, limits.deadline, patience).await?;
            Ok(answer)
        })
    }

    fn default_name(&self) -> Option<&str> {
        self.own_uuid().and_then(|uuid| uuid.get(..7))
    }

    fn is_behind_its_proxy(&self) -> bool {
        false
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// The proxy is replaced, or removed, as a whole.
    Whole,
    /// So, and only what is another one.
    IfChanged,
    /// One request, which the supervisor merges.
    Unchecked,
}

/// A change of the host settings. Nothing is sent before `.await`.
///
/// The supervisor merges what it is sent into what it has stored: user name, password and the list of what is
/// reached without a proxy stay unless they are named. So a proxy without a login, and the removal of a proxy,
/// read the settings first. If something has to vanish that can't be overwritten, two requests are sent: the
/// first takes the old proxy away, the second sets the new one. If the second fails, the old proxy is set again
/// (for up to a minute), and the error says what holds.
///
/// **Between the two the host has no proxy.** Do not drop the future before it is ready: the `balena-agent` command,
/// for one, ends on a signal only after it.
#[must_use = "nothing is sent before `.await`"]
pub struct SetHostConfig {
    host: Result<Arc<dyn HostSettings>>,
    patch: HostConfigPatch,
    mode: Mode,
    force: bool,
    limits: Limits,
}

impl SetHostConfig {
    pub(crate) fn new(host: Result<Arc<dyn HostSettings>>, patch: &HostConfigPatch) -> Self {
        Self { host, patch: patch.clone(), mode: Mode::Whole, force: false, limits: Limits::default() }
    }

    /// Overrides update locks: the supervisor deletes the lock files of others and goes on.
    pub fn force(self) -> Self {
        Self { force: true, ..self }
    }

    /// Sends only what differs from what is stored, and nothing if nothing does: the supervisor restarts the
    /// host's proxy, or the engine, even for a change of nothing. The host name is compared with the one in force.
    pub fn if_changed(self) -> Self {
        Self { mode: Mode::IfChanged, ..self }
    }

    /// Sends one request without reading anything first: what the new proxy does not name stays as it is stored,
    /// such as the old login; a removed proxy leaves its list of exceptions behind.
    pub fn unchecked(self) -> Self {
        Self { mode: Mode::Unchecked, ..self }
    }

    /// Another deadline for each request than 10 s for the read and 60 s for a change.
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { limits: Limits { deadline: Some(deadline), ..self.limits }, ..self }
    }

    /// Keeps trying for this long while the supervisor can't be reached, as [`Call::patience`](crate::supervisor::Call::patience); changes
    /// nothing on the way through the cloud.
    pub fn patience(self, patience: Duration) -> Self {
        Self { limits: Limits { patience: Some(patience), ..self.limits }, ..self }
    }
}

impl IntoFuture for SetHostConfig {
    type Output = Result<HostConfigOutcome>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            self.patch.check()?;
            let sender = replace::Sender { host: self.host?, force: self.force, limits: self.limits };
            replace::run(&sender, self.patch, self.mode).await
        })
    }
}

/// Without values: a password may be among them.
impl fmt::Debug for SetHostConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetHostConfig")
            .field("mode", &self.mode)
            .field("force", &self.force)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Supervisor {
    /// Changes the host's network settings (`PATCH /v1/device/host-config`).
    ///
    /// # Errors
    /// `is_invalid_argument` for settings that the supervisor would store and the host can't work with; `is_locked`
    /// when any service of any application holds an update lock. The text says what holds where a proxy was to be
    /// replaced in two steps.
    pub fn set_host_config(&self, patch: &HostConfigPatch) -> SetHostConfig {
        SetHostConfig::new(Ok(Arc::new(self.clone())), patch)
    }
}

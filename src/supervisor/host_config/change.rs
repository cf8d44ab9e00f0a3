//! The request that changes the host's settings, which is built first and sent by `.await`.

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Result;
use crate::supervisor::client::Supervisor;

use super::host_settings::{HostSettings, Limits};
use super::patch::HostConfigPatch;
use super::replace::{self, HostConfigOutcome, Mode};

/// A change of the host settings. Nothing is sent before `.await`.
///
/// The supervisor merges a request into the stored settings: user name, password and the list of exceptions stay
/// unless the request names them. A proxy without login and the removal of a proxy therefore read the settings first.
/// If a stored value must be deleted and can't be overwritten, two requests are sent: the first removes the old
/// proxy, the second sets the new one. If the second fails, the old proxy is restored (retried for up to a minute),
/// and the error says which settings are in force.
///
/// **Between the two requests the host has no proxy**, because the supervisor removes a login only together with the
/// whole proxy. If the process is killed then (SIGKILL, power loss), the host has no proxy until the same change is
/// made again, which is safe. Do not drop the future before it is complete. The `balena-agent` command delays its end
/// on a signal until then.
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

    /// Overrides update locks: the supervisor deletes the lock files of others and proceeds.
    pub fn force(self) -> Self {
        Self { force: true, ..self }
    }

    /// Sends only settings that differ from the stored ones, and nothing if none does: the supervisor restarts the
    /// host's proxy or the engine even if nothing changes. The host name is compared with the current one.
    pub fn if_changed(self) -> Self {
        Self { mode: Mode::IfChanged, ..self }
    }

    /// Sends one request without reading the settings first. Values that the new proxy does not name stay stored,
    /// e.g. the old login; a removed proxy keeps its list of exceptions.
    pub fn unchecked(self) -> Self {
        Self { mode: Mode::Unchecked, ..self }
    }

    /// Replaces the deadlines of each request: 10 s for the read, 60 s for a change.
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { limits: Limits { deadline: Some(deadline), ..self.limits }, ..self }
    }

    /// Retries for this long while the supervisor can't be reached, as
    /// [`Call::patience`](crate::supervisor::Call::patience). Has no effect through the cloud.
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

/// Omits the values: they may include a password.
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
    /// `is_invalid_argument` if the supervisor would store a setting that the host can't use; `is_locked` if any
    /// service of any application holds an update lock. If a replacement in two steps fails, the text says which
    /// settings are in force.
    pub fn set_host_config(&self, patch: &HostConfigPatch) -> SetHostConfig {
        SetHostConfig::new(Ok(Arc::new(self.clone())), patch)
    }
}

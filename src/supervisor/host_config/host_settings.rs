//! Access to the host settings: through the supervisor of this device, or through the cloud.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::http::BoxFuture;
use crate::supervisor::client::Supervisor;
use crate::supervisor::request::RequestSpec;
use crate::supervisor::response::SupervisorResponse;

/// Time limits of a request.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Limits {
    pub(crate) deadline: Option<Duration>,
    pub(crate) patience: Option<Duration>,
}

/// Access to the host settings, directly or through the cloud.
pub(crate) trait HostSettings: Send + Sync {
    /// Sends one request and returns its response.
    fn send(&self, spec: RequestSpec, limits: Limits) -> BoxFuture<'_, Result<SupervisorResponse>>;

    /// Adds help for this kind of access to the error of an unreadable response.
    fn explained(&self, error: Error) -> Error {
        error
    }

    /// Returns the default host name: the beginning of the device's uuid.
    fn default_name(&self) -> Option<&str>;

    /// Whether requests to the host may pass through the proxy that is changed.
    fn is_behind_its_proxy(&self) -> bool;
}

impl HostSettings for Supervisor {
    fn send(&self, spec: RequestSpec, limits: Limits) -> BoxFuture<'_, Result<SupervisorResponse>> {
        Box::pin(async move {
            let patience = limits.patience.or(self.patience());
            let (answer, _) = self.execute(spec, limits.deadline, patience).await?;
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

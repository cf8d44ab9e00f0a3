//! Access to the host settings of a device, through its supervisor or through the API.

use std::sync::Arc;

use crate::core::Core;
use crate::error::{Error, Result};
use crate::http::BoxFuture;
use crate::resource::keys::DeviceKey;
use crate::supervisor::{HostSettings, Limits, RequestSpec, SupervisorResponse};

use super::remote::{self, RequiredFields};
use super::target::Route;

/// Returns the host settings of a device.
pub(super) fn of(core: &Arc<Core>, way: Route) -> Arc<dyn HostSettings> {
    match way {
        Route::Here => Arc::new(core.supervisor.clone()),
        Route::There(device) => Arc::new(RemoteHost { core: core.clone(), device }),
    }
}

/// The host settings of another device, through the API.
struct RemoteHost {
    core: Arc<Core>,
    device: DeviceKey,
}

impl HostSettings for RemoteHost {
    fn send(&self, spec: RequestSpec, limits: Limits) -> BoxFuture<'_, Result<SupervisorResponse>> {
        Box::pin(remote::send_proxied(&self.core, &self.device, RequiredFields::Id, spec, limits.deadline))
    }

    fn explained(&self, error: Error) -> Error {
        remote::explain_proxied_error(error)
    }

    fn default_name(&self) -> Option<&str> {
        None
    }

    fn is_behind_its_proxy(&self) -> bool {
        true
    }
}

//! Access to the host settings of a device, through its supervisor or through the API.

use std::sync::Arc;

use crate::api::keys::DeviceKey;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::http::BoxFuture;
use crate::supervisor::{Answer, HostSettings, Limits, Spec};

use super::remote::{self, Needs};
use super::target::Way;

/// Returns the host settings of a device.
pub(super) fn of(core: &Arc<Core>, way: Way) -> Arc<dyn HostSettings> {
    match way {
        Way::Here => Arc::new(core.supervisor.clone()),
        Way::There(device) => Arc::new(Elsewhere { core: core.clone(), device }),
    }
}

/// The host settings of another device, through the API.
struct Elsewhere {
    core: Arc<Core>,
    device: DeviceKey,
}

impl HostSettings for Elsewhere {
    fn send(&self, spec: Spec, limits: Limits) -> BoxFuture<'_, Result<Answer>> {
        Box::pin(remote::pass_on(&self.core, &self.device, Needs::Id, spec, limits.deadline))
    }

    fn explained(&self, error: Error) -> Error {
        remote::of_another_device(error)
    }

    fn default_name(&self) -> Option<&str> {
        None
    }

    fn is_behind_its_proxy(&self) -> bool {
        true
    }
}

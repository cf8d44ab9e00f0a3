//! Device types.

use std::sync::Arc;

use crate::core::Core;

/// Device types. From [`Balena::device_type`](crate::Balena::device_type).
#[derive(Debug, Clone)]
pub struct DeviceTypes {
    core: Arc<Core>,
}

impl DeviceTypes {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone() }
    }
}

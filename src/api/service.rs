//! Services and their variables.

use std::sync::Arc;

use crate::core::Core;

/// Services and their variables. From [`Balena::service`](crate::Balena::service).
#[derive(Debug, Clone)]
pub struct Services {
    core: Arc<Core>,
}

impl Services {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone() }
    }
}

//! Organizations, their members and invites.

use std::sync::Arc;

use crate::core::Core;

/// Organizations, their members and invites. From [`Balena::organization`](crate::Balena::organization).
#[derive(Debug, Clone)]
pub struct Organizations {
    core: Arc<Core>,
}

impl Organizations {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone() }
    }
}

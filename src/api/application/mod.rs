//! Applications (fleets): theirs, their tags, variables, members and invites.

use std::sync::Arc;

use crate::core::Core;

/// Applications (fleets): theirs, their tags, variables, members and invites. From [`Balena::application`](crate::Balena::application).
#[derive(Debug, Clone)]
pub struct Applications {
    core: Arc<Core>,
}

impl Applications {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone() }
    }
}

//! What the API tells about itself.

use std::sync::Arc;

use crate::core::Core;

/// What the API tells about itself. From [`Balena::config`](crate::Balena::config).
#[derive(Debug, Clone)]
pub struct Config {
    core: Arc<Core>,
}

impl Config {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone() }
    }
}

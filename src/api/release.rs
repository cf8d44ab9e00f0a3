//! Releases and their tags.

use std::sync::Arc;

use crate::core::Core;

/// Releases and their tags. From [`Balena::release`](crate::Balena::release).
#[derive(Debug, Clone)]
pub struct Releases {
    core: Arc<Core>,
}

impl Releases {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone() }
    }
}

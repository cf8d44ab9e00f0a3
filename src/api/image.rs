//! Images: one service's build in one release.

use std::sync::Arc;

use crate::core::Core;

/// Images: one service's build in one release. From [`Balena::image`](crate::Balena::image).
#[derive(Debug, Clone)]
pub struct Images {
    core: Arc<Core>,
}

impl Images {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone() }
    }
}

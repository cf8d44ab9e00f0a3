//! API keys.

use std::sync::Arc;

use crate::core::Core;

/// API keys. From [`Balena::api_key`](crate::Balena::api_key).
#[derive(Debug, Clone)]
pub struct ApiKeys {
    core: Arc<Core>,
}

impl ApiKeys {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone() }
    }
}

//! Billing of an organization.

use std::sync::Arc;

use crate::core::Core;

/// Billing of an organization. From [`Balena::billing`](crate::Balena::billing).
#[derive(Debug, Clone)]
pub struct Billing {
    core: Arc<Core>,
}

impl Billing {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone() }
    }
}

//! Credit bundles of an organization.

use std::sync::Arc;

use crate::core::Core;

/// Credit bundles of an organization. From [`Balena::credit_bundle`](crate::Balena::credit_bundle).
#[derive(Debug, Clone)]
pub struct CreditBundles {
    core: Arc<Core>,
}

impl CreditBundles {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone() }
    }
}

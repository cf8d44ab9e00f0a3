//! SSH keys of the user.

use std::sync::Arc;

use crate::core::Core;

/// SSH keys of the user. From [`Balena::key`](crate::Balena::key).
#[derive(Debug, Clone)]
pub struct SshKeys {
    core: Arc<Core>,
}

impl SshKeys {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: core.clone() }
    }
}

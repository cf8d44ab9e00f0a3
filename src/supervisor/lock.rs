//! Update locks.

use std::path::PathBuf;

/// This service's update lock.
#[derive(Debug, Clone)]
pub struct UpdateLock {
    path: PathBuf,
}

impl UpdateLock {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }
}

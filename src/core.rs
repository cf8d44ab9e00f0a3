//! What every handle and request owns: the environment and the way to the supervisor.

use crate::env::Environment;
use crate::supervisor::Supervisor;

/// Shared by all clones of a [`Balena`](crate::Balena) and by the requests it made.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) env: Environment,
    pub(crate) supervisor: Supervisor,
}

//! Whether this agent acts. An agent that waits for another one to end answers `/live` and `/ready`, and does nothing
//! else: it takes no lock, binds no client's socket and starts no action.

use std::sync::{Mutex, PoisonError};

/// Why this agent does not act yet; nothing once it does.
#[derive(Debug)]
pub(crate) struct Standby(Mutex<Option<String>>);

impl Standby {
    /// An agent that has just started.
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Some("the agent is starting".to_owned())))
    }

    /// Sets the reason.
    pub(crate) fn wait_for(&self, reason: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
    }

    /// Lets the agent act.
    pub(crate) fn end(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Returns the reason; `None` if the agent acts.
    pub(crate) fn reason(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

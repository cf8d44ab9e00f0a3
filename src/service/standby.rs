//! Whether this agent acts. An agent that waits for another one to end answers `/live` and `/ready`, and does nothing
//! else: it takes no lock, binds no client's socket and starts no action.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// How long a request waits for an agent that has just started.
const START_LIMIT: Duration = Duration::from_secs(5);

const STARTING: &str = "the agent is starting";

/// Whether this agent acts yet.
#[derive(Debug)]
pub(crate) struct Standby(watch::Sender<Role>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Role {
    Starting,
    /// Another agent acts, for this reason.
    Waiting(String),
    Active,
}

impl Standby {
    /// An agent that has just started.
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(Role::Starting))
    }

    /// Sets why this agent does not act.
    pub(crate) fn wait_for(&self, reason: String) {
        self.0.send_replace(Role::Waiting(reason));
    }

    /// Lets the agent act.
    pub(crate) fn end(&self) {
        self.0.send_replace(Role::Active);
    }

    /// Returns why this agent does not act; `None` if it acts.
    pub(crate) fn reason(&self) -> Option<String> {
        match &*self.0.borrow() {
            Role::Starting => Some(STARTING.to_owned()),
            Role::Waiting(reason) => Some(reason.clone()),
            Role::Active => None,
        }
    }

    /// As [`reason`](Self::reason), but gives an agent that has just started the time to read its state: that takes
    /// milliseconds, on a worn SD card some seconds.
    pub(crate) async fn reason_after_start(&self) -> Option<String> {
        let mut role = self.0.subscribe();
        let _ = timeout(START_LIMIT, role.wait_for(|role| *role != Role::Starting)).await;
        self.reason()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_start_is_waited_for_and_another_agent_is_not() {
        let standby = Standby::new();
        assert_eq!(standby.reason_after_start().await.as_deref(), Some(STARTING), "after the limit");
        let (reason, ()) = tokio::join!(standby.reason_after_start(), async { standby.end() });
        assert_eq!(reason, None);
        standby.wait_for("another agent owns /data".to_owned());
        assert_eq!(standby.reason_after_start().await.as_deref(), Some("another agent owns /data"));
    }
}

//! The health check.

use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};

use super::Client;
use super::call::Call;

/// Deadline of a health check with all its attempts.
const DEADLINE: Duration = Duration::from_secs(5);

impl Client {
    /// Sends `GET /live`, with a deadline of 5 s. Returns `Ok` if the service is alive.
    ///
    /// # Errors
    /// `is_unreachable` if nothing listens on the address; `is_timeout` after 5 s; `is_server`, with the reason, if the
    /// service is not alive; `is_decode` if the response is not that of balena-agent.
    pub async fn health(&self) -> Result<()> {
        let response = self.send(&Call::get("/live").deadline(DEADLINE)).await?;
        let word = |name: &str| response.json.as_ref()?.get(name)?.as_str();
        match (response.status, word("status")) {
            (200, Some("ok")) => Ok(()),
            (503, Some(_)) => {
                let reason = word("reason").unwrap_or("no reason given");
                Err(Error::new(ErrorKind::Server, format!("the service is not alive: {reason}"))
                    .with_operation("GET /live")
                    .with_status(response.status)
                    .with_sent(true))
            }
            (status, _) => {
                Err(self.not_ours("GET /live", &format_args!("status {status}")).with_status(status))
            }
        }
    }
}

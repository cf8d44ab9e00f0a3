//! The ledger of the service: who did what to the device, why, and what came of it.

use std::fmt::Write as _;

use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::error::Result;

use super::Client;
use super::call::Call;

/// Which entries to read. Default: the newest 100.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct LedgerQuery {
    limit: Option<u32>,
    since: Option<Timestamp>,
    action: Option<String>,
    actor: Option<String>,
}

impl LedgerQuery {
    /// Returns at most this many entries, 1 to 1000.
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Returns entries from this time on.
    pub fn since(mut self, since: Timestamp) -> Self {
        self.since = Some(since);
        self
    }

    /// Returns entries of this action, e.g. `reboot`.
    pub fn action(mut self, action: impl Into<String>) -> Self {
        self.action = Some(action.into());
        self
    }

    /// Returns entries of this actor: the name of a client, `agent`, or `not-through-agent`.
    pub fn actor(mut self, actor: impl Into<String>) -> Self {
        self.actor = Some(actor.into());
        self
    }

    fn path(&self) -> String {
        let mut path = "/agent/v1/ledger".to_owned();
        let fields = [
            ("limit", self.limit.map(|limit| limit.to_string())),
            ("since", self.since.map(|since| since.to_string())),
            ("action", self.action.clone()),
            ("actor", self.actor.clone()),
        ];
        let mut separator = '?';
        for (name, value) in fields {
            if let Some(value) = value {
                // Writing to a string can't fail.
                let _ = write!(path, "{separator}{name}={}", utf8_percent_encode(&value, NON_ALPHANUMERIC));
                separator = '&';
            }
        }
        path
    }
}

/// An entry of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LedgerEntry {
    /// Position in the ledger; the first entry has 1.
    pub id: u64,
    /// When it was written.
    pub time: Timestamp,
    /// Whether the clock was set then, or is since. If not, `time` may be years off.
    #[serde(default)]
    pub time_trusted: bool,
    /// The kernel's id of the boot in which it was written.
    #[serde(default)]
    pub boot_id: String,
    /// Name of the client, `agent`, or `not-through-agent`.
    pub actor: String,
    /// Whether the agent did it.
    #[serde(default)]
    pub through_agent: bool,
    /// What was done, e.g. `reboot`, `restart`, `update`.
    pub action: String,
    /// The service or application; `None` for all of them, or the device.
    #[serde(default)]
    pub target: Option<String>,
    /// Why, in the actor's words.
    #[serde(default)]
    pub reason: Option<String>,
    /// Whether update locks of others were overridden.
    #[serde(default)]
    pub forced: bool,
    /// What came of it: `pending`, `done`, `failed`, `refused` or `unknown`.
    pub result: String,
    /// More about the result.
    #[serde(default)]
    pub detail: Option<String>,
    /// When the result was known.
    #[serde(default)]
    pub closed: Option<Timestamp>,
    /// What was seen.
    #[serde(default)]
    pub evidence: Vec<LedgerEvidence>,
}

/// One thing that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LedgerEvidence {
    /// What kind of thing: `sigterm`, `boot_id`, `last_seen`, `container` …
    pub fact: String,
    /// A sentence.
    pub text: String,
}

impl Client {
    /// Returns entries of the ledger, the newest first (`GET /agent/v1/ledger`).
    ///
    /// # Errors
    /// `is_invalid_argument` for a limit out of range; `is_unauthorized` if the client may not read the state; the
    /// errors of any call.
    pub async fn ledger(&self, query: &LedgerQuery) -> Result<Vec<LedgerEntry>> {
        #[derive(Deserialize)]
        struct Body {
            entries: Vec<LedgerEntry>,
        }
        let body: Body = self.call(Call::get(query.path())).await?;
        Ok(body.entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_is_encoded() {
        assert_eq!(LedgerQuery::default().path(), "/agent/v1/ledger");
        let query = LedgerQuery::default().limit(5).action("re&boot").actor("main");
        assert_eq!(query.path(), "/agent/v1/ledger?limit=5&action=re%26boot&actor=main");
    }
}

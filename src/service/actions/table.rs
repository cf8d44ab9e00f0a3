//! What was asked, and what became of it: bounded, and in the journal. Does no I/O.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::service::clock::BootId;

use super::decide::{ActionRequest, ActionTarget, Force, Refused};

/// How many actions are remembered, the running ones included.
pub(crate) const REMEMBERED: usize = 64;
/// Longest idempotency key, in bytes.
const KEY_LIMIT: usize = 128;

/// State of an asked action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ActionState {
    /// Sent to the supervisor, or about to be.
    Running,
    /// The supervisor answered with success.
    Done,
    /// It failed, or was refused.
    Failed,
    /// Whether it had its effect is not known: no answer came, or the agent ended before. It is never repeated.
    Unknown,
}

/// An asked action, as in the journal and in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ActionRecord {
    pub(crate) id: String,
    pub(crate) client: String,
    pub(crate) action: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) service: Option<String>,
    pub(crate) force: Force,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    pub(crate) state: ActionState,
    /// When it was asked for, by the wall clock, which may have been wrong.
    pub(crate) asked: Timestamp,
    /// The boot in which it was asked for.
    pub(crate) boot_id: BootId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ended: Option<Timestamp>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// A word for it, as in refusals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) idempotency_key: Option<String>,
}

/// What a request is compared by when its key is used again.
impl ActionRecord {
    fn is_same_request(&self, target: &ActionTarget, request: &ActionRequest) -> bool {
        self.action == target.action.as_str() && self.service == target.service && self.force == request.force
    }
}

/// The remembered actions, oldest first.
#[derive(Debug, Default)]
pub(crate) struct ActionTable(VecDeque<ActionRecord>);

impl ActionTable {
    /// Continues the table of an earlier process. What ran then has an unknown outcome. Returns these.
    pub(crate) fn restore(&mut self, mut records: Vec<ActionRecord>, now: Timestamp) -> Vec<ActionRecord> {
        records.sort_by(|one, other| one.id.cmp(&other.id));
        let mut closed = Vec::new();
        for mut record in records {
            if record.state == ActionState::Running {
                record.state = ActionState::Unknown;
                record.ended = Some(now);
                record.error = Some("the agent ended before the action did".to_owned());
                closed.push(record.clone());
            }
            self.0.push_back(record);
        }
        closed
    }

    /// Returns the action that was asked for with the key of this request, if it was asked for before.
    pub(crate) fn repeated(
        &self,
        client: &str,
        target: &ActionTarget,
        request: &ActionRequest,
    ) -> Result<Option<&ActionRecord>, Refused> {
        let Some(key) = &request.idempotency_key else { return Ok(None) };
        if key.is_empty() || key.len() > KEY_LIMIT || !key.chars().all(|c| c.is_ascii_graphic()) {
            return Err(Refused::BadKey);
        }
        let earlier = self
            .0
            .iter()
            .find(|record| record.client == client && record.idempotency_key.as_ref() == Some(key));
        match earlier {
            Some(record) if !record.is_same_request(target, request) => Err(Refused::KeyReused),
            earlier => Ok(earlier),
        }
    }

    /// Adds an action. Returns the one that is forgotten for it, the oldest that has ended.
    pub(crate) fn add(&mut self, record: ActionRecord) -> Option<ActionRecord> {
        self.0.push_back(record);
        if self.0.len() <= REMEMBERED {
            return None;
        }
        let ended = self.0.iter().position(|record| record.state != ActionState::Running)?;
        self.0.remove(ended)
    }

    /// Returns whether another action can be added: not while too many run.
    pub(crate) fn has_room(&self) -> bool {
        self.0.iter().filter(|record| record.state == ActionState::Running).count() < REMEMBERED
    }

    /// Returns the action with this id.
    pub(crate) fn find(&self, id: &str) -> Option<&ActionRecord> {
        self.0.iter().find(|record| record.id == id)
    }

    /// Ends an action. Returns it as it is then.
    pub(crate) fn end(
        &mut self,
        id: &str,
        state: ActionState,
        error: Option<(String, String)>,
        now: Timestamp,
    ) -> Option<ActionRecord> {
        let record = self.0.iter_mut().find(|record| record.id == id)?;
        record.state = state;
        record.ended = Some(now);
        (record.kind, record.error) = error.unzip();
        Some(record.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::scope::ActionName;

    fn record(number: usize, state: ActionState) -> ActionRecord {
        ActionRecord {
            id: format!("{number:04}"),
            client: "web".into(),
            action: "restart".into(),
            service: Some("main".into()),
            force: Force::No,
            reason: None,
            state,
            asked: Timestamp::UNIX_EPOCH,
            boot_id: BootId::from("b"),
            ended: None,
            error: None,
            kind: None,
            idempotency_key: Some(format!("k{number}")),
        }
    }

    fn request(key: &str) -> ActionRequest {
        let idempotency_key = Some(key.to_owned());
        ActionRequest { confirm: None, force: Force::No, reason: None, idempotency_key }
    }

    #[test]
    fn a_key_gives_the_same_answer_for_the_same_request_only() {
        let mut table = ActionTable::default();
        table.add(record(1, ActionState::Running));
        let main = ActionTarget { action: ActionName::Restart, service: Some("main".into()) };
        let other = ActionTarget { action: ActionName::Restart, service: Some("other".into()) };
        let repeated = |client, target: &ActionTarget, key| {
            table.repeated(client, target, &request(key)).map(|record| record.map(|record| record.id.clone()))
        };
        assert_eq!(repeated("web", &main, "k1"), Ok(Some("0001".into())));
        assert_eq!(repeated("web", &other, "k1"), Err(Refused::KeyReused));
        assert_eq!(repeated("camera", &other, "k1"), Ok(None), "keys are the client's own");
        assert_eq!(repeated("web", &main, "k2"), Ok(None));
        for bad in ["", "a b", "\u{e9}", &"x".repeat(129)] {
            assert_eq!(repeated("web", &main, bad), Err(Refused::BadKey));
        }
    }

    #[test]
    fn the_oldest_ended_action_is_forgotten_and_a_running_one_never() {
        let mut table = ActionTable::default();
        table.add(record(0, ActionState::Running));
        for number in 1..REMEMBERED {
            assert!(table.add(record(number, ActionState::Done)).is_none());
        }
        assert_eq!(table.add(record(100, ActionState::Running)).unwrap().id, "0001");
        assert!(table.find("0000").is_some() && table.has_room());
    }

    #[test]
    fn what_ran_when_the_agent_ended_is_unknown_and_not_repeated() {
        let mut table = ActionTable::default();
        let closed = table.restore(
            vec![record(2, ActionState::Running), record(1, ActionState::Done)],
            Timestamp::UNIX_EPOCH,
        );
        assert_eq!(closed.len(), 1);
        assert_eq!(table.find("0002").unwrap().state, ActionState::Unknown);
        let main = ActionTarget { action: ActionName::Restart, service: Some("main".into()) };
        let again = table.repeated("web", &main, &request("k2")).unwrap().unwrap();
        assert_eq!(again.state, ActionState::Unknown, "the same answer, not a second restart");
    }
}

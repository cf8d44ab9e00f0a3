//! Sends asked actions to the supervisor: the intent is written first, and none is sent twice.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::watch;

use crate::Balena;
use crate::error::{Error, ErrorKind, Result};
use crate::service::clock::ServiceClock;
use crate::service::events::{EventKind, EventLog};
use crate::service::journal::{Change, Journal, Kind, Need};
use crate::service::ledger::{Intent, IntentId, Ledger, Outcome};
use crate::service::locks::Locks;
use crate::service::scope::ActionName;
use crate::supervisor::ServiceSelector;
use crate::tasks::TaskSet;

use super::decide::{ActionRequest, ActionTarget, Facts, Force, Refused, Wait, decide};
use super::table::{ActionRecord, ActionState, ActionTable};

/// How long an asker waits for the end of an action.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// The asked actions. Refuses everything before [`start`](Self::start).
pub(crate) struct Actions {
    balena: Balena,
    locks: Arc<Locks>,
    events: EventLog,
    ledger: Ledger,
    clock: Arc<dyn ServiceClock>,
    /// Weak, because the tasks hold this.
    tasks: Weak<TaskSet>,
    journal: OnceLock<Journal>,
    table: Mutex<ActionTable>,
    /// Counts ended actions.
    ended: watch::Sender<u64>,
}

impl fmt::Debug for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Actions").finish_non_exhaustive()
    }
}

/// The answer to an asked action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answered {
    /// It has ended: 200, or the status of its error.
    Ended(ActionRecord),
    /// It goes on: 202.
    Accepted(ActionRecord),
}

impl Actions {
    pub(crate) fn new(
        balena: Balena,
        locks: Arc<Locks>,
        events: EventLog,
        ledger: Ledger,
        clock: Arc<dyn ServiceClock>,
        tasks: Weak<TaskSet>,
    ) -> Self {
        Self {
            balena,
            locks,
            events,
            ledger,
            clock,
            tasks,
            journal: OnceLock::new(),
            table: Mutex::default(),
            ended: watch::Sender::new(0),
        }
    }

    /// Continues what is in the journal: actions that ran when the agent ended have an unknown outcome.
    pub(crate) async fn start(&self, journal: &Journal) {
        if self.journal.set(journal.clone()).is_err() {
            return;
        }
        let entries = journal.entries(Kind::ACTION);
        let records = entries.iter().filter_map(|(_, value)| serde_json::from_slice(value).ok()).collect();
        let now = self.clock.read().wall;
        let closed = self.table().restore(records, now);
        for record in closed {
            self.write(&record, None).await;
            self.events.publish(EventKind::ActionFinished, &Told::from(&record));
        }
    }

    /// Runs an action for `client`. Waits for its end for up to 30 s, and not at all if it ends the agent. Dropping
    /// the future does not end the action. `services` are those of the own application, if known.
    ///
    /// # Errors
    /// The reason why it was not sent.
    pub(crate) async fn run(
        self: &Arc<Self>,
        client: &str,
        target: ActionTarget,
        request: ActionRequest,
        services: Option<&[String]>,
    ) -> Result<Answered, Refused> {
        let journal_is_open = self.journal.get().is_some();
        let tasks = self.tasks.upgrade().filter(|_| journal_is_open).ok_or(Refused::NotRunning)?;
        let earlier = self.table().repeated(client, &target, &request)?.cloned();
        if let Some(record) = earlier {
            return Ok(self.answer(record));
        }
        let environment = self.balena.environment();
        let device: Vec<String> = [&environment.device_name_at_init, &environment.device_uuid]
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        let lease = self.locks.blocking_lease();
        let own_service = environment.service_name.as_deref();
        let facts = Facts { lease: lease.as_ref(), services, own_service, device: &device };
        let wait = decide(&target, &request, facts)?;
        let record = self.record(client, &target, &request)?;
        let forgotten = {
            let mut table = self.table();
            if !table.has_room() {
                return Err(Refused::NotRunning);
            }
            // Asked again while this was decided.
            if let Some(record) = table.repeated(client, &target, &request)?.cloned() {
                drop(table);
                return Ok(self.answer(record));
            }
            table.add(record.clone())
        };
        let mut ended = self.ended.subscribe();
        let (actions, sent) = (self.clone(), record.clone());
        let started = tasks.spawn("action", async move { actions.perform(target, sent, forgotten).await });
        if started.is_err() {
            self.close(&record.id, ActionState::Failed, Some(not_started())).await;
            return Err(Refused::NotRunning);
        }
        if wait == Wait::NotAtAll {
            return Ok(Answered::Accepted(record));
        }
        let end = ended
            .wait_for(|_| self.find(&record.id).is_none_or(|record| record.state != ActionState::Running));
        let _ = tokio::time::timeout(ANSWER_LIMIT, end).await;
        let record = self.find(&record.id).unwrap_or(record);
        Ok(self.answer(record))
    }

    /// Returns an action that was asked for, the last 64 of them.
    pub(crate) fn find(&self, id: &str) -> Option<ActionRecord> {
        self.table().find(id).cloned()
    }

    #[expect(clippy::unused_self, reason = "reads as part of the answer")]
    fn answer(&self, record: ActionRecord) -> Answered {
        match record.state {
            ActionState::Running | ActionState::Unknown => Answered::Accepted(record),
            ActionState::Done | ActionState::Failed => Answered::Ended(record),
        }
    }

    fn record(
        &self,
        client: &str,
        target: &ActionTarget,
        request: &ActionRequest,
    ) -> Result<ActionRecord, Refused> {
        let now = self.clock.read();
        let random = getrandom::u64().map_err(|_| Refused::NotRunning)?;
        Ok(ActionRecord {
            // In the order of the time, for people and for the journal.
            id: format!("{:011x}-{random:016x}", now.wall.as_millisecond().max(0)),
            client: client.to_owned(),
            action: target.action.as_str().to_owned(),
            service: target.service.clone(),
            force: request.force,
            reason: request.reason.clone(),
            state: ActionState::Running,
            asked: now.wall,
            boot_id: now.boot_id,
            ended: None,
            error: None,
            kind: None,
            idempotency_key: request.idempotency_key.clone(),
        })
    }

    async fn perform(
        self: Arc<Self>,
        target: ActionTarget,
        record: ActionRecord,
        forgotten: Option<ActionRecord>,
    ) {
        // Before the act: the supervisor may end this process during it, and a purge takes the journal with it.
        tracing::info!(client = %record.client, action = %record.action, service = record.service, reason = record.reason,
            id = %record.id, "asked action");
        self.events.publish(EventKind::ActionStarted, &Told::from(&record));
        let intent = self.intend(&record).await;
        self.write(&record, forgotten).await;
        let (state, error) = match self.send(&target, record.force).await {
            Ok(()) => (ActionState::Done, None),
            Err(error) => {
                tracing::warn!(id = %record.id, %error, "asked action");
                outcome(&error)
            }
        };
        if let Some(intent) = intent {
            self.explain(intent, target.action, state, error.as_ref()).await;
        }
        self.close(&record.id, state, error).await;
    }

    /// Writes into the ledger what is about to be done. Without room for it, the action goes on.
    async fn intend(&self, record: &ActionRecord) -> Option<IntentId> {
        let intent = Intent {
            actor: record.client.clone(),
            action: record.action.clone(),
            target: record.service.clone(),
            reason: record.reason.clone(),
            forced: record.force == Force::Given,
        };
        let intended = self.ledger.intend(intent).await;
        let intended =
            intended.inspect_err(|error| tracing::warn!(%error, "an asked action is not in the ledger"));
        intended.ok().map(|(id, _)| id)
    }

    /// Writes into the ledger what came of it.
    async fn explain(
        &self,
        intent: IntentId,
        action: ActionName,
        state: ActionState,
        error: Option<&(String, String)>,
    ) {
        let why = error.map(|(_, text)| text.clone()).unwrap_or_default();
        let outcome = match state {
            // What the supervisor accepts is seen after the next start only, by the boot id.
            ActionState::Done | ActionState::Unknown
                if matches!(action, ActionName::Reboot | ActionName::Shutdown) =>
            {
                return;
            }
            ActionState::Running => return,
            ActionState::Done => Outcome::Done,
            ActionState::Failed if error.is_some_and(|(word, _)| word == "locked") => Outcome::Refused(why),
            ActionState::Failed => Outcome::Failed(why),
            ActionState::Unknown => Outcome::Unknown(why),
        };
        if let Err(error) = self.ledger.close(intent, outcome).await {
            tracing::warn!(%error, "the result of an asked action is not in the ledger");
        }
    }

    async fn close(&self, id: &str, state: ActionState, error: Option<(String, String)>) {
        let now = self.clock.read().wall;
        let Some(record) = self.table().end(id, state, error, now) else { return };
        self.events.publish(EventKind::ActionFinished, &Told::from(&record));
        self.ended.send_modify(|ended| *ended = ended.wrapping_add(1));
        self.write(&record, None).await;
    }

    async fn send(&self, target: &ActionTarget, force: Force) -> Result<()> {
        let supervisor = self.balena.supervisor();
        let application = supervisor.application();
        let is_forced = force == Force::Given;
        macro_rules! send {
            ($call:expr) => {{
                let call = $call;
                if is_forced { call.force().await } else { call.await }
            }};
        }
        match (target.action, &target.service) {
            (ActionName::Start, Some(service)) => {
                application.start_service(ServiceSelector::name(service)).await
            }
            (ActionName::Stop, Some(service)) => {
                send!(application.stop_service(ServiceSelector::name(service)))
            }
            (ActionName::Restart, Some(service)) => {
                send!(application.restart_service(ServiceSelector::name(service)))
            }
            (ActionName::Restart, None) => send!(application.restart()),
            (ActionName::Purge, None) => send!(application.purge()),
            (ActionName::Reboot, None) => send!(supervisor.reboot()),
            (ActionName::Shutdown, None) => send!(supervisor.shutdown()),
            (ActionName::Update, None) => send!(supervisor.update()).map(drop),
            (ActionName::Identify, None) => supervisor.blink().await,
            (action, _) => Err(Error::argument("service", format!("{action} is not for it"))),
        }
    }

    async fn write(&self, record: &ActionRecord, forgotten: Option<ActionRecord>) {
        let Some(journal) = self.journal.get() else { return };
        let kind = Kind::ACTION;
        let mut changes = Vec::new();
        match serde_json::to_vec(record) {
            Ok(value) => changes.push(Change::Put { kind, key: record.id.clone(), value }),
            Err(error) => tracing::warn!(%error, "an asked action can't be written to the journal"),
        }
        changes.extend(forgotten.map(|record| Change::Delete { kind, key: record.id }));
        if let Err(error) = journal.commit(changes, Need::BestEffort).await {
            tracing::warn!(%error, "an asked action could not be written to the journal");
        }
    }

    fn table(&self) -> MutexGuard<'_, ActionTable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An action for subscribers. Without the reason and the idempotency key, which are between the client and the agent.
#[derive(serde::Serialize)]
struct Told<'a> {
    action_id: &'a str,
    client: &'a str,
    action: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'a str>,
    force: Force,
    state: ActionState,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

impl<'a> From<&'a ActionRecord> for Told<'a> {
    fn from(record: &'a ActionRecord) -> Self {
        Self {
            action_id: &record.id,
            client: &record.client,
            action: &record.action,
            service: record.service.as_deref(),
            force: record.force,
            state: record.state,
            error: record.error.as_deref(),
        }
    }
}

fn not_started() -> (String, String) {
    ("stopping".to_owned(), "the agent is stopping".to_owned())
}

/// Returns what an error means for the action, with a word and a sentence.
fn outcome(error: &Error) -> (ActionState, Option<(String, String)>) {
    let (state, word) = match error.kind() {
        ErrorKind::Locked => (ActionState::Failed, "locked"),
        ErrorKind::NotFound => (ActionState::Failed, "supervisor_not_found"),
        ErrorKind::Conflict => (ActionState::Failed, "conflict"),
        ErrorKind::Unreachable => (ActionState::Failed, "supervisor_unreachable"),
        ErrorKind::Unauthorized => (ActionState::Failed, "supervisor_refused"),
        ErrorKind::UnknownOutcome => (ActionState::Unknown, "unknown_outcome"),
        ErrorKind::Timeout if error.was_sent() => (ActionState::Unknown, "unknown_outcome"),
        ErrorKind::Config => (ActionState::Failed, "not_configured"),
        _ => (ActionState::Failed, "supervisor_error"),
    };
    (state, Some((word.to_owned(), error.to_string())))
}

#[cfg(test)]
#[cfg(feature = "simulator")]
mod tests;

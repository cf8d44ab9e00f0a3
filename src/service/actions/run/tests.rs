//! Asked actions against the simulated supervisor.

use std::fs;

use super::*;
use crate::Environment;
use crate::service::clock::SystemClock;
use crate::service::config::Checked;
use crate::service::ledger::Secrets;
use crate::service::locks::{LeaseKey, LeaseLimits, LeaseRequest, Parked, Term, Verb};
use crate::simulator::{Device, Power};

/// An agent in the service `helper` of a simulated device.
struct Agent {
    device: Device,
    app: i64,
    locks: Arc<Locks>,
    actions: Arc<Actions>,
    journal: Journal,
    tasks: Arc<TaskSet>,
}

impl Agent {
    async fn start() -> Self {
        let device = Device::start().await.unwrap();
        let mut vars = device.environment("helper").unwrap();
        let app = vars["BALENA_APP_ID"].parse().unwrap();
        let directory = device.lock_directory(app, "helper");
        fs::create_dir_all(&directory).unwrap();
        vars.insert("BALENA_APP_LOCK_PATH".into(), directory.join("updates.lock").display().to_string());
        let balena = Balena::builder().environment(Environment::from_vars(vars).unwrap()).build();
        let clock: Arc<dyn ServiceClock> = Arc::new(SystemClock::new());
        let limits = LeaseLimits { per_client: 4, max_ttl: Duration::from_secs(3600) };
        let locks = Arc::new(Locks::new(balena.update_lock(), limits, clock.clone(), Box::new(|_| {})));
        let (journal, tasks) = (Journal::in_memory(), Arc::new(TaskSet::new()));
        locks.start(&journal, Parked::No).await;
        let events = EventLog::new(16);
        let limits = Checked::default().ledger;
        let ledger = Ledger::new(events.clone(), clock.clone(), Secrets::new([]), limits);
        ledger.open(journal.clone());
        let actions = Actions::new(balena, locks.clone(), events, ledger, clock, Arc::downgrade(&tasks));
        let actions = Arc::new(actions);
        actions.start(&journal).await;
        Self { device, app, locks, actions, journal, tasks }
    }

    async fn ask(
        &self,
        action: ActionName,
        service: Option<&str>,
        key: Option<&str>,
    ) -> Result<Answered, Refused> {
        let target = ActionTarget { action, service: service.map(str::to_owned) };
        let confirm = self.actions.balena.environment().device_uuid.clone();
        let idempotency_key = key.map(str::to_owned);
        let request = ActionRequest { confirm, force: Force::No, reason: None, idempotency_key };
        self.actions.run("web", target, request, None).await
    }

    fn restarts(&self) -> usize {
        self.device.request_count("POST", &format!("/v2/applications/{}/restart-service", self.app))
    }
}

fn ended(answered: Result<Answered, Refused>) -> ActionRecord {
    match answered {
        Ok(Answered::Ended(record)) => record,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_action_is_sent_once_and_its_key_gives_the_same_answer() {
    let agent = Agent::start().await;
    let first = ended(agent.ask(ActionName::Restart, Some("main"), Some("k")).await);
    assert_eq!((first.state, first.error.clone()), (ActionState::Done, None));
    let again = ended(agent.ask(ActionName::Restart, Some("main"), Some("k")).await);
    assert_eq!((again, agent.restarts()), (first.clone(), 1));
    assert_eq!(agent.ask(ActionName::Stop, Some("main"), Some("k")).await, Err(Refused::KeyReused));
    assert_eq!(agent.actions.find(&first.id), Some(first));
}

#[tokio::test]
async fn a_held_lease_refuses_before_anything_is_sent() {
    let agent = Agent::start().await;
    let request = LeaseRequest {
        verb: Verb::Put,
        key: LeaseKey::new("web", "own"),
        id: None,
        reason: None,
        term: Term::Ttl(Duration::from_secs(60)),
        not_after: None,
    };
    agent.locks.request(&request, Duration::ZERO).await.unwrap();
    let refused = agent.ask(ActionName::Restart, Some("main"), None).await;
    assert!(matches!(refused, Err(Refused::Lease(lease)) if lease.name == "own"), "also the asker's own");
    assert_eq!(agent.restarts(), 0);
    agent.locks.release(&LeaseKey::new("web", "own")).await.unwrap();
    assert_eq!(ended(agent.ask(ActionName::Restart, Some("main"), None).await).state, ActionState::Done);
}

#[tokio::test]
async fn the_supervisors_refusals_are_told_apart() {
    let agent = Agent::start().await;
    let kind = |record: ActionRecord| (record.state, record.kind.unwrap_or_default());
    let foreign = agent.device.lock_directory(agent.app, "main");
    fs::create_dir_all(&foreign).unwrap();
    drop(fs::File::create(foreign.join("updates.lock")).unwrap());
    let locked = ended(agent.ask(ActionName::Restart, Some("main"), None).await);
    assert!(locked.error.as_ref().unwrap().contains("main"), "{locked:?}");
    assert_eq!(kind(locked), (ActionState::Failed, "locked".into()));
    fs::remove_file(foreign.join("updates.lock")).unwrap();
    let unknown = ended(agent.ask(ActionName::Restart, Some("mian"), None).await);
    assert_eq!(kind(unknown), (ActionState::Failed, "supervisor_not_found".into()));
    agent.device.stop_supervisor().await;
    let away = ended(agent.ask(ActionName::Identify, None, None).await);
    assert_eq!(kind(away), (ActionState::Failed, "supervisor_unreachable".into()));
}

#[tokio::test]
async fn a_reboot_is_answered_at_once_with_its_intent_in_the_journal() {
    let agent = Agent::start().await;
    let answered = agent.ask(ActionName::Reboot, None, None).await.unwrap();
    let Answered::Accepted(record) = answered else { panic!("{answered:?}") };
    assert_eq!(record.state, ActionState::Running);
    let by = tokio::time::Instant::now() + Duration::from_secs(20);
    while agent.device.power() != Some(Power::Reboot) {
        assert!(tokio::time::Instant::now() < by, "no reboot");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(agent.journal.entries(Kind::ACTION).len(), 1);
    agent.tasks.drain(Duration::from_secs(1)).await;
    assert_eq!(agent.ask(ActionName::Identify, None, None).await, Err(Refused::NotRunning));
}

//! The rows of the case table that need no gate, with real lock files. Each test has the name of its row.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::AtomicU32;

use super::*;
use crate::Environment;
use crate::service::clock::BootId;
use crate::service::locks::event::LeaseChange;
use crate::service::locks::lease::Term;
use crate::service::locks::request::Verb;
use crate::service::locks::task;
use crate::tasks::{OnEnd, TaskSet};

/// A clock that is set by hand.
#[derive(Debug)]
struct HandClock(Mutex<ClockReading>);

impl HandClock {
    fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(ClockReading {
            wall: "2026-11-29T12:00:00Z".parse().unwrap(),
            boot: Duration::from_secs(1000),
            boot_id: BootId::from("b1"),
            trusted: true,
        })))
    }

    fn pass(&self, seconds: u64) {
        let mut now = self.0.lock().unwrap();
        now.boot += Duration::from_secs(seconds);
        now.wall += Duration::from_secs(seconds);
    }

    fn reboot(&self, boot_id: &str) {
        let mut now = self.0.lock().unwrap();
        now.boot = Duration::from_secs(30);
        now.boot_id = BootId::from(boot_id);
    }
}

impl ServiceClock for HandClock {
    fn read(&self) -> ClockReading {
        self.0.lock().unwrap().clone()
    }
}

/// A device: the directory of the lock, the clock, the journal. Agents come and go.
struct Device {
    directory: PathBuf,
    clock: Arc<HandClock>,
    journal: Journal,
    events: Arc<Mutex<Vec<LeaseEvent>>>,
}

static NEXT: AtomicU32 = AtomicU32::new(0);

impl Device {
    fn new() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("balena-agent-leases-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory).unwrap();
        Self { directory, clock: HandClock::new(), journal: Journal::in_memory(), events: Arc::default() }
    }

    fn lock(&self, service: &str) -> UpdateLock {
        let path = self.file().display().to_string();
        let vars = [("BALENA_APP_LOCK_PATH", path.as_str()), ("BALENA_SERVICE_NAME", service)];
        UpdateLock::new(&Environment::from_vars(vars).unwrap())
    }

    fn file(&self) -> PathBuf {
        self.directory.join("updates.lock")
    }

    fn is_locked(&self) -> bool {
        self.lock("agent").status().unwrap().is_locked()
    }

    async fn agent_of(&self, service: &str, parked: Parked) -> Arc<Locks> {
        let limits = LeaseLimits { per_client: 4, max_ttl: Duration::from_secs(86_400) };
        let events = self.events.clone();
        let sink = Box::new(move |event| events.lock().unwrap().push(event));
        let locks = Locks::new(self.lock(service), limits, self.clock.clone(), sink);
        locks.start(&self.journal, parked).await;
        Arc::new(locks)
    }

    async fn agent(&self) -> Arc<Locks> {
        self.agent_of("agent", Parked::No).await
    }

    fn told(&self) -> Vec<LeaseChange> {
        self.events.lock().unwrap().drain(..).map(|event| event.what).collect()
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

const TTL: u64 = 3600;

fn ask(verb: Verb, name: &str) -> LeaseRequest {
    LeaseRequest {
        verb,
        key: LeaseKey::new("modem", name),
        id: None,
        reason: Some("firmware".into()),
        term: Term::Ttl(Duration::from_secs(TTL)),
        not_after: None,
    }
}

fn keep(name: &str) -> LeaseRequest {
    LeaseRequest { term: Term::Keep, ..ask(Verb::Put, name) }
}

async fn put(agent: &Locks, request: &LeaseRequest) -> Result<(Step, LeaseView), Refusal> {
    let (step, answer) = agent.request(request, Duration::ZERO).await?;
    Ok((step, answer.lease))
}

fn states(agent: &Locks) -> Vec<(String, LeaseState)> {
    agent.list(None).leases.into_iter().map(|lease| (lease.name, lease.state)).collect()
}

fn state(name: &str, state: LeaseState) -> (String, LeaseState) {
    (name.to_owned(), state)
}

#[tokio::test]
async fn the_file_exists_exactly_while_a_lease_is_held() {
    let device = Device::new();
    let agent = device.agent().await;
    assert!(!device.file().exists());
    for name in ["a", "b"] {
        let (step, lease) = put(&agent, &ask(Verb::Put, name)).await.unwrap();
        assert_eq!((step, lease.state, lease.seconds_left), (Step::Grant, LeaseState::Held, Some(TTL)));
        assert_eq!((lease.renew_after, lease.expires_at), (Some(1200), "2026-11-29T13:00:00Z".parse().ok()));
        assert!(device.file().exists());
    }
    agent.release(&LeaseKey::new("modem", "a")).await.unwrap();
    assert!(device.file().exists());
    assert_eq!(agent.blocking_lease().map(|lease| lease.name).as_deref(), Some("b"));
    device.clock.pass(TTL - 1);
    assert_eq!(states(&agent), [state("a", LeaseState::Released), state("b", LeaseState::Held)]);
    device.clock.pass(1);
    assert_eq!(states(&agent), [state("b", LeaseState::Expired)]);
    assert!(!device.file().exists() && agent.blocking_lease().is_none());
    assert_eq!(
        device.told(),
        [LeaseChange::Granted, LeaseChange::Granted, LeaseChange::Released, LeaseChange::Expired]
    );
}

#[tokio::test]
async fn force_from_elsewhere_lease_alive() {
    let device = Device::new();
    let agent = device.agent().await;
    let tasks = TaskSet::new();
    let watched = agent.clone();
    tasks.supervise("locks", OnEnd::Restart, move |stop| task::run(watched.clone(), stop));
    put(&agent, &ask(Verb::Put, "a")).await.unwrap();
    let mut changed = agent.changed();
    // The task has begun to watch when it is asked often enough; a later watch looks once more anyway.
    tokio::time::sleep(Duration::from_millis(50)).await;
    changed.mark_unchanged();
    let forced = Instant::now();
    fs::remove_file(device.file()).unwrap();
    changed.changed().await.unwrap();
    assert!(forced.elapsed() < Duration::from_secs(2), "noticed after {:?}", forced.elapsed());
    println!("a lock file that is taken away is noticed after {:?}", forced.elapsed());
    assert_eq!(device.told(), [LeaseChange::Granted, LeaseChange::Lost]);
    assert!(matches!(put(&agent, &ask(Verb::Put, "a")).await, Err(Refusal::Ended { .. })), "a renewal");
    assert!(!device.file().exists());
    put(&agent, &ask(Verb::Post, "a")).await.unwrap();
    assert!(device.file().exists(), "a new request may take it again");
    assert!(tasks.drain(Duration::from_secs(5)).await);
}

#[tokio::test]
async fn force_is_never_overlooked_by_an_answer() {
    let device = Device::new();
    let agent = device.agent().await;
    put(&agent, &ask(Verb::Put, "a")).await.unwrap();
    fs::remove_file(device.file()).unwrap();
    // No task runs: each answer looks itself. Somebody else has it by now.
    drop(fs::File::create(device.file()).unwrap());
    assert_eq!(states(&agent), [state("a", LeaseState::Lost)]);
    assert!(agent.blocking_lease().is_none());
    let refused = put(&agent, &ask(Verb::Post, "a")).await.unwrap_err();
    assert!(matches!(refused, Refusal::NotHeld(error) if error.is_locked()));
    assert!(device.file().exists(), "it is not ours");
}

#[tokio::test]
async fn sigterm_with_a_living_lease() {
    let device = Device::new();
    let agent = device.agent().await;
    put(&agent, &ask(Verb::Put, "a")).await.unwrap();
    put(&agent, &keep("k")).await.unwrap();
    device.clock.pass(600);
    agent.stop().await;
    assert!(matches!(put(&agent, &ask(Verb::Put, "b")).await, Err(Refusal::Stopping)));
    drop(agent);
    let status = device.lock("agent").status().unwrap();
    assert_eq!(status.state, LockState::Stale, "the file stays, without its flock");

    device.told();
    let next = device.agent().await;
    assert_eq!(device.lock("agent").status().unwrap().state, LockState::ThisProcess);
    assert_eq!(states(&next), [state("a", LeaseState::Held), state("k", LeaseState::Held)]);
    assert_eq!(device.told(), [LeaseChange::Adopted, LeaseChange::Adopted]);
    let (step, _) = put(&next, &ask(Verb::Put, "a")).await.unwrap();
    assert_eq!(step, Step::Renew);
}

#[tokio::test]
async fn kill_9_keeps_the_file_and_the_next_agent_locks_it_again() {
    let device = Device::new();
    let agent = device.agent().await;
    put(&agent, &ask(Verb::Put, "a")).await.unwrap();
    drop(agent);
    device.clock.pass(60);
    let next = device.agent().await;
    let list = next.list(None);
    assert_eq!(list.leases[0].seconds_left, Some(TTL - 60));
    assert_eq!(list.lock.unwrap().state, LockState::ThisProcess);
}

#[tokio::test]
async fn a_reboot_takes_the_lock_again_and_a_power_loss_costs_ten_minutes() {
    let device = Device::new();
    let agent = device.agent().await;
    put(&agent, &ask(Verb::Put, "a")).await.unwrap();
    device.clock.pass(100);
    agent.stop().await;
    drop(agent);
    fs::remove_file(device.file()).unwrap();
    device.clock.reboot("b2");
    let agent = device.agent().await;
    assert_eq!(agent.list(None).leases[0].seconds_left, Some(TTL - 100), "where it stood");
    assert!(device.is_locked());
    drop(agent);
    fs::remove_file(device.file()).unwrap();
    device.clock.reboot("b3");
    let agent = device.agent().await;
    assert_eq!(agent.list(None).leases[0].seconds_left, Some(TTL - 100 - 600 - 30));
    assert!(device.is_locked());
}

#[tokio::test]
async fn a_file_taken_away_between_two_agents_is_a_loss() {
    let device = Device::new();
    let agent = device.agent().await;
    put(&agent, &ask(Verb::Put, "a")).await.unwrap();
    agent.stop().await;
    drop(agent);
    fs::remove_file(device.file()).unwrap();
    let next = device.agent().await;
    assert_eq!(states(&next), [state("a", LeaseState::Lost)]);
    assert!(!device.file().exists());
}

#[tokio::test]
async fn stale_file_of_ours_with_nothing_behind_it() {
    let device = Device::new();
    let mut left = ServiceLockFile::new(device.lock("agent"));
    super::super::holder::LockFile::take(&mut left).unwrap();
    drop(left);
    assert!(device.is_locked());
    device.agent().await;
    assert!(!device.file().exists(), "adopted, released");
}

#[tokio::test]
async fn a_lock_of_the_supervisor_is_waited_for_and_never_deleted() {
    let device = Device::new();
    let supervisor = device.file();
    drop(fs::File::create(&supervisor).unwrap());
    if let Err(error) = std::os::unix::fs::chown(&supervisor, Some(65534), None) {
        println!("SKIP: only root can make a file of user 65534 ({error})");
        return;
    }
    let agent = device.agent().await;
    assert!(supervisor.exists());
    let refused = agent.request(&ask(Verb::Put, "a"), Duration::from_millis(100)).await.unwrap_err();
    assert!(matches!(refused, Refusal::NotHeld(error) if error.to_string().contains("supervisor")));
    let lock = agent.list(None).lock.unwrap();
    assert_eq!(lock.state, LockState::Supervisor);

    let wanted = ask(Verb::Put, "a");
    let waiting = agent.request(&wanted, Duration::from_secs(30));
    let ends = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        fs::remove_file(&supervisor).unwrap();
    };
    let (granted, ()) = tokio::join!(waiting, ends);
    assert_eq!(granted.unwrap().1.lease.state, LeaseState::Held);
}

#[tokio::test]
async fn second_agent_in_another_service() {
    let device = Device::new();
    let first = device.agent_of("one", Parked::No).await;
    put(&first, &ask(Verb::Put, "a")).await.unwrap();
    let mut second = Device::new();
    fs::remove_dir(&second.directory).unwrap();
    second.directory.clone_from(&device.directory);
    let agent = second.agent_of("two", Parked::No).await;
    let Err(Refusal::NotHeld(error)) = put(&agent, &ask(Verb::Put, "b")).await else { panic!("two owners") };
    let text = error.to_string();
    assert!(error.is_locked() && text.contains("service one") && text.contains("balena-agent run"), "{text}");
    // Its file is not adopted when it ends, either.
    first.stop().await;
    drop(first);
    assert!(put(&agent, &ask(Verb::Put, "b")).await.is_err());
    assert!(device.file().exists());
}

#[tokio::test]
async fn parked() {
    let device = Device::new();
    let agent = device.agent().await;
    put(&agent, &keep("k")).await.unwrap();
    agent.stop().await;
    drop(agent);
    let agent = device.agent_of("agent", Parked::Yes).await;
    assert_eq!(states(&agent), [state("k", LeaseState::Held)]);
    assert!(matches!(put(&agent, &ask(Verb::Post, "a")).await, Err(Refusal::Parked)));
    device.clock.pass(3000);
    // A restart of the parked agent begins no new hour.
    agent.stop().await;
    drop(agent);
    let agent = device.agent_of("agent", Parked::Yes).await;
    assert_eq!(agent.list(None).leases[0].seconds_left, Some(600));
    device.clock.pass(600);
    assert_eq!(states(&agent), [state("k", LeaseState::Expired)]);
    assert!(!device.file().exists(), "the correction can arrive");
}

#[tokio::test]
async fn deadline_reached() {
    let device = Device::new();
    let agent = device.agent().await;
    put(&agent, &ask(Verb::Put, "a")).await.unwrap();
    put(&agent, &keep("k")).await.unwrap();
    agent.revoke(Duration::from_secs(60)).await;
    assert_eq!(agent.list(None).leases[0].revoked_in, Some(60));
    device.clock.pass(60);
    assert_eq!(states(&agent), [state("a", LeaseState::Revoked), state("k", LeaseState::Held)]);
    assert!(matches!(put(&agent, &ask(Verb::Put, "a")).await, Err(Refusal::Ended { .. })));
    assert!(device.file().exists(), "a lease without expiry is waited for");
}

#[tokio::test]
async fn another_client_sees_neither_reason_nor_id() {
    let device = Device::new();
    let agent = device.agent().await;
    put(&agent, &ask(Verb::Put, "a")).await.unwrap();
    let seen = |client| serde_json::to_string(&agent.list(client)).unwrap();
    for client in [None, Some("modem")] {
        assert!(seen(client).contains("firmware") && seen(client).contains("\"id\""), "{client:?}");
    }
    let other = seen(Some("camera"));
    assert!(!other.contains("firmware") && !other.contains("\"id\""), "{other}");
    assert!(other.contains("\"client\":\"modem\"") && other.contains("own directory"), "{other}");
}

#[tokio::test]
async fn without_a_directory_nothing_is_granted() {
    let device = Device::new();
    fs::remove_dir(&device.directory).unwrap();
    let agent = device.agent().await;
    let refused = put(&agent, &ask(Verb::Put, "a")).await.unwrap_err();
    assert!(matches!(refused, Refusal::NotHeld(error) if error.is_config()));
    assert!(agent.list(None).leases.is_empty());
}

//! What becomes of leases when their agent ends, in whatever way, and when its storage or its settings do not work.

use std::path::Path;

use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::place::{Place, call};
use crate::support::{Fake, Process, eventually};

/// Gives the id of a held lease.
pub(crate) async fn held(agent: &Process, name: &str) -> Option<String> {
    let list = call(agent.address, "GET", "/agent/v1/locks", "").await?.json();
    let lease = list["leases"].as_array()?.iter().find(|lease| lease["name"] == name)?.clone();
    (lease["state"] == "held").then(|| lease["id"].as_str().unwrap().to_owned())
}

pub(crate) async fn take(agent: &Process, name: &str) -> Value {
    let path = format!("/agent/v1/locks/{name}");
    let answer = call(agent.address, "PUT", &path, r#"{"ttl":"10m"}"#).await.unwrap();
    assert!(matches!(answer.status, 200 | 201), "{}", answer.body);
    answer.json()
}

pub(crate) async fn release(agent: &Process, name: &str) {
    let answer = call(agent.address, "DELETE", &format!("/agent/v1/locks/{name}"), "").await.unwrap();
    assert!(answer.status < 300, "{}", answer.body);
}

/// Whether a process has the file locked.
fn is_locked(path: &Path) -> bool {
    let file = std::fs::File::open(path).unwrap();
    Flock::lock(file, FlockArg::LockSharedNonblock).is_err()
}

#[tokio::test]
async fn a_lease_goes_on_after_every_end_and_a_file_without_one_is_deleted() {
    let fake = Fake::start().await;
    let place = Place::new(&fake);
    let mut agent = Process::start(place.agent());
    agent.ready().await;
    let id = take(&agent, "flash").await["id"].as_str().unwrap().to_owned();
    for signal in [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGINT, Signal::SIGKILL] {
        agent.end(signal).await;
        assert!(place.lock_file().exists(), "after {signal}");
        assert!(!is_locked(&place.lock_file()), "after {signal}");
        agent = Process::start(place.agent());
        agent.ready().await;
        assert_eq!(held(&agent, "flash").await.as_ref(), Some(&id), "after {signal}");
        assert!(is_locked(&place.lock_file()), "after {signal}");
    }
    agent.end(Signal::SIGKILL).await;
    // An agent that knows nothing of it.
    let other = place.root.join("other");
    std::fs::create_dir(&other).unwrap();
    let mut command = place.agent();
    command.env("AGENT_STATE_DIRECTORY", &other);
    let agent = Process::start(command);
    agent.ready().await;
    eventually("the file to be deleted", async || (!place.lock_file().exists()).then_some(())).await;
    agent.end(Signal::SIGTERM).await;
}

#[tokio::test]
async fn a_parked_agent_honours_the_leases_of_its_state_directory_and_grants_none() {
    let fake = Fake::start().await;
    let place = Place::new(&fake);
    let agent = Process::start(place.agent());
    agent.ready().await;
    let id = take(&agent, "flash").await["id"].as_str().unwrap().to_owned();
    agent.end(Signal::SIGKILL).await;
    let parked = || {
        let mut command = place.agent();
        command.env("AGENT_POLL_SLOW", "often");
        Process::start(command)
    };
    for signal in [Signal::SIGKILL, Signal::SIGTERM] {
        let agent = parked();
        eventually("the lease to be honoured", async || is_locked(&place.lock_file()).then_some(())).await;
        let answer = call(agent.address, "PUT", "/agent/v1/locks/more", r#"{"ttl":"10m"}"#).await.unwrap();
        assert_eq!((answer.status, &answer.json()["kind"]), (503, &json!("parked")));
        agent.end(signal).await;
        assert!(place.lock_file().exists() && !is_locked(&place.lock_file()), "after {signal}");
    }
    let agent = Process::start(place.agent());
    agent.ready().await;
    assert_eq!(held(&agent, "flash").await, Some(id));
    // Nothing behind the file.
    agent.end(Signal::SIGKILL).await;
    std::fs::remove_dir_all(&place.state).unwrap();
    std::fs::create_dir(&place.state).unwrap();
    let agent = parked();
    eventually("the file to be deleted", async || (!place.lock_file().exists()).then_some(())).await;
    agent.end(Signal::SIGTERM).await;
}

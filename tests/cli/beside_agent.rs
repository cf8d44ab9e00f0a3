//! `lock run` beside a running agent: the lock is a lease of the agent.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use balena_agent::service::{Client, Lease};
use balena_agent::simulator::Device;
use nix::sys::signal::{Signal, kill};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Child;

use crate::support::{
    agent, assert_fails, device, first_line, free_address, pid, run, stderr, stdout, until_complete,
};

const TOKEN: &str = "helper-token-0123456789";

/// A device whose service `main` is the agent, and the variables of its sibling `helper`.
struct Beside {
    device: Device,
    address: String,
    main: BTreeMap<String, String>,
    helper: BTreeMap<String, String>,
    state: PathBuf,
    agent: Child,
}

impl Beside {
    async fn start(name: &str) -> Self {
        let (device, mut main) = device().await;
        for service in ["main", "helper"] {
            std::fs::create_dir_all(device.lock_directory(1, service)).unwrap();
        }
        let state = std::env::temp_dir().join(format!("balena-agent-beside-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&state);
        std::fs::create_dir(&state).unwrap();
        let address = free_address();
        for (variable, value) in [
            ("AGENT_LISTEN", address.as_str()),
            ("AGENT_STATE_DIRECTORY", state.to_str().unwrap()),
            ("AGENT_CLIENT_HELPER", "state locks"),
            ("AGENT_CLIENT_HELPER_TOKEN", TOKEN),
        ] {
            main.insert(variable.into(), value.into());
        }
        let mut helper = device.environment("helper").unwrap();
        helper.insert("BALENA_AGENT_ADDRESS".into(), format!("http://{address}"));
        helper.insert("BALENA_AGENT_TOKEN".into(), TOKEN.into());
        let agent = start(&main).await;
        Self { device, address, main, helper, state, agent }
    }

    /// The held leases, as the helper sees them.
    async fn held(&self) -> Vec<Lease> {
        let client = Client::new(&self.address).unwrap().token(TOKEN).unwrap();
        let mut leases = client.locks().await.unwrap();
        leases.retain(Lease::is_held);
        leases
    }

    /// Starts a command that runs until it is told to go on, and then ends with 7.
    async fn hold(&self) -> Child {
        let script = ["/bin/sh", "-c", "echo ready; read go; exit 7"];
        let arguments = [&["lock", "run", "--reason", "writes firmware", "--"], &script[..]].concat();
        let mut command = agent(&self.helper, &arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        assert_eq!(first_line(&mut child).await, "ready");
        child
    }

    fn is_locked(&self) -> bool {
        self.device.lock_directory(1, "main").join("updates.lock").exists()
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.state);
    }
}

async fn start(main: &BTreeMap<String, String>) -> Child {
    let child = agent(main, &["run"]).stderr(Stdio::null()).spawn().unwrap();
    until_complete(&main["AGENT_LISTEN"]).await;
    child
}

async fn go_on(mut held: Child) -> (Option<i32>, String) {
    held.stdin.take().unwrap().write_all(b"go\n").await.unwrap();
    let output = tokio::time::timeout(Duration::from_secs(30), held.wait_with_output()).await;
    let output = output.unwrap().unwrap();
    (output.status.code(), stderr(&output))
}

#[tokio::test]
async fn a_lease_is_held_while_the_command_runs() {
    let beside = Beside::start("held").await;
    let held = beside.hold().await;
    let leases = beside.held().await;
    let [lease] = &leases[..] else { panic!("{leases:?}") };
    assert_eq!((&*lease.client, lease.reason.as_deref()), ("helper", Some("writes firmware")));
    assert!(lease.name.starts_with("lock-run-") && lease.ttl == Some(300), "{lease:?}");
    assert!(beside.is_locked(), "the agent has the file");
    assert_eq!(std::fs::read_dir(beside.device.lock_directory(1, "helper")).unwrap().count(), 0);

    let status = run(&beside.helper, &["lock", "status", "--exit-code"]).await;
    assert_eq!(status.status.code(), Some(5), "{}", stderr(&status));
    assert!(stdout(&status).contains(&lease.name), "{}", stdout(&status));
    let status = run(&beside.helper, &["--json", "lock", "status"]).await;
    let status: Value = serde_json::from_str(&stdout(&status)).unwrap();
    assert_eq!(
        (&status["leases"][0]["name"], &status["state"]),
        (&lease.name.as_str().into(), &"free".into())
    );

    // A second command has a lease of its own.
    let second = run(&beside.helper, &["lock", "run", "--", "/bin/true"]).await;
    assert_eq!(second.status.code(), Some(0), "{}", stderr(&second));
    assert_eq!(beside.held().await.len(), 1);

    assert_eq!(go_on(held).await, (Some(7), String::new()));
    assert_eq!(beside.held().await, []);
    assert!(!beside.is_locked());
    let status = run(&beside.helper, &["lock", "status", "--exit-code"]).await;
    assert_eq!(status.status.code(), Some(0), "{}", stdout(&status));
}

#[tokio::test]
async fn a_signal_releases_the_lease() {
    let beside = Beside::start("signal").await;
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT] {
        let mut held = beside.hold().await;
        assert!(beside.is_locked());
        // Else `wait` closes it, which ends the command too.
        let _stdin = held.stdin.take();
        kill(pid(&held), signal).unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(30), held.wait()).await;
        assert_eq!(ended.unwrap().unwrap().code(), Some(128 + signal as i32));
        assert_eq!(beside.held().await, []);
        assert!(!beside.is_locked());
    }
    let gone = run(&beside.helper, &["lock", "run", "--", "/no/such/command"]).await;
    assert_fails(&gone, 127, &["/no/such/command"]);
    assert_eq!(beside.held().await, []);
}

#[tokio::test]
async fn a_lost_lease_is_told_and_hides_no_failure() {
    let beside = Beside::start("lost").await;
    let lock = beside.device.lock_directory(1, "main").join("updates.lock");
    for (own, code) in [(0, 5), (3, 3)] {
        // The agent notices within 2 s.
        let script = format!("rm {}; sleep 3; exit {own}", lock.display());
        let output = run(&beside.helper, &["lock", "run", "--", "/bin/sh", "-c", &script]).await;
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert!(stderr(&output).contains("was lost before its release"), "{}", stderr(&output));
    }
}

#[tokio::test]
async fn what_the_agent_refuses_is_an_error_and_the_own_file_is_no_way_out() {
    let beside = Beside::start("refused").await;
    let command = ["--timeout", "0s", "lock", "run", "--", "/bin/sh", "-c", "echo it ran"];
    let mut wrong = beside.helper.clone();
    wrong.insert("BALENA_AGENT_TOKEN".into(), "another-token-0123456789".into());
    assert_fails(&run(&wrong, &command).await, 4, &["POST /agent/v1/locks", "401"]);
    wrong.remove("BALENA_AGENT_TOKEN");
    assert_fails(&run(&wrong, &command).await, 4, &["POST /agent/v1/locks"]);

    let lock = beside.device.lock_directory(1, "main").join("updates.lock");
    std::fs::File::create_new(&lock).unwrap();
    assert_fails(&run(&beside.helper, &command).await, 5, &["423"]);
    // It waits for it as for its own file.
    let mut waits = agent(&beside.helper, &["lock", "run", "--", "/bin/true"]).spawn().unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(waits.try_wait().unwrap().is_none(), "it does not wait");
    let mut told_to_stop = agent(&beside.helper, &["lock", "run", "--", "/bin/true"]).spawn().unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    kill(pid(&told_to_stop), Signal::SIGTERM).unwrap();
    assert_eq!(told_to_stop.wait().await.unwrap().code(), Some(128 + 15));
    std::fs::remove_file(&lock).unwrap();
    assert_eq!(waits.wait().await.unwrap().code(), Some(0));
    assert_eq!(beside.held().await, [], "neither of them left one");

    let mut nowhere = beside.helper.clone();
    nowhere.insert("BALENA_AGENT_ADDRESS".into(), free_address());
    assert_fails(&run(&nowhere, &command).await, 6, &["can't reach the service"]);
    nowhere.insert("BALENA_AGENT_ADDRESS".into(), "https://agent".into());
    assert_fails(&run(&nowhere, &command).await, 78, &["BALENA_AGENT_ADDRESS", "plain HTTP"]);
    assert_eq!(std::fs::read_dir(beside.device.lock_directory(1, "helper")).unwrap().count(), 0);
}

#[tokio::test]
async fn the_lease_continues_when_the_agent_is_killed_and_started_again() {
    let mut beside = Beside::start("killed").await;
    let held = beside.hold().await;
    let before = beside.held().await;
    beside.agent.kill().await.unwrap();
    assert!(beside.is_locked(), "the file stays");
    beside.agent = start(&beside.main).await;
    let after = beside.held().await;
    assert_eq!((after.len(), &after[0].id), (1, &before[0].id), "{after:?}");
    assert!(beside.is_locked());
    assert_eq!(go_on(held).await, (Some(7), String::new()));
    assert_eq!(beside.held().await, []);
    assert!(!beside.is_locked());
}

#[tokio::test]
async fn in_the_service_of_the_agent_the_admin_token_is_enough() {
    let beside = Beside::start("same").await;
    let mut held =
        agent(&beside.main, &["lock", "run", "--", "/bin/sh", "-c", "echo ready; read go; exit 7"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
    assert_eq!(first_line(&mut held).await, "ready");
    let leases = beside.held().await;
    assert_eq!((leases.len(), &*leases[0].client), (1, "admin"), "{leases:?}");
    assert_eq!(leases[0].reason, None, "other clients do not see it");
    assert_eq!(go_on(held).await, (Some(7), String::new()));
    assert_eq!(beside.held().await, []);
}

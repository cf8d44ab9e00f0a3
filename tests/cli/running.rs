//! What runs until it is told to stop: `run`, `events`, `simulate`.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::support::{agent, assert_fails, device, first_line, free_address, pid, run, stderr, until_ready};

#[tokio::test]
async fn simulate_prints_what_to_export() {
    let mut child = agent(&BTreeMap::new(), &["--json", "simulate"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let environment: BTreeMap<String, String> = serde_json::from_str(&first_line(&mut child).await).unwrap();
    let output = run(&environment, &["device", "ping"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    kill(pid(&child), Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn simulate_writes_an_env_file() {
    let path = std::env::temp_dir().join(format!("balena-agent-cli-{}.env", std::process::id()));
    let file = path.to_str().unwrap();
    let mut child =
        agent(&BTreeMap::new(), &["simulate", "--env-file", file]).stderr(Stdio::null()).spawn().unwrap();
    let text = loop {
        // It appears whole or not at all.
        match std::fs::read_to_string(&path) {
            Ok(text) => break text,
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
        assert_eq!(child.try_wait().unwrap(), None, "the simulator ended");
    };
    std::fs::remove_file(&path).unwrap();
    let environment: BTreeMap<String, String> = text
        .lines()
        .map(|line| line.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    assert_eq!(run(&environment, &["device", "ping"]).await.status.code(), Some(0));

    let nowhere = run(&BTreeMap::new(), &["simulate", "--env-file", "/no/such/directory/file"]).await;
    assert_fails(&nowhere, 78, &["/no/such/directory/file", "directory"]);
}

#[tokio::test]
async fn run_answers_and_ends_in_order() {
    let (device, environment) = device().await;
    let address = free_address();
    let mut service =
        agent(&environment, &["run", "--listen", &address]).stderr(Stdio::null()).spawn().unwrap();
    until_ready(&environment, &address).await;

    // A second one can't have the port.
    assert_fails(&run(&environment, &["run", "--listen", &address]).await, 1, &[&address]);

    let mut events =
        agent(&environment, &["events", "--listen", &address]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(events.stdout.take().unwrap()).lines();
    let snapshot: Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
    assert!(snapshot["type"].is_string(), "{snapshot}");
    let output = run(&environment, &["device", "stop-service", "helper"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let event =
        tokio::time::timeout(Duration::from_secs(60), lines.next_line()).await.unwrap().unwrap().unwrap();
    assert!(event.contains("helper"), "{event}");

    kill(pid(&service), Signal::SIGTERM).unwrap();
    let status = tokio::time::timeout(Duration::from_secs(15), service.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(0));
    assert_eq!(run(&environment, &["healthcheck", "--listen", &address]).await.status.code(), Some(6));
    drop(device);
}

#[tokio::test]
async fn run_simulate_needs_no_device() {
    let address = free_address();
    let nothing = BTreeMap::new();
    let mut service =
        agent(&nothing, &["run", "--simulate", "--listen", &address]).stderr(Stdio::null()).spawn().unwrap();
    until_ready(&nothing, &address).await;
    kill(pid(&service), Signal::SIGINT).unwrap();
    assert_eq!(service.wait().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_hangup_ends_in_order_too() {
    let scratch = std::env::temp_dir().join(format!("balena-agent-hangup-{}", std::process::id()));
    std::fs::create_dir(&scratch).unwrap();
    let environment = BTreeMap::from([("TMPDIR".to_owned(), scratch.to_str().unwrap().to_owned())]);
    let mut child = agent(&environment, &["--json", "simulate"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    first_line(&mut child).await;
    assert_eq!(std::fs::read_dir(&scratch).unwrap().count(), 1, "the simulated device has a directory");
    kill(pid(&child), Signal::SIGHUP).unwrap();
    if hangup_is_ignored() {
        // Tests under `nohup`: then so is the command, and has to live on until it is told otherwise.
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(child.try_wait().unwrap(), None);
        kill(pid(&child), Signal::SIGTERM).unwrap();
    }
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
    assert_eq!(std::fs::read_dir(&scratch).unwrap().count(), 0);
    std::fs::remove_dir(&scratch).unwrap();
}

fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap() & 1 != 0
}

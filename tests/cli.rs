//! The command line as scripts and people meet it: output, errors, exit codes, signals.

#![cfg(all(feature = "cli", feature = "service", feature = "simulator"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at what it can't do")]

use std::collections::BTreeMap;
use std::process::{Output, Stdio};
use std::time::Duration;

use balena_agent::simulator::{Device, Fault, Injection};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

const AGENT: &str = env!("CARGO_BIN_EXE_balena-agent");

/// The binary with these variables and no others of balena's.
fn agent(environment: &BTreeMap<String, String>, arguments: &[&str]) -> Command {
    let mut command = Command::new(AGENT);
    command.env_clear().envs(environment).args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    command
}

async fn run(environment: &BTreeMap<String, String>, arguments: &[&str]) -> Output {
    tokio::time::timeout(Duration::from_secs(60), agent(environment, arguments).output())
        .await
        .unwrap_or_else(|_| panic!("{arguments:?} does not end"))
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Ends with this code and one line on stderr that holds all of `words`; nothing on stdout.
#[track_caller]
fn assert_fails(output: &Output, code: i32, words: &[&str]) {
    let text = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert_eq!(text.lines().count(), 1, "not one line: {text}");
    assert!(text.starts_with("error: "), "{text}");
    for word in words {
        assert!(text.contains(word), "no \"{word}\" in: {text}");
    }
    assert_eq!(stdout(output), "");
}

async fn device() -> (Device, BTreeMap<String, String>) {
    let device = Device::start().await.unwrap();
    let environment = device.environment("main").unwrap();
    (device, environment)
}

#[tokio::test]
async fn shows_the_device() {
    let (_device, environment) = device().await;
    let output = run(&environment, &["device", "state"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("supervisor_version  19.0.5\n"), "{}", stdout(&output));

    let output = run(&environment, &["--json", "device", "state"]).await;
    let state: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(state["supervisor_version"], "19.0.5");

    let output = run(&environment, &["device", "services"]).await;
    let table = stdout(&output);
    let mut lines = table.lines();
    assert!(lines.next().unwrap().starts_with("APPLICATION  SERVICE  STATUS"), "{table}");
    assert!(table.lines().any(|line| line.starts_with("small-fleet  main     Running")), "{table}");
}

#[tokio::test]
async fn every_reading_command_works_in_both_forms() {
    let (_device, environment) = device().await;
    for arguments in [
        &["device", "ping"][..],
        &["device", "identify"],
        &["device", "state"],
        &["device", "services"],
        &["device", "name"],
        &["device", "tags"],
        &["device", "vpn"],
        &["device", "host-config"],
        &["device", "update"],
        &["device", "logs", "-n", "3"],
        &["device", "start-service", "main"],
        &["device", "restart-service", "helper"],
        &["device", "set-tags", "site=berlin", "floor=3"],
        &["device", "set-host-config", "--proxy", "socks5://192.0.2.1:1080", "--no-proxy", "10.0.0.0/8"],
        &["device", "restart"],
        &["supervisor", "ping"],
        &["supervisor", "healthy"],
        &["supervisor", "version"],
        &["supervisor", "device-info"],
        &["supervisor", "status"],
        &["supervisor", "applications"],
        &["supervisor", "application"],
        &["supervisor", "container-id"],
        &["supervisor", "container-id", "main"],
        &["supervisor", "restart"],
        &["supervisor", "purge", "--yes"],
        &["supervisor", "wait-ready", "30s"],
        &["supervisor", "wait-for", "main", "Running", "30s"],
        &["supervisor", "cleanup-volumes", "--yes"],
        &["lock", "status"],
    ] {
        for json in [false, true] {
            let mut arguments = arguments.to_vec();
            if json {
                arguments.insert(0, "--json");
            }
            let output = run(&environment, &arguments).await;
            assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
            if json {
                for line in stdout(&output).lines() {
                    serde_json::from_str::<Value>(line)
                        .unwrap_or_else(|cause| panic!("{arguments:?}: {cause}: {line}"));
                }
            }
        }
    }
}

#[tokio::test]
async fn stops_and_waits() {
    let (device, environment) = device().await;
    let output = run(&environment, &["device", "stop-service", "helper", "--until-done", "30s"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let helper = device.containers().into_iter().find(|container| container.service == "helper").unwrap();
    assert_eq!(helper.status, "exited");
}

#[tokio::test]
async fn missing_variables_name_the_variable_and_the_label() {
    let (_device, mut environment) = device().await;
    let nothing = BTreeMap::new();
    assert_fails(
        &run(&nothing, &["device", "state"]).await,
        78,
        &["BALENA_SUPERVISOR_ADDRESS", "io.balena.features.supervisor-api"],
    );
    environment.retain(|name, _| !name.ends_with("_APP_ID"));
    assert_fails(&run(&environment, &["device", "restart"]).await, 78, &["BALENA_APP_ID"]);
    // Only calls that name the application need it.
    assert_eq!(run(&environment, &["device", "ping"]).await.status.code(), Some(0));
}

#[tokio::test]
async fn bad_addresses_and_dead_ones() {
    let (device, mut environment) = device().await;
    for bad in ["10.0.0.1:48484", "https://127.0.0.1:1", "http://127.0.0.1:99999", "rubbish"] {
        environment.insert("BALENA_SUPERVISOR_ADDRESS".into(), bad.into());
        assert_fails(&run(&environment, &["device", "ping"]).await, 78, &["BALENA_SUPERVISOR_ADDRESS", bad]);
    }
    environment.insert("BALENA_SUPERVISOR_ADDRESS".into(), device.address());
    device.stop_supervisor().await;
    assert_fails(
        &run(&environment, &["device", "ping"]).await,
        6,
        &["can't reach the supervisor", "refused"],
    );
}

#[tokio::test]
async fn waits_for_a_supervisor_that_restarts() {
    let (device, environment) = device().await;
    device.restart_supervisor(Duration::from_secs(2)).await;
    let output = run(&environment, &["--wait", "30s", "device", "state"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[tokio::test]
async fn refusals_have_codes_of_their_own() {
    let (device, mut environment) = device().await;
    assert_fails(&run(&environment, &["device", "restart-service", "nope"]).await, 3, &["not found (404)"]);
    assert_fails(&run(&environment, &["supervisor", "container-id", "nope"]).await, 3, &["not found (503)"]);
    assert_fails(&run(&environment, &["device", "restart-service", ""]).await, 2, &["service", "empty"]);
    assert_fails(&run(&environment, &["device", "set-tags", "a b=c"]).await, 2, &["tags"]);
    assert_fails(&run(&environment, &["device", "set-tags", "novalue"]).await, 2, &["="]);
    assert_fails(
        &run(&environment, &["supervisor", "restart", "777"]).await,
        4,
        &["not for this application"],
    );

    let lock = device.lock_directory(1, "plain").join("updates.lock");
    std::fs::create_dir_all(lock.parent().unwrap()).unwrap();
    std::fs::File::create_new(lock).unwrap();
    assert_fails(&run(&environment, &["device", "reboot"]).await, 5, &["locked (423)", "service: plain"]);
    assert_fails(&run(&environment, &["device", "restart-service", "main"]).await, 5, &["locked (423)"]);

    environment.insert("BALENA_SUPERVISOR_API_KEY".into(), "0123456789abcdef0123456789abcdef".into());
    assert_fails(
        &run(&environment, &["device", "state"]).await,
        4,
        &["refused the key (401)", "BALENA_SUPERVISOR_API_KEY"],
    );
}

#[tokio::test]
async fn answers_that_are_none() {
    let (device, environment) = device().await;
    device.inject(Injection::new(Fault::Garbage).times(2));
    assert_fails(&run(&environment, &["device", "state"]).await, 1, &["does not speak HTTP"]);
    device.clear_faults();
    device.inject(Injection::new(Fault::Silence).times(1));
    assert_fails(
        &run(&environment, &["--timeout", "500ms", "device", "state"]).await,
        7,
        &["no answer within"],
    );
    device.clear_faults();
    device.inject(Injection::new(Fault::Status(500)).times(1));
    assert_fails(&run(&environment, &["device", "state"]).await, 1, &["status 500"]);
    device.clear_faults();
    device.inject(Injection::new(Fault::Status(502)).times(1));
    assert_fails(&run(&environment, &["device", "state"]).await, 6, &["502"]);
    device.clear_faults();
    device.inject(Injection::new(Fault::ResetAfter).times(1));
    assert_fails(
        &run(&environment, &["device", "restart-service", "main"]).await,
        8,
        &["it may have happened"],
    );
}

#[tokio::test]
async fn what_cant_be_undone_wants_a_yes() {
    let (device, environment) = device().await;
    for arguments in [
        &["device", "purge"][..],
        &["device", "shutdown"],
        &["supervisor", "purge"],
        &["supervisor", "cleanup-volumes"],
        &["supervisor", "regenerate-api-key"],
    ] {
        assert_fails(&run(&environment, arguments).await, 2, &["--yes"]);
    }
    assert_eq!(device.requests(), [], "something was sent");
}

#[tokio::test]
async fn errors_are_json_when_asked() {
    let output = run(&BTreeMap::new(), &["--json", "device", "state"]).await;
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["kind"], "config");
    assert_eq!(error["error"]["exit_code"], 78);
    assert!(error["error"]["help"].as_str().unwrap().contains("io.balena.features.supervisor-api"));
}

#[tokio::test]
async fn usage_errors_are_two() {
    let nothing = BTreeMap::new();
    for arguments in
        [&["nonsense"][..], &["device", "restart-service"], &["--wait", "5", "device", "ping"], &[]]
    {
        let output = run(&nothing, arguments).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
    for arguments in [&["--help"][..], &["--version"], &["device", "--help"]] {
        assert_eq!(run(&nothing, arguments).await.status.code(), Some(0));
    }
}

#[tokio::test]
async fn lock_run_holds_the_lock_and_hands_the_code_on() {
    let (device, environment) = device().await;
    let lock = &environment["BALENA_APP_LOCK_PATH"];
    std::fs::create_dir_all(device.lock_directory(1, "main")).unwrap();

    let script = format!("test -e {lock} && exit 7");
    let output = run(&environment, &["lock", "run", "--", "/bin/sh", "-c", &script]).await;
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
    assert_eq!(device.locks(), [], "the lock is still there");

    let output = run(&environment, &["lock", "run", "--", "/no/such/command"]).await;
    assert_fails(&output, 127, &["/no/such/command"]);
    assert_eq!(device.locks(), [], "the lock is still there");

    std::fs::File::create_new(lock).unwrap();
    let output = run(&environment, &["--timeout", "300ms", "lock", "run", "--", "/bin/true"]).await;
    assert_fails(&output, 5, &["lock"]);
    let status = run(&environment, &["--json", "lock", "status"]).await;
    assert!(stdout(&status).contains("held"), "{}", stdout(&status));
}

#[tokio::test]
async fn lock_run_releases_when_it_is_told_to_stop() {
    let (device, environment) = device().await;
    std::fs::create_dir_all(device.lock_directory(1, "main")).unwrap();
    let mut child =
        agent(&environment, &["lock", "run", "--", "/bin/sh", "-c", "echo ready; exec /bin/sleep 60"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
    assert_eq!(first_line(&mut child).await, "ready");
    assert!(!device.locks().is_empty());
    kill(pid(&child), Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().await.unwrap().code(), Some(128 + 15));
    assert_eq!(device.locks(), []);
}

#[tokio::test]
async fn a_closed_pipe_is_no_failure() {
    let (_device, environment) = device().await;
    let mut child =
        agent(&environment, &["device", "logs", "--follow"]).stdout(Stdio::piped()).spawn().unwrap();
    first_line(&mut child).await;
    drop(child.stdout.take());
    let status = tokio::time::timeout(Duration::from_secs(30), child.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn doctor_tells_what_is_wrong() {
    let (device, mut environment) = device().await;
    std::fs::create_dir_all(device.lock_directory(1, "main")).unwrap();
    environment.insert("BALENA_API_URL".into(), device.address());
    let output = run(&environment, &["doctor"]).await;
    let report = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{report}");
    for check in ["supervisor key", "key scope", "update lock", "clock"] {
        assert!(
            report.lines().any(|line| line.starts_with("ok") && line.contains(check)),
            "{check}: {report}"
        );
    }

    environment.insert("BALENA_SUPERVISOR_API_KEY".into(), "wrong".into());
    let output = run(&environment, &["doctor"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("FAIL  supervisor key"), "{}", stdout(&output));

    let output =
        run(&BTreeMap::from([("BALENA_API_URL".into(), device.address())]), &["--json", "doctor"]).await;
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let failed: Vec<&Value> =
        report.as_array().unwrap().iter().filter(|finding| finding["result"] == "fail").collect();
    assert!(failed[0]["fix"].as_str().unwrap().contains("io.balena.features.supervisor-api"), "{report}");
}

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
async fn the_key_shows_nowhere() {
    let (device, environment) = device().await;
    let key = device.key("main").unwrap();
    for arguments in [
        &["-vvv", "device", "state"][..],
        &["-vvv", "--json", "device", "restart-service", "nope"],
        &["-vvv", "doctor"],
        &["-vvv", "supervisor", "applications"],
    ] {
        let output = run(&environment, arguments).await;
        assert!(!stdout(&output).contains(&key) && !stderr(&output).contains(&key), "{arguments:?}");
    }
}

async fn until_ready(environment: &BTreeMap<String, String>, address: &str) {
    for _ in 0..100 {
        if run(environment, &["healthcheck", "--listen", address]).await.status.success() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the service at {address} does not come up");
}

fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap())
}

async fn first_line(child: &mut Child) -> String {
    let mut line = String::new();
    let stdout = child.stdout.as_mut().unwrap();
    tokio::time::timeout(Duration::from_secs(30), BufReader::new(stdout).read_line(&mut line))
        .await
        .unwrap()
        .unwrap();
    line.trim_end().to_owned()
}

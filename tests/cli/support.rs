//! The binary, its output and its signals.

use std::collections::BTreeMap;
use std::process::{Output, Stdio};
use std::time::Duration;

use balena_agent::simulator::Device;
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

pub(crate) const AGENT: &str = env!("CARGO_BIN_EXE_balena-agent");

/// The binary with these variables and no others of balena's.
pub(crate) fn agent(environment: &BTreeMap<String, String>, arguments: &[&str]) -> Command {
    let mut command = Command::new(AGENT);
    command.env_clear().envs(environment).args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    command
}

pub(crate) async fn run(environment: &BTreeMap<String, String>, arguments: &[&str]) -> Output {
    tokio::time::timeout(Duration::from_secs(60), agent(environment, arguments).output())
        .await
        .unwrap_or_else(|_| panic!("{arguments:?} does not end"))
        .unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Ends with this code and one line on stderr that holds all of `words`; nothing on stdout.
#[track_caller]
pub(crate) fn assert_fails(output: &Output, code: i32, words: &[&str]) {
    let text = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert_eq!(text.lines().count(), 1, "not one line: {text}");
    assert!(text.starts_with("error: "), "{text}");
    for word in words {
        assert!(text.contains(word), "no \"{word}\" in: {text}");
    }
    assert_eq!(stdout(output), "");
}

pub(crate) async fn device() -> (Device, BTreeMap<String, String>) {
    let device = Device::start().await.unwrap();
    let environment = device.environment("main").unwrap();
    (device, environment)
}

pub(crate) async fn until_ready(environment: &BTreeMap<String, String>, address: &str) {
    for _ in 0..100 {
        if run(environment, &["healthcheck", "--listen", address]).await.status.success() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the service at {address} does not come up");
}

/// Waits until the service knows the device and answers everything.
pub(crate) async fn until_complete(address: &str) {
    let client = balena_agent::service::Client::new(address).unwrap();
    for _ in 0..400 {
        if client.ready().await.is_ok_and(|readiness| readiness.is_ready()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the service at {address} is not ready");
}

pub(crate) fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

pub(crate) fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap())
}

pub(crate) async fn first_line(child: &mut Child) -> String {
    let mut line = String::new();
    let stdout = child.stdout.as_mut().unwrap();
    tokio::time::timeout(Duration::from_secs(30), BufReader::new(stdout).read_line(&mut line))
        .await
        .unwrap()
        .unwrap();
    line.trim_end().to_owned()
}

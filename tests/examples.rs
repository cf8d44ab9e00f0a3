//! The examples are programs that someone would keep, so they have to run.

#![cfg(feature = "simulator")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at what it can't do")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use balena_agent::simulator::{Device, Power};
use tokio::process::Command;

#[path = "batch/cloud.rs"]
#[allow(dead_code, clippy::indexing_slicing, reason = "these tests need less of it, and stop at a surprise")]
mod cloud;
#[path = "logs/server.rs"]
mod server;

/// `cargo test` builds the examples beside the test's own binary.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().join("examples").join(name)
}

async fn run(device: &Device, name: &str, arguments: &[&str]) -> Output {
    run_with(device.environment("main").unwrap(), name, arguments).await
}

async fn run_with(environment: BTreeMap<String, String>, name: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(example(name));
    command.env_clear().envs(environment).args(arguments).kill_on_drop(true);
    tokio::time::timeout(Duration::from_secs(60), command.output())
        .await
        .unwrap_or_else(|_| panic!("{name} does not end"))
        .unwrap_or_else(|cause| {
            panic!("{name}: {cause}; `cargo test` builds the examples, `cargo test --test …` does not")
        })
}

/// In the environment of a program that has a cloud and no supervisor.
async fn run_in(cloud: &cloud::Cloud, name: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(example(name));
    command
        .env_clear()
        .env("BALENA_API_URL", format!("http://{}", cloud.address))
        .env("BALENA_API_KEY", "k")
        .args(arguments)
        .kill_on_drop(true);
    tokio::time::timeout(Duration::from_secs(60), command.output()).await.unwrap().unwrap()
}

#[track_caller]
fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test]
async fn on_device_state() {
    let device = Device::start().await.unwrap();
    let text = printed(&run(&device, "on_device_state", &[]).await);
    assert!(text.contains("simulated-device: balenaOS") && text.contains("  main: Running"), "{text}");
}

#[tokio::test]
async fn restart_service_by_name() {
    let device = Device::start().await.unwrap();
    let text = printed(&run(&device, "restart_service_by_name", &["helper"]).await);
    assert_eq!(text, "helper runs in a new container\n");
}

#[tokio::test]
async fn reboot_when_unlocked() {
    let device = Device::start().await.unwrap();
    let directory = device.lock_directory(1, "plain");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::File::create_new(directory.join("updates.lock")).unwrap();
    let unlock = async {
        while device.request_count("POST", "/v1/reboot") == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(device.power(), None, "the lock did not hold");
        device.remove_locks();
    };
    let (output, ()) = tokio::join!(run(&device, "reboot_when_unlocked", &[]), unlock);
    let text = printed(&output);
    assert!(text.starts_with("not now: service plain of application 1 holds an update lock"), "{text}");
    assert_eq!(device.power(), Some(Power::Reboot));
}

#[tokio::test]
async fn follow_state() {
    let device = Device::start().await.unwrap();
    let stop = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let environment =
            balena_agent::Environment::from_vars(device.environment("helper").unwrap()).unwrap();
        let balena = balena_agent::Balena::builder().environment(environment).build();
        let service = balena_agent::supervisor::ServiceSelector::name("plain");
        balena.device().stop_service(None, service).await.unwrap();
    };
    let (output, ()) = tokio::join!(run(&device, "follow_state", &["4"]), stop);
    let text = printed(&output);
    assert!(text.contains("small-fleet/plain: Running\n"), "{text}");
    assert!(text.contains("-> exited\n"), "{text}");
}

#[tokio::test]
async fn hold_update_lock() {
    let device = Device::start().await.unwrap();
    std::fs::create_dir_all(device.lock_directory(1, "main")).unwrap();
    let text = printed(&run(&device, "hold_update_lock", &[]).await);
    assert!(text.starts_with("locked\n") && text.ends_with("unlocked\n"), "{text}");
    assert_eq!(device.locks(), []);
}

#[tokio::test]
async fn follow_logs() {
    let log = |name: &str| {
        let line = |at| format!("{{\"message\":\"{name} {at}\",\"createdAt\":{at},\"serviceId\":7}}\n");
        server::Log { lines: (1..=3).map(|at| (at, line(at))).collect(), ..server::Log::default() }
    };
    let (one, other) = ("1".repeat(32), "2".repeat(32));
    let cloud = server::Server::start([(one.clone(), log("one")), (other.clone(), log("other"))]);
    let device = Device::builder().journal(3).start().await.unwrap();
    let mut environment = device.environment("main").unwrap();
    environment.insert("BALENA_API_URL".into(), cloud.url());
    environment.insert("BALENA_API_KEY".into(), "t0ken".into());
    environment.insert("LINES".into(), "9".into());
    let own = environment["BALENA_DEVICE_UUID"].clone();
    let output = run_with(environment, "follow_logs", &[&one, &"3".repeat(32), &other, &own]).await;
    let text = printed(&output);
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    let mut expected = Vec::new();
    for number in 1..=3 {
        expected.push(format!("1111111 service 7: one {number}"));
        expected.push(format!("2222222 service 7: other {number}"));
        expected.push(format!("{} host: line {number}", &own[..7]));
    }
    expected.sort_unstable();
    assert_eq!(lines, expected);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.starts_with("3333333: it is over: ") && told.contains("not found"), "{told}");
}

#[tokio::test]
async fn batch_note() {
    let cloud = cloud::Cloud::start().await;
    cloud.fault(1, cloud::Fault::Status(500));
    let directory = tempfile::tempdir().unwrap();
    let list = directory.path().join("devices.txt");
    let uuids: Vec<String> = (1..=600).map(cloud::uuid).collect();
    std::fs::File::create(&list).and_then(|mut file| file.write_all(uuids.join("\n").as_bytes())).unwrap();
    let list = list.to_str().unwrap();

    let output = run_in(&cloud, "batch_note", &["hall 3", list]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!output.status.success() && text.starts_with("400 of 600 done, 200 failed\n"), "{text}");
    assert!(text.ends_with("run it again to go on\n"), "{text}");

    let other = run_in(&cloud, "batch_note", &["hall 4", list]).await;
    assert!(String::from_utf8(other.stderr).unwrap().contains("the token belongs to another call"));

    assert_eq!(printed(&run_in(&cloud, "batch_note", &["hall 3", list]).await), "600 of 600 done\n");
    cloud.assert_changed(1..=600, 1);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left behind");
}

//! Real processes that play the containers of a device.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use balena_agent::simulator::{Builder, Device, Workload};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::timeout;

use super::send;

/// A shell script that writes what happens to it into a file of a volume.
fn script(device: &Device, name: &str, text: &str) -> (Workload, PathBuf) {
    let volume = device.volume_directory(1, "main-data");
    let (script, log) = (volume.join(format!("{name}.sh")), volume.join(format!("{name}.log")));
    let text = format!("#!/bin/sh\nlog() {{ echo \"$1\" >> {}; }}\n{text}\n", log.display());
    let file = std::fs::File::create(&script);
    file.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes())).expect("a script");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("executable");
    (Workload::new("/bin/sh").args([script]), log)
}

const NO_NAMESPACE: &str =
    "SKIP: no mount namespace can be made here (unshare --mount), so the boot id is not shown\n";

const OBEDIENT: &str = "log \"start $BALENA_SERVICE_NAME $BALENA_APP_LOCK_PATH\"
trap 'log term; exit 0' TERM
while :; do sleep 0.02; done";

fn read(log: &Path) -> Vec<String> {
    std::fs::read_to_string(log).unwrap_or_default().lines().map(str::to_owned).collect()
}

async fn until(what: &str, done: impl Fn() -> bool) {
    let waiting = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(20), waiting).await.unwrap_or_else(|_| panic!("{what} does not happen"));
}

fn quick() -> Builder {
    Device::builder().with_timings(|timings| {
        timings.power_off = Duration::from_millis(50);
        timings.boot = Duration::from_millis(50);
        timings.stop_grace = Duration::from_millis(400);
    })
}

#[tokio::test]
async fn a_restart_of_its_service_stops_and_starts_the_process() {
    let device = quick().start().await.expect("a device");
    let (workload, log) = script(&device, "restarted", OBEDIENT);
    assert!(!device.run_in("nobody", workload.clone()));
    assert!(device.run_in("main", workload));
    let lock = device.environment("main").expect("main")["BALENA_APP_LOCK_PATH"].clone();
    let start = format!("start main {lock}");
    until("the start", || read(&log) == [start.as_str()]).await;
    let first = device.pid_of(1, "main").expect("it runs");

    let body = r#"{"serviceName":"main"}"#;
    let restarted =
        send(&device, "POST", "/v2/applications/1/restart-service", body).await.expect("an answer");
    assert!(restarted.starts_with("HTTP/1.1 200"), "{restarted}");
    until("the restart", || read(&log) == [&*start, "term", &*start]).await;
    assert!(device.pid_of(1, "main").is_some_and(|pid| pid != first));

    send(&device, "POST", "/v2/applications/1/stop-service", body).await.expect("an answer");
    until("the stop", || device.pid_of(1, "main").is_none()).await;
    assert_eq!(read(&log), [&*start, "term", &*start, "term"]);
    send(&device, "POST", "/v2/applications/1/start-service", body).await.expect("an answer");
    until("the start", || device.pid_of(1, "main").is_some()).await;

    // What is not the container's business does not concern the process.
    let running = device.pid_of(1, "main");
    send(&device, "POST", "/v2/applications/1/restart-service", r#"{"serviceName":"helper"}"#)
        .await
        .expect("an answer");
    device.restart_supervisor(Duration::from_millis(50)).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(device.pid_of(1, "main"), running);
}

#[tokio::test]
async fn who_ignores_sigterm_is_killed_and_who_ends_is_started_again() {
    let device = quick().start().await.expect("a device");
    let stubborn = "log start\ntrap 'log term' TERM\nwhile :; do sleep 0.02; done";
    let (workload, log) = script(&device, "stubborn", stubborn);
    device.run_in("main", workload);
    until("the start", || read(&log) == ["start"]).await;
    let started = std::time::Instant::now();
    send(&device, "POST", "/v2/applications/1/stop-service", r#"{"serviceName":"main"}"#)
        .await
        .expect("an answer");
    until("the end", || device.pid_of(1, "main").is_none()).await;
    assert!(started.elapsed() >= Duration::from_millis(400));
    assert_eq!(read(&log), ["start", "term"]);

    let (workload, log) = script(&device, "ending", "log start\nwhile :; do sleep 0.02; done");
    device.run_in("helper", workload);
    until("the start", || read(&log).len() == 1).await;
    let pid = device.pid_of(1, "helper").expect("it runs");
    kill(Pid::from_raw(i32::try_from(pid).expect("a pid")), Signal::SIGKILL).expect("killed");
    until("the restart", || read(&log).len() == 2).await;
    assert!(
        device
            .containers()
            .iter()
            .any(|container| container.service == "helper" && container.status == "Running")
    );
}

#[tokio::test]
async fn a_reboot_is_orderly_and_a_power_loss_is_not() {
    let device = quick().start().await.expect("a device");
    let (workload, log) = script(&device, "booted", OBEDIENT);
    device.run_in("main", workload);
    until("the start", || read(&log).len() == 1).await;
    let (boot, lock) = (device.boot_id(), device.lock_directory(1, "main").join("updates.lock"));

    device.reboot();
    until("the second start", || read(&log).len() == 3).await;
    assert_eq!(read(&log)[1], "term");
    let second = device.boot_id();
    assert_ne!(second, boot);

    std::fs::File::create_new(&lock).expect("a lock");
    device.power_cycle();
    until("the third start", || read(&log).len() == 4).await;
    assert!(read(&log)[3].starts_with("start"), "nobody was asked to stop: {:?}", read(&log));
    assert_ne!(device.boot_id(), second);
    assert!(!lock.exists() && lock.parent().is_some_and(Path::is_dir));

    let pid = device.pid_of(1, "main").expect("it runs");
    drop(device);
    let gone = || kill(Pid::from_raw(i32::try_from(pid).expect("a pid")), None).is_err();
    until("the end", gone).await;
}

#[tokio::test]
async fn a_process_can_see_the_boot_id_of_the_device_and_writes_to_its_journal() {
    let probe = std::process::Command::new("unshare").args(["--mount", "true"]).status();
    if !probe.is_ok_and(|status| status.success()) {
        let mut past = std::io::stderr();
        let told = std::io::Write::write_all(&mut past, NO_NAMESPACE.as_bytes());
        told.expect("stderr");
        return;
    }
    let device = quick().start().await.expect("a device");
    let show = "log \"$(cat /proc/sys/kernel/random/boot_id)\"\necho hello from the process\nwhile :; do sleep 0.02; done";
    let (workload, log) = script(&device, "boot-id", show);
    let path = std::env::var("PATH").unwrap_or_default();
    device.run_in("main", workload.with_boot_id().env("PATH", path));
    until("the start", || read(&log).len() == 1).await;
    assert_eq!(read(&log), [device.boot_id()]);
    let lines = send(&device, "POST", "/v2/journal-logs", r#"{"format":"cat"}"#).await.expect("an answer");
    assert!(lines.contains("hello from the process"), "{lines}");
    device.power_cycle();
    until("the second start", || read(&log).len() == 2).await;
    assert_eq!(read(&log)[1], device.boot_id());
}

//! The device works after a reboot as it did before, and what can't be done is refused in words.

use std::io::ErrorKind;
use std::time::Duration;

use balena_agent::simulator::{Device, Fault, Injection, Power};
use tokio::time::{sleep, timeout};

use crate::{get, kind, send};

const PATIENCE: Duration = Duration::from_secs(20);

/// A device that goes down and comes up quickly.
async fn quick() -> Device {
    let quick = |timings: &mut balena_agent::simulator::Timings| {
        timings.power_off = Duration::from_millis(100);
        timings.boot = Duration::from_millis(100);
    };
    Device::builder().with_timings(quick).start().await.expect("a device")
}

/// Waits for what `ready` looks for.
async fn until(what: &str, mut ready: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !ready().await {
            sleep(Duration::from_millis(30)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}

async fn answers(device: &Device) {
    until("an answer", async || get(device, "/ping").await.is_ok_and(|answer| answer.ends_with("OK"))).await;
}

async fn reboot(device: &Device) {
    let accepted = send(device, "POST", "/v1/reboot", "").await.expect("an answer");
    assert!(accepted.starts_with("HTTP/1.1 202"), "{accepted}");
    until("refused", async || kind(get(device, "/ping").await) == Some(ErrorKind::ConnectionRefused)).await;
    answers(device).await;
}

fn ids(device: &Device) -> Vec<String> {
    let mut ids: Vec<String> = device.containers().into_iter().map(|container| container.id).collect();
    ids.sort();
    ids
}

/// Every action that goes through the engine: path, body, and how many of the three containers are new.
const ACTIONS: [(&str, &str, usize); 7] = [
    ("/v2/applications/1/stop-service", r#"{"serviceName":"main"}"#, 0),
    ("/v2/applications/1/start-service", r#"{"serviceName":"main"}"#, 0),
    ("/v2/applications/1/restart-service", r#"{"serviceName":"helper"}"#, 1),
    ("/v2/applications/1/restart", "", 3),
    ("/v1/restart", r#"{"appId":1}"#, 3),
    ("/v2/applications/1/purge", "", 3),
    ("/v1/purge", r#"{"appId":1}"#, 3),
];

async fn act(device: &Device) {
    for (path, body, replaced) in ACTIONS {
        let before = ids(device);
        let answer = send(device, "POST", path, body).await.expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        device.settled().await;
        until(path, async || device.containers().iter().all(|container| container.status != "Stopping"))
            .await;
        let new = ids(device).into_iter().filter(|id| !before.contains(id)).count();
        assert_eq!(new, replaced, "{path}");
    }
    until("all run", async || device.containers().iter().all(|container| container.status == "Running"))
        .await;
}

async fn update(device: &Device, commit: &str) {
    let release = balena_agent::simulator::Fixture::small().apps["small"][0].releases["update"].clone();
    let release = balena_agent::simulator::Release { commit: commit.repeat(16), ..release };
    device.offer_update(1, &release);
    let accepted = send(device, "POST", "/v1/update", "").await.expect("an answer");
    assert!(accepted.starts_with("HTTP/1.1 204"), "{accepted}");
    until("an update", async || {
        let state = get(device, "/v2/state/status").await.unwrap_or_default();
        state.contains(&format!("\"release\":\"{}\"", commit.repeat(16)))
            && device.containers().iter().all(|container| container.status == "Running")
    })
    .await;
}

#[tokio::test]
async fn everything_works_after_each_of_two_reboots() {
    let device = quick().await;
    for commit in ["c2", "c3"] {
        reboot(&device).await;
        assert_eq!(device.power(), Some(Power::Reboot));
        assert!(device.containers().iter().all(|container| container.status == "Running"));
        act(&device).await;
        update(&device, commit).await;
    }
}

#[tokio::test]
async fn everything_works_after_a_shutdown_and_an_update_that_came_meanwhile_is_installed() {
    let device = quick().await;
    assert!(send(&device, "POST", "/v1/shutdown", "").await.expect("an answer").starts_with("HTTP/1.1 202"));
    until("down", async || device.containers().iter().all(|container| container.status == "exited")).await;
    let refused = device.start_supervisor().await;
    assert_eq!(refused.map_err(|error| error.kind()), Err(ErrorKind::NotConnected));
    let fixture = balena_agent::simulator::Fixture::small();
    device.offer_update(1, &fixture.apps["small"][0].releases["update"]);
    device.power_on().await;
    until("an update", async || {
        get(&device, "/v2/state/status").await.is_ok_and(|state| state.contains(&"c2".repeat(16)))
    })
    .await;
    act(&device).await;
    let before = ids(&device);
    device.power_on().await;
    assert_eq!(ids(&device), before, "a device that is on stays as it is");
}

#[tokio::test]
async fn a_reboot_in_the_middle_of_an_action_leaves_a_device_that_works() {
    let device = Device::builder()
        .with_timings(|timings| {
            timings.stop = Duration::from_millis(600);
            timings.power_off = Duration::from_millis(50);
            timings.boot = Duration::from_millis(50);
        })
        .start()
        .await
        .expect("a device");
    let body = r#"{"serviceName":"main"}"#;
    assert!(send(&device, "POST", "/v2/applications/1/stop-service", body).await.is_ok());
    reboot(&device).await;
    act(&device).await;
}

#[tokio::test]
async fn a_supervisor_that_was_stopped_by_hand_still_dies_and_reboots_afterwards() {
    let device = quick().await;
    device.stop_supervisor().await;
    device.start_supervisor().await.expect("the port is still ours");
    device.inject(Injection::new(Fault::Restart(Duration::from_millis(100))).times(1));
    assert_eq!(get(&device, "/ping").await.unwrap_or_default(), "");
    answers(&device).await;
    device.restart_supervisor(Duration::from_millis(100)).await;
    answers(&device).await;
    reboot(&device).await;
    act(&device).await;
}

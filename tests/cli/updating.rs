//! What people do to services while an update is under way.

use std::collections::BTreeMap;
use std::time::Duration;

use balena_agent::simulator::{Device, Fixture};
use serde_json::Value;

use crate::support::{agent, assert_fails, run, stderr, stdout};

/// A device that downloads its next release, which has another image for `main`, for `pull`.
async fn updating(pull: Duration) -> (Device, BTreeMap<String, String>) {
    let device = Device::builder().with_timings(|timings| timings.pull = pull).start().await.unwrap();
    let environment = device.environment("main").unwrap();
    let mut apps = Fixture::small().apps.remove("small").unwrap();
    device.offer_update(1, &apps.remove(0).releases.remove("update").unwrap());
    assert_eq!(run(&environment, &["device", "update"]).await.status.code(), Some(0));
    until(&environment, "Downloading").await;
    (device, environment)
}

async fn status_of_main(environment: &BTreeMap<String, String>) -> Value {
    let told = run(environment, &["--json", "device", "services"]).await;
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    told.pointer("/small-fleet/services/main/status").unwrap().clone()
}

async fn until(environment: &BTreeMap<String, String>, status: &str) {
    for _ in 0..300 {
        if status_of_main(environment).await == status {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("main is never {status}: {}", status_of_main(environment).await);
}

fn container(device: &Device, service: &str) -> (String, String) {
    let all = device.containers();
    let one = all.iter().find(|container| container.service == service).unwrap();
    (one.id.clone(), one.status.clone())
}

#[tokio::test]
async fn no_service_is_lost_while_its_image_is_downloaded() {
    let (device, environment) = updating(Duration::from_secs(600)).await;
    let before = container(&device, "main");
    for command in ["restart-service", "start-service"] {
        let output = run(&environment, &["device", command, "main"]).await;
        assert_fails(&output, 5, &["main", "still being downloaded", "nothing was sent"]);
        assert_eq!(container(&device, "main"), before, "{command}");
    }
    // The others are free, and so is a stop, and a restart of everything.
    let helper = container(&device, "helper").0;
    for command in [
        &["device", "restart-service", "helper"][..],
        &["device", "start-service", "helper"],
        &["device", "restart"],
        &["device", "purge", "--yes"],
        &["device", "stop-service", "main", "--until-done", "30s"],
    ] {
        let output = run(&environment, command).await;
        assert_eq!(output.status.code(), Some(0), "{command:?}: {}", stderr(&output));
    }
    assert_ne!(container(&device, "helper").0, helper);
    assert_eq!(container(&device, "main").1, "exited");
}

#[tokio::test]
async fn an_update_that_is_asked_for_during_a_restart_is_applied_after_it() {
    let device = Device::builder()
        .with_timings(|timings| timings.stop = Duration::from_secs(1))
        .start()
        .await
        .unwrap();
    let environment = device.environment("main").unwrap();
    device.offer_update(1, &Fixture::small().apps["small"][0].releases["update"]);
    for restart in [&["device", "restart-service", "main"][..], &["device", "restart"]] {
        let restarting = agent(&environment, restart).output();
        let update = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            run(&environment, &["device", "update"]).await
        };
        let (restarted, updated) = tokio::join!(restarting, update);
        let restarted = restarted.unwrap();
        assert_eq!(updated.status.code(), Some(0), "{}", stderr(&updated));
        assert_eq!(restarted.status.code(), Some(0), "{restart:?}: {}", stderr(&restarted));
    }
    let updated = async {
        while !stdout(&run(&environment, &["supervisor", "status"]).await).contains(&"c2".repeat(16)) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), updated).await.unwrap();
}

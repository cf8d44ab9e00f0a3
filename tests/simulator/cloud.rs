//! The device's cloud, with the client of this crate and the device's own key.

use std::collections::BTreeMap;
use std::time::Duration;

use balena_agent::simulator::{CloudApi, Device, Fault, Injection};
use balena_agent::{ApiVersion, Balena, Environment, RetryPolicy, Settings};
use serde_json::{Value, json};
use tokio::time::timeout;

async fn device() -> (Device, CloudApi) {
    let device = Device::builder().cloud().start().await.expect("a device");
    let cloud = device.cloud().expect("it has a cloud");
    (device, cloud)
}

fn client_of(variables: BTreeMap<String, String>, api_version: ApiVersion) -> Balena {
    let environment = Environment::from_vars(variables).expect("valid");
    let settings = Settings { api_version, ..Settings::default() };
    Balena::builder().environment(environment).settings(settings).retry(RetryPolicy::never()).build()
}

fn client(device: &Device, api_version: ApiVersion) -> Balena {
    client_of(device.environment("main").expect("main"), api_version)
}

/// Waits until the device has done what the cloud asked for.
async fn until(what: &str, done: impl Fn() -> bool) {
    let waiting = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(10), waiting).await.unwrap_or_else(|_| panic!("{what} does not happen"));
}

#[tokio::test]
async fn a_device_key_reads_and_writes_its_own_device_under_both_versions() {
    for version in [ApiVersion::V6, ApiVersion::V7] {
        let (device, cloud) = device().await;
        let balena = client(&device, version);
        let devices = balena.device();
        let uuid = device.environment("main").expect("main")["BALENA_DEVICE_UUID"].clone();

        let row = devices.get(&*uuid).await.expect("its own row");
        assert_eq!(row.id.map(balena_agent::DeviceId::get), Some(cloud.device_id()));
        assert_eq!(row.device_name.as_deref(), Some("simulated-device"));
        let id = cloud.device_id();
        assert_eq!(devices.get(id).await.expect("by id").uuid.as_deref(), Some(&*uuid));
        assert_eq!(devices.get_all().await.expect("one").len(), 1);
        assert!(devices.get("0".repeat(32)).await.expect_err("another device").is_not_found());
        let details = devices.get_with_service_details(id).await.expect("services");
        assert_eq!(details.current_services.len(), 3);
        assert!(devices.is_online(id).await.expect("a value"));

        devices.set_note(id, "in the hall").await.expect("noted");
        assert_eq!(devices.get(id).await.expect("a row").note.as_deref(), Some("in the hall"));
        devices.rename(id, "hall").await.expect("renamed");
        until("the new name", || cloud.rows("device")[0]["device_name"] == "hall").await;

        let tags = devices.tags();
        tags.set(id, "floor", "2").await.expect("created");
        tags.set(id, "floor", "3").await.expect("replaced");
        assert_eq!(tags.get(id, "floor").await.expect("a value").as_deref(), Some("3"));
        assert_eq!(tags.get_all_by_device(id).await.expect("a list").len(), 1);
        tags.remove(id, "floor").await.expect("removed");
        assert_eq!(tags.get(id, "floor").await.expect("no value"), None);

        let variables = devices.env_var();
        variables.set(id, "MODE", "a").await.expect("created");
        variables.set(id, "MODE", "b").await.expect("replaced");
        assert_eq!(variables.get(id, "MODE").await.expect("a value").as_deref(), Some("b"));
        variables.remove(id, "MODE").await.expect("removed");
        assert_eq!(variables.get(id, "MODE").await.expect("no value"), None);
        let of_service = devices.service_var();
        of_service.set(id, "helper", "ONE", "1").await.expect("created");
        of_service.set(&*uuid, "helper", "ONE", "2").await.expect("replaced");
        assert_eq!(of_service.get(id, "helper", "ONE").await.expect("a value").as_deref(), Some("2"));
        assert_eq!(of_service.get_all_by_device(id).await.expect("a list").len(), 1);
        of_service.remove(id, "helper", "ONE").await.expect("removed");
        assert!(of_service.set(id, "nobody", "ONE", "1").await.expect_err("no such service").is_not_found());

        // What a device key may do with configuration: create and change, not delete.
        devices.config_var().set(id, "BALENA_SUPERVISOR_POLL_INTERVAL", "900000").await.expect("created");
        let refused = devices.config_var().remove(id, "BALENA_SUPERVISOR_POLL_INTERVAL").await;
        assert!(refused.expect_err("not allowed").is_unauthorized());

        let releases = balena.release().get_all_by_application(1).await.expect("its fleet's");
        assert_eq!(releases.len(), 2);
        assert!(devices.is_tracking_application_release(id).await.expect("a value"));
        devices.pin_to_release(id, 2).await.expect("pinned");
        assert!(!devices.is_tracking_application_release(id).await.expect("a value"));
        assert_eq!(cloud.rows("device")[0]["is_pinned_on__release"], json!({"__id": 2}));
        devices.track_application_release(id).await.expect("tracks");
        assert!(devices.is_tracking_application_release(id).await.expect("a value"));
        assert!(devices.pin_to_release(id, 77).await.is_err());

        let who = balena.auth().whoami().await.expect("the device");
        assert!(format!("{who:?}").contains(&uuid), "{who:?}");
        let target: Value = serde_json::from_str(
            &serde_json::to_string(&devices.get_supervisor_target_state(id).await.expect("a target"))
                .expect("JSON"),
        )
        .expect("JSON");
        assert_eq!(target["local"]["apps"]["1"]["services"]["1"]["serviceName"], "main");
        // Not its own business.
        assert!(devices.remove(id).await.is_err());
        assert_eq!(cloud.rows("device").len(), 1);
        assert!(cloud.requests().iter().all(|request| !format!("{request:?}").contains(&cloud.key())));
    }
}

#[tokio::test]
async fn a_wrong_key_is_refused() {
    let (device, cloud) = device().await;
    let mut variables = device.environment("main").expect("main");
    assert_eq!(variables["BALENA_API_KEY"], cloud.key());
    assert!(device.environment("plain").is_some_and(|variables| !variables.contains_key("BALENA_API_KEY")));
    variables.insert("BALENA_API_KEY".to_owned(), "0".repeat(32));
    variables.insert("RESIN_API_KEY".to_owned(), "0".repeat(32));
    let balena = client_of(variables, ApiVersion::V7);
    assert!(balena.device().get(cloud.device_id()).await.expect_err("refused").is_unauthorized());
    assert_eq!(cloud.requests().last().and_then(|request| request.status), Some(401));
}

#[tokio::test]
async fn it_goes_away_and_limits_and_fails_when_told_to() {
    let (device, cloud) = device().await;
    let balena = client(&device, ApiVersion::V7);
    let read = || async { balena.device().get(cloud.device_id()).await.map(|row| row.device_name) };

    cloud.inject(Injection::new(Fault::TooManyRequests(Duration::from_secs(7))).times(1));
    let limited = read().await.expect_err("limited");
    assert!(limited.is_rate_limited(), "{limited}");
    assert_eq!(limited.retry_after(), Some(Duration::from_secs(7)));
    cloud.inject(Injection::new(Fault::Status(503)).times(2));
    for _ in 0..2 {
        assert_eq!(read().await.expect_err("broken").status(), Some(503));
    }
    read().await.expect("well again");
    cloud.inject(Injection::new(Fault::Close));
    assert!(read().await.expect_err("closed").is_unreachable());
    cloud.clear_faults();
    cloud.inject(Injection::new(Fault::Delay(Duration::from_millis(300))).times(1));
    let started = std::time::Instant::now();
    read().await.expect("slow");
    assert!(started.elapsed() >= Duration::from_millis(300));

    device.go_offline();
    assert!(read().await.expect_err("away").is_unreachable());
    device.go_online();
    read().await.expect("back");
    assert!(cloud.request_count("GET", &format!("/v7/device({})", cloud.device_id())) >= 6);
}

#[tokio::test]
async fn a_variable_of_the_cloud_recreates_containers_unless_they_are_locked() {
    let (device, cloud) = device().await;
    let balena = client(&device, ApiVersion::V7);
    let before = device.containers();
    let lock = device.lock_directory(1, "helper").join("updates.lock");
    std::fs::File::create_new(&lock).expect("a lock");
    balena.device().service_var().set(cloud.device_id(), "main", "MODE", "new").await.expect("set");
    until("the attempt", || device.environment("main").is_some_and(|env| env.contains_key("MODE"))).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(device.containers(), before, "the lock holds");
    std::fs::remove_file(lock).expect("unlocked");

    let id_of = |service: &str| {
        let containers = device.containers();
        containers.iter().find(|container| container.service == service).map(|container| container.id.clone())
    };
    let old =
        before.iter().find(|container| container.service == "main").map(|container| container.id.clone());
    until("a new container", || id_of("main").is_some_and(|id| Some(id) != old)).await;
    device.settled().await;
    let unchanged = |container: &&balena_agent::simulator::ContainerState| before.contains(container);
    assert_eq!(device.containers().iter().filter(unchanged).count(), 2, "only main is concerned");
    assert!(device.environment("helper").is_some_and(|env| !env.contains_key("MODE")));
}

#[tokio::test]
async fn a_pinned_device_runs_its_release_and_follows_the_fleet_again() {
    let (device, cloud) = device().await;
    let balena = client(&device, ApiVersion::V7);
    let running = |id: i64| cloud_running(&cloud, id);
    balena.device().pin_to_release(cloud.device_id(), 2).await.expect("pinned");
    settle(&device, &balena, "release 2", || running(2)).await;
    balena.device().track_application_release(cloud.device_id()).await.expect("tracks");
    settle(&device, &balena, "release 1", || running(1)).await;
}

fn cloud_running(cloud: &CloudApi, release: i64) -> bool {
    cloud.rows("device")[0]["is_running__release"] == json!({ "__id": release })
}

async fn settle(device: &Device, balena: &Balena, what: &str, done: impl Fn() -> bool) {
    let waiting = async {
        while !done() {
            device.settled().await;
            // The rows are brought up to date by a request.
            balena.device().get_all().await.expect("a list");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(20), waiting).await.unwrap_or_else(|_| panic!("{what} does not come"));
}

//! What each device has done on its own: actions, and values of its own.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use balena_agent::{BatchState, Devices, ResumeToken};

use crate::cloud::{Cloud, Fault, uuid};

fn ids(count: i64) -> Vec<i64> {
    (1..=count).collect()
}

#[tokio::test]
async fn actions_are_not_repeated_when_nobody_knows() {
    let cloud = Cloud::start().await;
    cloud.with(|state| state.faults.extend([(10, Fault::DoneAndCut), (20, Fault::Status(500))]));
    let devices = cloud.balena().device();
    let reboot = || devices.each(ids(300), "reboot", |devices, device| devices.reboot(device).force());
    let report = reboot().concurrency(8).keep_going().report().await.unwrap();
    let counts = report.counts();
    assert_eq!((counts.done, counts.unknown, counts.failed), (298, 1, 1));
    assert_eq!(report.chunks().len(), 300);

    let again = reboot().resume(report.resume_token()).report().await.unwrap();
    assert_eq!((again.counts().done, again.counts().unknown), (299, 1), "the unknown one is left alone");
    assert_eq!(again.chunks().len(), 1);
    assert!(!again.is_complete());
    cloud.assert_changed(1..=300, 1);
    let error = reboot().resume(again.resume_token()).await.unwrap_err();
    assert!(error.is_unknown_outcome(), "{error}");

    let again = reboot().resume(again.resume_token()).retry_unknown().report().await.unwrap();
    assert!(again.is_complete());
    let state = cloud.state.lock().unwrap();
    assert_eq!(state.changed.values().sum::<usize>(), 301, "as it was told");
    assert!(state.bodies.iter().all(|body| body["data"]["force"] == true));
}

#[tokio::test]
async fn a_device_that_is_listed_twice_reboots_once() {
    let cloud = Cloud::start().await;
    let devices = cloud.balena().device();
    let report = devices.each([5, 6, 5], "reboot", Devices::reboot).report().await.unwrap();
    assert!(report.is_complete() && report.counts().total() == 3 && report.chunks().len() == 2);
    cloud.assert_changed([5, 6], 1);
}

#[tokio::test]
async fn a_gateway_without_an_answer_leaves_it_unknown() {
    for status in [502, 504] {
        let cloud = Cloud::start().await;
        cloud.fault(1, Fault::Status(status));
        let devices = cloud.balena().device();
        let reboot = || devices.each(ids(3), "reboot", Devices::reboot).keep_going();
        let report = reboot().report().await.unwrap();
        assert_eq!((report.counts().done, report.counts().unknown), (2, 1), "{status}: {:?}", report.error());
        let again = reboot().resume(report.resume_token()).report().await.unwrap();
        assert!(again.chunks().is_empty(), "it may have rebooted");
    }
}

#[tokio::test]
async fn a_value_is_set_once_on_a_device_that_is_listed_twice() {
    let cloud = Cloud::start().await;
    let devices = cloud.balena().device();
    let report = devices.env_var().set_many([5, 6, 5], "A", "1").report().await.unwrap();
    assert!(report.is_complete() && report.counts().total() == 3);
    // By its uuid, in two requests.
    let mut uuids: Vec<String> = (10..=69).map(uuid).collect();
    uuids.push(uuid(10));
    let report = devices.tags().set_many(uuids, "site", "berlin").report().await.unwrap();
    assert!(report.is_complete() && (report.counts().total(), report.chunks().len()) == (61, 60));
    cloud.assert_changed((5..=6).chain(10..=69), 1);
}

#[tokio::test]
async fn a_lookup_that_gets_no_answer_is_no_unknown_reboot() {
    for fault in [Fault::Cut, Fault::Silence] {
        let cloud = Cloud::start().await;
        cloud.read_fault(0, fault);
        let devices = cloud.balena().device();
        let call = devices.each([uuid(5)], "reboot", Devices::reboot);
        let report = call.report().await.unwrap();
        assert_eq!(report.items().next().unwrap().state, BatchState::Failed);
    }
}

#[tokio::test]
async fn a_killed_run_reboots_nothing_twice() {
    let cloud = Cloud::start().await;
    cloud.with(|state| state.takes = Duration::from_millis(2));
    let devices = cloud.balena().device();
    let reboot = || devices.each(ids(500), "reboot", Devices::reboot).concurrency(8);
    let kept: Arc<Mutex<Option<ResumeToken>>> = Arc::default();
    let file = kept.clone();
    let run = reboot().on_progress(move |progress| {
        assert!(progress.counts().unknown <= 8);
        *file.lock().unwrap() = Some(progress.resume_token());
    });
    tokio::select! {
        _ = run.into_future() => unreachable!("it is killed before"),
        () = async {
            while cloud.state.lock().unwrap().writes.len() < 200 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        } => {}
    }
    let token = kept.lock().unwrap().take().unwrap();
    let report = reboot().resume(token.to_string().parse().unwrap()).report().await.unwrap();
    let counts = report.counts();
    assert_eq!((counts.done + counts.unknown, counts.unknown <= 8), (500, true), "{counts}");
    let state = cloud.state.lock().unwrap();
    println!("killed at 200 of 500: {counts}, {} rebooted", state.changed.len());
    assert!(state.changed.values().all(|times| *times == 1) && state.changed.len() + 8 >= 500);
}

#[tokio::test]
async fn values_are_set_on_each_of_them() {
    let cloud = Cloud::start().await;
    let uuids: Vec<String> = (1..=120).map(uuid).collect();
    let devices = cloud.balena().device();
    let report = devices.tags().set_many(uuids, "site", "berlin").concurrency(4).report().await.unwrap();
    assert!(report.is_complete() && report.chunks().len() == 120);
    cloud.assert_changed(1..=120, 1);
    {
        let state = cloud.state.lock().unwrap();
        assert_eq!((state.reads.len(), state.writes.len()), (3, 120), "looked up by fifty");
        assert_eq!(state.bodies[0]["tag_key"], "site");
    }
    cloud.fault(121, Fault::Status(500));
    let error = devices.env_var().set_many([8, 9], "A", "1").await.unwrap_err().to_string();
    assert!(
        error.ends_with("this is about device 9; 1 of the 2 devices of the list are changed already"),
        "{error}"
    );
    devices.env_var().set_many(5, "A", "1").await.unwrap();
    devices.config_var().set_many([5, 6], "A", "1").await.unwrap();
    assert!(devices.env_var().set_many([5, 6], "", "1").await.unwrap_err().is_invalid_argument());
}

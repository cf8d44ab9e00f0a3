//! Going on where it stopped.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use balena_agent::jiff::Timestamp;
use balena_agent::{ApiVersion, BatchState, Devices, ResumeToken, RetryPolicy};

use crate::cloud::{Cloud, Fault, uuid};

fn ids(count: i64) -> Vec<i64> {
    (1..=count).collect()
}

/// As it is after a while in a file.
fn stored(token: &ResumeToken) -> ResumeToken {
    serde_json::from_str(&serde_json::to_string(token).unwrap()).unwrap()
}

#[tokio::test]
async fn what_is_done_is_not_done_again_and_what_failed_is() {
    let cloud = Cloud::start().await;
    cloud.with(|state| state.faults.extend([(3, Fault::Status(500)), (9, Fault::Status(409))]));
    let devices = cloud.balena().device();
    let report = devices.set_note(ids(10_000), "n").keep_going().report().await.unwrap();
    assert_eq!((report.counts().done, report.counts().failed), (9_600, 400));
    let token = stored(&report.resume_token());
    assert!(token.to_string().len() < 100, "{token}");

    let report = devices.set_note(ids(10_000), "n").resume(token).report().await.unwrap();
    assert!(report.is_complete() && report.chunks().len() == 2);
    cloud.assert_changed(1..=10_000, 1);

    // And then there is nothing left to do.
    let writes = cloud.state.lock().unwrap().writes.len();
    let report = devices.set_note(ids(10_000), "n").resume(report.resume_token()).report().await.unwrap();
    assert!(report.is_complete() && report.chunks().is_empty());
    assert_eq!(cloud.state.lock().unwrap().writes.len(), writes);
}

#[tokio::test]
async fn a_killed_run_goes_on_from_what_it_wrote_down() {
    for concurrency in [1, 4] {
        let cloud = Cloud::start().await;
        cloud.with(|state| state.takes = Duration::from_millis(5));
        let uuids: Vec<String> = (1..=10_000).map(uuid).collect();
        let kept: Arc<Mutex<Option<String>>> = Arc::default();
        let file = kept.clone();
        let devices = cloud.balena().device();
        let run =
            devices.set_note(uuids.clone(), "n").concurrency(concurrency).on_progress(move |progress| {
                *file.lock().unwrap() = Some(progress.resume_token().to_string());
            });
        let mut run = Box::pin(run.report().into_future());
        let killed = async {
            while cloud.state.lock().unwrap().writes.len() < 20 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            _ = &mut run => unreachable!("it is killed before"),
            () = killed => drop(run),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        let before = cloud.state.lock().unwrap().changed.len();
        assert!(before < 10_000, "dropping it ends it");

        let token: ResumeToken = kept.lock().unwrap().take().unwrap().parse().unwrap();
        let report = devices.set_note(uuids, "n").resume(token).report().await.unwrap();
        assert!(report.is_complete());
        let state = cloud.state.lock().unwrap();
        let twice = state.changed.values().filter(|times| **times > 1).count();
        println!("killed at {before} of 10000 with {concurrency} at a time: {twice} changed twice");
        assert_eq!(state.changed.len(), 10_000);
        assert!(state.changed.values().all(|times| *times <= 2));
        assert!(twice <= concurrency * 200, "only what was on its way: a note is the same twice");
    }
}

#[tokio::test]
async fn what_stopped_between_two_parts_does_nothing_twice() {
    let cloud = Cloud::start().await;
    cloud.with(|state| state.faults_from = Some((23, Fault::Status(500))));
    let uuids: Vec<String> = (1..=10_000).map(uuid).collect();
    let devices = cloud.balena().device();
    let report = devices.set_note(uuids.clone(), "n").concurrency(4).report().await.unwrap();
    assert!(report.counts().not_tried > 4_000);
    let token = stored(&report.resume_token());
    let reads = cloud.state.lock().unwrap().reads.len();
    cloud.with(|state| state.faults_from = None);
    let report = devices.set_note(uuids, "n").concurrency(4).resume(token).report().await.unwrap();
    assert!(report.is_complete());
    cloud.assert_changed(1..=10_000, 1);
    let again = cloud.state.lock().unwrap().reads.len() - reads;
    assert!(again < 200, "only what is left is looked up: {again}");
}

#[tokio::test]
async fn removed_devices_are_not_missed_when_it_goes_on() {
    let cloud = Cloud::start().await;
    cloud.fault(1, Fault::DoneAndCut);
    let uuids: Vec<String> = (1..=600).map(uuid).collect();
    let devices = cloud.balena().device();
    let report = devices.remove(uuids.clone()).report().await.unwrap();
    let counts = report.counts();
    assert_eq!((counts.done, counts.unknown, counts.not_tried), (200, 200, 200));
    assert_eq!(report.items().nth(250).unwrap().state, BatchState::Unknown);
    let token = stored(&report.resume_token());
    let report = devices.remove(uuids).resume(token).report().await.unwrap();
    assert!(report.is_complete(), "{}", report.counts());
    cloud.assert_changed(1..=600, 1);
}

#[tokio::test]
async fn a_token_goes_with_its_call_and_no_other() {
    let cloud = Cloud::start().await;
    cloud.fault(1, Fault::Status(500));
    let devices = cloud.balena().device();
    let report = devices.set_note(ids(600), "n").report().await.unwrap();
    let token = || report.resume_token();
    let writes = cloud.state.lock().unwrap().writes.len();
    let mut turned = ids(600);
    turned.swap(0, 1);
    let expiry: Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
    let refused = [
        devices.set_note(ids(600), "another").resume(token()).await,
        devices.set_note(ids(599), "n").resume(token()).await,
        devices.set_note(turned, "n").resume(token()).await,
        devices.remove(ids(600)).resume(token()).await,
        devices.deactivate(ids(600)).resume(token()).await,
        devices.grant_support_access(ids(600), expiry).resume(token()).await,
        devices.pin_to_release(ids(600), 5).resume(token()).await,
        devices.move_to(ids(600), 5).resume(token()).await,
        devices.env_var().set_many(ids(600), "note", "n").resume(token()).await,
        devices.each(ids(600), "note", Devices::reboot).resume(token()).await,
        cloud.balena().application().remove(ids(600)).resume(token()).await,
        Cloud::start().await.balena().device().set_note(ids(600), "n").resume(token()).await,
    ];
    for (number, result) in refused.into_iter().enumerate() {
        let error = result.unwrap_err();
        assert!(error.is_invalid_argument() && !error.was_sent(), "{number}: {error}");
    }
    assert_eq!(cloud.state.lock().unwrap().writes.len(), writes, "nothing is sent");
    devices.set_note(ids(600), "n").resume(token()).await.unwrap();
    // Concurrency, and how it takes failures, are no part of the call.
    let retrying = cloud.client(RetryPolicy::standard(), ApiVersion::V6).device();
    retrying.set_note(ids(600), "n").concurrency(3).keep_going().resume(token()).await.unwrap();
}

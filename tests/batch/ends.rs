//! What goes wrong in the middle.

use std::time::Duration;

use balena_agent::{ApiVersion, BatchState, RetryPolicy};

use crate::cloud::{Cloud, Fault, uuid};

fn ids(count: i64) -> Vec<i64> {
    (1..=count).collect()
}

#[tokio::test]
async fn a_wait_that_the_server_asks_for_is_kept() {
    let cloud = Cloud::start().await;
    cloud.fault(20, Fault::TooMany("7"));
    let report = cloud.balena().device().set_note(ids(10_000), "n").concurrency(4).report().await.unwrap();
    assert!(report.is_complete());
    cloud.assert_changed(1..=10_000, 1);
    let state = cloud.state.lock().unwrap();
    assert_eq!((state.slept.as_slice(), state.writes.len()), ([Duration::from_secs(7)].as_slice(), 51));
}

#[tokio::test]
async fn a_server_that_only_says_wait_is_left_alone() {
    let cloud = Cloud::start().await;
    cloud.with(|state| state.faults_from = Some((10, Fault::TooMany("7"))));
    let report = cloud.balena().device().set_note(ids(10_000), "n").keep_going().report().await.unwrap();
    let counts = report.counts();
    assert_eq!((counts.done, counts.failed, counts.not_tried), (2_000, 200, 7_800));
    assert!(report.stopped_by().unwrap().is_rate_limited());
    {
        let state = cloud.state.lock().unwrap();
        assert_eq!((state.slept.len(), state.writes.len()), (5, 16), "not hammered");
    }

    let cloud = Cloud::start().await;
    cloud.with(|state| state.faults_from = Some((1, Fault::TooMany("3600"))));
    let report = cloud.balena().device().set_note(ids(1_000), "n").report().await.unwrap();
    assert_eq!(report.counts().not_tried, 600);
    assert!(cloud.state.lock().unwrap().slept.is_empty(), "an hour is no pause");
}

#[tokio::test]
async fn a_part_that_fails_ends_it_unless_told_to_keep_going() {
    let cloud = Cloud::start().await;
    cloud.fault(3, Fault::Status(500));
    let report = cloud.balena().device().set_note(ids(10_000), "n").report().await.unwrap();
    let counts = report.counts();
    assert_eq!((counts.done, counts.failed, counts.not_tried), (600, 200, 9_200));
    assert!(report.stopped_by().unwrap().is_server() && !report.is_complete());
    let state_of = |place: usize| report.items().nth(place).unwrap().state;
    assert_eq!(
        (state_of(599), state_of(600), state_of(800)),
        (BatchState::Done, BatchState::Failed, BatchState::NotTried)
    );
    let failed = report.items().find(|item| item.state == BatchState::Failed).unwrap();
    assert!(failed.error.unwrap().is_server() && failed.key.to_string() == "601");

    let cloud = Cloud::start().await;
    cloud.with(|state| state.faults.extend([(3, Fault::Status(500)), (9, Fault::Status(403))]));
    let report = cloud.balena().device().set_note(ids(10_000), "n").keep_going().report().await.unwrap();
    let counts = report.counts();
    assert_eq!((counts.done, counts.failed, counts.not_tried), (9_600, 400, 0));
    assert!(report.stopped_by().is_none() && report.error().unwrap().is_server());
    assert!(report.into_result().unwrap_err().to_string().contains("9600 of the 10000 devices"));
}

#[tokio::test]
async fn a_connection_that_breaks_leaves_its_part_unknown() {
    for fault in [Fault::DoneAndCut, Fault::Cut, Fault::Silence] {
        let cloud = Cloud::start().await;
        cloud.fault(2, fault);
        let report = cloud.balena().device().set_note(ids(1_000), "n").keep_going().report().await.unwrap();
        let counts = report.counts();
        assert_eq!((counts.done, counts.unknown), (800, 200), "{fault:?}: {counts}");
        assert_eq!(report.chunks()[2].state(), BatchState::Unknown);
        let error = report.chunks()[2].error().unwrap();
        assert!(error.is_unknown_outcome() || error.is_timeout(), "{error}");
    }
}

#[tokio::test]
async fn the_retry_policy_goes_first() {
    let cloud = Cloud::start().await;
    cloud.with(|state| state.faults.extend([(1, Fault::Status(503)), (4, Fault::DoneAndCut)]));
    let devices = cloud.client(RetryPolicy::standard(), ApiVersion::V6).device();
    let report = devices.set_note(ids(1_000), "n").report().await.unwrap();
    assert!(report.is_complete());
    assert_eq!(cloud.state.lock().unwrap().writes.len(), 7);
}

#[tokio::test]
async fn what_would_fail_every_part_ends_it() {
    let cloud = Cloud::start().await;
    cloud.with(|state| state.faults_from = Some((2, Fault::Status(401))));
    let report = cloud.balena().device().set_note(ids(1_000), "n").keep_going().report().await.unwrap();
    let counts = report.counts();
    assert_eq!((counts.done, counts.failed, counts.not_tried), (400, 200, 400));
    assert!(report.stopped_by().unwrap().is_unauthorized());
    assert_eq!(cloud.state.lock().unwrap().writes.len(), 3);

    let balena = Cloud::start().await.balena();
    // The server is gone by now.
    let report = balena.device().set_note(ids(1_000), "n").keep_going().report().await.unwrap();
    assert_eq!((report.counts().failed, report.counts().not_tried), (200, 800));
    assert!(report.stopped_by().unwrap().is_unreachable());
}

#[tokio::test]
async fn uuids_that_are_not_there_keep_it_from_beginning_or_are_left_behind() {
    let cloud = Cloud::start().await;
    cloud.with(|state| state.gone = vec![7, 60]);
    let uuids: Vec<String> = (1..=120).map(uuid).collect();
    let devices = cloud.balena().device();
    let error = devices.set_note(uuids.clone(), "n").report().await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert!(error.to_string().contains(&format!("{},{}", uuid(7), uuid(60))), "{error}");
    assert!(error.to_string().contains("nothing was changed"), "{error}");
    assert!(cloud.state.lock().unwrap().writes.is_empty());

    let report = devices.set_note(uuids, "n").keep_going().report().await.unwrap();
    assert_eq!((report.counts().done, report.counts().failed), (118, 2));
    let missing = report.items().filter(|item| item.state == BatchState::Failed);
    assert!(missing.map(|item| item.key.to_string()).eq([uuid(7), uuid(60)]));
}

#[tokio::test]
async fn a_read_that_waits_or_fails_changes_nothing() {
    let cloud = Cloud::start().await;
    cloud.read_fault(1, Fault::TooMany("2"));
    let uuids: Vec<String> = (1..=120).map(uuid).collect();
    assert!(cloud.balena().device().set_note(uuids.clone(), "n").report().await.unwrap().is_complete());
    assert_eq!(cloud.state.lock().unwrap().slept, [Duration::from_secs(2)]);

    let cloud = Cloud::start().await;
    cloud.read_fault(1, Fault::Status(500));
    assert!(cloud.balena().device().set_note(uuids, "n").report().await.unwrap_err().is_server());
    assert!(cloud.state.lock().unwrap().writes.is_empty());
}

//! Ten thousand of them.

use std::time::{Duration, Instant};

use balena_agent::{ApiVersion, BatchState, RetryPolicy};

use crate::cloud::{Cloud, Fault, uuid};

const ALL: std::ops::RangeInclusive<i64> = 1..=10_000;

#[tokio::test]
async fn ids_in_their_order_by_two_hundred() {
    let cloud = Cloud::start().await;
    let started = Instant::now();
    let report = cloud.balena().device().set_note(ALL.collect::<Vec<_>>(), "n").report().await.unwrap();
    println!("10000 ids: {:?}", started.elapsed());
    assert!(report.is_complete() && report.error().is_none() && report.chunks().len() == 50);
    assert_eq!(report.counts().to_string(), "10000 of 10000 done");
    let keys: Vec<String> = report.items().map(|item| item.key.to_string()).collect();
    assert_eq!(keys, ALL.map(|id| id.to_string()).collect::<Vec<_>>());
    assert!(report.items().all(|item| item.state == BatchState::Done && item.error.is_none()));
    assert!(report.resume_token().to_string().len() < 64);
    let state = cloud.state.lock().unwrap();
    assert_eq!(state.writes.concat(), ALL.collect::<Vec<_>>());
    // One look for each part.
    assert_eq!((state.most_at_a_time, state.reads.len()), (1, 50));
}

#[tokio::test]
async fn uuids_are_looked_up_before_anything_is_changed() {
    let cloud = Cloud::start().await;
    let uuids: Vec<String> = ALL.map(uuid).collect();
    let started = Instant::now();
    let report = cloud.balena().device().deactivate(uuids).concurrency(4).report().await.unwrap();
    println!("10000 uuids, 4 at a time: {:?}", started.elapsed());
    assert!(report.is_complete());
    cloud.assert_changed(ALL, 1);
    let state = cloud.state.lock().unwrap();
    // 200 to find them, and a look for each part.
    assert_eq!((state.reads.len(), state.writes.len()), (250, 50));
}

#[tokio::test]
async fn never_more_at_a_time_than_told() {
    for most in [1, 2, 7, 32] {
        let cloud = Cloud::start().await;
        cloud.with(|state| state.takes = Duration::from_millis(5));
        let ids: Vec<i64> = ALL.collect();
        let report = cloud.unhurried().device().set_note(ids, "n").concurrency(most).report().await.unwrap();
        assert!(report.is_complete());
        cloud.assert_changed(ALL, 1);
        let at_a_time = cloud.state.lock().unwrap().most_at_a_time;
        println!("concurrency {most}: {at_a_time} at a time");
        assert!(at_a_time <= most && at_a_time >= most.min(4), "{at_a_time} of {most}");
    }
    for most in [0, 33] {
        let cloud = Cloud::start().await;
        let error = cloud.balena().device().set_note([1], "n").concurrency(most).await.unwrap_err();
        assert!(error.is_invalid_argument() && cloud.state.lock().unwrap().writes.is_empty());
    }
}

#[tokio::test]
async fn a_plain_await_is_as_it_was() {
    let cloud = Cloud::start().await;
    cloud.fault(2, Fault::TooMany("3"));
    let ids: Vec<i64> = (1..=700).collect();
    let error = cloud.balena().device().set_note(ids, "n").await.unwrap_err();
    assert!(error.is_rate_limited() && error.to_string().contains("the first 400 devices"), "{error}");
    assert!(cloud.state.lock().unwrap().slept.is_empty(), "only a report waits");
    assert_eq!(cloud.state.lock().unwrap().writes.len(), 3);
}

#[tokio::test]
async fn both_versions_pin_by_application() {
    for version in [ApiVersion::V6, ApiVersion::V7] {
        let cloud = Cloud::start().await;
        let devices = cloud.client(RetryPolicy::never(), version).device();
        let report = devices.pin_to_release([1, 2, 3, 4, 5], 77).report().await.unwrap();
        assert!(report.is_complete(), "{report:?}");
        let state = cloud.state.lock().unwrap();
        assert_eq!(state.writes, [vec![1, 3, 5], vec![2, 4]]);
        let column =
            if version == ApiVersion::V6 { "should_be_running__release" } else { "is_pinned_on__release" };
        assert_eq!(state.bodies[0][column], 77);
        assert_eq!(state.reads.len(), 5, "the devices, the release in each application, and a look for each");
    }
}

//! The server says 200 to a change of what is not there, or not the token's to change: what is said of it then.

use balena_agent::{ApiVersion, BatchState, DeviceKeys, Keys, RetryPolicy};

use crate::cloud::{Cloud, Fault, uuid};

/// 3 is not there, and 5 is another's.
async fn cloud() -> Cloud {
    let cloud = Cloud::start().await;
    cloud.with(|state| {
        state.gone.push(3);
        state.locked.push(5);
    });
    cloud
}

#[tokio::test]
async fn a_report_tells_what_had_no_effect() {
    use BatchState::{Done, Failed};
    type Case = (&'static str, Vec<i64>, Vec<BatchState>);
    let cases: [Case; 9] = [
        ("note", vec![1, 3], vec![Done, Failed]),
        ("note", vec![3, 1, 3, 2], vec![Failed, Done, Failed, Done]),
        ("note", vec![1, 5, 2], vec![Done, Failed, Done]),
        ("note", vec![3], vec![Failed]),
        ("note", vec![1, 2], vec![Done, Done]),
        ("remove", vec![1, 3], vec![Done, Failed]),
        ("remove", vec![5, 1], vec![Failed, Done]),
        ("pin", vec![1, 3, 2], vec![Done, Failed, Done]),
        ("one note", vec![3], vec![Failed]),
    ];
    for version in [ApiVersion::V6, ApiVersion::V7] {
        for (what, ids, states) in &cases {
            let cloud = cloud().await;
            let devices = cloud.client(RetryPolicy::never(), version).device();
            let batch = match *what {
                "note" => devices.set_note(ids.clone(), "n"),
                "one note" => devices.set_note(ids[0], "n"),
                "remove" => devices.remove(ids.clone()),
                _ => devices.pin_to_release(ids.clone(), 77),
            };
            let report = batch.keep_going().report().await.unwrap();
            let found: Vec<BatchState> = report.items().map(|item| item.state).collect();
            assert_eq!(found, *states, "{version:?} {what} {ids:?}: {report:?}");
            assert_eq!(report.is_complete(), !states.contains(&Failed));
            for item in report.items().filter(|item| item.state == Failed) {
                let error = item.error.unwrap();
                assert!(error.is_not_found() && error.status().is_none(), "{what} {ids:?}: {error}");
                assert!(error.to_string().contains(&item.key.to_string()), "{error}");
            }
            let changed = ids.iter().filter(|id| **id == 1 || **id == 2);
            cloud.assert_changed(changed.copied(), 1);
        }
    }
}

/// Without a report it is one request as recorded, and with `confirm` a look more.
#[tokio::test]
async fn what_is_confirmed_is_looked_at() {
    for (id, is_there) in [(1, true), (3, false), (5, false)] {
        let forms: [DeviceKeys; 3] = [id.into(), vec![id].into(), Keys::One(uuid(id).into())];
        for keys in forms {
            let cloud = cloud().await;
            let devices = cloud.balena().device();
            devices
                .set_note(keys.clone(), "n")
                .await
                .map_or_else(|error| assert!(error.is_not_found()), drop);
            let reads = cloud.state.lock().unwrap().reads.len();
            assert_eq!(reads, 0, "a plain change is what it always was: {keys:?}");
            let result = devices.set_note(keys.clone(), "n").confirm().await;
            assert_eq!(result.is_ok(), is_there, "{keys:?}: {result:?}");
            assert!(result.err().is_none_or(|error| error.is_not_found()), "{keys:?}");
            assert_eq!(cloud.state.lock().unwrap().reads.len(), 1, "{keys:?}");
            let result = devices.remove(keys.clone()).confirm().await;
            assert_eq!(result.is_ok(), is_there, "{keys:?}: {result:?}");
        }
    }
}

/// Nobody could look: it was sent, and that is all that is said.
#[tokio::test]
async fn what_nobody_could_look_at_is_sent() {
    let cloud = cloud().await;
    cloud.read_fault(0, Fault::Status(500));
    let devices = cloud.balena().device();
    let report = devices.set_note([1, 2], "n").report().await.unwrap();
    assert!(report.items().all(|item| item.state == BatchState::Sent && item.error.is_some()), "{report:?}");
    assert_eq!((report.counts().sent, report.is_complete()), (2, false));
    assert_eq!(report.counts().to_string(), "0 of 2 done, 2 sent");
    let again = devices.set_note([1, 2], "n").resume(report.resume_token()).report().await.unwrap();
    assert!(again.is_complete(), "a change of columns is sent again: {again:?}");
    cloud.assert_changed([1, 2], 2);

    let cloud = self::cloud().await;
    cloud.read_fault(0, Fault::Status(500));
    let error = cloud.balena().device().set_note([1, 2], "n").confirm().await.unwrap_err();
    assert!(error.is_server(), "{error}");
}

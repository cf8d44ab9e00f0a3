//! Many devices in one stream.

use std::collections::BTreeMap;
use std::time::Duration;

use balena_agent::{AllLines, LogEvent};

use crate::line;
use crate::server::{Log, Server};

const DEVICES: usize = 20;
const LINES: usize = 500;

fn uuid(number: usize) -> String {
    format!("{number:032x}")
}

#[tokio::test]
async fn each_line_comes_with_its_device_and_one_that_fails_is_no_loss() {
    let log = |number| {
        let lines = (0..).take(LINES).map(|at| (at, line(at, &format!("{number}/{at}")))).collect();
        // Some are cut in the middle.
        let cuts = if number % 3 == 0 { vec![5000, 20_000] } else { vec![] };
        (uuid(number), Log { lines, cuts, knows_times: true, ..Log::default() })
    };
    let server = Server::start((0..DEVICES).map(log));
    let balena = server.builder().build();
    let devices = (0..DEVICES).map(uuid).chain([uuid(99)]);
    let mut logs = balena.logs().subscribe_all(devices).count(AllLines).await.unwrap();
    assert_eq!(
        server.logs().values().map(|log| log.connections).sum::<usize>(),
        0,
        "nothing before it is polled"
    );
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (mut lost, mut breaks) = (Vec::new(), 0);
    while found.values().map(Vec::len).sum::<usize>() < DEVICES * LINES || lost.is_empty() {
        let next = tokio::time::timeout(Duration::from_secs(20), logs.next()).await.unwrap().unwrap();
        match next.event {
            Ok(LogEvent::Line(line)) => found.entry(next.device.to_string()).or_default().push(line.message),
            Ok(LogEvent::Interrupted(_)) => breaks += 1,
            Err(error) => lost.push((next.device.to_string(), error)),
            other => panic!("{other:?}"),
        }
    }
    for number in 0..DEVICES {
        let expected: Vec<String> = (0..LINES).map(|at| format!("{number}/{at}")).collect();
        assert!(found[&uuid(number)] == expected, "{number}");
    }
    assert!(
        matches!(&lost[..], [(device, error)] if *device == uuid(99) && error.is_not_found()),
        "{lost:?}"
    );
    assert_eq!((logs.following(), logs.skipped()), (DEVICES, 0));
    assert_eq!(breaks, 14, "seven devices, twice");

    // All are followed on, whichever has something to tell.
    for number in [7, 0, 19, 7] {
        server.write(&uuid(number), 1000, &line(1000, "new"));
        let next = tokio::time::timeout(Duration::from_secs(5), logs.next()).await.unwrap().unwrap();
        assert_eq!(*next.device, *uuid(number));
        assert!(matches!(next.event, Ok(LogEvent::Line(line)) if line.message == "new"));
    }
    drop(logs);
    let gone = async {
        while server.logs().values().map(|log| log.closed).sum::<usize>() < DEVICES {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), gone).await.expect("dropping closes all connections");
}

#[tokio::test]
async fn one_that_logs_a_lot_does_not_keep_the_others_waiting() {
    let lines = |count: usize| (0..).take(count).map(|at| (at, line(at, "x"))).collect();
    let log = |count| Log { lines: lines(count), ..Log::default() };
    let server = Server::start([(uuid(1), log(900)), (uuid(2), log(20))]);
    let mut logs =
        server.builder().build().logs().subscribe_all([uuid(1), uuid(2)]).count(AllLines).await.unwrap();
    let (mut loud, mut quiet) = (0, 0);
    while quiet < 20 {
        let next = logs.next().await.unwrap();
        *(if *next.device == *uuid(1) { &mut loud } else { &mut quiet }) += 1;
        // Whichever is connected first.
        assert!(loud <= 900);
    }
    drop(logs);
    assert!(
        server.builder().build().logs().subscribe_all([] as [&str; 0]).await.unwrap().next().await.is_none()
    );
}

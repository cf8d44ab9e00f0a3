//! This device's own log: the journal, through the supervisor.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

use balena_agent::simulator::Device;
use balena_agent::{AllLines, Balena, Environment, LogEvent, LogLine, LogStream};
use serde_json::{Value, json};

use crate::UUID;
use crate::pretended::words;

async fn next(log: &mut LogStream) -> LogLine {
    match tokio::time::timeout(Duration::from_secs(10), log.next()).await.expect("a line") {
        Some(Ok(LogEvent::Line(line))) => line,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn none_is_the_journal_of_this_device() {
    let device = Device::builder().journal(20).start().await.unwrap();
    let environment = device.environment("main").unwrap();
    let uuid = environment["BALENA_DEVICE_UUID"].clone();
    let balena = Balena::builder().environment(Environment::from_vars(environment).unwrap()).build();

    let mut log = balena.logs().subscribe(None).count(2).await.unwrap();
    assert_eq!(*log.device(), *uuid);
    let line = next(&mut log).await;
    assert_eq!((line.message.as_str(), line.is_system, line.is_std_err), ("line 19", true, false));
    assert!(line.created_at.is_some() && line.timestamp == line.created_at);
    assert_eq!(next(&mut log).await.message, "line 20");
    device.write_journal("now");
    assert_eq!(next(&mut log).await.message, "now");

    // By its own uuid too, and all there is.
    let mut log = balena.logs().subscribe(uuid.as_str()).count(AllLines).await.unwrap();
    for number in 1..=20 {
        assert_eq!(next(&mut log).await.message, format!("line {number}"));
    }
    let mut all = balena.logs().subscribe_all([balena_agent::Local]).count(1).await.unwrap();
    let first = all.next().await.unwrap();
    assert!(*first.device == *uuid && first.event.is_ok());

    // A supervisor that restarts.
    device.restart_supervisor(Duration::from_millis(300)).await;
    let interrupted = async {
        while !matches!(log.next().await, Some(Ok(LogEvent::Interrupted(_)))) {}
        device.write_journal("back");
        while next(&mut log).await.message != "back" {}
    };
    tokio::time::timeout(Duration::from_secs(20), interrupted).await.expect("it comes back");
}

#[tokio::test]
async fn without_the_supervisors_variables_it_says_so() {
    let error = Balena::builder().build().logs().subscribe(None).await.unwrap_err();
    assert!(error.is_config() && error.to_string().contains("BALENA_SUPERVISOR_ADDRESS"), "{error}");
}

/// A supervisor that answers each connection with one of these, and tells what it was asked.
fn supervisor(answers: Vec<String>) -> (Balena, mpsc::Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let environment = Environment::from_vars([
        ("BALENA_SUPERVISOR_ADDRESS", format!("http://{}", listener.local_addr().unwrap())),
        ("BALENA_SUPERVISOR_API_KEY", "k".to_owned()),
        ("BALENA_DEVICE_UUID", UUID.to_owned()),
    ]);
    let (asked, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for answer in answers {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream);
            let mut length = 0;
            let mut header = String::new();
            while reader.read_line(&mut header).unwrap() > 2 {
                if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                header.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            asked.send(serde_json::from_slice(&body).unwrap()).unwrap();
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            write!(reader.get_mut(), "{head}{:x}\r\n{answer}\r\n", answer.len()).unwrap();
        }
    });
    (Balena::builder().environment(environment.unwrap()).build(), receiver)
}

/// An entry of the journal, by its place in it.
fn entry(number: i64, message: &str) -> String {
    let at = (1_705_314_030_000_000 + number).to_string();
    let entry = json!({
        "__CURSOR": format!("s=a;i={number}"), "MESSAGE": message, "PRIORITY": "6", "__REALTIME_TIMESTAMP": at,
        "CONTAINER_NAME": "main_53_24_8d2b",
    });
    format!("{entry}\n")
}

#[tokio::test]
async fn the_journal_goes_on_where_it_was_by_its_cursors() {
    // All within a millisecond and all alike: only cursors tell them apart.
    let all: Vec<String> = (0..8).map(|number| entry(number, "tick")).collect();
    let (balena, asked) = supervisor(vec![
        all[..3].concat() + &all[3][..40],
        all[..6].concat(),
        all[2..].concat() + &entry(9, "end"),
    ]);
    let mut log = balena.logs().subscribe(None).count(5).await.unwrap();
    let broke = "interrupted: unreachable";
    let expected = ["tick", "tick", "tick", broke, "tick", "tick", "tick", broke, "tick", "tick", "end"];
    assert_eq!(words(&mut log, 11).await, expected);
    let follow = |count| json!({ "follow": true, "all": true, "format": "json", "count": count });
    assert_eq!(asked.iter().take(3).collect::<Vec<_>>(), [follow(5), follow(1000), follow(1000)]);
}

#[tokio::test]
async fn without_lines_from_before_the_last_one_is_left_out() {
    let now = jiff::Timestamp::now().as_microsecond() - 1_705_314_030_000_000;
    let text = entry(0, "old") + &entry(now + 60_000_000, "new") + &entry(now, "late");
    let (balena, asked) = supervisor(vec![text]);
    let mut log = balena.logs().subscribe(None).await.unwrap();
    let line = next(&mut log).await;
    assert_eq!(
        (line.message.as_str(), line.service_name.as_deref(), line.is_system),
        ("new", Some("main"), false)
    );
    assert_eq!(next(&mut log).await.message, "late");
    assert_eq!(asked.recv().unwrap()["count"], 1);

    let (balena, asked) = supervisor(vec![entry(0, "old")]);
    let mut log = balena.logs().subscribe(None).start("2024-01-15T10:00:00Z").await.unwrap();
    assert_eq!(next(&mut log).await.message, "old");
    let asked = asked.recv().unwrap();
    assert!(asked["since"] == "@1705312800" && asked.get("count").is_none(), "{asked}");
}

/// journalctl says these among its entries, also in the `json` format.
#[tokio::test]
async fn remarks_of_journalctl_are_neither_lines_nor_faults() {
    let remarks = [
        "-- No entries --",
        "-- Journal begins at Mon 2026-11-23 10:00:00 UTC. --",
        "-- Logs begin at Mon 2026-11-23 10:00:00 UTC. --",
        "-- Boot 0123456789abcdef0123456789abcdef --",
        "-- Reboot --",
        "-- cursor: s=a;i=1",
    ];
    let text: String = remarks.join("\n") + "\n";
    let (balena, _asked) = supervisor(vec![text + &entry(0, "-- No entries --")]);
    let mut log = balena.logs().subscribe(None).count(5).await.unwrap();
    assert_eq!(next(&mut log).await.message, "-- No entries --", "a service may write what it likes");
    assert_eq!(log.skipped(), 0);
}

//! Connections: which are used again, which never, and what a call that was dropped leaves behind.

use std::time::Duration;

use balena_agent::supervisor::JournalQuery;
use serde_json::json;

use crate::client;
use crate::client_calls::{ENDPOINTS, Effect, Options, perform};
use crate::scripted::{End, Scripted, Turn, answer};

const MOMENT: Duration = Duration::from_millis(60);

fn version(text: &str) -> Turn {
    Turn::json(200, &json!({"status": "success", "version": text}))
}

fn connections(server: &Scripted) -> Vec<usize> {
    server.requests().iter().map(|request| request.connection).collect()
}

#[tokio::test]
async fn one_connection_serves_one_read_after_the_other() {
    let server = Scripted::new((0..50).map(|n| version(&n.to_string())));
    let supervisor = client(&server.url());
    for n in 0..50 {
        assert_eq!(supervisor.version().await.unwrap(), n.to_string());
    }
    assert_eq!(server.connections(), 1);
}

/// The clock jumps while nothing is awaited: no socket sees paused time.
async fn idle_for(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn an_idle_connection_is_used_for_four_seconds_and_no_longer() {
    let server = Scripted::new([version("1"), version("2"), version("3")]);
    let supervisor = client(&server.url());
    supervisor.version().await.unwrap();
    idle_for(Duration::from_millis(3500)).await;
    supervisor.version().await.unwrap();
    idle_for(Duration::from_millis(4100)).await;
    supervisor.version().await.unwrap();
    assert_eq!(connections(&server), [0, 0, 1]);
}

#[tokio::test]
async fn idle_connections_that_grew_old_are_closed_by_the_next_call() {
    let slow = || version("1").after(MOMENT);
    let server = Scripted::new([slow(), slow(), slow(), version("2"), version("3")]);
    let supervisor = client(&server.url());
    let (a, b, c) = tokio::join!(
        supervisor.version().into_future(),
        supervisor.version().into_future(),
        supervisor.version().into_future()
    );
    for result in [a, b, c] {
        result.unwrap();
    }
    idle_for(Duration::from_secs(3)).await;
    supervisor.version().await.unwrap();
    idle_for(Duration::from_secs(2)).await;
    supervisor.version().await.unwrap();
    assert_eq!(server.connections(), 3, "the young one is used again");
    assert!(server.left(2).await, "the two old ones are still open");
}

#[tokio::test]
async fn a_read_on_a_connection_that_died_is_sent_anew_unseen() {
    // The server closes at once after the answer, or only when it has read the next request.
    let cases =
        [vec![version("1").then(End::Close), version("2")], vec![version("1"), Turn::close(), version("2")]];
    for turns in cases {
        let server = Scripted::new(turns);
        let supervisor = client(&server.url());
        assert_eq!(supervisor.version().await.unwrap(), "1");
        tokio::time::sleep(MOMENT).await;
        assert_eq!(supervisor.version().await.unwrap(), "2");
        assert_eq!(connections(&server).last(), Some(&1));
    }
}

#[tokio::test]
async fn a_read_on_a_fresh_connection_is_not_sent_anew() {
    let server = Scripted::new([Turn::close(), version("1")]);
    let error = client(&server.url()).version().await.unwrap_err();
    assert!(error.is_unreachable() && error.was_sent(), "{error:?}");
    assert_eq!(server.requests().len(), 1);

    // And one that dies twice fails.
    let server = Scripted::new([version("1"), Turn::close(), Turn::close(), version("2")]);
    let supervisor = client(&server.url());
    supervisor.version().await.unwrap();
    assert!(supervisor.version().await.unwrap_err().is_unreachable());
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn what_must_not_be_sent_twice_never_travels_on_a_used_connection() {
    for endpoint in ENDPOINTS.iter().filter(|(.., effect)| *effect != Effect::Read) {
        let server = Scripted::new([version("1"), Turn::close(), version("2")]);
        let supervisor = client(&server.url());
        supervisor.version().await.unwrap();
        // Of its own patience it would be sent anew, on yet another connection.
        let once = Options::patience(Duration::ZERO);
        perform(&supervisor, *endpoint, None, once).await.expect_err("it was closed");
        assert_eq!(connections(&server), [0, 1], "{endpoint:?}");
    }
}

#[tokio::test]
async fn a_dropped_call_leaves_no_answer_behind_for_the_next() {
    let server = Scripted::new([version("0"), version("late").after(10 * MOMENT), version("right")]);
    let supervisor = client(&server.url());
    supervisor.version().await.unwrap();
    tokio::time::timeout(MOMENT, supervisor.version().into_future()).await.expect_err("it is slow");
    tokio::time::sleep(12 * MOMENT).await;
    assert_eq!(supervisor.version().await.unwrap(), "right");
    assert_eq!(connections(&server), [0, 0, 1]);
}

#[tokio::test]
async fn a_call_that_is_dropped_in_mid_body_leaves_nothing_behind() {
    let whole = answer(200, None, br#"{"version":"late"}"#);
    let (head, rest) = whole.split_at(whole.len() - 5);
    let late = Turn::drip([head.to_vec(), rest.to_vec()], 10 * MOMENT, End::Keep);
    let server = Scripted::new([version("0"), late, version("right")]);
    let supervisor = client(&server.url());
    supervisor.version().await.unwrap();
    let error = supervisor.version().deadline(15 * MOMENT).await.unwrap_err();
    assert!(error.is_timeout() && error.was_sent());
    assert!(error.advice().is_some_and(|advice| advice.contains("`.deadline()`")), "{error}");
    tokio::time::sleep(8 * MOMENT).await;
    assert_eq!(supervisor.version().await.unwrap(), "right");
    assert_eq!(connections(&server), [0, 0, 1]);
}

#[tokio::test]
async fn a_stream_that_is_dropped_closes_its_connection() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n";
    let server = Scripted::new([Turn::raw(head, End::Hold), version("1")]);
    let supervisor = client(&server.url());
    let mut lines = supervisor.journal_logs(JournalQuery::new().follow()).await.unwrap();
    assert_eq!(lines.next().await.unwrap().unwrap(), "one");
    assert_eq!(supervisor.version().await.unwrap(), "1");
    drop(lines);
    assert!(server.left(1).await, "the supervisor's journalctl would run on");
    assert_eq!(connections(&server), [0, 1]);
}

/// More than the sockets between them hold, so that the request can't have been written.
fn long_tags() -> Vec<(String, String)> {
    (0..1700).map(|tag| (format!("tag{tag}"), "x".repeat(10_000))).collect()
}

#[tokio::test]
async fn an_answer_that_comes_before_the_whole_request_counts_and_spoils_nothing() {
    let refusal = Turn::text(400, "too long").early().then(End::Hold);
    let server = Scripted::new([refusal, version("1")]);
    let supervisor = client(&server.url());
    let error = supervisor.set_tags(long_tags()).await.unwrap_err();
    assert!(error.is_rejected() && error.body() == Some("too long"), "{error:?}");
    let next = tokio::time::timeout(20 * MOMENT, supervisor.version().into_future()).await;
    assert_eq!(next.expect("it waits for the old request").unwrap(), "1");
}

#[tokio::test]
async fn a_server_that_hangs_up_on_a_long_request_leaves_the_outcome_open() {
    let server = Scripted::new([Turn::raw("", End::Close).early()]);
    let error = client(&server.url()).set_tags(long_tags()).await.unwrap_err();
    assert!(error.is_unknown_outcome() && error.was_sent(), "{error:?}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn connections_end_as_the_answer_says() {
    let body = r#"{"version":"1"}"#;
    let close =
        format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let old = format!("HTTP/1.0 200 OK\r\n\r\n{body}");
    let no_length = format!("HTTP/1.1 200 OK\r\n\r\n{body}");
    let hints = format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n{close}");
    let lower = close.replace("Connection", "connection").replace("Content", "content");
    let said = Turn::raw(close, End::Keep);
    let others = [old, no_length, hints, lower].map(|bytes| Turn::raw(bytes, End::Close));
    let server = Scripted::new([said].into_iter().chain(others));
    let supervisor = client(&server.url());
    for n in 0..5 {
        assert_eq!(supervisor.version().await.unwrap(), "1", "answer {n}");
    }
    assert_eq!(connections(&server), [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn many_calls_at_once_each_get_their_own_answer() {
    let echo = || {
        Turn::make(|request| {
            let service = request.query().into_iter().find(|(name, _)| name == "service").expect("a service");
            answer(200, None, json!({"containerId": service.1}).to_string().as_bytes())
        })
    };
    let server = Scripted::new((0..64).map(|_| echo()));
    let supervisor = client(&server.url());
    let mut all = tokio::task::JoinSet::new();
    for n in 0..64 {
        let call = supervisor.container_id(&format!("s {n}&=+é"));
        all.spawn(async move { (n, call.await.unwrap()) });
    }
    for (n, id) in all.join_all().await {
        assert_eq!(id, format!("s {n}&=+é"));
    }
}

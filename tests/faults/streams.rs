//! Lines of the journal and of local mode, however they arrive.

use std::time::Duration;

use balena_agent::Error;
use balena_agent::supervisor::{JournalQuery, Supervisor};
use serde_json::json;

use crate::client;
use crate::scripted::{End, Scripted, Turn};

const HEAD: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const LAST: &[u8] = b"0\r\n\r\n";
/// Longer lines are cut.
const LINE_LIMIT: usize = 256 * 1024;

fn chunk(piece: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{:x}\r\n", piece.len()).into_bytes();
    bytes.extend_from_slice(piece);
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// The body in these pieces, each a chunk and a packet of its own, with a pause between packets.
fn stream(pieces: &[&[u8]], pause: Duration) -> Turn {
    let chunks = pieces.iter().filter(|piece| !piece.is_empty()).map(|piece| chunk(piece));
    let all = [HEAD.as_bytes().to_vec()].into_iter().chain(chunks).chain([LAST.to_vec()]);
    Turn::drip(all, pause, End::Keep)
}

async fn journal(supervisor: &Supervisor) -> Vec<Result<String, Error>> {
    let mut lines = supervisor.journal_logs(JournalQuery::new()).await.expect("a stream");
    let mut all = Vec::new();
    while let Some(line) = lines.next().await {
        all.push(line);
        assert!(all.len() < 1000, "it never ends");
    }
    assert!(lines.next().await.is_none(), "it goes on after its end");
    all
}

async fn lines_of(turn: Turn) -> Vec<String> {
    let server = Scripted::new([turn]);
    journal(&client(&server.url())).await.into_iter().map(|line| line.expect("a line")).collect()
}

#[tokio::test]
async fn lines_are_the_same_in_any_pieces() {
    let body = "eins\r\n\nzwei é\n\r\ndrei\rvier\nö".as_bytes();
    let expected = ["eins", "", "zwei é", "", "drei\rvier", "ö"];
    let all: Vec<&[u8]> = body.chunks(1).collect();
    assert_eq!(lines_of(stream(&all, Duration::from_millis(1))).await, expected);
    // Cut at every place, and at every pair of places.
    let places = 0..=body.len();
    let pairs: Vec<(usize, usize)> =
        places.clone().flat_map(|a| (a..=body.len()).map(move |b| (a, b))).collect();
    let server = Scripted::new(
        pairs.iter().map(|(a, b)| stream(&[&body[..*a], &body[*a..*b], &body[*b..]], Duration::ZERO)),
    );
    let supervisor = client(&server.url());
    for pair in pairs {
        let lines: Vec<String> =
            journal(&supervisor).await.into_iter().map(|line| line.expect("a line")).collect();
        assert_eq!(lines, expected, "cut at {pair:?}");
    }
}

#[tokio::test]
async fn the_end_of_the_body_ends_the_last_line() {
    for (body, expected) in
        [("", vec![]), ("\n", vec![""]), ("a", vec!["a"]), ("a\n", vec!["a"]), ("a\n\n", vec!["a", ""])]
    {
        assert_eq!(lines_of(stream(&[body.as_bytes()], Duration::ZERO)).await, expected, "{body:?}");
    }
}

#[tokio::test]
async fn an_overlong_line_is_cut_and_the_next_is_whole() {
    for length in [LINE_LIMIT - 1, LINE_LIMIT, LINE_LIMIT + 1, LINE_LIMIT * 3] {
        let body = format!("before\n{}\r\nafter\n{}", "x".repeat(length), "y".repeat(length));
        for size in [body.len(), 100_000, 65_536, 1000] {
            let pieces: Vec<&[u8]> = body.as_bytes().chunks(size).collect();
            let lines = lines_of(stream(&pieces, Duration::ZERO)).await;
            let kept = length.min(LINE_LIMIT);
            let lengths: Vec<usize> = lines.iter().map(String::len).collect();
            assert_eq!(lengths, [6, kept, 5, kept], "{length} in pieces of {size}");
            assert_eq!(lines[2], "after");
        }
    }
}

#[tokio::test]
async fn what_is_no_utf_8_is_shown_as_such() {
    assert_eq!(lines_of(stream(&[b"a\xffb\n\xc3", b"\xa9\n"], Duration::ZERO)).await, ["a\u{fffd}b", "é"]);
}

#[tokio::test]
async fn a_stream_that_breaks_says_so_and_ends() {
    for rest in [b"".as_slice(), b"4\r\nha", b"zz\r\n"] {
        let mut bytes = [HEAD.as_bytes(), &chunk(b"whole\nhalf")].concat();
        bytes.extend_from_slice(rest);
        let server = Scripted::new([Turn::raw(bytes, End::Close)]);
        let all = journal(&client(&server.url())).await;
        let [Ok(line), Err(error)] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!(line, "whole");
        assert!(error.is_unreachable() && error.was_sent(), "{error:?}");
        assert!(error.to_string().contains("the stream broke"), "{error}");
    }
}

#[tokio::test]
async fn a_quiet_stream_stays_open_beyond_the_deadline_for_opening_it() {
    let server =
        Scripted::new([Turn::drip([HEAD.into(), chunk(b"late\n")], Duration::from_millis(50), End::Hold)]);
    let supervisor = client(&server.url());
    let mut lines = supervisor.journal_logs(JournalQuery::new().follow()).await.unwrap();
    // The clock jumps by an hour while nothing is awaited.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3600)).await;
    tokio::time::resume();
    assert_eq!(lines.next().await.unwrap().unwrap(), "late");
}

#[tokio::test]
async fn a_stream_that_is_refused_is_an_error_at_once() {
    let server = Scripted::new([
        Turn::text(401, "Unauthorized"),
        Turn::answer(204, None, ""),
        Turn::text(401, "Unauthorized"),
    ]);
    let supervisor = client(&server.url());
    assert!(supervisor.journal_logs(JournalQuery::new()).await.unwrap_err().is_unauthorized());
    assert!(supervisor.journal_logs(JournalQuery::new()).await.unwrap_err().is_decode());
    assert!(supervisor.local_logs().await.unwrap_err().is_unauthorized());
}

#[tokio::test]
async fn the_query_is_sent_as_it_was_built() {
    let server = Scripted::new([stream(&[], Duration::ZERO), stream(&[], Duration::ZERO)]);
    let supervisor = client(&server.url());
    supervisor.journal_logs(JournalQuery::new()).await.unwrap();
    let query =
        JournalQuery::new().follow().all().count(5).unit("u").container("f00dfeedbeef0123").format("json");
    supervisor.journal_logs(query.since("-1h").until("now")).await.unwrap();
    let bodies: Vec<serde_json::Value> =
        server.requests().iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect();
    let full = json!({"follow": true, "all": true, "count": 5, "unit": "u", "containerId": "f00dfeedbeef", "format": "json", "since": "-1h", "until": "now"});
    assert_eq!(bodies, [json!({}), full]);
}

#[tokio::test]
async fn local_logs_skip_and_count_what_they_cannot_read() {
    let body = b"{\"message\":\"Streaming logs\",\"isSystem\":true}\n\n \r\nnonsense\n\
                 {\"message\":\"hello\",\"timestamp\":1795377608123,\"serviceName\":\"main\",\"serviceId\":2,\"more\":[]}\r\n\
                 {\"timestamp\":1}\n[\"x\"]\n{\"message\":\"last\",\"timestamp\":null}";
    let server = Scripted::new([stream(&[body], Duration::ZERO)]);
    let mut logs = client(&server.url()).local_logs().await.unwrap();
    let first = logs.next().await.unwrap().unwrap();
    assert_eq!((first.message.as_str(), first.is_system), ("Streaming logs", Some(true)));
    let second = logs.next().await.unwrap().unwrap();
    assert_eq!(second.timestamp.unwrap().as_millisecond(), 1_795_377_608_123);
    assert_eq!((second.service_name.as_deref(), second.service_id), (Some("main"), Some(2.into())));
    assert_eq!(logs.skipped(), 1);
    assert_eq!(logs.next().await.unwrap().unwrap().message, "last");
    assert_eq!(logs.skipped(), 3);
    assert!(logs.next().await.is_none());
}

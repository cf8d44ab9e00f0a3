//! Answers that never come, break off, or are none.

use std::future::{Future as _, poll_fn};
use std::task::Poll;
use std::time::{Duration, Instant};

use balena_agent::{Error, ErrorKind};
use serde_json::json;

use crate::client;
use crate::client_calls::{ENDPOINTS, Options, perform};
use crate::scripted::{End, Scripted, Turn, answer};

const DEADLINE: Duration = Duration::from_millis(250);
/// What a call may take beyond its deadline on a busy machine.
const SLACK: Duration = Duration::from_secs(2);

/// What a read and a change make of the same answer: a kind, or success.
type Fate = (Option<ErrorKind>, Option<ErrorKind>);

const TIMEOUT: Fate = (Some(ErrorKind::Timeout), Some(ErrorKind::Timeout));
/// A read just failed; a change may have happened.
const BROKEN: Fate = (Some(ErrorKind::Unreachable), Some(ErrorKind::UnknownOutcome));
/// It is no supervisor that is spoken to; a change may have happened all the same.
const NOT_HTTP: Fate = (Some(ErrorKind::Decode), Some(ErrorKind::UnknownOutcome));
const UNREADABLE: Fate = (Some(ErrorKind::Decode), Some(ErrorKind::Decode));
/// Success is told by the status: a change needs no more.
const NO_VALUE: Fate = (Some(ErrorKind::Decode), None);
const GOOD: Fate = (None, None);

fn both(kind: ErrorKind) -> Fate {
    (Some(kind), Some(kind))
}

/// Closes after these bytes.
fn cut(bytes: impl Into<Vec<u8>>) -> Turn {
    Turn::raw(bytes, End::Close)
}

fn drip(bytes: &[u8]) -> Turn {
    Turn::drip(bytes.chunks(1).map(<[u8]>::to_vec), DEADLINE / 3, End::Hold)
}

fn chunked(rest: &str) -> Turn {
    cut(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{rest}"))
}

/// A name, the answer, what becomes of a read and a change, and words of the read's error.
#[expect(clippy::type_complexity, reason = "a table")]
fn table() -> Vec<(&'static str, fn() -> Turn, Fate, &'static str)> {
    vec![
        ("silence", Turn::silence, TIMEOUT, "no response within 250ms"),
        ("slow head", || drip(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"), TIMEOUT, "no response"),
        (
            "slow body",
            || {
                let head = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n".to_vec();
                Turn::drip([head, b"{".to_vec(), b" ".to_vec()], DEADLINE / 5, End::Hold)
            },
            TIMEOUT,
            "no response",
        ),
        ("nothing", Turn::close, BROKEN, "closed the connection before a response"),
        ("half a status line", || cut("HTTP/1.1 20"), BROKEN, "before a response"),
        ("half a head", || cut("HTTP/1.1 200 OK\r\nContent-Le"), BROKEN, "before a response"),
        (
            "no body",
            || cut("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"),
            BROKEN,
            "in the middle of the response",
        ),
        (
            "half a body",
            || cut("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"a\""),
            BROKEN,
            "in the middle of the response",
        ),
        ("no last chunk", || chunked("2\r\n{}\r\n"), BROKEN, "in the middle of the response"),
        ("half a chunk", || chunked("5\r\n{}"), BROKEN, "in the middle of the response"),
        ("bad chunk", || chunked("zz\r\n{}\r\n0\r\n\r\n"), BROKEN, "in the middle of the response"),
        ("another protocol", || cut("SSH-2.0-OpenSSH_9.9\r\n"), NOT_HTTP, "does not speak HTTP"),
        ("TLS", || cut(*b"\x15\x03\x01\x00\x02\x02\x46"), NOT_HTTP, "does not speak HTTP"),
        ("no status", || cut("HTTP/1.1 abc\r\n\r\n"), NOT_HTTP, "does not speak HTTP"),
        (
            "bad length",
            || cut("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"),
            NOT_HTTP,
            "does not speak HTTP",
        ),
        (
            "page",
            || Turn::text(200, "<!DOCTYPE html><p>Log in"),
            UNREADABLE,
            "an HTML page, from something in front of the API",
        ),
        (
            "page with a title",
            || Turn::text(200, "<title>Log in</title>"),
            UNREADABLE,
            "Log in (an HTML page)",
        ),
        (
            "page of an error",
            || Turn::text(500, "<title>Oh</title>"),
            both(ErrorKind::Server),
            "500: Oh (an HTML",
        ),
        ("no content", || Turn::answer(204, None, ""), NO_VALUE, "empty response"),
        ("empty", || Turn::text(200, ""), NO_VALUE, "empty response"),
        ("text", || Turn::text(200, "OK"), NO_VALUE, "begins with \"OK\""),
        ("list", || Turn::json(200, &json!([1])), NO_VALUE, "begins with \"[1]\""),
        ("null", || Turn::json(200, &json!(null)), NO_VALUE, "begins with \"null\""),
        ("more than JSON", || Turn::text(200, "{} {}"), NO_VALUE, "trailing characters"),
        ("half of JSON", || Turn::text(200, "{\"a\":"), NO_VALUE, "EOF"),
        (
            "packed, though not asked for",
            || {
                Turn::raw(
                    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08"
                        .to_vec(),
                    End::Keep,
                )
            },
            NO_VALUE,
            "a JSON object was expected",
        ),
        ("redirect", || Turn::answer(302, None, ""), both(ErrorKind::Rejected), "status 302"),
        ("not modified", || Turn::answer(304, None, ""), both(ErrorKind::Rejected), "status 304"),
        ("bad request", || Turn::text(400, "bad\nworse"), both(ErrorKind::Rejected), "status 400: bad"),
        ("conflict", || Turn::text(409, "no"), both(ErrorKind::Conflict), "409"),
        ("too many", || Turn::text(429, "slow down"), both(ErrorKind::RateLimited), "slow down"),
        ("failed", || Turn::text(500, "boom"), both(ErrorKind::Server), "status 500: boom"),
        ("not there", || Turn::text(502, "connection refused"), both(ErrorKind::Unreachable), "502"),
        ("busy", || Turn::text(503, ""), both(ErrorKind::Server), "status 503"),
        (
            "locked, cut off",
            || cut("HTTP/1.1 423 X\r\nContent-Length: 99\r\n\r\nLocked"),
            both(ErrorKind::Locked),
            "locked (423): Locked",
        ),
        ("wrong content type", || Turn::answer(200, Some("image/png"), "{}"), GOOD, ""),
        ("no content type", || Turn::answer(200, None, "{}"), GOOD, ""),
        ("no length", || cut("HTTP/1.1 200 OK\r\n\r\n{}"), GOOD, ""),
        ("old HTTP", || cut("HTTP/1.0 200 OK\r\nServer: x\r\n\r\n{}"), GOOD, ""),
        ("no reason", || cut("HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}"), GOOD, ""),
        ("chunks and a trailer", || chunked("1\r\n{\r\n1;x=y\r\n}\r\n0\r\nX-Sum: 1\r\n\r\n"), GOOD, ""),
    ]
}

fn check(name: &str, result: Result<(), Error>, fate: Option<ErrorKind>) -> Option<Error> {
    match (result, fate) {
        (Ok(()), None) => None,
        (Err(error), Some(kind)) if error.kind() == kind => {
            assert!(error.was_sent() && error.attempts() == 1, "{name}: {error:?}");
            Some(error)
        }
        (result, fate) => panic!("{name}: expected {fate:?}, got {result:?}"),
    }
}

#[tokio::test]
async fn reads_and_changes_each_get_what_is_true() {
    for (name, turn, (read, change), words) in table() {
        for endpoint in ["GET", "POST", "PATCH", "stop"] {
            let server = Scripted::new([turn()]);
            let supervisor = client(&server.url());
            let fate = if endpoint == "GET" { read } else { change };
            let deadline = if fate == Some(ErrorKind::Timeout) { DEADLINE } else { 8 * SLACK };
            let began = Instant::now();
            let result = match endpoint {
                "GET" => supervisor.device().deadline(deadline).await.map(drop),
                "POST" => supervisor.reboot().deadline(deadline).await,
                "PATCH" => supervisor.set_tags([("a", "b")]).deadline(deadline).await,
                _ => supervisor.application().restart_v1().deadline(deadline).await,
            };
            assert!(began.elapsed() < DEADLINE + SLACK, "{name} took {:?}", began.elapsed());
            if let Some(error) = check(&format!("{name} {endpoint}"), result, fate)
                && endpoint == "GET"
            {
                let text = error.to_string();
                assert!(text.starts_with("GET /v1/device: ") && text.contains(words), "{name}: {text}");
            }
            assert_eq!(server.requests().len(), 1, "{name}");
        }
    }
}

#[tokio::test]
async fn a_gateway_leaves_a_change_unknown_unless_it_had_no_connection() {
    use ErrorKind::{Server, UnknownOutcome, Unreachable};
    // What becomes of a read, of a change that may be sent again, and of one that may not.
    for (status, words, kinds) in [
        (502, "", [Unreachable, Unreachable, UnknownOutcome]),
        (502, "<html><title>502 Bad Gateway</title>", [Unreachable, Unreachable, UnknownOutcome]),
        (502, "error trying to connect: No such file or directory", [Unreachable; 3]),
        (504, "late", [Server, Server, UnknownOutcome]),
        (520, "", [Server, Server, UnknownOutcome]),
        (524, "", [Server, Server, UnknownOutcome]),
    ] {
        let server = Scripted::new((0..4).map(|_| Turn::text(status, words)));
        let supervisor = client(&server.url());
        let errors = [
            supervisor.device().await.map(drop).unwrap_err(),
            supervisor.set_tags([("a", "b")]).await.unwrap_err(),
            supervisor.reboot().await.unwrap_err(),
            supervisor.application().restart_v1().await.unwrap_err(),
        ];
        let expected = kinds.into_iter().chain([kinds[2]]);
        for (error, kind) in errors.iter().zip(expected) {
            assert_eq!(error.kind(), kind, "{status} {words}: {error}");
            assert!(error.was_sent() && error.status() == Some(status), "{error}");
        }
        let looks = errors[2].advice().is_some_and(|advice| advice.contains("check the state"));
        assert!(looks, "{}", errors[2]);
    }
}

#[tokio::test]
async fn an_answer_that_broke_off_keeps_its_status() {
    let server = Scripted::new([cut("HTTP/1.1 202 X\r\nContent-Length: 9\r\n\r\n{")]);
    let error = client(&server.url()).reboot().await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::UnknownOutcome, Some(202)));
}

#[tokio::test]
async fn switching_protocols_is_no_success() {
    let server = Scripted::new([cut("HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")]);
    let error = client(&server.url()).reboot().await.unwrap_err();
    assert!(!error.is_timeout() && error.was_sent(), "{error:?}");
}

#[tokio::test]
async fn a_deadline_that_passes_before_a_connection_says_that_nothing_was_sent() {
    // A listener whose queue is full does not answer the next one who knocks.
    let listener = tokio::net::TcpSocket::new_v4().unwrap();
    listener.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    for _ in 0..8 {
        let knock = tokio::net::TcpStream::connect(address);
        queue.push(tokio::time::timeout(Duration::from_millis(20), knock).await);
    }
    assert!(queue.iter().any(Result::is_err), "the queue never fills");
    let error = client(&format!("http://{address}")).reboot().deadline(DEADLINE).await.unwrap_err();
    assert!(error.is_timeout() && !error.was_sent(), "{error:?}");
    assert!(error.to_string().contains("no connection within"), "{error}");
    drop(queue);
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_not_read() {
    const LIMIT: usize = 64 * 1024 * 1024;
    let body = |length: usize| {
        let mut bytes = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").into_bytes();
        let head = bytes.len();
        bytes.resize(head + length, b' ');
        bytes
    };
    let server = Scripted::new([Turn::raw(body(LIMIT + 1), End::Close)]);
    let error = client(&server.url()).device().deadline(Duration::from_secs(30)).await.unwrap_err();
    assert!(error.is_decode() && error.status() == Some(200), "{error:?}");
    assert!(error.to_string().contains("longer than 67108864 bytes"), "{error}");
}

#[tokio::test]
async fn of_an_error_answer_only_the_beginning_is_read_and_kept() {
    let head = format!("HTTP/1.1 500 X\r\nContent-Length: {}\r\n\r\n", 1 << 30);
    // A character of two bytes across the limit.
    let body = "x".to_owned() + &"é".repeat(100 * 1024);
    let server = Scripted::new([Turn::raw(head + &body, End::Hold)]);
    let began = Instant::now();
    let error = client(&server.url()).device().await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(2), "it waits for the rest");
    let kept = error.body().unwrap();
    assert!(kept.len() == 64 * 1024 - 1 && body.starts_with(kept), "{} bytes", kept.len());
}

#[tokio::test]
async fn a_failure_that_is_told_in_a_success_is_a_failure() {
    for status in [200, 202] {
        let words = "Lockfile exists, or the like\nmore";
        let go = || Turn::json(status, &json!({"Data": "", "Error": words}));
        let server = Scripted::new([go(), go(), go()]);
        let supervisor = client(&server.url());
        let results = [
            supervisor.reboot().await,
            supervisor.application().purge_v1().await,
            supervisor.application().restart().await,
        ];
        for error in results.map(Result::unwrap_err) {
            assert!(error.is_rejected() && error.status() == Some(status), "{error:?}");
            assert_eq!(error.body(), Some(words));
        }
        let good =
            [json!({"Data": "OK", "Error": null}), json!({"Data": "OK", "Error": ""}), json!({"Data": ""})];
        let server = Scripted::new(good.iter().map(|body| Turn::json(status, body)));
        let supervisor = client(&server.url());
        for _ in &good {
            supervisor.shutdown().await.unwrap();
        }
    }
}

#[tokio::test]
async fn the_words_are_shown_in_one_line_that_harms_no_terminal() {
    let words = format!("\n  \u{1b}[31mred\u{7}\ttab {}\nsecond", "é".repeat(1000));
    let server = Scripted::new([Turn::text(500, &words)]);
    let error = client(&server.url()).device().await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("status 500: \\u{1b}[31mred\\u{7}\\ttab éé"), "{text}");
    assert!(text.contains("éé…") && text.chars().count() < 400 && !text.contains("second"), "{text}");
    assert_eq!(error.body(), Some(words.trim()));
}

/// How long a call waits at most unless told otherwise (`design.md`, "Promises of the request path").
fn deadline(method: &str, path: &str) -> u64 {
    match (method, path) {
        (_, "/v1/update" | "/v1/blink" | "/v1/reboot" | "/v1/shutdown" | "/v1/regenerate-api-key") => 20,
        ("PATCH", "/v1/device/host-config")
        | ("POST", "/v2/local/target-state")
        | (
            _,
            "/v2/cleanup-volumes"
            | "/v1/apps/:app/stop"
            | "/v1/apps/:app/start"
            | "/v2/applications/:app/restart-service"
            | "/v2/applications/:app/stop-service"
            | "/v2/applications/:app/start-service",
        ) => 60,
        (_, path) if path.ends_with("/restart") || path.ends_with("/purge") => 300,
        _ => 10,
    }
}

#[tokio::test]
async fn every_call_has_its_deadline() {
    for endpoint in ENDPOINTS {
        let server = Scripted::new([Turn::silence()]);
        let supervisor = client(&server.url());
        let mut call = Box::pin(perform(&supervisor, *endpoint, None, Options::default()));
        while server.requests().is_empty() {
            assert!(tokio::time::timeout(Duration::from_millis(2), &mut call).await.is_err(), "{endpoint:?}");
        }
        // Once the request is there, the clock jumps: just short of the deadline, then beyond it.
        let limit = Duration::from_secs(deadline(endpoint.0, endpoint.1));
        let second = Duration::from_secs(1);
        tokio::time::pause();
        tokio::time::advance(limit.saturating_sub(second)).await;
        let early = poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_ready())).await;
        tokio::time::advance(2 * second).await;
        let late = poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx))).await;
        tokio::time::resume();
        assert!(!early, "{endpoint:?} gave up before {limit:?}");
        let Poll::Ready(Err(error)) = late else { panic!("{endpoint:?} waits longer than {limit:?}") };
        assert!(error.is_timeout() && error.was_sent(), "{endpoint:?}: {error:?}");
        assert!(error.to_string().contains(&format!("no response within {limit:?}")), "{error}");
    }
}

#[tokio::test]
async fn the_words_are_found_wherever_the_supervisor_puts_them() {
    let words = [
        (r#"{"status":"failed","message":"in JSON"}"#, "in JSON"),
        (r#"{"Data":"","Error":"in GO"}"#, "in GO"),
        ("plain\n", "plain"),
        (r#"{"message":""}"#, ""),
        (r#"{"error":"x"}"#, r#"{"error":"x"}"#),
        (r#"{"message":5}"#, r#"{"message":5}"#),
        ("", ""),
    ];
    for (body, expected) in words {
        // The content type lies half of the time.
        let server = Scripted::new([Turn::raw(answer(503, Some("text/html"), body.as_bytes()), End::Keep)]);
        let error = client(&server.url()).device().await.unwrap_err();
        assert_eq!(error.body(), Some(expected));
    }
}

//! Clouds that behave oddly: slow to begin, fast to end, with clocks that jump.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use balena_agent::Balena;
use balena_agent::transport::{Body, BoxFuture, Request, Response, Transport, TransportError};
use tokio::time::Instant;

use crate::pretended::{Cloud, Step, Turn, word, words};
use crate::{UUID, line};

const BROKE: &str = "interrupted: unreachable";
const DATE: (&str, &str) = ("date", "Sat, 15 Jun 2024 12:00:00 GMT");
/// The same in milliseconds.
const AT: i64 = 1_718_452_800_000;

fn text(text: impl Into<String>) -> Step {
    Step::Text(text.into())
}

#[tokio::test]
async fn a_clock_that_is_set_back_hides_no_line() {
    let hour = 3_600_000;
    let before = (0..70).map(|at| line(AT + at, "before")).collect::<String>();
    let back = |number: i64| line(AT - hour + number, &format!("back {number}"));
    let cloud = Cloud::new([
        Turn::of([text(before.clone()), Step::Break]),
        Turn::of([text(before.clone() + &back(0)), text(back(1)), Step::Break]),
        Turn::of([text(before + &back(0) + &back(1)), text(back(2)), Step::Hold]),
    ]);
    let mut log = cloud.client().logs().subscribe(UUID).await.unwrap();
    assert_eq!(words(&mut log, 70).await, ["before"; 70]);
    assert_eq!(words(&mut log, 5).await, [BROKE, "back 0", "back 1", BROKE, "back 2"]);
    assert_eq!(cloud.asked()[2], format!("stream=1&count=all&start={}", AT - hour));
}

#[tokio::test]
async fn a_line_that_can_not_be_read_does_not_bring_back_the_past() {
    let past = (0..100).map(|at| line(AT - 100 + at, "past")).collect::<String>();
    let cloud = Cloud::new([
        Turn::of([text("{nope\n")]).header(DATE.0, DATE.1),
        Turn::of([text(past + &line(AT, "new")), Step::Hold]),
    ]);
    let mut log = cloud.client().logs().subscribe(UUID).await.unwrap();
    assert!(word(&mut log).await.starts_with("skipped"));
    assert_eq!(words(&mut log, 2).await, [BROKE, "new"]);
    assert_eq!(cloud.asked()[1], format!("stream=1&count=all&start={AT}"));
}

#[tokio::test]
async fn what_comes_while_it_is_broken_is_more_than_what_was_asked_for_first() {
    // There was nothing before, as the beat tells.
    let missed = (0..5).map(|at| line(AT + at, "missed")).collect::<String>();
    let cloud = Cloud::new([
        Turn::of([text("\n"), Step::Break]).header(DATE.0, DATE.1),
        Turn::of([text(missed), Step::Hold]),
    ]);
    let mut log = cloud.client().logs().subscribe(UUID).count(3).await.unwrap();
    assert_eq!(words(&mut log, 3).await, [BROKE, "missed", "missed"]);
    assert_eq!(cloud.asked(), ["stream=1&count=3".to_owned(), format!("stream=1&count=all&start={AT}")]);
}

#[tokio::test]
async fn told_to_come_back_at_once_it_does_not_come_back_all_the_time() {
    for told in ["0", "Sat, 15 Jun 2014 12:00:00 GMT"] {
        let cloud =
            Cloud::new([Turn::of([text(line(1, "a"))]), Turn::refusal(500).header("retry-after", told)]);
        let patience = Duration::from_secs(600);
        let mut log = cloud.client().logs().subscribe(UUID).patience(patience).await.unwrap();
        let end = tokio::time::timeout(Duration::from_secs(5), words(&mut log, 4)).await;
        assert_eq!(end.expect("an end"), ["a", BROKE, "error: server", "end"]);
        let asked = cloud.asked().len();
        assert!(asked < 100, "{asked} requests in ten minutes");
    }
}

/// Answers with its head as late as the real one: with the first thing that it has to say.
#[derive(Debug)]
struct Late(Duration, u16);

impl Transport for Late {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        let is_log = request.uri().path().ends_with("/logs");
        Box::pin(async move {
            let is_open = is_log && self.1 == 200;
            let text = if is_log {
                tokio::time::sleep(self.0).await;
                "\n".to_owned() + &line(AT, "one")
            } else {
                format!(r#"{{"d":[{{"uuid":"{UUID}"}}]}}"#)
            };
            let end = futures_util::stream::poll_fn(
                move |_| if is_open { Poll::Pending } else { Poll::Ready(None) },
            );
            let body = futures_util::StreamExt::chain(futures_util::stream::iter([Ok(text.into())]), end);
            let status = if is_log { self.1 } else { 200 };
            Ok(http::Response::builder().status(status).body(Body::new(body)).unwrap())
        })
    }
}

fn late(after: u64, status: u16) -> Balena {
    let transport = Arc::new(Late(Duration::from_secs(after), status));
    Balena::builder().token("t".to_owned().into()).transport(transport).build()
}

#[tokio::test(start_paused = true)]
async fn a_log_without_lines_is_open_although_nothing_comes() {
    let start = Instant::now();
    let mut log = late(58, 200).logs().subscribe(UUID).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(1), "it is not waited for");
    assert_eq!(word(&mut log).await, "one");
    assert_eq!(start.elapsed().as_secs(), 58);
    // What is wrong is told by the stream, whenever it is known.
    for (after, status, error) in [
        (0, 404, "error: not_found"),
        (9, 404, "error: not_found"),
        (11, 404, "error: not_found"),
        (9, 500, "error: server"),
    ] {
        let mut log = late(after, status).logs().subscribe(UUID).await.unwrap();
        assert_eq!(words(&mut log, 2).await, [error, "end"], "{status} after {after} s");
    }
    // A server that was silent for so long was there.
    let mut log = late(11, 500).logs().subscribe(UUID).await.unwrap();
    assert_eq!(word(&mut log).await, "interrupted: server");
    let mut log = late(1000, 200).logs().subscribe(UUID).await.unwrap();
    assert_eq!(word(&mut log).await, "interrupted: timeout");
}

/// Its logs always have more to do, and let others go first.
#[derive(Debug, Default)]
struct Busy(Arc<AtomicUsize>);

impl Transport for Busy {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        let polls = self.0.clone();
        let body = if request.uri().path().ends_with("/logs") {
            Body::new(futures_util::stream::poll_fn(move |cx| {
                assert!(polls.fetch_add(1, Ordering::Relaxed) < 10_000, "nobody else has a turn");
                cx.waker().wake_by_ref();
                Poll::Pending
            }))
        } else {
            let row = format!(r#"{{"d":[{{"uuid":"{UUID}"}}]}}"#);
            Body::new(futures_util::stream::iter([Ok(row.into())]))
        };
        Box::pin(async { Ok(http::Response::new(body)) })
    }
}

#[tokio::test]
async fn many_that_are_busy_leave_time_for_others() {
    let busy = Arc::new(Busy::default());
    let balena = Balena::builder().token("t".to_owned().into()).transport(busy).build();
    let mut logs = balena.logs().subscribe_all([UUID, UUID]).await.unwrap();
    tokio::select! {
        biased;
        event = logs.next() => panic!("{event:?}"),
        () = tokio::time::sleep(Duration::from_millis(1)) => {}
    }
}

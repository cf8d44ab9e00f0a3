//! Breaks whose pauses are pretended: what is asked for then, how long is waited, and when it is enough.

use std::time::Duration;

use balena_agent::RetryPolicy;
use tokio::time::Instant;

use crate::pretended::{Cloud, Step, Turn, word, words};
use crate::{UUID, line};

fn text(text: impl Into<String>) -> Step {
    Step::Text(text.into())
}

#[tokio::test]
async fn it_goes_on_where_it_was() {
    let second = 1000;
    let cloud = Cloud::new([
        Turn::of([text(line(5 * second, "a")), text(line(7 * second, "b")), text("{\"half"), Step::Break]),
        Turn::of([text(line(7 * second, "b") + &line(8 * second, "c") + &line(8 * second, "c"))]),
        Turn::refusal(500),
        Turn::of([text(line(8 * second, "c").repeat(3)), text(line(9 * second, "d")), Step::Hold]),
    ]);
    let mut log = cloud.client().logs().subscribe(UUID).await.unwrap();
    let broke = "interrupted: unreachable";
    assert_eq!(words(&mut log, 8).await, ["a", "b", broke, "c", "c", broke, "c", "d"]);
    assert_eq!(
        cloud.asked(),
        [
            "stream=1",
            "stream=1&count=all&start=5000",
            "stream=1&count=all&start=5000",
            "stream=1&count=all&start=5000"
        ]
    );
    assert_eq!(log.skipped(), 0);
}

#[tokio::test]
async fn lines_that_are_not_there_any_more_are_noticed() {
    let cloud = Cloud::new([
        Turn::of([text(line(5000, "a"))]),
        Turn::of([text(line(9000, "x") + &line(9001, "y")), Step::Hold]),
    ]);
    let mut log = cloud.client().logs().subscribe(UUID).await.unwrap();
    assert_eq!(words(&mut log, 5).await, ["a", "interrupted: unreachable", "missed", "x", "y"]);
}

#[tokio::test]
async fn before_the_first_line_it_goes_on_from_when_it_connected() {
    let date = "Sat, 15 Jun 2024 12:00:00 GMT";
    let at = 1_718_452_800_000;
    let cloud = Cloud::new([
        Turn::of([text("\n")]).header("date", date),
        Turn::of([text(line(at - 1, "old") + &line(at, "new")), Step::Hold]),
    ]);
    let mut log = cloud.client().logs().subscribe(UUID).await.unwrap();
    assert_eq!(words(&mut log, 2).await, ["interrupted: unreachable", "new"]);
    assert_eq!(cloud.asked()[1], format!("stream=1&count=all&start={at}"));
    // What was asked for and has not come is asked for again.
    let cloud = Cloud::new([Turn::of([]).header("date", date), Turn::of([text(line(5, "old")), Step::Hold])]);
    let mut log = cloud.client().logs().subscribe(UUID).count(3).await.unwrap();
    assert_eq!(words(&mut log, 2).await, ["interrupted: unreachable", "old"]);
    assert_eq!(cloud.asked(), ["stream=1&count=3", "stream=1&count=3"]);
}

#[tokio::test(start_paused = true)]
async fn silence_is_a_break_and_a_beat_is_not() {
    let beat = || [Step::Silence(Duration::from_secs(58)), text("\n")];
    let beats = (0..10).flat_map(|_| beat());
    let steps: Vec<Step> = [text(line(1, "a"))].into_iter().chain(beats).chain([Step::Hold]).collect();
    let cloud = Cloud::new([Turn::of(steps), Turn::of([text(line(1, "a") + &line(2, "b")), Step::Hold])]);
    let mut log = cloud.client().logs().subscribe(UUID).await.unwrap();
    let start = Instant::now();
    assert_eq!(words(&mut log, 3).await, ["a", "interrupted: timeout", "b"]);
    assert_eq!(start.elapsed().as_secs(), 10 * 58 + 90);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_does_not_run_out_of_time() {
    let steps = [text(line(1, "a")), Step::Silence(Duration::from_secs(30)), text(line(2, "b")), Step::Hold];
    let cloud = Cloud::new([Turn::of(steps)]);
    let mut log = cloud.client().logs().subscribe(UUID).await.unwrap();
    assert_eq!(word(&mut log).await, "a");
    let impatient = tokio::time::timeout(Duration::from_secs(1), log.next()).await;
    assert!(impatient.is_err());
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(word(&mut log).await, "b");
    // Nobody asked for ten minutes: the wait begins now.
    assert!(tokio::time::timeout(Duration::from_secs(1), log.next()).await.is_err());
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(tokio::time::timeout(Duration::from_secs(89), log.next()).await.is_err());
    assert_eq!(word(&mut log).await, "interrupted: timeout");
}

#[tokio::test]
async fn pauses_grow_up_to_patience() {
    // Opens, and ends before anything new has come.
    let cloud = Cloud::new([Turn::of([text(line(1, "a"))])]);
    let patience = Duration::from_secs(600);
    let mut log = cloud.client().logs().subscribe(UUID).patience(patience).await.unwrap();
    assert_eq!(words(&mut log, 4).await, ["a", "interrupted: unreachable", "error: unreachable", "end"]);
    let slept = cloud.slept();
    assert!(slept.iter().sum::<Duration>() <= patience);
    for (number, pause) in slept.iter().enumerate() {
        let bound = Duration::from_millis(500 << number.min(6)).min(Duration::from_secs(30));
        assert!(*pause <= bound, "{pause:?} after {number}");
    }
    assert!(slept.len() > 20 && slept.len() < 200, "{} pauses", slept.len());
    assert_eq!(cloud.asked().len(), slept.len() + 1);
}

#[tokio::test]
async fn the_server_says_how_long_to_wait() {
    let cloud = Cloud::new([
        Turn::of([text(line(1, "a"))]),
        Turn::refusal(429).header("retry-after", "40"),
        Turn::refusal(503).header("retry-after", "50"),
        Turn::of([text(line(1, "a") + &line(2, "b")), Step::Hold]),
    ]);
    let mut log = cloud.client().logs().subscribe(UUID).await.unwrap();
    assert_eq!(words(&mut log, 3).await, ["a", "interrupted: unreachable", "b"]);
    assert_eq!(cloud.slept()[1..], [Duration::from_secs(40), Duration::from_secs(50)]);
    // Longer than there is patience for.
    let cloud = Cloud::new([Turn::of([]), Turn::refusal(429).header("retry-after", "90000")]);
    let mut log = cloud.client().logs().subscribe(UUID).await.unwrap();
    assert_eq!(words(&mut log, 3).await, ["interrupted: unreachable", "error: rate_limited", "end"]);
    assert_eq!(cloud.slept().len(), 1);
}

#[tokio::test]
async fn without_retries_the_first_break_is_the_end() {
    for (steps, end) in [(vec![], "end"), (vec![Step::Break], "error: unreachable")] {
        let cloud = Cloud::new([Turn::of([vec![text(line(1, "a"))], steps].concat())]);
        let mut log =
            cloud.builder().retry(RetryPolicy::never()).build().logs().subscribe(UUID).await.unwrap();
        assert_eq!(words(&mut log, 3).await, ["a", end, "end"]);
        assert!(cloud.asked().len() == 1 && cloud.slept().is_empty());
    }
}

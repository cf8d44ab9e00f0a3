//! Lines that are none, and answers that are none: what is skipped, and what is the end.

use balena_agent::{AllLines, Error, RetryPolicy};

use crate::pretended::{Cloud, Step, Turn, word, words};
use crate::{UUID, line};

/// The longest line that is read.
const LIMIT: usize = 256 * 1024;

fn text(text: impl Into<String>) -> Step {
    Step::Text(text.into())
}

#[tokio::test]
async fn a_line_that_is_none_is_told_and_counted_and_the_log_goes_on() {
    let long = "x".repeat(LIMIT);
    let cloud = Cloud::new([Turn::of([
        text("\n{nope\n\r\n[]\n"),
        text(line(1, "one")),
        text(line(2, &long)),
        // Never ended within the limit, in pieces.
        text(long.clone()),
        text(long.clone()),
        text(format!("{long}\n")),
        text(&line(3, "three")[..20]),
        text(&line(3, "three")[20..]),
        text("{\"message\": 5}\n"),
        text("\u{fffd}\u{0}\u{1b}[2J\n"),
        Step::Hold,
    ])]);
    let mut log = cloud.client().logs().subscribe(UUID).await.unwrap();
    let told = words(&mut log, 8).await;
    let starts = ["skipped", "skipped", "one", "skipped", "skipped", "three", "skipped", "skipped"];
    for (word, start) in told.iter().zip(starts) {
        assert!(word.starts_with(start), "{word} is not {start}");
    }
    assert_eq!(log.skipped(), 6);
    let of_logs = format!("GET /device/v2/{UUID}/logs: a line ");
    assert!(told[0].starts_with(&format!("skipped: {of_logs}can't be read: ")), "{}", told[0]);
    assert!(told[0].ends_with("it begins with \"{nope\""), "{}", told[0]);
    assert!(told[3].contains("longer than 256 KiB; it begins with \"{\\\"createdAt\\\":2,"), "{}", told[3]);
    assert!(told[3].len() < 300, "{}", told[3]);
    assert!(told[6].contains("at message: invalid type"), "{}", told[6]);
    assert!(!told[7].contains('\u{1b}'), "the terminal's language");
}

#[tokio::test]
async fn the_last_line_needs_no_end_but_has_to_be_whole() {
    let whole = line(2, "two");
    for (rest, expected) in [
        (whole.trim_end(), "two"),
        (&whole[..20], "skipped"),
        ("", "end"),
        ("\r", "end"),
        ("{nope", "skipped"),
    ] {
        let cloud = Cloud::new([Turn::of([text(line(1, "one")), text(rest)])]);
        let mut log =
            cloud.builder().retry(RetryPolicy::never()).build().logs().subscribe(UUID).await.unwrap();
        assert_eq!(word(&mut log).await, "one");
        let next = word(&mut log).await;
        assert!(next.starts_with(expected), "{rest}: {next}");
        assert_eq!(words(&mut log, 2).await, ["end", "end"]);
    }
}

#[tokio::test]
async fn a_refusal_is_the_first_item() {
    let refused = async |status: u16| -> (Error, usize) {
        let cloud = Cloud::new([Turn::refusal(status)]);
        let mut log = cloud.client().logs().subscribe(UUID).await.unwrap();
        let error = log.next().await.unwrap().unwrap_err();
        assert!(log.next().await.is_none());
        (error, cloud.asked().len())
    };
    let (error, asked) = refused(401).await;
    assert!(error.is_unauthorized() && asked == 1, "{error}");
    assert!(error.to_string().contains("`subscribe(None)`"), "{error}");
    assert!(matches!(refused(404).await, (error, 1) if error.is_not_found()));
    assert!(matches!(refused(500).await, (error, 1) if error.is_server()));
    let logged_out = Cloud::new([Turn::refusal(500)]);
    let balena = balena_agent::Balena::builder().transport(logged_out.clone()).build();
    let mut log = balena.logs().subscribe(UUID).await.unwrap();
    assert!(log.next().await.unwrap().unwrap_err().is_unauthorized());
    assert!(balena.logs().history(UUID).await.unwrap_err().is_unauthorized());
    assert_eq!(logged_out.asked().len(), 0);
}

#[tokio::test]
async fn a_refusal_after_a_break_is_the_end() {
    for status in [401, 403, 404, 400] {
        let cloud = Cloud::new([Turn::of([text(line(1, "one")), Step::Break]), Turn::refusal(status)]);
        let mut log = cloud.client().logs().subscribe(UUID).await.unwrap();
        assert_eq!(words(&mut log, 2).await, ["one", "interrupted: unreachable"]);
        let end = words(&mut log, 3).await;
        assert!(end[0].starts_with("error: ") && end[1..] == ["end", "end"], "{end:?}");
        assert_eq!(cloud.asked().len(), 2);
    }
}

#[tokio::test]
async fn what_is_asked_for() {
    let cloud = Cloud::new([Turn::of([text("[]")])]);
    let logs = cloud.client().logs();
    assert_eq!(logs.history(7).await.unwrap(), []);
    drop(logs.history(UUID).count(0).await);
    drop(logs.history(UUID).count(AllLines).start("2024-01-15T10:00:00+01:00").await);
    let time: jiff::Timestamp = "2024-01-15T10:00:00Z".parse().unwrap();
    drop(logs.subscribe(UUID).count(5).start(time).await.unwrap().next().await);
    assert_eq!(
        cloud.asked(),
        [
            "",
            "count=0",
            "count=all&start=2024-01-15T10%3A00%3A00%2B01%3A00",
            "stream=1&count=5&start=1705312800000"
        ]
    );
    for start in ["", "yesterday", "2024-13-01T00:00:00Z", "99999999999999999999"] {
        assert!(logs.history(UUID).start(start).await.unwrap_err().is_invalid_argument(), "{start}");
        assert!(logs.subscribe(UUID).start(start).await.unwrap_err().is_invalid_argument(), "{start}");
        assert!(logs.subscribe_all([UUID]).start(start).await.unwrap_err().is_invalid_argument(), "{start}");
    }
    assert!(logs.subscribe(UUID).start("2024-01-15T10:00:00Z").await.unwrap_err().is_invalid_argument());
    assert!(logs.subscribe("").await.unwrap_err().is_invalid_argument());
    assert!(logs.history(" ").await.unwrap_err().is_invalid_argument());
    assert!(logs.subscribe_all(["a", ""]).await.unwrap_err().is_invalid_argument());
    assert_eq!(cloud.asked().len(), 4, "nothing is sent");
}

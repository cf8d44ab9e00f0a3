//! How an outage is told, by its kind, in every place that tells of it; and how soon its end is noticed.

use std::time::{Duration, Instant};

use balena_agent::service::{self, Config};

use crate::support::{Fake, Running, capture_logs, event, eventually, get};

/// What the places say of one kind of failure.
struct Kind {
    refusal: Option<(u16, &'static str)>,
    words: &'static str,
    state: &'static str,
    event: &'static str,
    error: &'static str,
}

const KINDS: [Kind; 5] = [
    Kind {
        refusal: Some((401, "Unauthorized")),
        words: "the supervisor refused the key",
        state: "refused",
        event: "supervisor_refused",
        error: "unauthorized",
    },
    Kind {
        refusal: Some((503, "{\"status\":\"failed\",\"message\":\"not ready\"}")),
        words: "the supervisor does not answer with its state",
        state: "lost",
        event: "supervisor_lost",
        error: "server",
    },
    Kind {
        refusal: Some((502, "bad gateway")),
        words: "the supervisor does not answer",
        state: "lost",
        event: "supervisor_lost",
        error: "unreachable",
    },
    Kind {
        refusal: Some((200, "<html>a router</html>")),
        words: "the supervisor does not answer with its state",
        state: "lost",
        event: "supervisor_lost",
        error: "decode",
    },
    Kind {
        refusal: None,
        words: "the supervisor does not answer",
        state: "lost",
        event: "supervisor_lost",
        error: "unreachable",
    },
];

#[tokio::test]
async fn each_kind_of_failure_is_told_as_what_it_is() {
    for Kind { refusal, words, state, event: kind, error } in KINDS {
        let (log, _guard) = capture_logs();
        let mut fake = Fake::start().await;
        let service = Running::start(&fake, Config::default()).await;
        service.ready().await;
        let mut events = service::Client::from(service.address).events().await.unwrap();
        match refusal {
            Some(_) => fake.refuse(refusal),
            None => fake.stop().await,
        }
        let told = event(&mut events, kind).await;
        assert!(told["error"].is_string(), "{told}");
        let ready = get(service.address, "/ready").await;
        let reason = ready.json()["reason"].as_str().unwrap().to_owned();
        assert_eq!(ready.status, 503);
        assert!(reason.starts_with(&format!("{words}: ")), "{reason}");
        let status = get(service.address, "/status").await.json();
        assert_eq!(status["supervisor"]["state"], state);
        assert_eq!(status["supervisor"]["last_error"]["kind"], error);
        let metrics = get(service.address, "/metrics").await.body;
        for line in [
            format!("balena_supervisor_state{{state=\"{state}\"}} 1"),
            "balena_supervisor_state{state=\"connected\"} 0".to_owned(),
            "balena_supervisor_connected 0".to_owned(),
        ] {
            assert!(metrics.lines().any(|have| have == line), "{line}\n{metrics}");
        }
        service.stop().await;
        let log = log.text();
        assert!(log.contains(&format!("WARN balena_agent::service::device::outage: {words};")), "{log}");
        if state == "refused" {
            let seen = [told.to_string(), reason, log].concat();
            assert!(seen.contains("this does not recover by itself"), "{seen}");
            assert!(seen.contains("BALENA_SUPERVISOR_API_KEY"), "what to look at is told: {seen}");
            assert!(!seen.contains("does not answer"), "{seen}");
        }
    }
}

#[tokio::test]
async fn the_log_has_one_line_for_each_change() {
    let (log, _guard) = capture_logs();
    let mut fake = Fake::start().await;
    let service = Running::start(&fake, Config::default()).await;
    let lines = || -> Vec<String> {
        let text = log.text();
        let lines = text.lines().filter(|line| line.contains(" INFO ") || line.contains(" WARN "));
        lines.filter(|line| line.contains("balena_agent::service")).map(str::to_owned).collect()
    };
    let until = async |word: &str| {
        eventually(word, async || lines().last().is_some_and(|line| line.contains(word)).then_some(())).await;
        // Time for some more polls, which must not add a line.
        tokio::time::sleep(Duration::from_millis(300)).await;
    };
    until("the supervisor answers").await;
    fake.stop().await;
    until("the supervisor does not answer").await;
    fake.refuse(Some((401, "Unauthorized")));
    fake.restart().await;
    until("the supervisor refused the key").await;
    fake.refuse(Some((500, "broken")));
    until("the supervisor does not answer with its state").await;
    fake.refuse(None);
    until("the supervisor is back").await;
    let lines = lines();
    let expected = [
        "service started",
        "the supervisor answers",
        "the supervisor does not answer; retrying",
        "the supervisor refused the key; this does not recover by itself",
        "the supervisor does not answer with its state; retrying",
        "the supervisor is back",
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, words) in lines.iter().zip(expected) {
        assert!(line.contains(words), "{words}: {line}");
    }
    for word in [
        env!("CARGO_PKG_VERSION"),
        &format!("address={}", service.address),
        &format!("supervisor=http://{}", fake.address),
        "poll_away=40ms",
    ] {
        assert!(lines[0].contains(word), "{word}: {}", lines[0]);
    }
    assert!(lines[3].contains("was=\"unreachable\""), "{}", lines[3]);
    service.stop().await;
}

#[tokio::test]
async fn a_supervisor_that_flaps_does_not_flood_the_log() {
    let (log, _guard) = capture_logs();
    let fake = Fake::start().await;
    let service = Running::start(&fake, Config::default()).await;
    service.ready().await;
    let mut events = service::Client::from(service.address).events().await.unwrap();
    for _ in 0..20 {
        fake.refuse(Some((401, "Unauthorized")));
        event(&mut events, "supervisor_refused").await;
        fake.refuse(None);
        event(&mut events, "supervisor_back").await;
    }
    service.stop().await;
    let log = log.text();
    let lines = log.lines().filter(|line| line.contains("balena_agent::service::device::outage")).count();
    assert!((4..=7).contains(&lines), "{lines} lines of 40 changes:\n{log}");
}

#[tokio::test]
async fn a_supervisor_that_is_back_is_noticed_within_5_s() {
    let mut fake = Fake::start().await;
    fake.stop().await;
    let half_a_minute = Duration::from_secs(30);
    let config =
        Config::default().poll_quick(half_a_minute).poll_slow(half_a_minute).poll_away(half_a_minute);
    let service = Running::start_as_told(&fake, config).await;
    eventually("the first look", async || {
        get(service.address, "/ready").await.body.contains("has not answered yet: ").then_some(())
    })
    .await;
    fake.restart().await;
    let back = Instant::now();
    service.ready().await;
    assert!(back.elapsed() < Duration::from_secs(5), "after {:?}", back.elapsed());
    let metrics = get(service.address, "/metrics").await.body;
    assert!(metrics.contains("balena_supervisor_calls_total{endpoint=\"ping\"} 1"), "{metrics}");
    assert!(
        metrics.contains("balena_supervisor_poll_duration_seconds_count 2"),
        "looks are no pings: {metrics}"
    );
    service.stop().await;
}

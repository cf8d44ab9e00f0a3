//! Requests that try to reach what they should not: encodings, dots, case, absolute targets, credentials in addresses,
//! bodies of forms, foreign hosts and origins.

use balena_agent::service::Config;

use crate::support::{Answer, Fake, Running, request};

#[tokio::test]
async fn tricks_with_paths_reach_nothing() {
    let fake = Fake::start().await;
    let service = Running::start(&fake, Config::default()).await;
    service.ready().await;
    for (target, status) in [
        ("/agent/v1/state", 200),
        ("/agent/v1/state?", 200),
        ("/agent/v1/state/", 404),
        ("/agent/v1//state", 404),
        ("//agent/v1/state", 404),
        ("/Agent/v1/state", 404),
        ("/agent/v1/%73tate", 404),
        ("/agent%2fv1%2fstate", 400),
        ("/agent/v1/../v1/state", 400),
        ("/agent/v1/./state", 400),
        ("/agent/v1/%2e%2e/v1/state", 400),
        ("/agent/v1/state%00", 400),
        ("/agent/v1/state%0d%0a", 400),
        ("/agent/v1/state;x=1", 404),
        ("/agent/v1/state?apikey=abc", 400),
        ("/agent/v1/state?%74oken=abc", 400),
        ("/agent/v1/state?other=1", 400),
        ("http://localhost/agent/v1/state", 400),
        ("http://user:pass@localhost/agent/v1/state", 400),
        ("http://evil.example/agent/v1/state", 400),
        ("*", 400),
    ] {
        let answer = request(
            service.address,
            &format!("GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"),
        )
        .await;
        assert_eq!(answer.status, status, "{target}: {}", answer.body);
        if status != 200 {
            let body = answer.json();
            assert!(body["error"].is_string() && body["kind"].is_string(), "{target}: {body}");
        }
    }
    service.stop().await;
}

#[tokio::test]
async fn tricks_with_heads_are_refused() {
    let fake = Fake::start().await;
    let service = Running::start(&fake, Config::default().hosts("agent.local")).await;
    service.ready().await;
    let get = |more: &str| format!("GET /status HTTP/1.1\r\nconnection: close\r\n{more}\r\n");
    for (head, status) in [
        (get("host: agent.local:48485\r\n"), 200),
        (get("host: 10.0.0.7\r\n"), 200),
        (get("host: evil.example\r\n"), 421),
        (get(""), 400),
        (get("host: localhost\r\nhost: localhost\r\n"), 400),
        (get("host: a@localhost\r\n"), 421),
        (get("host: localhost\r\nauthorization: Bearer nobody-has-this-token\r\n"), 401),
        (get("host: localhost\r\nauthorization:\r\n"), 401),
        ("OPTIONS /status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".into(), 405),
        ("TRACE /status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".into(), 405),
        ("CONNECT localhost:80 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".into(), 400),
        ("get /status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".into(), 405),
        (
            "GET /events HTTP/1.1\r\nhost: localhost\r\norigin: http://evil.example\r\nconnection: close\r\n\r\n".into(),
            403,
        ),
        (
            "POST /status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 2\r\n\
             content-length: 3\r\n\r\nabc"
                .into(),
            400,
        ),
    ] {
        let answer = request(service.address, &head).await;
        assert_eq!(answer.status, status, "{head}{}", answer.body);
    }
    service.stop().await;
}

/// A client with all that is asked for here.
const TOKEN: &str = "tricks-token-0123456789";

/// Asks with a body, and more headers.
async fn ask(service: &Running, line: &str, more: &str, body: &str) -> Answer {
    let head = format!(
        "{line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n{more}\r\n{body}",
        body.len()
    );
    request(service.address, &head).await
}

#[tokio::test]
async fn values_of_a_lease_that_make_no_sense_are_refused_by_their_name() {
    let fake = Fake::start().await;
    let config =
        Config::default().set("AGENT_CLIENT_WEB", "locks state").set("AGENT_CLIENT_WEB_TOKEN", TOKEN);
    let service = Running::start(&fake, config).await;
    service.ready().await;
    for (field, value) in [
        ("ttl", "0"),
        ("ttl", "-1"),
        ("ttl", "1.5"),
        ("ttl", "100000000000000000000"),
        ("ttl", "\"0s\""),
        ("ttl", "\"-5s\""),
        ("ttl", "\"\""),
        ("ttl", "\"1 year\""),
        ("ttl", "\"24h 1ms\""),
        ("ttl", "86401"),
        ("ttl", "true"),
        ("ttl", "[]"),
        ("ttl", "{}"),
        ("ttl", "null"),
        ("wait", "-1"),
        ("wait", "1.5"),
        ("wait", "301"),
        ("wait", "\"-1s\""),
        ("wait", "[[]]"),
        ("reason", &format!("\"{}\"", "\u{1f600}".repeat(201))),
        ("not_after", "\"2020-01-01T00:00:00Z\""),
    ] {
        let ttl = if field == "ttl" { "" } else { "\"ttl\": 60, " };
        let body = format!("{{{ttl}\"{field}\": {value}}}");
        let answer = ask(&service, "PUT /agent/v1/locks/x", "", &body).await;
        let json = answer.json();
        assert_eq!((answer.status, &json["field"]), (400, &field.into()), "{body}: {json}");
    }
    let held = ask(&service, "GET /agent/v1/locks", "", "").await.json();
    assert_eq!(held["leases"], serde_json::json!([]), "nothing was granted");
    service.stop().await;
}

#[tokio::test]
async fn two_idempotency_keys_are_none() {
    let fake = Fake::start().await;
    let config =
        Config::default().set("AGENT_CLIENT_WEB", "actions:identify").set("AGENT_CLIENT_WEB_TOKEN", TOKEN);
    let service = Running::start(&fake, config).await;
    service.ready().await;
    for keys in ["a\r\nidempotency-key: b", "a\r\nidempotency-key: a", "", "a b", "a, b", "\u{e9}"] {
        let header = format!("idempotency-key: {keys}\r\n");
        let answer = ask(&service, "POST /agent/v1/identify", &header, "{}").await;
        assert_eq!((answer.status, &answer.json()["kind"]), (400, &"bad_idempotency_key".into()), "{keys}");
    }
    service.stop().await;
}

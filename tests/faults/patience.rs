//! A supervisor that is gone, goes, and comes back: what is sent again, and what never is.

use std::time::{Duration, Instant};

use balena_agent::supervisor::Supervisor;
use balena_agent::{Balena, Error, ErrorKind};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::client_calls::{ENDPOINTS, Effect, Endpoint, Options, environment, perform};
use crate::scripted::{Refusing, Scripted, Turn};

/// How long the supervisor is away here; the loop itself is tried with a minute under paused time, beside
/// its code.
const GAP: Duration = Duration::from_millis(700);
const ENOUGH: Duration = Duration::from_secs(10);

fn with_patience(url: &str, patience: Option<Duration>) -> Supervisor {
    let builder = Balena::builder().environment(environment(url, "f1e2d3c4b5a6"));
    let builder = match patience {
        Some(patience) => builder.patience(patience),
        None => builder,
    };
    builder.build().supervisor().clone()
}

/// An answer that the endpoint's call takes for success.
fn good((method, path, _): Endpoint) -> Turn {
    let json = |value: Value| Turn::json(200, &value);
    match (method, path) {
        (
            "GET",
            "/v1/device"
            | "/v2/applications/state"
            | "/v2/applications/:app/state"
            | "/v1/device/host-config",
        ) => json(json!({})),
        ("GET", "/v2/version") => json(json!({"version": "19.0.5"})),
        ("GET", "/v2/device/name") => json(json!({"deviceName": "x"})),
        ("GET", "/v2/device/tags") => json(json!({"tags": []})),
        ("GET", "/v2/device/vpn") => json(json!({"vpn": {"enabled": true, "connected": true}})),
        ("GET", "/v2/local/device-info") => json(json!({"info": {"arch": "x", "deviceType": "y"}})),
        ("GET", "/v2/state/status") => json(json!({"appState": "applied"})),
        ("GET", "/v2/containerid") => json(json!({"services": {}})),
        ("GET", "/v1/apps/:app") => json(json!({"appId": 1_234_567})),
        ("GET", "/v2/local/target-state") => json(json!({"state": {"local": {}}})),
        ("POST", "/v1/apps/:app/stop" | "/v1/apps/:app/start") => json(json!({"containerId": "x"})),
        ("POST", "/v1/regenerate-api-key") => Turn::text(200, "0123abc"),
        _ => Turn::text(200, "OK"),
    }
}

/// Runs all endpoints at the same time, each with a client and a server of its own.
async fn for_each<F>(test: impl Fn(Endpoint) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut all = JoinSet::new();
    for endpoint in ENDPOINTS {
        all.spawn(test(*endpoint));
    }
    all.join_all().await;
}

fn is_refusal(error: &Error) -> bool {
    error.is_unreachable() && !error.was_sent()
}

/// The kind for a connection that is closed after the request was read.
fn closed(effect: Effect) -> ErrorKind {
    if effect.changes() { ErrorKind::UnknownOutcome } else { ErrorKind::Unreachable }
}

#[tokio::test]
async fn without_patience_every_call_fails_at_once() {
    for_each(async |endpoint| {
        let refusing = Refusing::new();
        let began = Instant::now();
        let error = perform(&with_patience(&refusing.url(), None), endpoint, None, Options::default()).await;
        let error = error.expect_err("nobody listens");
        assert!(is_refusal(&error) && error.attempts() == 1, "{endpoint:?}: {error:?}");
        assert!(began.elapsed() < ENOUGH / 4, "{endpoint:?} took {:?}", began.elapsed());
    })
    .await;
}

#[tokio::test]
async fn what_never_left_is_sent_once_when_the_supervisor_is_back() {
    for_each(async |endpoint| {
        let refusing = Refusing::new();
        let supervisor = with_patience(&refusing.url(), Some(ENOUGH));
        let (result, server) =
            tokio::join!(perform(&supervisor, endpoint, None, Options::default()), async {
                tokio::time::sleep(GAP).await;
                refusing.listen([good(endpoint)])
            });
        result.unwrap_or_else(|error| panic!("{endpoint:?}: {error:?}"));
        assert_eq!(server.requests().len(), 1, "{endpoint:?}");
    })
    .await;
}

#[tokio::test]
async fn patience_that_runs_out_says_how_often_it_tried() {
    for_each(async |endpoint| {
        let refusing = Refusing::new();
        let supervisor = with_patience(&refusing.url(), Some(GAP));
        let began = Instant::now();
        let error =
            perform(&supervisor, endpoint, None, Options::default()).await.expect_err("nobody listens");
        // At once, after the first pause, and at the end.
        assert!(is_refusal(&error) && error.attempts() == 3, "{endpoint:?}: {error:?}");
        assert!(error.to_string().contains("after 3 attempts"), "{error}");
        assert!((GAP..ENOUGH / 4).contains(&began.elapsed()), "{endpoint:?}");
    })
    .await;
}

#[tokio::test]
async fn a_request_that_was_read_and_never_answered_is_an_unknown_outcome_and_sent_once() {
    for_each(async |endpoint| {
        let server = Scripted::new([Turn::close(), good(endpoint)]);
        let supervisor = with_patience(&server.url(), None);
        let error = perform(&supervisor, endpoint, None, Options::default()).await.expect_err("no answer");
        assert_eq!(error.kind(), closed(endpoint.2), "{endpoint:?}");
        assert!(error.was_sent() && error.status().is_none(), "{endpoint:?}: {error:?}");
        assert_eq!(server.requests().len(), 1, "{endpoint:?}");
    })
    .await;
}

/// Every way in which a supervisor that goes down, or is down behind a proxy, can let a request down.
#[tokio::test]
async fn with_patience_only_what_is_harmless_is_sent_twice() {
    for_each(async |endpoint| {
        let (.., effect) = endpoint;
        let harmless = matches!(effect, Effect::Read | Effect::Repeatable);
        let ways: [(fn() -> Turn, ErrorKind); 3] = [
            (Turn::close, closed(effect)),
            (
                || Turn::text(502, "error trying to connect: No such file or directory"),
                ErrorKind::Unreachable,
            ),
            (|| Turn::json(503, &json!({"status": "failed", "message": "starting"})), ErrorKind::Server),
        ];
        for (way, kind) in ways {
            let server = Scripted::new([way(), good(endpoint)]);
            let supervisor = with_patience(&server.url(), Some(ENOUGH));
            let result = perform(&supervisor, endpoint, None, Options::default()).await;
            let requests = server.requests().len();
            if harmless {
                result.unwrap_or_else(|error| panic!("{endpoint:?}: {error:?}"));
                assert_eq!(requests, 2, "{endpoint:?}");
            } else {
                let error = result.expect_err("the first answer counts");
                assert!(error.kind() == kind && error.was_sent(), "{endpoint:?}: {error:?}");
                assert_eq!(requests, 1, "{endpoint:?} was sent again");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn an_answer_is_an_answer_and_not_asked_for_again() {
    for_each(async |endpoint| {
        for status in [400, 401, 404, 409, 423, 429] {
            let server = Scripted::new([Turn::text(status, "no"), good(endpoint)]);
            let supervisor = with_patience(&server.url(), Some(ENOUGH));
            let error =
                perform(&supervisor, endpoint, None, Options::default()).await.expect_err("a refusal");
            assert_eq!((error.status(), error.attempts()), (Some(status), 1), "{endpoint:?}");
            assert_eq!(server.requests().len(), 1, "{endpoint:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_call_s_own_patience_counts_before_the_client_s() {
    let refusing = Refusing::new();
    let patient = with_patience(&refusing.url(), Some(ENOUGH));
    assert_eq!(patient.ping().patience(Duration::ZERO).await.unwrap_err().attempts(), 1);
    let hasty = with_patience(&refusing.url(), None);
    assert_eq!(hasty.ping().patience(GAP).await.unwrap_err().attempts(), 3);
}

#[tokio::test]
async fn waiting_for_a_service_bridges_a_restart_and_the_loading_after_it() {
    let state = |status: &str| {
        let services = json!({"main": {"status": status}});
        Turn::json(200, &json!({"demo": {"appId": 1_234_567, "services": services}}))
    };
    let empty = || Turn::json(200, &json!({}));
    let loaded = || Turn::json(200, &json!({"update_downloaded": false}));
    let loading = [state("Stopping"), Turn::close(), empty(), empty(), empty(), loaded(), state("exited")];
    let server = Scripted::new(loading);
    let supervisor = with_patience(&server.url(), None);
    supervisor.wait_for("main", "exited".into(), ENOUGH).await.unwrap();
    assert_eq!(server.requests().len(), 7);

    // One that is not there when all is loaded never will be.
    let server = Scripted::new([empty(), loaded(), empty()]);
    let supervisor = with_patience(&server.url(), None);
    let error = supervisor.wait_for("main", "exited".into(), ENOUGH).await.unwrap_err();
    assert!(error.is_not_found(), "{error:?}");
}
/// Each look until the limit says this; what the wait says in the end.
async fn waits(status: &str, wanted: &str, limit: Duration) -> (Result<(), Error>, usize, Duration) {
    let services = json!({"main": {"status": status}});
    let state = || Turn::json(200, &json!({"demo": {"appId": 1_234_567, "services": services}}));
    let server = Scripted::new((0..50).map(|_| state()));
    let supervisor = with_patience(&server.url(), None);
    let began = Instant::now();
    let result = supervisor.wait_for("main", wanted.into(), limit).await;
    (result, server.requests().len(), began.elapsed())
}

#[tokio::test]
async fn a_wait_ends_with_a_last_look_and_says_what_it_saw() {
    for (limit, looks) in [(0, 1), (200, 2), (700, 3)] {
        let limit = Duration::from_millis(limit);
        let (result, seen, took) = waits("Stopping", "exited", limit).await;
        let error = result.unwrap_err();
        assert!(error.is_timeout() && error.to_string().contains("last seen: it is Stopping"), "{error}");
        assert_eq!(seen, looks, "{limit:?}");
        assert!((limit..limit + Duration::from_secs(2)).contains(&took), "{limit:?} took {took:?}");
    }
    // What is true already is seen without any time.
    for (status, wanted) in
        [("Running", "Running"), ("Running", "running"), ("exited", "EXITED"), ("Running", "idle")]
    {
        waits(status, wanted, Duration::ZERO)
            .await
            .0
            .unwrap_or_else(|error| panic!("{status} {wanted}: {error}"));
    }
    let server = Scripted::new([Turn::json(200, &json!({"update_downloaded": false}))]);
    with_patience(&server.url(), None).wait_ready(Duration::ZERO).await.unwrap();
}

#[tokio::test]
async fn a_wait_for_a_stuck_supervisor_ends() {
    let server = Scripted::new((0..9).map(|_| Turn::silence()));
    let began = Instant::now();
    let error = with_patience(&server.url(), None).wait_ready(Duration::from_millis(100)).await.unwrap_err();
    assert!(error.is_timeout() && began.elapsed() < ENOUGH / 2, "{error}");
}

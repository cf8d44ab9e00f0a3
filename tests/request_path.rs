//! What becomes of a cloud request on its way: tried again or not, redirected or not, read or refused.
#![cfg(feature = "service")]
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use balena_agent::jiff::Timestamp;
use balena_agent::rows::Device;
use balena_agent::transport::{Body, BoxFuture, Request, Response, Transport, TransportError};
use balena_agent::{Balena, Clock, Error, RetryPolicy, Settings};
use futures_util::stream;

/// What the other side does with one request.
enum Turn {
    Answer(u16, Vec<(&'static str, &'static str)>, Vec<&'static [u8]>),
    /// No connection at all.
    NeverLeft,
    /// The connection breaks after the request was sent.
    Breaks,
}

fn answer(status: u16, body: &'static str) -> Turn {
    Turn::Answer(status, vec![], vec![body.as_bytes()])
}

/// Plays its turns in order, the last one for ever, and keeps what was asked.
#[derive(Default)]
struct Cloud {
    turns: Mutex<VecDeque<Turn>>,
    asked: Mutex<Vec<String>>,
    slept: Mutex<Vec<Duration>>,
}

impl std::fmt::Debug for Cloud {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cloud")
    }
}

impl Transport for Cloud {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        let token = if request.headers().contains_key("authorization") { " with token" } else { "" };
        self.asked.lock().unwrap().push(format!("{} {}{token}", request.method(), request.uri()));
        let mut turns = self.turns.lock().unwrap();
        let broken = |sent| TransportError { sent, reused: false, cause: "broken".into() };
        let result = match turns.front().unwrap() {
            Turn::NeverLeft => Err(broken(false)),
            Turn::Breaks => Err(broken(true)),
            Turn::Answer(status, headers, pieces) => {
                let mut head = http::Response::builder().status(*status);
                for (name, value) in headers {
                    head = head.header(*name, *value);
                }
                let pieces: Vec<_> = pieces.iter().map(|piece| Ok((*piece).into())).collect();
                Ok(head.body(Body::new(stream::iter(pieces))).unwrap())
            }
        };
        if turns.len() > 1 {
            turns.pop_front();
        }
        Box::pin(async move { result })
    }
}

impl Clock for Cloud {
    fn now(&self) -> Timestamp {
        "2024-06-15T12:00:00Z".parse().unwrap()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.slept.lock().unwrap().push(duration);
        Box::pin(async {})
    }
}

impl Cloud {
    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn slept(&self) -> Vec<Duration> {
        self.slept.lock().unwrap().clone()
    }
}

fn client(retry: RetryPolicy, turns: impl IntoIterator<Item = Turn>) -> (Balena, Arc<Cloud>) {
    let cloud = Arc::new(Cloud { turns: Mutex::new(turns.into_iter().collect()), ..Cloud::default() });
    let balena = Balena::builder()
        .retry(retry)
        .token("t0ken".to_owned().into())
        .transport(cloud.clone())
        .clock(cloud.clone())
        .build();
    (balena, cloud)
}

async fn read(
    retry: RetryPolicy,
    turns: impl IntoIterator<Item = Turn>,
) -> (Result<Device, Error>, Arc<Cloud>) {
    let (balena, cloud) = client(retry, turns);
    (balena.device().get(5).await, cloud)
}

static PIECE: [u8; 1024 * 1024] = [b' '; 1024 * 1024];
const ROW: &str = r#"{"d":[{"id":5}]}"#;

#[tokio::test]
async fn reads_are_tried_again_while_it_may_help() {
    for passing in [429, 502, 503, 504] {
        let (result, cloud) =
            read(RetryPolicy::standard(), [answer(passing, ""), Turn::Breaks, answer(200, ROW)]).await;
        result.unwrap();
        assert_eq!(cloud.asked().len(), 3);
        let (result, cloud) = read(RetryPolicy::never(), [answer(passing, "")]).await;
        assert_eq!((result.unwrap_err().status(), cloud.asked().len()), (Some(passing), 1));
    }
    for lasting in [400, 401, 404, 409, 500] {
        let (result, cloud) = read(RetryPolicy::standard(), [answer(lasting, "no")]).await;
        assert_eq!((result.unwrap_err().status(), cloud.asked().len()), (Some(lasting), 1));
    }
    let (result, cloud) = read(RetryPolicy::standard(), [Turn::NeverLeft]).await;
    let error = result.unwrap_err();
    assert!(error.is_unreachable() && !error.was_sent(), "{error}");
    assert_eq!((error.attempts(), cloud.asked().len()), (4, 4));
}

#[tokio::test]
async fn the_server_says_how_long_to_wait_and_never_too_long() {
    let later = |when| Turn::Answer(503, vec![("retry-after", when)], vec![]);
    let (result, cloud) =
        read(RetryPolicy::standard(), [later("7"), later("Sat, 15 Jun 2024 12:00:05 GMT"), answer(200, ROW)])
            .await;
    result.unwrap();
    assert_eq!(cloud.slept(), [Duration::from_secs(7), Duration::from_secs(5)]);
    let (result, cloud) = read(RetryPolicy::standard(), [later("3600")]).await;
    assert_eq!(result.unwrap_err().retry_after(), Some(Duration::from_secs(3600)));
    assert_eq!((cloud.asked().len(), cloud.slept().len()), (1, 0), "nobody waits for an hour");
}

#[tokio::test]
async fn a_plain_post_is_sent_once_unless_it_never_left() {
    let post = async |turns: Vec<Turn>| {
        let (balena, cloud) = client(RetryPolicy::standard(), turns);
        (balena.key().create("laptop", "ssh-ed25519 AAAA").await.map(drop), cloud)
    };
    let posts = |cloud: &Cloud| cloud.asked().iter().filter(|asked| asked.starts_with("POST")).count();
    // Whose key it is comes first.
    let who = || answer(200, r#"{"id":1,"actorType":"user","actorTypeId":9,"username":"u","email":"e"}"#);
    let (result, cloud) = post(vec![who(), answer(503, "")]).await;
    assert!(result.unwrap_err().is_server());
    assert_eq!(posts(&cloud), 1);
    let (result, cloud) = post(vec![who(), Turn::Breaks]).await;
    assert!(result.unwrap_err().is_unknown_outcome());
    assert_eq!(posts(&cloud), 1);
    let (result, cloud) = post(vec![who(), Turn::NeverLeft, answer(201, r#"{"id":3}"#)]).await;
    result.unwrap();
    assert_eq!(posts(&cloud), 2);
}

#[tokio::test]
async fn all_clones_share_one_budget_of_further_tries() {
    let (balena, cloud) = client(RetryPolicy::standard(), [answer(503, "")]);
    for _ in 0..40 {
        assert!(balena.clone().device().get(5).await.is_err());
    }
    let further = cloud.asked().len() - 40;
    assert!((20..30).contains(&further), "{further} further tries");
}

#[tokio::test]
async fn reads_follow_and_the_token_stays_with_its_host() {
    let to = |where_to| Turn::Answer(302, vec![("location", where_to)], vec![]);
    let (result, cloud) =
        read(RetryPolicy::never(), [to("/v6/elsewhere"), to("https://cdn.example/x"), answer(200, ROW)])
            .await;
    result.unwrap();
    assert_eq!(
        cloud.asked(),
        [
            "GET https://api.balena-cloud.com/v6/device(5) with token",
            "GET https://api.balena-cloud.com/v6/elsewhere with token",
            "GET https://cdn.example/x"
        ]
    );
    for (where_to, keeps) in [
        ("https://api.balena-cloud.com:443/x", true),
        ("https://API.balena-cloud.com/x", true),
        ("https://api.balena-cloud.com:444/x", false),
        ("https://api.balena-cloud.com@cdn.example/x", false),
        ("https://api.balena-cloud.com.cdn.example/x", false),
    ] {
        let (result, cloud) = read(RetryPolicy::never(), [to(where_to), answer(200, ROW)]).await;
        result.unwrap();
        assert_eq!(cloud.asked()[1].ends_with(" with token"), keeps, "{where_to}");
    }
    let (result, cloud) = read(RetryPolicy::never(), [to("http://api.balena-cloud.com/")]).await;
    assert!(result.unwrap_err().is_rejected() && cloud.asked().len() == 1, "TLS was given up");
    let (result, cloud) = read(RetryPolicy::standard(), [to("/round")]).await;
    assert!(result.unwrap_err().is_rejected() && cloud.asked().len() == 11);

    let (balena, cloud) = client(RetryPolicy::standard(), [to("https://portal.example/log-in")]);
    let error = balena.device().rename(5, "x").await.unwrap_err();
    assert!(error.to_string().contains("portal.example"), "{error}");
    assert!(!cloud.asked().iter().any(|asked| asked.contains("portal.example")));
}

#[tokio::test]
async fn an_answer_that_is_none_is_shown_by_its_beginning() {
    for (body, start) in [
        (r#"{"d":[{"id":5"#, r#"{\"d\":[{\"id\":5"#),
        ("<html>portal</html>", "an HTML page, from something in front of the API"),
        ("<title>portal</title>", "portal (an HTML page)"),
        ("<?xml?><a/>", "<?xml?>"),
        ("", ""),
        (r#"{"d":{"id":5}}"#, "at d:"),
        (r#"{"d":[{"id":"five"}]}"#, "at d[0].id:"),
    ] {
        let error = read(RetryPolicy::standard(), [answer(200, body)]).await.0.unwrap_err();
        let text = error.to_string();
        assert!(error.is_decode() && error.status() == Some(200) && text.contains(start), "{body}: {text}");
        assert!(text.starts_with("GET /v6/device(5): "), "{text}");
    }
    let endless = Turn::Answer(200, vec![], vec![&PIECE; 65]);
    let error = read(RetryPolicy::standard(), [endless]).await.0.unwrap_err();
    assert!(error.is_decode() && error.to_string().contains("longer than"), "{error}");
}

#[tokio::test]
async fn pages_go_by_id_to_the_first_empty_one() {
    let pages = [
        answer(200, r#"{"d":[{"id":3},{"id":8}]}"#),
        // A short page is no end: a limit of the server looks the same.
        answer(200, r#"{"d":[{"id":9}]}"#),
        answer(200, r#"{"d":[]}"#),
    ];
    let (balena, cloud) = client(RetryPolicy::never(), pages);
    let mut stream = balena.device().get_all().filter(Device::IS_ONLINE.eq(true)).select(["uuid"]).pages(2);
    let mut ids = Vec::new();
    while let Some(page) = stream.next().await {
        ids.extend(page.unwrap().into_iter().map(|device| device.id.unwrap().get()));
    }
    assert_eq!(ids, [3, 8, 9]);
    let asked = cloud.asked();
    assert_eq!(asked.len(), 3);
    for (asked, after) in asked.iter().zip(["", "id%20gt%208", "id%20gt%209"]) {
        for part in ["$orderby=id%20asc", "$top=2", "is_online%20eq%20true", "$select=uuid,id", after] {
            assert!(asked.contains(part), "no {part} in {asked}");
        }
    }

    let (balena, cloud) = client(RetryPolicy::never(), [answer(200, r#"{"d":[]}"#)]);
    let all = || balena.device().get_all();
    for mut refused in [all().top(5).pages(2), all().order_by(Device::UUID.asc()).pages(2), all().pages(0)] {
        assert!(refused.next().await.unwrap().unwrap_err().is_invalid_argument());
    }
    assert_eq!(cloud.asked().len(), 0);
}

#[tokio::test]
async fn a_setting_that_is_none_is_told_by_its_name() {
    for settings in [
        Settings { balena_host: "a b".into(), ..Settings::default() },
        Settings { api_endpoint: Some("ftp://x".into()), ..Settings::default() },
        Settings { timeout: Duration::ZERO, ..Settings::default() },
    ] {
        let error = Balena::builder().settings(settings).try_build().unwrap_err();
        assert!(error.is_config() && error.to_string().contains("setting "), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_says_at_once_and_refuses_again_is_not_asked_without_a_pause() {
    let refused = (0..20).map(|_| Turn::Answer(429, vec![("retry-after", "0")], vec![]));
    let cloud = Arc::new(Cloud {
        turns: Mutex::new(refused.chain([answer(200, ROW)]).collect()),
        ..Cloud::default()
    });
    let balena = Balena::builder()
        .settings(Settings { retry_rate_limited_request: true, ..Settings::default() })
        .transport(cloud.clone())
        .clock(cloud.clone())
        .build();
    balena.device().get(5).await.unwrap();
    let slept = cloud.slept.lock().unwrap();
    assert_eq!((slept.len(), slept[0]), (20, Duration::ZERO));
    // Pauses are random, up to 30 s in the end: all of them together are never short.
    assert!(slept.iter().sum::<Duration>() > Duration::from_secs(20), "{slept:?}");
}

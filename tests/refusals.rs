//! What the cloud's refusals become: an error of the right kind, in words that say what to do.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::sync::{Arc, Mutex};

use balena_agent::rows::Device;
use balena_agent::transport::{Body, BoxFuture, Request, Response, Transport, TransportError};
use balena_agent::{ApiVersion, Balena, Error, ErrorKind, RetryPolicy, Settings};
use futures_util::stream;
use serde_json::json;

/// Answers the look-up of a device or application, and everything else with one refusal.
#[derive(Debug, Clone)]
struct Cloud {
    status: u16,
    body: String,
    asked: Arc<Mutex<Vec<String>>>,
    targets: Arc<Mutex<Vec<String>>>,
}

impl Transport for Cloud {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        let path = request.uri().path().to_owned();
        let call = format!("{} {path}", request.method());
        // What only finds out the ids that an action needs.
        let is_look_up = call == "GET /v6/device(5)";
        self.asked.lock().unwrap().push(call);
        self.targets.lock().unwrap().push(request.uri().to_string());
        let (status, body) = if is_look_up {
            (200, r#"{"d":[{"id":5,"uuid":"u","belongs_to__application":[{"id":7}]}]}"#.to_owned())
        } else {
            (self.status, self.body.clone())
        };
        let body = Body::new(stream::iter([Ok(body.into_bytes().into())]));
        Box::pin(async move { Ok(http::Response::builder().status(status).body(body).unwrap()) })
    }
}

fn cloud(status: u16, body: &str) -> (Balena, Cloud) {
    let cloud = Cloud { status, body: body.to_owned(), asked: Arc::default(), targets: Arc::default() };
    let builder = Balena::builder().token("t0ken".into()).retry(RetryPolicy::never());
    (builder.transport(Arc::new(cloud.clone())).build(), cloud)
}

/// One call of each kind; the last ones go through the cloud to a device.
async fn calls(status: u16, body: &str) -> Vec<(&'static str, Error)> {
    let (balena, _) = cloud(status, body);
    vec![
        ("get", balena.device().get(8_051_271).await.map(drop).unwrap_err()),
        ("list", balena.device().get_all().await.map(drop).unwrap_err()),
        ("rename", balena.device().rename(8_051_271, "x").await.unwrap_err()),
        ("remove", balena.device().remove(8_051_271).await.unwrap_err()),
        ("config", balena.config().get_all().await.map(drop).unwrap_err()),
        ("create key", balena.api_key().create("x").await.map(drop).unwrap_err()),
        ("restart application", balena.application().restart(7).await.unwrap_err()),
        ("history", balena.logs().history("8deb12a58e3b6d3920db1c2b6303d1ff").await.map(drop).unwrap_err()),
        ("reboot", balena.device().reboot(5).await.unwrap_err()),
        ("blink", balena.device().identify(5).await.unwrap_err()),
        ("restart service", balena.device().restart_application(5).await.unwrap_err()),
    ]
}

const EXPRESS: &str = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Error</title>\n\
                       </head>\n<body>\n<pre>Cannot GET /v6/device</pre>\n</body>\n</html>\n";
const NGINX: &str = "<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n</body></html>";

#[tokio::test]
async fn a_path_that_the_server_does_not_have_is_no_thing_that_is_missing() {
    for body in ["", "404 page not found\n", "default backend - 404", EXPRESS, NGINX, "<html><body>gone"] {
        for (call, error) in calls(404, body).await {
            assert!(error.is_unsupported() && error.status() == Some(404), "{call} {body}: {error}");
            let text = error.to_string();
            assert!(!text.contains("8051271 not found") && text.contains("404"), "{call} {body}: {text}");
            for words in ["is the address of the API right", "`api_version`", "does this server have it"] {
                assert!(text.contains(words), "{call} {body}: {text}");
            }
        }
    }
}

/// A row that is not there is left out of a list that is answered with 200.
#[tokio::test]
async fn a_404_of_rows_or_of_whose_token_it_is_never_means_that_a_thing_is_missing() {
    let spring = r#"{"timestamp":"2026-01-01T00:00:00.000+00:00","status":404,"error":"Not Found","path":"/v7/device"}"#;
    for body in [
        "Not Found",
        "not found.",
        "\"Not Found\"",
        r#"{"message":"Not Found"}"#,
        r#"{"error":"Not Found"}"#,
        r#"{"detail":"Not Found"}"#,
        r#"{"statusCode":404,"error":"Not Found","message":"Not Found"}"#,
        spring,
        r#""Application doesn't exist or you have no access to it.""#,
    ] {
        for version in [ApiVersion::V6, ApiVersion::V7] {
            let cloud =
                Cloud { status: 404, body: body.to_owned(), asked: Arc::default(), targets: Arc::default() };
            let settings = Settings { api_version: version, ..Settings::default() };
            let builder =
                Balena::builder().token("t0ken".into()).retry(RetryPolicy::never()).settings(settings);
            let balena = builder.transport(Arc::new(cloud)).build();
            for (call, error) in [
                ("get", balena.device().get(8_051_271).await.map(drop).unwrap_err()),
                ("get by uuid", balena.device().get("8deb12a").await.map(drop).unwrap_err()),
                ("list", balena.device().get_all().await.map(drop).unwrap_err()),
                ("count", balena.device().get_all().count().await.map(drop).unwrap_err()),
                ("name", balena.device().get_name("8deb12a").await.map(drop).unwrap_err()),
                ("application", balena.application().get("org/fleet").await.map(drop).unwrap_err()),
                ("has", balena.application().has("org/fleet").await.map(drop).unwrap_err()),
                ("looked up", balena.device().rename("8deb12a", "x").await.unwrap_err()),
                ("whoami", balena.auth().whoami().await.map(drop).unwrap_err()),
                ("setup key", balena.auth().two_factor().get_setup_key().await.map(drop).unwrap_err()),
            ] {
                assert!(error.is_unsupported() && error.status() == Some(404), "{call} {body}: {error}");
                let text = error.to_string();
                assert!(!text.contains("8051271 not found") && !text.contains("8deb12a not found"), "{text}");
                for words in ["is the address of the API right", "`api_version`", "does this server have it"]
                {
                    assert!(text.contains(words), "{call} {body}: {text}");
                }
            }
            // A write, and an endpoint that names a thing, may be about that.
            if body == "Not Found" {
                for error in [
                    balena.device().rename(8_051_271, "x").await.unwrap_err(),
                    balena.config().get_all().await.map(drop).unwrap_err(),
                ] {
                    assert!(error.is_not_found() && error.status() == Some(404), "{error}");
                }
            }
        }
    }
}

#[tokio::test]
async fn what_the_server_says_of_a_thing_that_is_missing_stands() {
    let words = r#""Application doesn't exist or you have no access to it.""#;
    for (call, error) in calls(404, words).await {
        if ["get", "list", "history"].contains(&call) {
            continue;
        }
        assert_eq!(
            error.is_device_offline(),
            ["reboot", "blink", "restart service"].contains(&call),
            "{error}"
        );
        assert!(error.is_device_offline() || error.is_not_found(), "{call}: {error}");
        let text = error.to_string();
        assert!(
            text.contains("404: Application doesn't exist") && !text.contains("8051271 not found"),
            "{text}"
        );
    }
    let (balena, _) = cloud(404, r#""No online device(s) found""#);
    assert!(balena.device().reboot(5).await.unwrap_err().is_device_offline());
}

#[tokio::test]
async fn a_row_that_is_missing_has_no_status() {
    let (balena, _) = cloud(200, r#"{"d":[]}"#);
    for error in [
        balena.device().get(8_051_271).await.map(drop).unwrap_err(),
        balena.device().get("8deb12a").await.map(drop).unwrap_err(),
        balena.application().get("org/fleet").await.map(drop).unwrap_err(),
        balena.device().rename("8deb12a", "x").await.unwrap_err(),
        balena.device().reboot("8deb12a").await.unwrap_err(),
        balena.device().get_name("8deb12a").await.map(drop).unwrap_err(),
    ] {
        assert!(error.is_not_found() && error.status().is_none() && error.was_sent(), "{error}");
    }
    assert!(!balena.application().has(7).await.unwrap());
}

#[tokio::test]
async fn a_gateway_leaves_a_change_unknown_and_only_that() {
    let cloudflare = "<html><head><title>own.example | 522: Connection timed out</title></head></html>";
    for status in [408, 502, 504, 520, 521, 522, 523, 524, 525, 526, 527, 530] {
        for body in ["", "Bad Gateway", cloudflare, "socket hang up"] {
            for (call, error) in calls(status, body).await {
                let expected = match call {
                    "create key" | "restart application" | "reboot" | "blink" | "restart service" => {
                        ErrorKind::UnknownOutcome
                    }
                    _ => ErrorKind::Server,
                };
                assert_eq!(error.kind(), expected, "{call} {status} {body}: {error}");
                assert!(error.status() == Some(status) && error.was_sent(), "{call}: {error}");
                let looks = error.advice().is_some_and(|advice| advice.contains("may have taken effect"));
                assert_eq!(looks, expected == ErrorKind::UnknownOutcome, "{call}: {error}");
                let text = error.to_string();
                assert_eq!(text.contains("TLS between Cloudflare"), matches!(status, 525 | 526), "{text}");
            }
        }
    }
    // Its own words say that it did not get to the device.
    for body in
        ["tunneling socket could not be established, statusCode=503", "connect ECONNREFUSED 10.2.0.7:80"]
    {
        for (call, error) in calls(502, body).await {
            let is_action = ["reboot", "blink", "restart service"].contains(&call);
            assert_eq!(error.is_device_offline(), is_action, "{call}: {error}");
            assert!(!error.is_unknown_outcome(), "{call}: {error}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_be_sent_again_is_after_every_answer_of_a_gateway() {
    for status in [408, 425, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527, 530] {
        let cloud = Cloud { status, body: String::new(), asked: Arc::default(), targets: Arc::default() };
        let balena = Balena::builder().token("t0ken".into()).transport(Arc::new(cloud.clone())).build();
        balena.device().get_all().await.unwrap_err();
        balena.device().rename(3, "x").await.unwrap_err();
        balena.api_key().create("x").await.unwrap_err();
        let count =
            |method: &str| cloud.asked.lock().unwrap().iter().filter(|call| call.starts_with(method)).count();
        // After 425 the server has taken up nothing: what may not happen twice is sent again too.
        let posts = if status == 425 { 4 } else { 1 };
        assert_eq!((count("GET"), count("PATCH"), count("POST")), (4, 4, posts), "{status}");
    }
}

#[tokio::test]
async fn pages_are_told_by_their_title() {
    for (body, expected) in [
        ("<html>\r\n<head><title>502 Bad Gateway</title></head>", "502 Bad Gateway (an HTML page)"),
        (
            "<!DOCTYPE html><title>A &amp; B\n\u{1b}[2J\u{202e}</title>",
            "A & B \\u{1b}[2J\\u{202e} (an HTML page)",
        ),
        ("<html><body>sorry", "an HTML page, from something in front of the API"),
    ] {
        for status in [400, 403, 413, 500, 502, 503] {
            for (call, error) in calls(status, body).await {
                let text = error.to_string();
                assert!(text.contains(&format!("status {status}: {expected}")), "{call} {status}: {text}");
                assert!(!text.contains("<html") && !text.contains("<!DOCTYPE"), "{call} {status}: {text}");
                assert_eq!(error.body(), Some(body));
            }
        }
        // A portal answers everything with its page.
        let (balena, _) = cloud(200, body);
        for error in [
            balena.device().get_all().await.map(drop).unwrap_err(),
            balena.config().get_all().await.map(drop).unwrap_err(),
        ] {
            assert!(error.is_decode() && error.to_string().contains(&format!("it is {expected}")), "{error}");
        }
    }
}

#[tokio::test]
async fn a_bare_401_may_be_about_the_resource() {
    let (balena, _) = cloud(401, "");
    for (error, resource) in [
        (balena.team().get(1).await.map(drop).unwrap_err(), "`team`"),
        (balena.device().get(3).await.map(drop).unwrap_err(), "`device`"),
        (balena.device().rename(3, "x").await.unwrap_err(), "`device`"),
    ] {
        assert!(error.is_unauthorized(), "{error}");
        let advice = error.advice().unwrap();
        assert!(advice.contains("or the server does not have it") && advice.contains(resource), "{error}");
    }
    for error in [
        balena.config().get_all().await.map(drop).unwrap_err(),
        cloud(401, "no").0.device().get(3).await.map(drop).unwrap_err(),
    ] {
        assert!(error.is_unauthorized() && !error.to_string().contains("does not have it"), "{error}");
    }
}

#[tokio::test]
async fn a_login_that_is_too_old_is_to_be_made_again() {
    for body in ["Fresh authentication token required", "\"Fresh authentication token required\""] {
        let (balena, _) = cloud(401, body);
        for error in [
            balena.api_key().create("x").await.map(drop).unwrap_err(),
            balena.device().get(3).await.map(drop).unwrap_err(),
            balena.auth().two_factor().disable("pass").await.map(drop).unwrap_err(),
        ] {
            assert!(error.is_unauthorized(), "{error}");
            let advice = error.advice().unwrap();
            assert!(advice.contains("log in again") && advice.contains("refresh_login"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_bare_500_names_what_the_server_may_not_know() {
    let (balena, _) = cloud(500, "");
    let error = balena
        .device()
        .get_all()
        .options(&json!({
            "$select": ["id", "nosuch"],
            "$expand": {"release_image": {"$select": ["x_y"]}},
            "$filter": {"note": "some eq text"},
        }))
        .await
        .unwrap_err();
    assert!(error.is_server() && error.status() == Some(500), "{error}");
    let advice = error.advice().unwrap();
    for name in ["id", "nosuch", "release_image", "x_y", "note"] {
        assert!(advice.contains(name), "{advice} lacks {name}");
    }
    assert!(advice.starts_with("the server may not know one of these names: "), "{advice}");
    assert!(!advice.contains("some") && !advice.contains("text"), "values are not for logs: {advice}");
    let error = balena.device().set_note(5, "x").await.unwrap_err();
    assert!(error.advice().is_some_and(|advice| advice.ends_with("note")), "{error}");
    // The order of a list is the function's own: it is no suspect beside what the caller asked for.
    let orders = |error: Error| error.advice().unwrap().contains("device_name");
    let all = || balena.device().get_all();
    assert!(!orders(all().select(["id", "nosuch"]).await.unwrap_err()));
    assert!(orders(all().select(["id", "device_name"]).await.unwrap_err()));
    assert!(orders(all().select(["id"]).order_by(Device::DEVICE_NAME.desc()).await.unwrap_err()));
    assert!(orders(all().await.unwrap_err()));
    let (balena, _) = cloud(500, "boom");
    assert!(balena.device().get_all().await.unwrap_err().advice().is_none());
}

#[tokio::test]
async fn a_uuid_is_looked_for_in_lowercase() {
    for (uuid, asked) in [
        ("8DEB12A58E3B6D3920DB1C2B6303D1FF", "uuid='8deb12a58e3b6d3920db1c2b6303d1ff'"),
        ("8DEB12A", "8deb12a"),
        ("Zebra-Zebra", "Zebra-Zebra"),
    ] {
        let (balena, cloud) = cloud(200, r#"{"d":[{"id":5,"uuid":"8deb12a58e3b6d3920db1c2b6303d1ff"}]}"#);
        balena.device().get(uuid).await.unwrap();
        balena.device().rename(uuid, "x").await.unwrap();
        let targets = cloud.targets.lock().unwrap().clone();
        assert!(targets[0].contains(asked), "{targets:?}");
    }
}

/// Sends reads on to another host, where nobody is.
#[derive(Debug)]
struct Redirecting;

/// In a network without names.
#[derive(Debug)]
struct Nameless(&'static str);

impl Transport for Nameless {
    fn send(&self, _request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        let cause = self.0.into();
        Box::pin(async move { Err(TransportError { sent: false, reused: false, cause }) })
    }
}

#[tokio::test]
async fn a_host_without_an_address_is_told_with_what_to_look_at() {
    for (cause, is_unknown) in [
        ("failed to lookup address information: Name or service not known", true),
        ("failed to lookup address information: Temporary failure in name resolution", true),
        ("Connection refused (os error 111)", false),
    ] {
        let builder = Balena::builder().token("t0ken".into()).retry(RetryPolicy::never());
        let balena = builder.transport(Arc::new(Nameless(cause))).build();
        let error = balena.device().get_all().await.unwrap_err();
        let advice = error.advice().unwrap();
        assert!(error.is_unreachable() && advice.contains("is the device online"), "{error}");
        assert_eq!(advice.contains("is BALENA_API_URL right?"), is_unknown, "{error}");
    }
}

impl Transport for Redirecting {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        let host = request.uri().host().unwrap().to_owned();
        Box::pin(async move {
            if host == "moved.example" {
                let cause = "connection refused".into();
                return Err(TransportError { sent: false, reused: false, cause });
            }
            let answer =
                http::Response::builder().status(302).header("location", "https://moved.example:8443/x");
            Ok(answer.body(Body::new(stream::iter([]))).unwrap())
        })
    }

    fn proxy_to(&self, url: &http::Uri) -> Option<String> {
        (url.host() == Some("moved.example")).then(|| "proxy.example:3128".to_owned())
    }
}

#[tokio::test]
async fn a_redirect_that_leads_nowhere_names_the_host_that_is_not_reached() {
    let builder = Balena::builder().token("t0ken".into()).retry(RetryPolicy::never());
    let error = builder.transport(Arc::new(Redirecting)).build().device().get_all().await.unwrap_err();
    let text = error.to_string();
    assert!(error.is_unreachable() && text.contains("can't reach moved.example:8443"), "{text}");
    assert!(text.contains("through the proxy proxy.example:3128") && !text.contains("api.balena"), "{text}");
}

//! The key shows nowhere: in no error, no log line, no `Debug`, however the other side hands it back.

use std::error::Error as _;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use balena_agent::supervisor::{
    HostConfigPatch, JournalQuery, LocalTarget, ProxyKind, ProxyPatch, ServiceSelector, Supervisor,
};
use balena_agent::{Balena, Environment, Error, Local};
use serde_json::{Value, json};

use crate::client_calls::{APP, ENDPOINTS, Options, environment, perform};
use crate::scripted::{End, Refusing, Scripted, Turn, answer};

/// With characters that need encoding in an address, in JSON, in HTML and in Rust's `Debug`.
const KEY: &str = "Zq7&k=é+ S3CRETW0RD/\"%\\<x>'#?y";
/// Parts that no encoding changes. The first is also what is left of a key that was cut.
const PARTS: [&str; 2] = ["Zq7", "S3CRETW0RD"];
const PASSWORD: &str = "S3CRETW0RD-of-the-proxy";

/// Everything that could be read by somebody.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<u8>>>);

impl io::Write for Seen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seen {
    fn note(&self, text: &str) {
        self.0.lock().unwrap().extend_from_slice(text.as_bytes());
    }

    fn error(&self, error: &Error) {
        self.note(&format!(
            "{error}\n{error:#}\n{error:?}\n{error:#?}\n{:?} {:?}\n",
            error.body(),
            error.advice()
        ));
        let mut cause = error.source();
        while let Some(inner) = cause {
            self.note(&format!("{inner}\n{inner:?}\n"));
            cause = inner.source();
        }
    }

    fn debug(&self, value: &impl std::fmt::Debug) {
        self.note(&format!("{value:?}\n{value:#?}\n"));
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }

    #[track_caller]
    fn hold_no_key(&self) {
        let text = self.text();
        for part in PARTS {
            if let Some(at) = text.find(part) {
                let around: String =
                    text[..at].chars().rev().take(200).collect::<Vec<_>>().into_iter().rev().collect();
                panic!("the key shows after: {around}");
            }
        }
    }
}

/// All log lines of all targets go to `seen`, until the guard is dropped.
fn collect_logs(seen: &Seen) -> tracing::subscriber::DefaultGuard {
    let writer = seen.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_default(subscriber)
}

fn spellings() -> Vec<String> {
    let percent =
        percent_encoding::percent_encode(KEY.as_bytes(), percent_encoding::NON_ALPHANUMERIC).to_string();
    let form = percent.replace("%20", "+");
    let html = KEY
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;");
    let json = Value::from(KEY).to_string();
    vec![KEY.to_owned(), form, percent, html, json.trim_matches('"').to_owned(), format!("{KEY:?}")]
}

/// Bodies that hand the key back, given the target of the request.
fn echoes(target: &str) -> Vec<String> {
    let mut bodies = vec![
        format!("Cannot GET {target}"),
        json!({"status": "failed", "message": format!("no {target} for {KEY}")}).to_string(),
        json!({"Data": "", "Error": format!("no {KEY}")}).to_string(),
        json!({KEY: 5}).to_string(),
        json!({"version": [KEY], "update_pending": KEY, "api_port": KEY, "tags": KEY, "appState": {KEY: 1}})
            .to_string(),
        json!({"demo": {"appId": KEY}}).to_string(),
        // Across the places where texts are cut.
        format!("{}{KEY}", "x".repeat(55)),
        format!("{}{KEY}", "x".repeat(64 * 1024 - 5)),
        format!("{{{}\"{KEY}\"", " ".repeat(53)),
        format!("<p>{KEY}</p>"),
    ];
    bodies.extend(spellings().into_iter().map(|spelling| format!("{spelling} and {spelling}")));
    bodies
}

#[tokio::test]
async fn a_server_that_echoes_the_request_gives_the_key_to_nobody() {
    let seen = Seen::default();
    let guard = collect_logs(&seen);
    let count = echoes("").len();
    for endpoint in ENDPOINTS {
        let (status_count, statuses) = (5, [200, 202, 401, 423, 503]);
        let turns = (0..count * status_count).map(|n| {
            Turn::make(move |request| {
                let body = &echoes(&request.target)[n / status_count];
                answer(statuses[n % status_count], None, body.as_bytes())
            })
        });
        let server = Scripted::new(turns);
        let supervisor = Supervisor::new(&environment(&server.url(), KEY));
        for _ in 0..count * status_count {
            // A log stream is data, and is handed on as it is.
            let is_stream = endpoint.1.ends_with("-logs") || endpoint.1.ends_with("/logs");
            match perform(&supervisor, *endpoint, Some("main"), Options::default()).await {
                Err(error) => seen.error(&error),
                Ok(_) if is_stream => {}
                Ok(value) => seen.note(&format!("{} {} -> ok {}\n", endpoint.0, endpoint.1, value.is_null())),
            }
        }
        let requests = server.requests();
        assert_eq!(requests.len(), count * status_count, "{endpoint:?}");
        let sent = requests.iter().all(|request| request.query()[0] == ("apikey".to_owned(), KEY.to_owned()));
        assert!(sent, "the key did not arrive");
    }
    drop(guard);
    seen.hold_no_key();
    assert!(seen.text().contains("[REDACTED]"), "nothing was redacted: the test tests nothing");
    assert!(seen.text().contains("supervisor call"), "no log was collected");
}

#[tokio::test]
async fn no_failure_of_the_connection_shows_the_key() {
    let seen = Seen::default();
    let guard = collect_logs(&seen);
    let short =
        Options { deadline: Some(Duration::from_millis(60)), patience: Some(Duration::from_millis(300)) };
    let turns: [fn() -> Turn; 8] = [
        Turn::close,
        Turn::silence,
        || Turn::make(|request| format!("SSH {}\r\n\r\n", request.target).into_bytes()).then(End::Close),
        || {
            Turn::make(|request| format!("HTTP/1.1 200 {}\r\n\r\n", request.target).into_bytes())
                .then(End::Close)
        },
        || {
            Turn::make(|request| {
                format!("HTTP/1.1 302 X\r\nLocation: {}\r\n\r\n", request.target).into_bytes()
            })
            .then(End::Close)
        },
        || {
            Turn::make(|request| {
                format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}\r\n", request.target)
                    .into_bytes()
            })
            .then(End::Close)
        },
        || Turn::raw("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{", End::Close),
        || Turn::text(502, "down"),
    ];
    for turn in turns {
        for path in [
            "/v1/device",
            "/v1/reboot",
            "/v2/state/status",
            "/v2/device/tags",
            "/v2/applications/:app/restart",
        ] {
            let endpoint = *ENDPOINTS.iter().rfind(|row| row.1 == path).unwrap();
            let server = Scripted::new([turn(), turn(), turn()]);
            let supervisor = Supervisor::new(&environment(&server.url(), KEY));
            if let Err(error) = perform(&supervisor, endpoint, None, short).await {
                seen.error(&error);
            }
        }
    }
    let refusing = Refusing::new();
    let supervisor = Supervisor::new(&environment(&refusing.url(), KEY));
    seen.error(&supervisor.device().patience(Duration::from_millis(300)).await.unwrap_err());
    seen.error(&supervisor.wait_ready(Duration::from_millis(100)).await.unwrap_err());
    let named = Supervisor::new(&environment("http://does-not-exist.invalid:48484", KEY));
    seen.error(&named.ping().deadline(Duration::from_secs(5)).await.unwrap_err());
    drop(guard);
    assert!(seen.text().contains("retrying"), "no log was collected");
    seen.hold_no_key();
}

#[tokio::test]
async fn an_address_that_somebody_pasted_the_key_into_is_not_shown_whole() {
    let seen = Seen::default();
    for address in [
        format!("http://127.0.0.1:1/v1/device?apikey={}", PARTS[1]),
        format!("http://127.0.0.1:1/{}", PARTS[1]),
        format!("https://h/?apikey={}", PARTS[1]),
        format!("http://user:{}@h:1", PARTS[1]),
        format!("h:1?apikey={}", PARTS[1]),
    ] {
        let supervisor = Supervisor::new(&environment(&address, KEY));
        seen.debug(&supervisor);
        seen.note(supervisor.address().unwrap_or_default());
        seen.error(&supervisor.ping().await.unwrap_err());
    }
    seen.hold_no_key();
}

#[tokio::test]
async fn no_debug_shows_a_secret() {
    let seen = Seen::default();
    let secret = |text: &str| -> secrecy::SecretString { text.to_owned().into() };
    let env = environment("http://127.0.0.1:1", KEY);
    let with_cloud = [("BALENA_API_KEY", KEY), ("RESIN_SUPERVISOR_API_KEY", KEY), ("BALENA_APP_ID", APP)];
    seen.debug(&env);
    seen.debug(&Environment::from_vars(with_cloud).unwrap());
    let builder = Balena::builder().environment(env).patience(Duration::from_secs(1));
    seen.debug(&builder);
    let balena = builder.build();
    let supervisor = balena.supervisor();
    seen.debug(&balena);
    seen.debug(supervisor);
    seen.debug(&balena.device());
    seen.debug(&supervisor.application());
    seen.debug(&balena.update_lock());
    seen.debug(&balena.environment());

    let proxy = ProxyPatch::new(ProxyKind::Socks5, "192.0.2.1", 1080).login("user", secret(PASSWORD));
    let patch = HostConfigPatch::new().proxy(proxy.clone());
    seen.debug(&proxy);
    seen.debug(&patch);
    seen.debug(&supervisor.set_host_config(&patch).force());
    seen.debug(&balena.device().set_host_config(Local, &patch));
    let mut target = LocalTarget { config: Some([].into()), ..LocalTarget::default() };
    target.apps =
        json!({"7": {"services": {"main": {"environment": {"BALENA_API_KEY": KEY}}}}}).as_object().cloned();
    seen.debug(&target);
    seen.debug(&supervisor.set_local_target_state(&target));
    for call in [supervisor.ping(), supervisor.blink(), supervisor.set_tags([("a", "b")])] {
        seen.debug(&call);
    }
    seen.debug(&supervisor.update().force().cancel());
    seen.debug(&supervisor.container_id("main"));
    seen.debug(&supervisor.application().restart_service(ServiceSelector::name("main")).force());
    seen.debug(&balena.device().reboot(None).force());
    seen.debug(&JournalQuery::new().unit("x"));

    // Values that were read. The supervisor tells all of these to any key.
    let host = json!({"network": {"proxy": {"type": "socks5", "login": "user", "password": PASSWORD}}});
    let dump = json!({"state": {"local": {"apps": {"7": {"environment": {"KEY": KEY}}}}}});
    let single = json!({"appId": 7, "env": {"TOKEN": KEY}});
    let stream = || Turn::raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", End::Hold);
    let mut turns: Vec<Turn> = [&host, &dump, &single].map(|body| Turn::json(200, body)).into();
    turns.extend([Turn::text(200, "S3CRETW0RD"), stream(), stream()]);
    let server = Scripted::new(turns);
    let supervisor = Supervisor::new(&environment(&server.url(), KEY));
    let config = supervisor.host_config().await.unwrap();
    seen.debug(&config);
    seen.note(&serde_json::to_string(&config).unwrap());
    seen.debug(&supervisor.local_target_state().await.unwrap());
    seen.debug(&supervisor.application().single_container().await.unwrap());
    seen.debug(&supervisor.regenerate_api_key().await.unwrap());
    seen.debug(&supervisor.journal_logs(JournalQuery::new()).await.unwrap());
    seen.debug(&supervisor.local_logs().await.unwrap());
    seen.hold_no_key();
}

#[tokio::test]
async fn answers_that_hold_secrets_are_not_quoted_when_they_can_t_be_read() {
    let seen = Seen::default();
    let bodies = [
        ("/v1/device/host-config", json!({"network": {"proxy": {"password": PASSWORD, "port": PASSWORD}}})),
        (
            "/v2/local/target-state",
            json!({"state": {"local": {"name": [PASSWORD], "apps": {"a": PASSWORD}}}}),
        ),
        ("/v1/apps/:app", json!({"env": {"TOKEN": PASSWORD}, "appId": PASSWORD})),
        ("/v1/regenerate-api-key", json!({"key": PASSWORD})),
    ];
    for (path, body) in bodies {
        let endpoint = *ENDPOINTS.iter().find(|row| row.1 == path).unwrap();
        let server = Scripted::new([Turn::json(200, &body)]);
        let supervisor = Supervisor::new(&environment(&server.url(), KEY));
        let error = perform(&supervisor, endpoint, None, Options::default()).await.unwrap_err();
        assert!(error.is_decode());
        seen.error(&error);
    }
    seen.hold_no_key();
}

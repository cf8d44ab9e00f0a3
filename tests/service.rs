//! The long-running service against a supervisor that the test steers.
#![cfg(all(feature = "service", feature = "cli"))]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do, without being marked as such"
)]

#[path = "support/service.rs"]
mod support;

use std::time::Duration;

use balena_agent::service::{self, Config};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use support::{Fake, KEY, Running, eventually, get, on, request};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

/// Waits for an event of this type and gives it; a state that arrives instead must not hide it, so tests
/// ask for what the state shows as well.
async fn event(events: &mut service::Events, kind: &str) -> Value {
    let wait = async {
        loop {
            let text = events.next().await.expect("events go on").expect("no error");
            let event: Value = serde_json::from_str(&text).unwrap();
            if event["type"] == kind {
                return event;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.unwrap_or_else(|_| panic!("no event {kind}"))
}

#[tokio::test]
async fn health_status_and_metrics() {
    let fake = Fake::start().await;
    let service = Running::start(&fake, Config::default()).await;
    service.ready().await;

    let live = get(service.address, "/live").await;
    assert_eq!((live.status, live.json()), (200, json!({ "status": "ok" })));
    service::health(service.address).await.unwrap();

    let status = get(service.address, "/status").await.json();
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["ready"], true);
    assert_eq!(status["supervisor"]["address"], format!("http://{}", fake.address));
    assert_eq!(status["supervisor"]["connected"], true);
    assert!(status["supervisor"]["last_contact"].is_string() && status["uptime_seconds"].is_u64());
    assert_eq!(status["device"]["os_version"], "balenaOS 6.5.24");
    assert_eq!(status["applications"]["shop"]["services"]["main"]["status"], "Running");
    assert_eq!(
        status["tasks"],
        json!([
            { "name": "observer", "state": "running", "restarts": 0, "last_error": null },
            { "name": "server", "state": "running", "restarts": 0, "last_error": null },
        ])
    );

    let metrics = get(service.address, "/metrics").await;
    assert!(metrics.head.contains("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    for line in [
        "balena_agent_ready 1",
        "balena_supervisor_connected 1",
        "balena_service_status{application=\"shop\",service=\"main\",status=\"Running\"} 1",
        "balena_agent_task_restarts_total{task=\"observer\"} 0",
        "balena_supervisor_call_failures_total{endpoint=\"device\"} 0",
        "# EOF",
    ] {
        assert!(metrics.body.lines().any(|have| have == line), "{line}\n{}", metrics.body);
    }
    assert!(metrics.body.ends_with("# EOF\n"));
    service.stop().await;
}

#[tokio::test]
async fn wrong_paths_methods_and_hosts_get_clear_answers() {
    let fake = Fake::start().await;
    let service = Running::start(&fake, Config::default()).await;
    let ask = async |method: &str, path: &str, host: &str| {
        let head = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        request(service.address, &head).await
    };

    let missing = ask("GET", "/nothing?x=1", "localhost").await;
    assert_eq!((missing.status, &missing.json()["path"]), (404, &json!("/nothing")));
    let wrong = ask("POST", "/status", "localhost").await;
    assert_eq!(wrong.status, 405);
    assert!(
        wrong.head.to_ascii_lowercase().contains("allow: get, head") && wrong.json()["error"].is_string()
    );
    let head = ask("HEAD", "/live", "127.0.0.1").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    let rebound = ask("GET", "/status", "evil.example").await;
    assert_eq!(rebound.status, 421, "a page whose name was made to point here reads nothing");
    let plain = ask("GET", "/events", "localhost").await;
    assert_eq!(plain.status, 426);
    service.stop().await;
}

#[tokio::test]
async fn changes_arrive_as_events() {
    let fake = Fake::start().await;
    let service = Running::start(&fake, Config::default()).await;
    service.ready().await;
    let mut events = service::subscribe(service.address).await.unwrap();

    let first: Value = serde_json::from_str(&events.next().await.unwrap().unwrap()).unwrap();
    assert_eq!(first["type"], "snapshot");
    assert_eq!(first["applications"]["shop"]["services"]["main"]["status"], "Running");
    assert_eq!(first["device"]["os_version"], "balenaOS 6.5.24");
    assert!(first["time"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());

    fake.set(|state| state["shop"]["services"]["main"]["status"] = json!("exited"));
    let changed = event(&mut events, "service_status_changed").await;
    assert_eq!((&changed["status"], &changed["was"]), (&json!("exited"), &json!("Running")));
    assert_eq!((&changed["application"], &changed["service"]), (&json!("shop"), &json!("main")));

    fake.set(|state| state["shop"]["updateStatus"] = json!("downloading"));
    assert_eq!(event(&mut events, "update_status_changed").await["status"], "downloading");
    fake.set(|state| state["shop"]["commit"] = json!("bbb"));
    assert_eq!(event(&mut events, "release_changed").await["release"], "bbb");
    fake.set(|state| state["shop"]["services"]["extra"] = json!({ "status": "Running" }));
    assert_eq!(event(&mut events, "service_appeared").await["service"], "extra");
    fake.set(|state| state["shop"]["services"] = json!({}));
    assert_eq!(event(&mut events, "service_gone").await["was"], "Running");
    fake.set_device(|device| device["ip_address"] = json!("10.0.0.8"));
    assert_eq!(event(&mut events, "device_changed").await["device"]["ip_address"], "10.0.0.8");
    service.stop().await;
}

#[tokio::test]
async fn a_supervisor_that_goes_and_comes_back() {
    let mut fake = Fake::start().await;
    let service = Running::start(&fake, Config::default()).await;
    service.ready().await;
    let mut events = service::subscribe(service.address).await.unwrap();

    fake.stop().await;
    let lost = event(&mut events, "supervisor_lost").await;
    assert!(lost["error"].as_str().unwrap().contains("can't reach the supervisor"), "{lost}");
    let ready = get(service.address, "/ready").await;
    assert_eq!(ready.status, 503);
    assert!(ready.json()["reason"].as_str().unwrap().contains("does not answer"), "{}", ready.body);
    service::health(service.address).await.expect("alive without a supervisor");
    let status = get(service.address, "/status").await.json();
    assert_eq!(status["supervisor"]["state"], "lost");
    assert_eq!(status["supervisor"]["last_error"]["kind"], "unreachable");
    assert_eq!(status["applications"]["shop"]["commit"], "aaa", "what was known stays");

    fake.restart().await;
    event(&mut events, "supervisor_back").await;
    service.ready().await;
    service.stop().await;
}

#[tokio::test]
async fn not_ready_before_the_supervisor_has_loaded() {
    let fake = Fake::start().await;
    fake.set_device(|device| {
        device.as_object_mut().unwrap().remove("update_downloaded");
    });
    let service = Running::start(&fake, Config::default()).await;
    eventually("the reason", async || {
        let ready = get(service.address, "/ready").await;
        assert_eq!(ready.status, 503, "{}", ready.body);
        ready.body.contains("has not loaded").then_some(())
    })
    .await;
    fake.set_device(|device| device["update_downloaded"] = json!(false));
    service.ready().await;
    service.stop().await;
}

#[tokio::test]
async fn shutdown_says_goodbye_and_returns_within_its_grace() {
    let fake = Fake::start().await;
    let service = Running::start(&fake, Config::default()).await;
    service.ready().await;
    let (mut socket, _) =
        tokio_tungstenite::connect_async(format!("ws://{}/events", service.address)).await.unwrap();
    socket.next().await.unwrap().unwrap();
    let mut events = service::subscribe(service.address).await.unwrap();
    events.next().await.unwrap().unwrap();
    let mut half_a_request = TcpStream::connect(service.address).await.unwrap();
    half_a_request.write_all(b"GET /live HTTP/1.1\r\n").await.unwrap();
    // A follower that takes nothing, not even the goodbye.
    let (_deaf, _) =
        tokio_tungstenite::connect_async(format!("ws://{}/events", service.address)).await.unwrap();

    let address = service.address;
    let closing = async {
        loop {
            if let Message::Close(frame) = socket.next().await.unwrap().unwrap() {
                break frame.unwrap();
            }
        }
    };
    let ending = async {
        loop {
            if let Err(error) = events.next().await.unwrap() {
                break error;
            }
        }
    };
    let begun = std::time::Instant::now();
    let ((), frame, error) = tokio::join!(service.stop(), closing, ending);
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert_eq!((frame.code, frame.reason.as_str()), (CloseCode::Away, "the service stops"));
    assert!(error.is_unreachable() && error.to_string().contains("the service stops"), "{error}");
    assert!(events.next().await.is_none(), "an error is the end");
    assert!(service::health(address).await.unwrap_err().is_unreachable());
    assert!(service::subscribe(address).await.unwrap_err().is_unreachable());
}

#[tokio::test]
async fn a_dropped_service_leaves_nothing_behind() {
    let fake = Fake::start().await;
    let service = Running::start(&fake, Config::default()).await;
    service.ready().await;
    let (mut socket, _) =
        tokio_tungstenite::connect_async(format!("ws://{}/events", service.address)).await.unwrap();
    socket.next().await.unwrap().unwrap();
    let address = service.address;
    drop(service);
    assert!(!matches!(socket.next().await, Some(Ok(Message::Text(_)))));
    eventually("the port to be free", async || TcpListener::bind(address).await.ok()).await;
}

#[tokio::test]
async fn a_taken_port_and_faulty_settings_are_told_before_any_work() {
    let fake = Fake::start().await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let never = || std::future::pending::<()>();
    let error = service::run(on(&fake), Config::default().listen(&address), never()).await.unwrap_err();
    assert!(error.is_io(), "{error}");
    assert!(error.to_string().contains(&address) && error.to_string().contains("AGENT_LISTEN"), "{error}");
    let error = service::run(on(&fake), Config::default().listen("203.0.113.1:48485"), never()).await;
    assert!(error.unwrap_err().is_config());
    let vars = [("AGENT_LISTEN", "48485"), ("AGENT_POLL_SLOW", "often")];
    let error = service::run(on(&fake), Config::from_vars(vars), never()).await.unwrap_err();
    assert!(error.is_config() && error.to_string().contains("2 faults"), "{error}");
    assert_eq!(fake.calls(), 0);
}

#[tokio::test]
async fn the_key_shows_nowhere() {
    let (log, _guard) = support::capture_logs();
    let mut fake = Fake::start().await;
    let service = Running::start(&fake, Config::default()).await;
    service.ready().await;
    let mut seen = String::new();
    let mut events = service::subscribe(service.address).await.unwrap();
    let collect = async |seen: &mut String| {
        for path in ["/live", "/ready", "/status", "/metrics", "/nothing"] {
            seen.push_str(&get(service.address, path).await.body);
        }
    };
    collect(&mut seen).await;
    // A supervisor whose error quotes the request, key and all.
    fake.fail_with_echo(true);
    seen.push_str(&event(&mut events, "supervisor_lost").await.to_string());
    collect(&mut seen).await;
    fake.fail_with_echo(false);
    seen.push_str(&event(&mut events, "supervisor_back").await.to_string());
    fake.stop().await;
    seen.push_str(&event(&mut events, "supervisor_lost").await.to_string());
    collect(&mut seen).await;
    service.stop().await;
    assert!(seen.contains("[REDACTED]"), "the echo came through, without the key");
    assert!(!seen.contains(KEY), "{seen}");
    let log = log.text();
    assert!(log.contains("supervisor call") && log.contains("service started"), "{log}");
    assert!(!log.contains(KEY), "{log}");
    let edges = log.lines().filter(|line| line.contains("the supervisor does not answer")).count();
    assert_eq!(edges, 2, "an outage is logged on its edges only:\n{log}");
}

#[tokio::test]
async fn a_slow_reader_gets_the_latest_state_and_is_told_what_it_missed() {
    let fake = Fake::start().await;
    // About a megabyte for each state, so that no socket buffer can hold all of them.
    let name = |number: usize| format!("{number:04}-{}", "x".repeat(1000));
    fake.set(|state| {
        state["shop"]["services"] =
            (0..1000).map(|number| (name(number), json!({ "status": "s0" }))).collect();
    });
    let service = Running::start(&fake, Config::default()).await;
    service.ready().await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(service.address).await.unwrap();
    let url = format!("ws://{}/events", service.address);
    let (mut slow, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
    for round in 1..=12 {
        let status = format!("s{round}");
        fake.set(|state| {
            for service in state["shop"]["services"].as_object_mut().unwrap().values_mut() {
                service["status"] = json!(status);
            }
        });
        eventually("the change to be seen", async || {
            get(service.address, "/status").await.body.contains(&format!("\"{status}\"")).then_some(())
        })
        .await;
    }
    let mut lagged = 0;
    let mut received = 0;
    loop {
        let message = tokio::time::timeout(Duration::from_secs(30), slow.next()).await.unwrap();
        let Message::Text(text) = message.unwrap().unwrap() else { continue };
        received += text.len();
        let event: Value = serde_json::from_str(&text).unwrap();
        if event["type"] == "lagged" {
            lagged += event["missed"].as_u64().unwrap();
        }
        if event["type"] == "snapshot"
            && event["applications"]["shop"]["services"][name(0)]["status"] == "s12"
        {
            break;
        }
    }
    assert!(lagged > 0);
    assert!(received < 12_000_000, "{received} bytes were kept for a client that did not read");
    let metrics = get(service.address, "/metrics").await.body;
    assert!(!metrics.contains("balena_events_lagged_total 0"), "gaps are counted");
    service.stop().await;
}

#[tokio::test]
async fn pages_of_other_origins_and_too_many_clients_are_refused() {
    let fake = Fake::start().await;
    let service = Running::start(&fake, Config::default()).await;
    let url = format!("ws://{}/events", service.address);
    let from = |origin: &str| {
        let mut request = url.as_str().into_client_request().unwrap();
        request.headers_mut().insert("origin", origin.parse().unwrap());
        request
    };
    let refusal = |result| match result {
        Err(SocketError::Http(response)) => response.status().as_u16(),
        _ => 0,
    };
    let evil = tokio_tungstenite::connect_async(from("https://evil.example")).await;
    assert_eq!(refusal(evil.map(|_| ())), 403);
    let own = tokio_tungstenite::connect_async(from(&format!("http://{}", service.address))).await;
    drop(own.expect("a page of this service may"));

    eventually("the place to be free again", async || {
        (get(service.address, "/status").await.json()["events"]["clients"] == 0).then_some(())
    })
    .await;
    let mut clients = Vec::new();
    for _ in 0..32 {
        let mut events = service::subscribe(service.address).await.unwrap();
        events.next().await.unwrap().unwrap();
        clients.push(events);
    }
    let error = service::subscribe(service.address).await.unwrap_err();
    assert!(error.is_rejected() && error.status() == Some(503), "{error}");
    assert!(error.to_string().contains("AGENT_EVENTS_CLIENTS"), "{error}");
    assert_eq!(get(service.address, "/live").await.status, 200, "followers do not block the health check");
    clients.pop();
    eventually("a place", async || service::subscribe(service.address).await.ok()).await;
    service.stop().await;
}

#[tokio::test]
async fn followers_that_answer_pings_stay_and_others_go() {
    let fake = Fake::start().await;
    let service = Running::start(&fake, Config::default().heartbeat(Duration::from_millis(50))).await;
    let clients = async || get(service.address, "/status").await.json()["events"]["clients"].clone();
    let url = format!("ws://{}/events", service.address);
    let (mut good, _) = tokio_tungstenite::connect_async(&url).await.unwrap();
    let (silent, _) = tokio_tungstenite::connect_async(&url).await.unwrap();
    let mut pings = 0;
    while pings < 20 {
        if let Message::Ping(_) = good.next().await.unwrap().unwrap() {
            pings += 1;
            good.flush().await.unwrap();
        }
    }
    assert_eq!(clients().await, 1);
    drop(silent);
    good.close(None).await.unwrap();
    eventually("all places to be free", async || (clients().await == 0).then_some(())).await;
    service.stop().await;
}

#[tokio::test]
async fn a_health_check_tells_other_listeners_from_the_service() {
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = other.local_addr().unwrap();
    let answer = async {
        for _ in 0..2 {
            let (mut stream, _) = other.accept().await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nOK").await;
        }
    };
    let ask = async {
        let error = service::health(address).await.unwrap_err();
        assert!(error.is_decode() && error.to_string().contains("not balena-agent"), "{error}");
        let error = service::subscribe(address).await.unwrap_err();
        assert!(error.to_string().contains("GET /events"), "{error}");
    };
    tokio::join!(answer, ask);
}

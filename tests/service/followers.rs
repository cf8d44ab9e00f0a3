//! `/events`: every change once, gaps told, and a bound on what a client costs.

use std::time::Duration;

use balena_agent::service::{self, Config};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpSocket;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

use crate::support::{Fake, Running, event, eventually, get};

#[tokio::test]
async fn changes_arrive_as_events() {
    let fake = Fake::start().await;
    let service = Running::start(&fake, Config::default()).await;
    service.ready().await;
    let mut events = service::Client::from(service.address).events().await.unwrap();

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
    let (stopping, ()) = tokio::join!(event(&mut events, "agent_stopping"), service.stop());
    assert!(stopping["id"].as_str().unwrap().contains('-'), "{stopping}");
}

#[tokio::test]
async fn a_supervisor_that_goes_and_comes_back() {
    let mut fake = Fake::start().await;
    let service = Running::start(&fake, Config::default()).await;
    service.ready().await;
    let mut events = service::Client::from(service.address).events().await.unwrap();

    fake.stop().await;
    let lost = event(&mut events, "supervisor_lost").await;
    assert!(lost["error"].as_str().unwrap().contains("can't reach the supervisor"), "{lost}");
    let ready = get(service.address, "/ready").await;
    assert_eq!(ready.status, 503);
    assert!(ready.json()["reason"].as_str().unwrap().contains("does not answer"), "{}", ready.body);
    service::Client::from(service.address).health().await.expect("alive without a supervisor");
    let status = get(service.address, "/status").await.json();
    assert_eq!(status["supervisor"]["state"], "lost");
    assert_eq!(status["supervisor"]["last_error"]["kind"], "unreachable");
    assert!(
        status["applications"].is_null() && status["device"].is_null(),
        "withdrawn, not frozen: {status}"
    );
    let metrics = get(service.address, "/metrics").await.body;
    assert!(!metrics.contains("balena_service_status{"), "{metrics}");

    fake.restart().await;
    event(&mut events, "supervisor_back").await;
    assert_eq!(event(&mut events, "snapshot").await["applications"]["shop"]["commit"], "aaa");
    service.ready().await;
    service.stop().await;
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
        let mut events = service::Client::from(service.address).events().await.unwrap();
        events.next().await.unwrap().unwrap();
        clients.push(events);
    }
    let error = service::Client::from(service.address).events().await.unwrap_err();
    assert!(error.is_rejected() && error.status() == Some(503), "{error}");
    assert!(error.to_string().contains("AGENT_EVENTS_CLIENTS"), "{error}");
    assert_eq!(get(service.address, "/live").await.status, 200, "followers do not block the health check");
    clients.pop();
    eventually("a place", async || service::Client::from(service.address).events().await.ok()).await;
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

//! What the paths answer, also while the supervisor is not there, and that the key is in none of it.

use balena_agent::service::{self, Config};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::support::{Fake, KEY, Running, capture_logs, event, eventually, get, request};

#[tokio::test]
async fn health_status_and_metrics() {
    let fake = Fake::start().await;
    let service = Running::start(&fake, Config::default()).await;
    service.ready().await;

    let live = get(service.address, "/live").await;
    assert_eq!((live.status, live.json()), (200, json!({ "status": "ok" })));
    service::Client::from(service.address).health().await.unwrap();

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
            { "name": "server", "state": "running", "restarts": 0, "last_error": null },
            { "name": "observer", "state": "running", "restarts": 0, "last_error": null },
            { "name": "locks", "state": "running", "restarts": 0, "last_error": null },
            { "name": "ledger", "state": "running", "restarts": 0, "last_error": null },
            { "name": "journal", "state": "running", "restarts": 0, "last_error": null },
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
async fn the_key_shows_nowhere() {
    let (log, _guard) = capture_logs();
    let mut fake = Fake::start().await;
    let service = Running::start(&fake, Config::default()).await;
    service.ready().await;
    let mut seen = String::new();
    let mut events = service::Client::from(service.address).events().await.unwrap();
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
        let error = service::Client::from(address).health().await.unwrap_err();
        assert!(error.is_decode() && error.to_string().contains("not balena-agent"), "{error}");
        let error = service::Client::from(address).events().await.unwrap_err();
        assert!(error.to_string().contains("GET /events"), "{error}");
    };
    tokio::join!(answer, ask);
}

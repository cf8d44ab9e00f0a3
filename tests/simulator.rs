//! The simulator as its users meet it: addresses, locks, faults, and its end.
#![cfg(feature = "simulator")]

#[cfg(test)]
#[path = "simulator/answers.rs"]
mod answers;
#[cfg(test)]
#[path = "simulator/cloud.rs"]
mod cloud;
#[cfg(test)]
#[path = "simulator/journal.rs"]
mod journal;
#[cfg(test)]
#[path = "simulator/power.rs"]
mod power;
#[cfg(test)]
#[path = "simulator/views.rs"]
mod views;
#[cfg(test)]
#[path = "simulator/workloads.rs"]
mod workloads;

use std::io::ErrorKind;
use std::time::Duration;

use balena_agent::simulator::{Device, EngineCall, Fault, Injection, Power};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

/// Sends a request with the key of `main` and returns everything that comes back until the connection ends.
async fn send(device: &Device, method: &str, path: &str, body: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", device.port())).await?;
    let key = device.key("main").unwrap_or_default();
    let length = body.len();
    let request = format!(
        "{method} {path}?apikey={key} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

async fn get(device: &Device, path: &str) -> std::io::Result<String> {
    send(device, "GET", path, "").await
}

fn kind(result: std::io::Result<String>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

#[tokio::test]
async fn a_container_finds_its_supervisor_and_its_locks_through_its_environment() {
    let device = Device::start().await.expect("a device");
    let env = device.environment("main").expect("a service");
    assert_eq!(env["BALENA_SUPERVISOR_ADDRESS"], device.address());
    assert_eq!(Some(&env["RESIN_SUPERVISOR_API_KEY"]), device.key("main").as_ref());
    let lock = std::path::Path::new(&env["BALENA_APP_LOCK_PATH"]);
    assert_eq!(lock.parent(), Some(device.lock_directory(1, "main").as_path()));
    assert!(device.environment("plain").is_some_and(|env| !env.contains_key("BALENA_SUPERVISOR_ADDRESS")));
    assert!(device.environment("nope").is_none());

    std::fs::File::create_new(lock).expect("the directory is there");
    let path = "/v2/applications/1/restart-service";
    let refused = send(&device, "POST", path, r#"{"serviceName":"helper"}"#).await.expect("an answer");
    assert!(refused.starts_with("HTTP/1.1 423"), "{refused}");
    assert!(lock.exists());
    device.remove_locks();
    let before = device.containers();
    let done = send(&device, "POST", path, r#"{"serviceName":"helper"}"#).await.expect("an answer");
    assert!(done.starts_with("HTTP/1.1 200"), "{done}");
    assert_ne!(before, device.containers());
    assert_eq!(device.locks(), []);
}

#[tokio::test]
async fn the_supervisors_own_locks_are_seen_while_it_acts() {
    let device = Device::builder()
        .with_timings(|timings| timings.stop = Duration::from_millis(400))
        .start()
        .await
        .expect("a device");
    let acting = send(&device, "POST", "/v2/applications/1/restart-service", r#"{"serviceName":"main"}"#);
    let looking = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        device.locks().len()
    };
    let (answer, seen) = tokio::join!(acting, looking);
    assert!(answer.expect("an answer").starts_with("HTTP/1.1 200"));
    // Both names in each of three directories.
    assert_eq!(seen, 6);
    assert_eq!(device.locks(), []);
}

#[tokio::test]
async fn faults_happen_as_often_and_where_they_are_told_to() {
    let device = Device::start().await.expect("a device");
    device.inject(Injection::new(Fault::Status(503)).times(2).on("/v1/device"));
    assert!(get(&device, "/v2/version").await.expect("an answer").starts_with("HTTP/1.1 200"));
    for expected in ["503", "503", "200"] {
        let answer = get(&device, "/v1/device").await.expect("an answer");
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{answer}");
    }
    assert_eq!(device.request_count("GET", "/v1/device"), 3);
    assert!(device.requests().iter().all(|kind| !kind.path.contains("apikey")));

    device.inject(Injection::new(Fault::ResetBefore).times(1));
    assert_eq!(kind(get(&device, "/ping").await), Some(ErrorKind::ConnectionReset));
    device.inject(Injection::new(Fault::Garbage).times(1));
    assert!(!get(&device, "/ping").await.expect("bytes").starts_with("HTTP"));
    device.inject(Injection::new(Fault::Drip(Duration::from_millis(20))).times(1));
    let started = Instant::now();
    assert!(get(&device, "/v2/version").await.expect("an answer").ends_with('}'));
    assert!(started.elapsed() > Duration::from_millis(500));
    device.inject(Injection::new(Fault::Delay(Duration::from_millis(200))).times(1));
    let started = Instant::now();
    get(&device, "/ping").await.expect("an answer");
    assert!(started.elapsed() >= Duration::from_millis(200));
    device.inject(Injection::new(Fault::Silence));
    assert!(timeout(Duration::from_millis(300), get(&device, "/ping")).await.is_err());
    device.clear_faults();
    get(&device, "/ping").await.expect("an answer");
}

#[tokio::test]
async fn a_reset_after_the_request_leaves_it_done() {
    let device = Device::start().await.expect("a device");
    device.inject(Injection::new(Fault::ResetAfter).times(1));
    let body = r#"{"serviceName":"main"}"#;
    let stopped = send(&device, "POST", "/v2/applications/1/stop-service", body).await;
    assert_eq!(kind(stopped), Some(ErrorKind::ConnectionReset));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(device.containers().iter().any(|container| container.status == "exited"));
}

#[tokio::test]
async fn a_locked_device_stays_locked_even_against_force() {
    let device = Device::start().await.expect("a device");
    device.inject(Injection::new(Fault::Locked));
    let answer = send(&device, "POST", "/v1/reboot", r#"{"force":true}"#).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 423") && answer.contains("Error"), "{answer}");
    assert!(get(&device, "/v1/device").await.expect("an answer").starts_with("HTTP/1.1 200"));
    assert_eq!(device.power(), None);
}

#[tokio::test]
async fn a_supervisor_that_dies_in_mid_call_is_refused_and_comes_back_on_its_port() {
    let device = Device::start().await.expect("a device");
    device.inject(Injection::new(Fault::Restart(Duration::from_millis(400))).times(1));
    let body = r#"{"appId":"1"}"#;
    assert_eq!(send(&device, "POST", "/v1/restart", body).await.unwrap_or_default(), "");
    assert_eq!(kind(get(&device, "/ping").await), Some(ErrorKind::ConnectionRefused));
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(get(&device, "/ping").await.expect("an answer").ends_with("OK"));
}

#[tokio::test]
async fn power_goes_and_comes() {
    let device = Device::start().await.expect("a device");
    assert!(send(&device, "POST", "/v1/shutdown", "").await.expect("an answer").starts_with("HTTP/1.1 202"));
    assert_eq!(device.power(), Some(Power::Off));
    assert_eq!(kind(get(&device, "/ping").await), Some(ErrorKind::ConnectionRefused));
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(device.containers().iter().all(|container| container.status == "exited"));
    device.power_on().await;
    assert!(get(&device, "/ping").await.expect("an answer").ends_with("OK"));
    assert!(device.containers().iter().all(|container| container.status == "Running"));
}

#[tokio::test]
async fn an_engine_failure_kills_only_those_who_do_not_expect_it() {
    let device = Device::start().await.expect("a device");
    device.break_engine(EngineCall::ListContainers);
    assert!(get(&device, "/v2/applications/state").await.expect("an answer").starts_with("HTTP/1.1 503"));
    assert_eq!(get(&device, "/v2/state/status").await.unwrap_or_default(), "");
    assert_eq!(kind(get(&device, "/ping").await), Some(ErrorKind::ConnectionRefused));
}

#[tokio::test]
async fn dropping_the_device_ends_everything() {
    let device = Device::start().await.expect("a device");
    let (port, root) = (device.port(), device.lock_root().to_owned());
    assert!(root.exists());
    drop(device);
    tokio::task::yield_now().await;
    assert!(!root.exists());
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
}

#[tokio::test]
async fn a_port_that_is_taken_is_not_shared() {
    let device = Device::start().await.expect("a device");
    let second = Device::builder().port(device.port()).start().await;
    assert_eq!(second.map(|_| ()).map_err(|error| error.kind()), Err(ErrorKind::AddrInUse));
}

#[tokio::test]
async fn an_offered_update_is_installed_when_the_device_asks() {
    let device = Device::builder().update_available().start().await.expect("a device");
    let before = device.containers();
    assert!(send(&device, "POST", "/v1/update", "").await.expect("an answer").starts_with("HTTP/1.1 204"));
    let updated = async {
        while !get(&device, "/v2/state/status").await.expect("an answer").contains(&"c2".repeat(16)) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(10), updated).await.expect("an update");
    let changed = device.containers().into_iter().filter(|container| !before.contains(container));
    assert_eq!(changed.map(|container| container.service).collect::<Vec<_>>(), ["main"]);
}

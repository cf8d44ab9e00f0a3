//! Answers in the details that clients stumble over: pages, order of fields, numbers of any size, refusals.

use std::time::Duration;

use balena_agent::simulator::{Device, Fault, Injection};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{get, send};

/// Sends bytes as they are, and returns what comes back until the connection ends.
async fn raw(device: &Device, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", device.port())).await.expect("a connection");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an end in order");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn the_404_page_is_expresss() {
    let device = Device::start().await.expect("a device");
    for (path, shown) in [
        ("/nowhere", "/nowhere"),
        ("/v1//device", "/v1//device"),
        ("/a&b'c", "/a&amp;b&#39;c"),
        ("/%3Cb%3E", "/%3Cb%3E"),
        ("/%zz", "/%25zz"),
        (
            "/v2/applications/99999999999999999999999/nothing",
            "/v2/applications/99999999999999999999999/nothing",
        ),
    ] {
        let answer = get(&device, path).await.expect("an answer");
        let page = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Error</title>\n</head>\n\
             <body>\n<pre>Cannot GET {shown}</pre>\n</body>\n</html>\n"
        );
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert!(head.starts_with("HTTP/1.1 404 Not Found\r\n"), "{head}");
        assert_eq!(body, page);
        let head = head.to_lowercase();
        for header in [
            "content-security-policy: default-src 'none'",
            "x-content-type-options: nosniff",
            "content-type: text/html; charset=utf-8",
        ] {
            assert!(head.contains(header), "{head}");
        }
    }
}

#[tokio::test]
async fn fields_stand_in_the_order_of_the_real_ones() {
    let device = Device::start().await.expect("a device");
    let proxy = json!({"network": {"proxy": {"type": "socks5", "ip": "192.0.2.1", "port": 1, "noProxy": ["192.0.2.2"]}}});
    send(&device, "PATCH", "/v1/device/host-config", &proxy.to_string()).await.expect("an answer");
    for (path, fields) in [
        ("/v2/version", "status version"),
        ("/v2/device/name", "status deviceName"),
        ("/v2/device/vpn", "status vpn enabled connected"),
        ("/v2/device/tags", "status tags"),
        ("/v2/local/device-info", "status info arch deviceType"),
        ("/v1/device/host-config", "network hostname proxy type ip port noProxy"),
        (
            "/v1/device",
            "api_port ip_address os_version mac_address supervisor_version update_pending update_failed \
             update_downloaded commit status download_progress",
        ),
        (
            "/v2/applications/state",
            "small-fleet appId appUuid commit updateStatus services helper status image downloadProgress releaseId",
        ),
        ("/v2/applications/1/state", "commit local 1 services 1001 status releaseId download_progress"),
        (
            "/v2/state/status",
            "status appState overallDownloadProgress containers status serviceName appId imageId serviceId \
             containerId createdAt",
        ),
        ("/v2/containerId", "status services helper"),
        ("/v2/containerId/", "status services helper"),
        (
            "/v2/local/target-state",
            "status state local name config apps 1 appId appUuid commit services serviceName",
        ),
        ("/v2/applications/7/state", "status message"),
    ] {
        let answer = get(&device, path).await.expect("an answer");
        let body = answer.split_once("\r\n\r\n").expect("a head").1;
        let names: Vec<&str> =
            body.split("\":").map(|before| before.rsplit('"').next().unwrap_or_default()).collect();
        let expected: Vec<&str> = fields.split_whitespace().collect();
        assert_eq!(names[..expected.len()], expected, "{path}: {body}");
    }
}

#[tokio::test]
async fn ids_of_any_size_are_echoed_as_the_server_writes_them() {
    let device = Device::start().await.expect("a device");
    let key = device.key("global").expect("a key");
    for (id, shown) in [
        ("7", "7"),
        ("9007199254740992", "9007199254740992"),
        ("9223372036854775807", "9223372036854776000"),
        ("100000000000000000000", "100000000000000000000"),
        ("0000000000000000000000000000007", "7"),
    ] {
        let path = format!("/v2/applications/{id}/state");
        let answer = get(&device, &path).await.expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 409"), "{answer}");
        assert!(answer.ends_with(&format!("\"Application ID does not exist: {shown}\"}}")), "{answer}");
        for (path, body) in [
            (format!("/v2/applications/{id}/restart"), String::new()),
            ("/v1/purge".to_owned(), format!("{{\"appId\":\"{id}\"}}")),
        ] {
            let request = format!(
                "POST {path}?apikey={key} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let answer = raw(&device, &request).await;
            assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
            assert!(answer.contains(&format!("Application with ID {shown} is not in")), "{answer}");
        }
    }
    // Beyond what is a number at all it is told as it was given.
    let long = "9".repeat(400);
    let answer = get(&device, &format!("/v2/applications/{long}/state")).await.expect("an answer");
    assert!(
        answer.starts_with("HTTP/1.1 400") && answer.contains(&format!("Invalid application ID: {long}"))
    );
    let answer = get(&device, "/v1/apps/99999999999999999999999").await.expect("an answer");
    assert!(
        answer.starts_with("HTTP/1.1 401") && answer.contains("Application is not available"),
        "{answer}"
    );
}

#[tokio::test]
async fn an_expectation_that_nobody_meets_is_417_and_before_everything_else() {
    let device = Device::start().await.expect("a device");
    for (expect, status) in [
        ("foo", "417"),
        ("100-continued", "417"),
        ("", "417"),
        ("100-continue", "200"),
        ("x, 100-Continue", "200"),
    ] {
        let request =
            format!("GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: {expect}\r\n\r\n");
        let answer = raw(&device, &request).await;
        let answer = answer.strip_prefix("HTTP/1.1 100 Continue\r\n\r\n").unwrap_or(&answer);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{expect}: {answer}");
    }
    let request =
        "POST /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: foo\r\nContent-Length: 0\r\n\r\n";
    assert!(raw(&device, request).await.starts_with("HTTP/1.1 417"), "also without a key");
    let old = raw(&device, "GET /ping HTTP/1.0\r\nExpect: foo\r\n\r\n").await;
    assert!(old.starts_with("HTTP/1.1 200") || old.starts_with("HTTP/1.0 200"), "{old}");
}

#[tokio::test]
async fn faults_of_relays_and_of_older_supervisors() {
    let device = Device::start().await.expect("a device");
    device.inject(Injection::new(Fault::Close).times(1));
    assert_eq!(get(&device, "/ping").await.expect("an end in order, not a reset"), "");
    assert!(get(&device, "/ping").await.expect("an answer").ends_with("OK"));

    device.inject(Injection::new(Fault::LockedAs503));
    for (method, path, body) in [
        ("POST", "/v1/restart", r#"{"appId":1,"force":true}"#),
        ("POST", "/v2/applications/1/restart-service", r#"{"serviceName":"main"}"#),
        ("POST", "/v1/reboot", ""),
        ("PATCH", "/v1/device/host-config", r#"{"network":{"hostname":"x"}}"#),
    ] {
        let answer = send(&device, method, path, body).await.expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 503"), "{path}: {answer}");
        assert!(
            answer.contains("Updates are locked: ") && answer.contains("/updates.lock"),
            "{path}: {answer}"
        );
    }
    assert_eq!(device.power(), None);
    assert!(get(&device, "/v1/device").await.expect("an answer").starts_with("HTTP/1.1 200"));
    device.clear_faults();
    tokio::time::sleep(Duration::from_millis(10)).await;
    let done = send(&device, "POST", "/v1/restart", r#"{"appId":1}"#).await.expect("an answer");
    assert!(done.starts_with("HTTP/1.1 200"), "{done}");
}

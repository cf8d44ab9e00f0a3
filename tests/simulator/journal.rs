//! The journal is matched, filtered and printed as journalctl does it. Expectations were taken from journalctl 252.

use std::time::Duration;

use balena_agent::simulator::Device;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::send;

const PATH: &str = "/v2/journal-logs";
const NONE: &str = "-- No entries --\n";

/// The body of an answer, put together from its chunks.
fn body(answer: &str) -> String {
    let (head, mut rest) = answer.split_once("\r\n\r\n").expect("a head");
    if !head.to_lowercase().contains("transfer-encoding: chunked") {
        return rest.to_owned();
    }
    let mut body = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("a size");
        body += &after[..size];
        rest = &after[size + 2..];
        if size == 0 {
            break;
        }
    }
    body
}

async fn ask(device: &Device, query: &Value) -> String {
    let answer = send(device, "POST", PATH, &query.to_string()).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{query}: {answer}");
    body(&answer)
}

async fn objects(device: &Device, query: &Value) -> Vec<Value> {
    ask(device, query).await.lines().map(|line| serde_json::from_str(line).expect("an object")).collect()
}

fn container(device: &Device, service: &str) -> String {
    device.containers().into_iter().find(|c| c.service == service).expect("a container").id
}

/// Three lines of the host's, and one of each of two containers.
async fn device() -> Device {
    let device = Device::builder().journal(3).start().await.expect("a device");
    assert!(device.write_service_log(1, "main", "of main"));
    assert!(device.write_service_log(1, "helper", "of helper"));
    assert!(!device.write_service_log(1, "nope", "of nobody"));
    device
}

#[tokio::test]
async fn a_container_is_found_by_its_tag_and_a_unit_by_its_name() {
    let device = device().await;
    let id = container(&device, "main");
    for (query, expected) in [
        (json!({}), "line 1|line 2|line 3|of main|of helper"),
        (json!({"containerId": id[..12]}), "of main"),
        (json!({"containerId": id}), ""),
        (json!({"containerId": id[..11]}), ""),
        (json!({"containerId": id[..13]}), ""),
        (json!({"containerId": id[..12].to_uppercase()}), ""),
        (json!({"containerId": "main"}), ""),
        (json!({"containerId": ""}), ""),
        (json!({"containerId": "demo"}), "line 1|line 2|line 3"),
        (json!({"unit": "balena.service"}), "of main|of helper"),
        (json!({"unit": "balena"}), "of main|of helper"),
        (json!({"unit": "bal*"}), "of main|of helper"),
        (json!({"unit": "demo"}), "line 1|line 2|line 3"),
        (json!({"unit": "balena-supervisor"}), ""),
        (json!({"unit": "demo", "containerId": id[..12]}), ""),
        (json!({"unit": "balena", "containerId": id[..12]}), "of main"),
        (json!({"count": 2}), "of main|of helper"),
        (json!({"count": "1", "unit": "demo"}), "line 3"),
        (json!({"containerId": null, "unit": null, "count": 1}), "of helper"),
    ] {
        let mut asked = query.clone();
        asked["format"] = "cat".into();
        let shown = ask(&device, &asked).await;
        assert_eq!(shown.lines().collect::<Vec<_>>().join("|"), expected, "{query}");
        // What is for people says that there is nothing.
        let short = ask(&device, &query).await;
        assert_eq!(short == NONE, expected.is_empty(), "{query}: {short}");
    }
    // What journalctl fails over has no body, and no more of a head than that.
    for query in [
        json!({"unit": ""}),
        json!({"unit": "x*"}),
        json!({"count": 2_147_483_648_u64}),
        json!({"format": ""}),
    ] {
        let answer = send(&device, "POST", PATH, &query.to_string()).await.expect("an answer");
        assert!(answer.to_lowercase().contains("content-length: 0\r\n"), "{query}: {answer}");
    }
}

#[tokio::test]
async fn an_entry_has_the_fields_of_the_engines_log_driver() {
    let device = device().await;
    let id = container(&device, "main");
    let now = jiff::Timestamp::now().as_microsecond();
    let entry = objects(&device, &json!({"format": "json", "containerId": id[..12]})).await.remove(0);
    for (field, expected) in [
        ("_SYSTEMD_UNIT", "balena.service"),
        ("SYSLOG_IDENTIFIER", &id[..12]),
        ("CONTAINER_ID", &id[..12]),
        ("CONTAINER_TAG", &id[..12]),
        ("CONTAINER_ID_FULL", &id),
        ("MESSAGE", "of main"),
        ("PRIORITY", "6"),
        ("_HOSTNAME", "simulated"),
        ("_TRANSPORT", "journal"),
    ] {
        assert_eq!(entry[field], expected, "{field}");
    }
    assert!(
        entry["CONTAINER_NAME"].as_str().is_some_and(|name| name.starts_with("main_1001_1_c1c1")),
        "{entry}"
    );
    let at: i64 = entry["__REALTIME_TIMESTAMP"].as_str().and_then(|at| at.parse().ok()).expect("a time");
    assert!((now - 20_000_000..=now).contains(&at), "{at} is now, {now}");
    let host = objects(&device, &json!({"format": "json", "unit": "demo", "count": 1})).await.remove(0);
    assert!(host.get("CONTAINER_ID").is_none() && host["SYSLOG_IDENTIFIER"] == "demo", "{host}");
    let cursors: std::collections::BTreeSet<String> = objects(&device, &json!({"format": "json"}))
        .await
        .iter()
        .map(|e| e["__CURSOR"].to_string())
        .collect();
    assert_eq!(cursors.len(), 5);
}

/// A pattern in which `9` stands for a digit.
fn fits(pattern: &str, text: &str) -> bool {
    let same = |(wanted, got): (char, char)| wanted == got || (wanted == '9' && got.is_ascii_digit());
    pattern.chars().count() == text.chars().count() && pattern.chars().zip(text.chars()).all(same)
}

#[tokio::test]
async fn formats_look_like_journalctls() {
    let device = device().await;
    let id = container(&device, "main");
    let tag = &id[..12];
    // After the date, whose names of days and months differ.
    for (format, head, line) in [
        ("short", "", " 99:99:99 simulated TAG[812]: of main\n"),
        ("short-precise", "", " 99:99:99.999999 simulated TAG[812]: of main\n"),
        ("short-full", "", " 9999-99-99 99:99:99 UTC simulated TAG[812]: of main\n"),
        ("with-unit", "", " 9999-99-99 99:99:99 UTC simulated balena.service[812]: of main\n"),
        ("short-iso", "", "9999-99-99T99:99:99+0000 simulated TAG[812]: of main\n"),
        ("short-iso-precise", "", "9999-99-99T99:99:99.999999+0000 simulated TAG[812]: of main\n"),
        ("short-unix", "", "9999999999.999999 simulated TAG[812]: of main\n"),
        ("short-monotonic", "[", "9.999999] simulated TAG[812]: of main\n"),
        ("cat", "of main", "of main\n"),
        ("json", "{", "}\n"),
        ("json-pretty", "{\n\t\"", "\"\n}\n"),
        ("json-sse", "data: {", "}\n\n"),
        ("json-seq", "\u{1e}{", "}\n"),
        ("export", "__CURSOR=s=", "\n\n"),
        ("verbose", "", &format!("    MESSAGE=of main\n    CONTAINER_ID={tag}\n")),
    ] {
        let shown = ask(&device, &json!({"format": format, "containerId": tag})).await;
        assert!(shown.starts_with(head), "{format}: {shown}");
        if format == "verbose" {
            assert!(shown.contains(line), "{format}: {shown}");
            continue;
        }
        let line = line.replace("TAG", "\u{1}");
        let shown = shown.replace(tag, "\u{1}");
        let end: String = shown.chars().skip(shown.chars().count() - line.chars().count()).collect();
        assert!(fits(&line, &end), "{format}: {shown:?}");
    }
    // Formats for programs stay silent where there is nothing.
    for (format, expected) in [("short", NONE), ("verbose", NONE), ("json", ""), ("cat", ""), ("export", "")]
    {
        assert_eq!(ask(&device, &json!({"format": format, "containerId": "x"})).await, expected, "{format}");
    }
}

#[tokio::test]
async fn times_are_those_of_the_lines() {
    let device = device().await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let middle = jiff::Timestamp::now();
    tokio::time::sleep(Duration::from_millis(20)).await;
    device.write_journal("later");
    let at = format!("@{}.{:06}", middle.as_second(), middle.subsec_microsecond());
    for (query, expected) in [
        (json!({"since": at}), "later"),
        (json!({"until": at}), "line 1|line 2|line 3|of main|of helper"),
        (json!({"since": "-1h", "until": at, "count": 1}), "line 1"),
        (json!({"since": "1 hour ago", "until": "now"}), "line 1|line 2|line 3|of main|of helper|later"),
        (json!({"since": "tomorrow"}), ""),
        (json!({"until": "yesterday"}), ""),
        (json!({"since": "nonsense"}), ""),
    ] {
        let mut asked = query.clone();
        asked["format"] = "cat".into();
        let shown = ask(&device, &asked).await;
        assert_eq!(shown.lines().collect::<Vec<_>>().join("|"), expected, "{query}");
    }
}

/// Fields of other types are put into text, as the server's language does it.
#[tokio::test]
async fn fields_of_other_types_are_put_into_text() {
    let device = device().await;
    for (query, expected) in [
        (json!({"unit": 5}), NONE),
        (json!({"unit": true}), NONE),
        (json!({"unit": ["demo"], "format": "cat", "count": 1}), "line 3\n"),
        (json!({"unit": {}}), ""),
        (json!({"unit": []}), ""),
        (json!({"containerId": 5}), NONE),
        (json!({"containerId": {"a": 1}}), NONE),
        (json!({"containerId": ["demo"], "format": "cat", "count": 1}), "line 3\n"),
        (json!({"format": 5}), ""),
        (json!({"format": false}), ""),
        (json!({"format": ["cat"], "count": 1}), "of helper\n"),
        (json!({"format": null, "unit": "absent"}), NONE),
        (json!({"since": 5}), ""),
        (json!({"since": true}), ""),
        (json!({"since": ["2020-01-01"], "format": "cat", "count": 1}), "line 1\n"),
        (json!({"until": {}}), ""),
        (json!({"follow": "no", "count": [1], "format": "cat"}), "of helper\n"),
        (json!({"count": {}, "all": [], "format": "cat", "unit": "balena"}), "of main\nof helper\n"),
    ] {
        assert_eq!(ask(&device, &query).await, expected, "{query}");
    }
    let zero = send(&device, "POST", PATH, "{\"unit\":\"a\\u0000b\"}").await.expect("an answer");
    assert!(zero.starts_with("HTTP/1.1 503"), "{zero}");
}

/// Opens a stream and reads until `enough` has come.
async fn follow(device: &Device, query: &Value, enough: &str) -> String {
    let key = device.key("main").unwrap_or_default();
    let body = query.to_string();
    let request = format!(
        "POST {PATH}?apikey={key} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(("127.0.0.1", device.port())).await.expect("a connection");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut received = String::new();
    let reading = async {
        let mut buffer = [0; 4096];
        while !received.contains(enough) {
            let count = stream.read(&mut buffer).await.expect("bytes");
            received += &String::from_utf8_lossy(&buffer[..count]);
            assert!(count > 0, "it ended: {received}");
        }
    };
    // What has come by then is looked at in either case.
    let _ = timeout(Duration::from_millis(2500), reading).await;
    received
}

#[tokio::test]
async fn a_quiet_follower_hears_nothing_not_even_a_head() {
    let device = device().await;
    assert_eq!(follow(&device, &json!({"follow": true, "containerId": "x"}), "HTTP").await, "");
    let id = container(&device, "main");
    let query = json!({"follow": true, "containerId": id[..12], "format": "cat"});
    let writing = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        device.write_service_log(1, "helper", "not asked for");
        device.write_service_log(1, "main", "asked for");
    };
    let (received, ()) = tokio::join!(follow(&device, &query, "asked for"), writing);
    assert!(received.contains("of main") && !received.contains("not asked for"), "{received}");
    assert!(!received.contains("line"), "{received}");
}

#[tokio::test]
async fn containers_write_when_they_start_and_stop_and_a_boot_empties_the_journal_unless_it_is_kept() {
    for (persistent, boots) in [("false", 0), ("true", 1)] {
        let device = Device::builder()
            .config("SUPERVISOR_PERSISTENT_LOGGING", persistent)
            .with_timings(|timings| {
                timings.power_off = Duration::from_millis(50);
                timings.boot = Duration::from_millis(50);
            })
            .start()
            .await
            .expect("a device");
        let before = container(&device, "main");
        let query = json!({"containerId": before[..12], "format": "cat"});
        assert_eq!(ask(&device, &query).await, "main has started\n");
        let restarted =
            send(&device, "POST", "/v2/applications/1/restart-service", r#"{"serviceName":"main"}"#).await;
        assert!(restarted.expect("an answer").starts_with("HTTP/1.1 200"));
        assert_eq!(ask(&device, &query).await, "main has started\nmain got SIGTERM and ends\n");
        let after = json!({"containerId": container(&device, "main")[..12], "format": "cat"});
        assert_eq!(ask(&device, &after).await, "main has started\n");

        assert!(send(&device, "POST", "/v1/reboot", "").await.is_ok());
        let up = async {
            while !send(&device, "GET", "/ping", "").await.is_ok_and(|answer| answer.ends_with("OK")) {
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
        };
        timeout(Duration::from_secs(10), up).await.expect("it comes back");
        let short = ask(&device, &json!({})).await;
        assert_eq!(short.matches("-- Boot ").count(), boots, "{short}");
        assert_eq!(short.contains("got SIGTERM"), persistent == "true", "{short}");
        let starts = ask(&device, &after).await.matches("main has started").count();
        assert_eq!(starts, boots + 1, "one for each boot that is kept");
    }
}

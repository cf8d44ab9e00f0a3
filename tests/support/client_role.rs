//! The client role: every recorded answer is played to the client by a scripted server, and what the client
//! makes of it is held against tables in this file, which a reader can hold against the reference.

use std::collections::BTreeMap;
use std::time::Duration;

use balena_agent::jiff::Timestamp;
use balena_agent::supervisor::Supervisor;
use balena_agent::{Error, ErrorKind, LockHolder};
use serde_json::{Value, json};

use super::cases::{self, Exchange, Step};
use super::client_calls::{APP, ENDPOINTS, Endpoint, Options, environment, perform};
use super::scripted::{End, Refusing, Scripted, Turn, answer};

/// For calls that get no answer.
const SILENCE: Duration = Duration::from_millis(200);

/// What an answer other than success means (7.5 rule 3; 3.4 and 3.5 for what is "not found"). `*` is every
/// endpoint, a row higher up counts first; words after the status have to be in the body.
const MEANINGS: &[(&str, &str, ErrorKind)] = &[
    ("/v2/applications/:app/restart-service", "404", ErrorKind::NotFound),
    ("/v2/applications/:app/stop-service", "404", ErrorKind::NotFound),
    ("/v2/applications/:app/start-service", "404", ErrorKind::NotFound),
    ("/v1/apps/:app/stop", "404", ErrorKind::NotFound),
    ("/v1/apps/:app/start", "404", ErrorKind::NotFound),
    ("/v2/applications/:app/state", "409", ErrorKind::NotFound),
    ("/v2/containerid", "503 Could not find service", ErrorKind::NotFound),
    ("*", "304", ErrorKind::Rejected),
    ("*", "400", ErrorKind::Rejected),
    ("*", "401", ErrorKind::Unauthorized),
    ("*", "404", ErrorKind::Unsupported),
    ("*", "417", ErrorKind::Rejected),
    ("*", "423", ErrorKind::Locked),
    ("*", "500", ErrorKind::Server),
    ("*", "503", ErrorKind::Server),
    ("*", "refused", ErrorKind::Unreachable),
    ("*", "no answer", ErrorKind::Timeout),
    ("read", "closed", ErrorKind::Unreachable),
    ("change", "closed", ErrorKind::UnknownOutcome),
];

/// Plays every exchange of the files; tells passed and failed per group.
pub(crate) async fn run() -> (usize, usize) {
    let mut groups: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mut left_out: BTreeMap<String, usize> = BTreeMap::new();
    let mut failures = Vec::new();
    for case in cases::files().iter().flat_map(|file| cases::read(file)) {
        let group = groups.entry(case.group().to_owned()).or_default();
        for (number, exchange) in case.steps.iter().flat_map(exchanges).enumerate() {
            let request = format!("{} {}", exchange.request.method, exchange.request.path);
            let Some(endpoint) = endpoint(exchange) else {
                *left_out.entry(format!("{request}: no call of the client makes it")).or_default() += 1;
                continue;
            };
            // A step that only waits for something may leave its answer out.
            if exchange.response.status == Some(200) && exchange.response.body.is_none() {
                *left_out.entry(format!("{request}: no body is recorded")).or_default() += 1;
                continue;
            }
            match Box::pin(play(exchange, endpoint)).await {
                Ok(()) => group.0 += 1,
                Err(why) => {
                    group.1 += 1;
                    failures.push(format!("{} step {number}: {why}", case.id));
                }
            }
        }
    }
    for (group, (passed, failed)) in &groups {
        println!("{group}: {passed} passed, {failed} failed");
    }
    println!("left out, since there is no such endpoint or not with this method, or nothing to play:");
    for (request, count) in &left_out {
        println!("    {count} × {request}");
    }
    for failure in &failures {
        println!("FAILED {failure}");
    }
    let passed = groups.values().map(|(passed, _)| passed).sum();
    println!("{passed} passed, {} failed", failures.len());
    (passed, failures.len())
}

fn exchanges(step: &Step) -> Vec<&Exchange> {
    match step {
        Step::Exchange(exchange) => vec![exchange],
        Step::Event { .. } => Vec::new(),
        Step::Concurrent { concurrent } => concurrent.iter().flat_map(exchanges).collect(),
    }
}

/// The endpoint that a recorded request is for: paths are case-insensitive, with or without a slash at the
/// end (section 8), and any segment can stand where an application id belongs.
fn endpoint(exchange: &Exchange) -> Option<Endpoint> {
    let path = exchange.request.path.split('?').next()?.to_ascii_lowercase();
    let segments: Vec<&str> = path.strip_suffix('/').unwrap_or(&path).split('/').collect();
    let fits = |pattern: &str| {
        let pattern: Vec<&str> = pattern.split('/').collect();
        pattern.len() == segments.len() && pattern.iter().zip(&segments).all(|(p, s)| *p == ":app" || p == s)
    };
    ENDPOINTS.iter().copied().find(|(method, pattern, _)| *method == exchange.request.method && fits(pattern))
}

async fn play(exchange: &Exchange, endpoint: Endpoint) -> Result<(), String> {
    let recorded = &exchange.response;
    let outcome = recorded.outcome.as_deref().unwrap_or_default();
    let body = match &recorded.body {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => String::new(),
    };
    let content_type = recorded.content_type.as_ref().and_then(Value::as_str);
    let streaming = outcome.starts_with("still streaming");
    let turn = match recorded.status {
        Some(status) if streaming => {
            let head = format!("HTTP/1.1 {status} OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            Turn::raw(format!("{head}{:x}\r\n{body}\r\n", body.len()), End::Hold)
        }
        Some(status) => Turn::raw(answer(status, content_type, body.as_bytes()), End::Keep),
        None if outcome == "closed" => Turn::close(),
        None => Turn::silence(),
    };
    let refusing = Refusing::new();
    let server = Scripted::new([turn]);
    let url = &if outcome == "refused" { refusing.url() } else { server.url() };
    let supervisor = Supervisor::new(&environment(url, "f1e2d3c4b5a6"));

    let query = &exchange.request.query;
    let service = query.get("service").or_else(|| query.get("serviceName")).and_then(Value::as_str);
    let deadline = outcome.starts_with("no answer").then_some(SILENCE);
    let options = Options { deadline, ..Options::default() };
    let result = perform(&supervisor, endpoint, service, options).await;

    if outcome != "refused" {
        let asked = server.requests();
        let [asked] = asked.as_slice() else { return Err(format!("{} requests", asked.len())) };
        let path = asked.path().to_ascii_lowercase().replace(APP, ":app");
        if (asked.method.as_str(), path.as_str()) != (endpoint.0, endpoint.1) {
            return Err(format!("asked for {} {path}", asked.method));
        }
    }
    match (&result, success(exchange, endpoint, &body)) {
        (Ok(value), Some(expected)) if same(value, &expected) => Ok(()),
        (Ok(value), Some(expected)) => Err(format!("expected {expected}, got {value}")),
        (Err(error), None) => refusal(error, exchange, endpoint, &body),
        (Ok(value), None) => Err(format!("expected an error, got {value}")),
        (Err(error), Some(expected)) => Err(format!("expected {expected}, got {error:?}")),
    }
}

/// The value that a successful answer stands for; `None` if it is not one.
fn success(exchange: &Exchange, (method, path, _): Endpoint, body: &str) -> Option<Value> {
    let status = exchange.response.status?;
    let json = || serde_json::from_str::<Value>(body).unwrap_or_default();
    Some(match (method, path) {
        // 3.1: 500 is an answer here.
        (_, "/v1/healthy") if status == 500 => json!(false),
        _ if !(200..300).contains(&status) => return None,
        (_, "/v1/healthy") => json!(true),
        // 3.2 and 7.5 rule 6.
        (_, "/v1/update") if status == 202 && body.is_empty() => json!("Accepted"),
        (_, "/v1/update") if status == 202 => json!("Ignored"),
        (_, "/v1/update") => json!("Started"),
        (_, "/v1/regenerate-api-key") => json!(body),
        (_, "/v2/version") => json!(json()["version"].as_str()?.trim_start_matches('v')),
        (_, "/v2/device/name") => json()["deviceName"].take(),
        ("GET", "/v2/device/tags") => json()["tags"].take(),
        (_, "/v2/device/vpn") => json()["vpn"].take(),
        (_, "/v2/local/device-info") => json()["info"].take(),
        (_, "/v2/containerid") if exchange.request.query.is_empty() => json()["services"].take(),
        (_, "/v2/containerid" | "/v1/apps/:app/stop" | "/v1/apps/:app/start") => json()["containerId"].take(),
        ("GET", "/v2/local/target-state") => json()["state"].take(),
        ("GET", "/v1/device/host-config") => {
            let mut value = json();
            // The one field that is not handed on as it is.
            if let Some(password) = value.pointer_mut("/network/proxy/password") {
                *password = json!("[REDACTED]");
            }
            value
        }
        (_, "/v2/state/status") => {
            let mut value = json();
            value.as_object_mut()?.remove("status");
            value
        }
        // What journalctl says itself is no line of the journal.
        (_, "/v2/journal-logs") => {
            json!(body.lines().filter(|line| !line.starts_with("-- ")).collect::<Vec<_>>())
        }
        (_, "/v2/local/logs") => {
            let lines = body.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            lines.filter_map(|line| serde_json::from_str::<Value>(line).ok()).collect()
        }
        (
            "GET",
            "/v1/device" | "/v2/applications/state" | "/v2/applications/:app/state" | "/v1/apps/:app",
        ) => json(),
        _ => Value::Null,
    })
}

/// Holds an error against the tables.
fn refusal(error: &Error, exchange: &Exchange, endpoint: Endpoint, body: &str) -> Result<(), String> {
    let recorded = &exchange.response;
    let outcome = match (recorded.status, recorded.outcome.as_deref()) {
        (Some(status), _) => status.to_string(),
        (None, Some(outcome)) if outcome.starts_with("no answer") => "no answer".into(),
        (None, outcome) => outcome.unwrap_or_default().into(),
    };
    let effect = if endpoint.2.changes() { "change" } else { "read" };
    let (.., kind) = MEANINGS
        .iter()
        .find(|(who, what, _)| {
            let (what, words) = what.split_once(' ').filter(|_| *what != "no answer").unwrap_or((what, ""));
            (*who == "*" || *who == effect || *who == endpoint.1) && what == outcome && body.contains(words)
        })
        .ok_or_else(|| format!("the tables lack {endpoint:?} {outcome}; the client says {error}"))?;
    let expect = |what: &str, good: bool| {
        if good { Ok(()) } else { Err(format!("{what} is wrong for {outcome}: {error:?}")) }
    };
    expect("the kind", error.kind() == *kind)?;
    expect("the status", error.status() == recorded.status)?;
    expect("was_sent", error.was_sent() == (outcome != "refused"))?;
    expect("attempts", error.attempts() == 1)?;
    if recorded.status.is_none() {
        return expect("the body", error.body().is_none());
    }
    // 7.5 rule 4.
    let parsed: Value = serde_json::from_str(body).unwrap_or_default();
    let words = parsed["message"].as_str().or(parsed["Error"].as_str()).unwrap_or(body.trim());
    expect("the body", error.body() == Some(words))?;
    let first_line = words.lines().next().unwrap_or_default().trim();
    let shown = *kind == ErrorKind::Unsupported || error.to_string().contains(first_line);
    expect("the text", shown)?;
    // 3.4: a key that is known and does not cover the application is told in JSON, and on `/v1/apps/…` by the
    // label of a text.
    let content_type = recorded.content_type.as_ref().and_then(Value::as_str).unwrap_or_default();
    let labelled = endpoint.1.starts_with("/v1/apps/") && content_type.starts_with("text/html");
    let out_of_scope = *kind == ErrorKind::Unauthorized && (parsed.is_object() || labelled);
    expect("is_out_of_scope", error.is_out_of_scope() == out_of_scope)?;
    if *kind == ErrorKind::Locked {
        // Section 5: every recorded text names its holder.
        let told = error.lock_holder().map(|holder| match holder {
            LockHolder::Service { app_id, service } => {
                format!("Lockfile exists for {{ appId: {app_id}, service: {service} }}")
            }
            LockHolder::SupervisorOperation { app_id } => {
                format!("Locks for app {app_id} are being held by another supervisor operation")
            }
            LockHolder::HostOsUpdate => "Waiting for Host OS update to finish".to_owned(),
            other => format!("{other:?}"),
        });
        expect("the lock holder", told.as_deref() == Some(words))?;
    }
    Ok(())
}

/// Equal, where null is the same as absent, and a number or a time the same in every spelling.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => a.keys().chain(b.keys()).all(|key| {
            same(&a.get(key).cloned().unwrap_or_default(), &b.get(key).cloned().unwrap_or_default())
        }),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::String(a), Value::String(b)) => a == b || moment(a).is_some_and(|a| Some(a) == moment(b)),
        _ => a == b,
    }
}

fn moment(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

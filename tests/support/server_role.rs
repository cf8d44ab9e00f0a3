//! The server role: each case is performed on a simulated device of its own, and the answers compared.

use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use balena_agent::simulator::{Device, Fixture};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::cases::{self, Case, Event, Exchange, Request, RequestBody, Step};
use super::compare::{Rules, same_media};
use super::device::{self, address};
use super::raw::{self, Limits, Received};

/// Cases that are not performed, each with the reason.
const LEFT_OUT: &[(&str, &str)] = &[];
/// Cases performed at the same time. They are held to times: other processors are slow, or emulated.
const AT_ONCE: usize = if cfg!(target_arch = "x86_64") { 48 } else { 8 };
/// How long a restarted supervisor is gone.
const DOWNTIME: Duration = Duration::from_millis(1500);
/// Pause between two tries of a step that repeats.
const REPEAT: Duration = Duration::from_millis(100);

/// What became of a case.
enum Verdict {
    Passed,
    Failed(Vec<String>),
    Warned(Vec<String>),
    Skipped(String),
}

/// Performs all cases, tells about each that fails, and panics if any did.
pub(crate) fn run() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let verdicts = runtime.block_on(all());
    let mut groups: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (case, verdict) in &verdicts {
        let (passed, failed) = groups.entry(case.group()).or_default();
        match verdict {
            Verdict::Passed => *passed += 1,
            Verdict::Warned(differences) => {
                *passed += 1;
                println!("WARNING {} (timing)\n  {}", case.id, differences.join("\n  "));
            }
            Verdict::Failed(differences) => {
                *failed += 1;
                println!("FAILED {}\n  {}", case.id, differences.join("\n  "));
            }
            Verdict::Skipped(reason) => println!("SKIP: {}: {reason}", case.id),
        }
    }
    for (group, (passed, failed)) in &groups {
        println!("{group}: {passed} passed, {failed} failed");
    }
    let (passed, failed) = groups.values().fold((0, 0), |(a, b), (passed, failed)| (a + passed, b + failed));
    println!("{passed} passed, {failed} failed");
    assert_eq!(failed, 0, "the simulator differs from the recording");
}

async fn all() -> Vec<(Arc<Case>, Verdict)> {
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    let only = std::env::var("SUPERVISOR_CASE").ok();
    for file in cases::files() {
        let text = std::fs::read_to_string(cases::fixture_for(&file)).expect("a fixture");
        let fixture = Arc::new(Fixture::from_json(&text).expect("a valid fixture"));
        let mut cases = cases::read(&file);
        cases.retain(|case| only.as_ref().is_none_or(|only| case.id.contains(only)));
        for case in cases.into_iter().map(Arc::new) {
            let (permits, fixture) = (Arc::clone(&permits), Arc::clone(&fixture));
            running.spawn(async move {
                let _permit = permits.acquire_owned().await.expect("never closed");
                let verdict = perform(&case, &fixture).await;
                (case, verdict)
            });
        }
    }
    let mut verdicts = running.join_all().await;
    verdicts.sort_by(|(a, _), (b, _)| a.id.cmp(&b.id));
    verdicts
}

async fn perform(case: &Arc<Case>, fixture: &Fixture) -> Verdict {
    if let Some((_, reason)) = LEFT_OUT.iter().find(|(id, _)| *id == case.id) {
        return Verdict::Skipped((*reason).to_owned());
    }
    let device = match device::set_up(fixture, &case.given).await {
        Ok(device) => device,
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            return Verdict::Skipped(format!("a lock of another user can't be made: {error}"));
        }
        Err(error) => return Verdict::Failed(vec![format!("the device did not start: {error}")]),
    };
    let before = device::containers(&device);
    let mut names: Vec<&str> = fixture.keys.keys().map(String::as_str).collect();
    names.push("global");
    let keys = names.iter().filter_map(|name| Some((format!("{{key:{name}}}"), device.key(name)?)));
    let stage = Stage {
        case: Arc::clone(case),
        device: &device,
        values: Mutex::new(keys.collect()),
        connections: Mutex::default(),
    };
    let mut differences = Vec::new();
    for (index, step) in case.steps.iter().enumerate() {
        differences.extend(stage.step(format!("/steps/{index}"), step).await);
    }
    if let Some(then) = &case.then {
        differences.extend(device::settle(case, then, &device, fixture, &before).await);
    }
    match (differences.is_empty(), case.timing) {
        (true, _) => Verdict::Passed,
        (false, true) => Verdict::Warned(differences),
        (false, false) => Verdict::Failed(differences),
    }
}

/// A case being performed.
struct Stage<'device> {
    case: Arc<Case>,
    device: &'device Device,
    /// What placeholders stand for.
    values: Mutex<HashMap<String, String>>,
    /// Connections that have a name.
    connections: Mutex<HashMap<String, TcpStream>>,
}

type Differences<'a> = Pin<Box<dyn Future<Output = Vec<String>> + Send + 'a>>;

impl Stage<'_> {
    fn step<'a>(&'a self, pointer: String, step: &'a Step) -> Differences<'a> {
        Box::pin(async move {
            match step {
                Step::Exchange(exchange) => self.exchange(&pointer, exchange).await,
                Step::Event { event, .. } => {
                    self.event(*event).await;
                    Vec::new()
                }
                Step::Concurrent { concurrent } => self.concurrent(&pointer, concurrent).await,
            }
        })
    }

    async fn concurrent(&self, pointer: &str, steps: &[Step]) -> Vec<String> {
        let mut running: Vec<Differences<'_>> = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            let at = match step {
                Step::Exchange(exchange) => exchange.at_ms,
                Step::Event { at_ms, .. } => *at_ms,
                Step::Concurrent { .. } => 0,
            };
            let pointer = format!("{pointer}/concurrent/{index}");
            running.push(Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(at)).await;
                self.step(pointer, step).await
            }));
        }
        let mut differences = Vec::new();
        std::future::poll_fn(|context| {
            running.retain_mut(|step| match step.as_mut().poll(context) {
                std::task::Poll::Ready(found) => {
                    differences.extend(found);
                    false
                }
                std::task::Poll::Pending => true,
            });
            if running.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
        differences
    }

    async fn event(&self, event: Event) {
        match event {
            Event::Wait { ms } => tokio::time::sleep(Duration::from_millis(ms)).await,
            Event::LocksRemoved => self.device.remove_locks(),
            Event::SupervisorStops => self.device.stop_supervisor().await,
            Event::SupervisorStarts => self.device.start_supervisor().await.expect("the port is still ours"),
            Event::SupervisorRestarts => self.device.restart_supervisor(DOWNTIME).await,
            Event::EngineRecovers => self.device.recover_engine(),
        }
    }

    async fn exchange(&self, pointer: &str, exchange: &Exchange) -> Vec<String> {
        let request = self.filled(&exchange.request).await;
        let limits = Limits {
            gives_up_after: exchange.client_timeout_ms.map(Duration::from_millis),
            reads_for: exchange.client_reads_for_ms.map(Duration::from_millis),
        };
        let started = Instant::now();
        let received = loop {
            let received = self.send(&request, limits).await;
            let Some(until) = &exchange.repeat_until else { break received };
            let status = until.status.is_none_or(|status| received.status == Some(status));
            let body = until.body.as_ref().is_none_or(|condition| {
                received.value().pointer(&condition.pointer) == Some(&condition.equals)
            });
            if (status && body) || started.elapsed() > Duration::from_millis(until.within_ms) {
                break received;
            }
            tokio::time::sleep(REPEAT).await;
        };
        self.capture(exchange, &received).await;
        self.compare(pointer, exchange, &received)
    }

    async fn send(&self, request: &Request, limits: Limits) -> Received {
        let named = match &request.connection {
            Some(name) => self.connections.lock().await.remove(name),
            None => None,
        };
        let stream = match named {
            Some(stream) => Some(stream),
            None => raw::connect(address(self.device)).await,
        };
        let Some(mut stream) = stream else {
            return Received { outcome: Some("refused".to_owned()), ..Received::default() };
        };
        let (received, reusable) = raw::exchange(&mut stream, request, limits).await;
        if let Some(name) = request.connection.as_ref().filter(|_| reusable) {
            self.connections.lock().await.insert(name.clone(), stream);
        }
        received
    }

    fn compare(&self, pointer: &str, exchange: &Exchange, received: &Received) -> Vec<String> {
        let expected = &exchange.response;
        let rules = Rules(&self.case.rules);
        let mut found = Vec::new();
        if expected.outcome != received.outcome {
            found.push(format!(
                "{pointer} outcome: expected {:?}, got {:?} {}",
                expected.outcome,
                received.outcome,
                received.text()
            ));
        }
        if expected.status.is_some() && expected.status != received.status {
            let (wanted, got) = (expected.status, received.status);
            found.push(format!("{pointer} status: expected {wanted:?}, got {got:?} {}", received.text()));
        }
        let content_type = received.headers.get("content-type").map(String::as_str);
        if let Some(wanted) = &expected.content_type
            && !same_media(wanted.as_str(), content_type)
        {
            found.push(format!("{pointer} content type: expected {wanted:?}, got {content_type:?}"));
        }
        if let Some(body) = &expected.body {
            found.extend(rules.differences(&format!("{pointer}/response/body"), body, &received.value()));
        }
        for (name, value) in &expected.headers_of_note {
            let actual = received.headers.get(&name.to_lowercase()).map_or(Value::Null, |value| json!(value));
            let pointer = format!("{pointer}/response/headers_of_note/{name}");
            found.extend(rules.differences(&pointer, value, &actual));
        }
        let elapsed = received.elapsed.as_millis();
        if exchange.elapsed_at_least_ms.is_some_and(|least| elapsed < u128::from(least))
            || exchange.elapsed_at_most_ms.is_some_and(|most| elapsed > u128::from(most))
        {
            let (least, most) = (exchange.elapsed_at_least_ms, exchange.elapsed_at_most_ms);
            found.push(format!("{pointer} took {elapsed} ms, expected {least:?} to {most:?}"));
        }
        found
    }

    async fn capture(&self, exchange: &Exchange, received: &Received) {
        for (name, source) in &exchange.capture {
            let value = match source.strip_prefix("header:") {
                Some(header) => received.headers.get(&header.to_lowercase()).cloned(),
                None if source == "body" => Some(received.text()),
                None => received
                    .value()
                    .pointer(source)
                    .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
            };
            self.values.lock().await.insert(format!("{{cap:{name}}}"), value.unwrap_or_default());
        }
    }

    /// The request with its placeholders replaced.
    async fn filled(&self, request: &Request) -> Request {
        let values = self.values.lock().await;
        let text =
            |text: &str| values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value));
        let mut filled = request.clone();
        filled.path = text(&filled.path);
        for value in filled.headers.values_mut() {
            *value = text(value);
        }
        for value in filled.query.values_mut() {
            replace(value, &text);
        }
        match &mut filled.body {
            Some(RequestBody::Json { json } | RequestBody::GzipJson { gzip_json: json }) => {
                replace(json, &text);
            }
            Some(RequestBody::Text { text: body }) => *body = text(body),
            Some(RequestBody::Repeated { .. }) | None => {}
        }
        filled
    }
}

fn replace(value: &mut Value, text: &impl Fn(&str) -> String) {
    match value {
        Value::String(string) => *string = text(string),
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, text)),
        Value::Object(fields) => fields.values_mut().for_each(|field| replace(field, text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

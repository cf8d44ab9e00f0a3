//! A cloud on loopback that counts what is done to which device, and can fail at any request.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use balena_agent::jiff::Timestamp;
use balena_agent::transport::BoxFuture;
use balena_agent::{ApiVersion, Balena, Clock, RetryPolicy, Settings};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What the server does with a request instead of serving it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    Status(u16),
    /// 429 with this `Retry-After`.
    TooMany(&'static str),
    /// Serves it, and closes the connection without an answer.
    DoneAndCut,
    /// Closes the connection without having done anything.
    Cut,
    /// Answers never.
    Silence,
}

/// Devices have the ids from 1 and the uuids that go with them.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Faults by the number of the write, from 0.
    pub(crate) faults: BTreeMap<usize, Fault>,
    /// One for all writes from this one on.
    pub(crate) faults_from: Option<(usize, Fault)>,
    pub(crate) read_faults: BTreeMap<usize, Fault>,
    /// How often each device was changed.
    pub(crate) changed: BTreeMap<i64, usize>,
    /// Devices of each write, in the order of arrival.
    pub(crate) writes: Vec<Vec<i64>>,
    pub(crate) bodies: Vec<Value>,
    pub(crate) reads: Vec<String>,
    /// That are not there.
    pub(crate) gone: Vec<i64>,
    /// That the token sees and may not change: their note reads so.
    pub(crate) locked: Vec<i64>,
    pub(crate) slept: Vec<Duration>,
    pub(crate) most_at_a_time: usize,
    /// How long a write takes.
    pub(crate) takes: Duration,
}

#[derive(Debug)]
pub(crate) struct Cloud {
    pub(crate) state: Arc<Mutex<State>>,
    pub(crate) address: SocketAddr,
    _tasks: JoinSet<()>,
}

pub(crate) fn uuid(id: i64) -> String {
    format!("{id:032x}")
}

impl Cloud {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state: Arc<Mutex<State>> = Arc::default();
        let mut tasks = JoinSet::new();
        let shared = state.clone();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            let at_work = Arc::new(AtomicUsize::new(0));
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, shared.clone(), at_work.clone()));
            }
        });
        Self { state, address, _tasks: tasks }
    }

    pub(crate) fn with(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }

    /// A fault at this write.
    pub(crate) fn fault(&self, write: usize, fault: Fault) {
        self.state.lock().unwrap().faults.insert(write, fault);
    }

    /// A fault at this read.
    pub(crate) fn read_fault(&self, read: usize, fault: Fault) {
        self.state.lock().unwrap().read_faults.insert(read, fault);
    }

    pub(crate) fn balena(&self) -> Balena {
        self.client(RetryPolicy::never(), ApiVersion::V6)
    }

    pub(crate) fn client(&self, retry: RetryPolicy, api_version: ApiVersion) -> Balena {
        self.client_within(Duration::from_millis(500), retry, api_version)
    }

    /// One that is not about time: with the timeout that clients have by default.
    pub(crate) fn unhurried(&self) -> Balena {
        self.client_within(Settings::default().timeout, RetryPolicy::never(), ApiVersion::V6)
    }

    fn client_within(&self, timeout: Duration, retry: RetryPolicy, api_version: ApiVersion) -> Balena {
        let api_endpoint = Some(format!("http://{}", self.address));
        let settings = Settings { api_endpoint, api_version, timeout, ..Settings::default() };
        Balena::builder()
            .settings(settings)
            .retry(retry)
            .token("t0ken".to_owned().into())
            .clock(Arc::new(Waits(self.state.clone())))
            .build()
    }

    /// Every device was changed so often.
    #[track_caller]
    pub(crate) fn assert_changed(&self, ids: impl IntoIterator<Item = i64>, times: usize) {
        let state = self.state.lock().unwrap();
        for id in ids {
            assert_eq!(state.changed.get(&id).copied().unwrap_or(0), times, "device {id}");
        }
    }
}

/// Waits take no time, and are remembered.
#[derive(Debug)]
struct Waits(Arc<Mutex<State>>);

impl Clock for Waits {
    fn now(&self) -> Timestamp {
        "2024-06-15T12:00:00Z".parse().unwrap()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.0.lock().unwrap().slept.push(duration);
        Box::pin(async {})
    }
}

async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>, at_work: Arc<AtomicUsize>) {
    let mut bytes = Vec::new();
    while let Some((head, body)) = request(&mut stream, &mut bytes).await {
        let line = head.lines().next().unwrap_or_default().to_owned();
        let mut words = line.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let target = percent_decode_str(target).decode_utf8_lossy().into_owned();
        let now = at_work.fetch_add(1, Ordering::SeqCst) + 1;
        let answer = answer(&state, method, &target, &body, now).await;
        at_work.fetch_sub(1, Ordering::SeqCst);
        let Some((status, extra, text)) = answer else { return };
        let length = text.len();
        let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{extra}\r\n");
        if stream.write_all((head + &text).as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn request(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let length: usize = length.unwrap_or(0);
    while bytes.len() < end + length {
        if stream.read_buf(bytes).await.ok()? == 0 {
            return None;
        }
    }
    let body = bytes[end..end + length].to_vec();
    bytes.drain(..end + length);
    Some((head, body))
}

type Answer = Option<(u16, String, String)>;

async fn answer(state: &Mutex<State>, method: &str, target: &str, body: &[u8], at_work: usize) -> Answer {
    if method == "GET" {
        let fault = {
            let mut state = state.lock().unwrap();
            state.reads.push(target.to_owned());
            state.read_faults.get(&(state.reads.len() - 1)).copied()
        };
        match fault {
            None => {}
            Some(Fault::Silence) => std::future::pending().await,
            Some(fault) => return refusal(fault),
        }
        let state = state.lock().unwrap();
        let rows: Vec<Value> = ids(target)
            .into_iter()
            .filter(|id| !state.gone.contains(id))
            .map(|id| {
                let application = json!({ "__id": id % 2 + 1 });
                let mut row = json!({ "id": id, "uuid": uuid(id), "belongs_to__application": application });
                if state.locked.contains(&id) {
                    row["note"] = json!("as it was");
                }
                row
            })
            .collect();
        return Some((200, String::new(), json!({ "d": rows }).to_string()));
    }
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let (fault, takes) = {
        let mut state = state.lock().unwrap();
        state.most_at_a_time = state.most_at_a_time.max(at_work);
        let number = state.writes.len();
        let ids = if method == "POST" { posted(&body) } else { ids(target) };
        state.writes.push(ids.clone());
        state.bodies.push(body);
        let fault = state.faults.get(&number).copied();
        let from = state.faults_from.filter(|(from, _)| number >= *from).map(|(_, fault)| fault);
        let fault = fault.or(from);
        if matches!(fault, None | Some(Fault::DoneAndCut)) {
            for id in ids {
                if state.gone.contains(&id) || state.locked.contains(&id) {
                    continue;
                }
                *state.changed.entry(id).or_default() += 1;
                if method == "DELETE" {
                    state.gone.push(id);
                }
            }
        }
        (fault, state.takes)
    };
    tokio::time::sleep(takes).await;
    match fault {
        None => Some((200, String::new(), "\"OK\"".into())),
        Some(Fault::Silence) => std::future::pending().await,
        Some(fault) => refusal(fault),
    }
}

fn refusal(fault: Fault) -> Answer {
    match fault {
        Fault::Status(status) => Some((status, String::new(), "\"no\"".into())),
        Fault::TooMany(wait) => Some((429, format!("retry-after: {wait}\r\n"), "\"slow down\"".into())),
        _ => None,
    }
}

fn posted(body: &Value) -> Vec<i64> {
    body["deviceId"].as_i64().or_else(|| body["device"].as_i64()).into_iter().collect()
}

/// The devices that a request names: `device(5)`, `id in (1, 2)`, `uuid in ('…')`.
fn ids(target: &str) -> Vec<i64> {
    let list = target.split_once(" in (").or_else(|| target.split_once('('));
    let list = list.and_then(|(_, rest)| rest.split(')').next()).unwrap_or_default();
    let number = |text: &str| {
        let text = text.trim();
        match text.split_once('\'') {
            Some((_, uuid)) => i64::from_str_radix(uuid.trim_end_matches('\''), 16).ok(),
            None => text.parse().ok(),
        }
    };
    list.split(',').filter_map(number).collect()
}

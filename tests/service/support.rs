//! A supervisor that the test steers, the service under test, and small HTTP and log helpers.

mod logs;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use balena_agent::service::{self, Config};
use balena_agent::{Balena, Environment, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

pub(crate) use logs::capture_logs;

/// The fake's key: a word that appears nowhere else.
pub(crate) const KEY: &str = "k3ykeyk3y0123456789abcdefk3ykeyk";

/// Calls `look` until it gives something; no test waits longer than this for anything.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let wait = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap_or_else(|_| panic!("waited for {what}"))
}

struct Answers {
    applications: Value,
    device: Value,
    echo: bool,
    refuse: Option<(u16, &'static str)>,
    calls: usize,
}

/// Directories for agents, removed at the end.
struct Directories {
    path: PathBuf,
    count: AtomicUsize,
}

impl Directories {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("balena-agent-service-{}-{number}", std::process::id());
        Self { path: std::env::temp_dir().join(name), count: AtomicUsize::new(0) }
    }

    /// Makes one for another agent, so that agents of one test do not wait for each other.
    fn another(&self) -> PathBuf {
        let path = self.path.join(self.count.fetch_add(1, Ordering::Relaxed).to_string());
        std::fs::create_dir_all(&path).unwrap();
        path
    }
}

impl Drop for Directories {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// A supervisor with four endpoints.
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    directories: Directories,
    answers: Arc<Mutex<Answers>>,
    tasks: JoinSet<()>,
}

impl Fake {
    pub(crate) async fn start() -> Self {
        logs::start_logging();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let main = json!({ "status": "Running", "image": "main", "downloadProgress": null, "releaseId": 3 });
        let answers = Answers {
            applications: json!({ "shop": {
                "appId": 7, "appUuid": "u", "commit": "aaa", "updateStatus": "done", "services": { "main": main },
            } }),
            device: json!({
                "api_port": 48484, "ip_address": "10.0.0.7", "os_version": "balenaOS 6.5.24",
                "update_pending": false, "update_failed": false, "update_downloaded": false,
            }),
            echo: false,
            refuse: None,
            calls: 0,
        };
        let mut fake = Self {
            address: listener.local_addr().unwrap(),
            directories: Directories::new(),
            answers: Arc::new(Mutex::new(answers)),
            tasks: JoinSet::new(),
        };
        fake.serve(listener);
        fake
    }

    /// Makes a directory that is removed with the fake.
    pub(crate) fn directory(&self) -> PathBuf {
        self.directories.another()
    }

    fn serve(&mut self, listener: TcpListener) {
        let answers = self.answers.clone();
        self.tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(answer(stream, answers.clone()));
                while connections.try_join_next().is_some() {}
            }
        });
    }

    /// The supervisor is gone: its port refuses.
    pub(crate) async fn stop(&mut self) {
        self.tasks.shutdown().await;
    }

    /// It is back at the same address.
    pub(crate) async fn restart(&mut self) {
        let address = self.address;
        let listener = eventually("the port", async || TcpListener::bind(address).await.ok()).await;
        self.serve(listener);
    }

    /// Changes what `/v2/applications/state` answers.
    pub(crate) fn set(&self, change: impl FnOnce(&mut Value)) {
        change(&mut self.answers.lock().unwrap().applications);
    }

    /// Changes what `/v1/device` answers.
    pub(crate) fn set_device(&self, change: impl FnOnce(&mut Value)) {
        change(&mut self.answers.lock().unwrap().device);
    }

    /// Answers everything with an error that quotes the request line.
    pub(crate) fn fail_with_echo(&self, echo: bool) {
        self.answers.lock().unwrap().echo = echo;
    }

    /// Answers everything but a ping with this status and text, until told otherwise.
    pub(crate) fn refuse(&self, with: Option<(u16, &'static str)>) {
        self.answers.lock().unwrap().refuse = with;
    }

    pub(crate) fn calls(&self) -> usize {
        self.answers.lock().unwrap().calls
    }
}

async fn answer(mut stream: TcpStream, answers: Arc<Mutex<Answers>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let line = head.lines().next().unwrap_or_default().to_owned();
    let (status, body) = {
        let mut answers = answers.lock().unwrap();
        answers.calls += 1;
        if line.starts_with("GET /ping") {
            (200, "OK".into())
        } else if let Some((status, text)) = answers.refuse {
            (status, text.into())
        } else if answers.echo {
            (503, json!({ "status": "failed", "message": format!("can't do {line}") }).to_string())
        } else if line.starts_with("GET /v2/applications/state?") {
            (200, answers.applications.to_string())
        } else if line.starts_with("GET /v1/device?") {
            (200, answers.device.to_string())
        } else {
            (404, "Cannot".into())
        }
    };
    let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(body.as_bytes()).await;
}

/// A client of the fake.
pub(crate) fn on(fake: &Fake) -> Balena {
    with_lock(fake, &fake.directories.another().join("updates.lock"))
}

fn with_lock(fake: &Fake, lock: &Path) -> Balena {
    let address = format!("http://{}", fake.address);
    let vars = [
        ("BALENA_SUPERVISOR_ADDRESS", address.as_str()),
        ("BALENA_SUPERVISOR_API_KEY", KEY),
        ("BALENA_APP_LOCK_PATH", lock.to_str().unwrap()),
    ];
    Balena::builder().environment(Environment::from_vars(vars).unwrap()).build()
}

/// The service under test; dropping it drops the future of its `run`.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinSet<Result<()>>,
}

impl Running {
    /// Starts it on a free port, polling often.
    pub(crate) async fn start(fake: &Fake, config: Config) -> Self {
        let config = config
            .poll_quick(Duration::from_millis(20))
            .poll_slow(Duration::from_millis(30))
            .poll_away(Duration::from_millis(40));
        Self::start_as_told(fake, config).await
    }

    /// Starts it on a free port, polling as the settings say.
    pub(crate) async fn start_as_told(fake: &Fake, config: Config) -> Self {
        let state = fake.directories.another();
        let balena = with_lock(fake, &state.join("updates.lock"));
        let config = config.listen("127.0.0.1:0").state_directory(state);
        let service = service::bind(balena, config).await.unwrap();
        let address = service.address();
        let (stop, stopped) = oneshot::channel();
        let mut task = JoinSet::new();
        task.spawn(service.run(async {
            let _ = stopped.await;
        }));
        Self { address, stop, task }
    }

    /// Waits until it is ready.
    pub(crate) async fn ready(&self) {
        eventually("the service to be ready", async || {
            (get(self.address, "/ready").await.status == 200).then_some(())
        })
        .await;
    }

    /// Stops it and waits for its end.
    pub(crate) async fn stop(mut self) {
        self.stop.send(()).unwrap();
        self.task.join_next().await.unwrap().unwrap().unwrap();
    }
}

/// An answer of the service.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.body))
    }
}

pub(crate) async fn get(address: SocketAddr, path: &str) -> Answer {
    let head = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    request(address, &head).await
}

pub(crate) async fn request(address: SocketAddr, head: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.into(), body: body.into() }
}

/// Waits for an event of this type and gives it; a state that arrives instead must not hide it, so tests
/// ask for what the state shows as well.
pub(crate) async fn event(events: &mut service::Events, kind: &str) -> Value {
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

/// `balena-agent run` as a process of its own, with its log.
pub(crate) struct Process {
    pub(crate) address: SocketAddr,
    child: Child,
}

impl Process {
    /// Starts it on a port that was free a moment ago, with one more variable.
    pub(crate) fn run(fake: &Fake, variable: Option<(&str, &str)>) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        Self::run_at(fake, address, variable)
    }

    /// Starts it at this address.
    pub(crate) fn run_at(fake: &Fake, address: SocketAddr, variable: Option<(&str, &str)>) -> Self {
        let mut command = command(fake, &["run", "--listen", &address.to_string()]);
        Self::of(command.envs(variable).spawn().unwrap(), address)
    }

    /// One that was started already.
    pub(crate) fn of(child: Child, address: SocketAddr) -> Self {
        Self { address, child }
    }

    /// Waits until it is ready.
    pub(crate) async fn ready(&self) {
        eventually("the process to be ready", async || {
            TcpStream::connect(self.address).await.ok()?;
            (get(self.address, "/ready").await.status == 200).then_some(())
        })
        .await;
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id().unwrap()).unwrap())
    }

    /// Sends the signal; gives the exit code and the log.
    pub(crate) async fn end(self, signal: Signal) -> (Option<i32>, String) {
        kill(self.pid(), signal).unwrap();
        self.wait().await
    }

    /// Waits for its end; gives the exit code and the log.
    pub(crate) async fn wait(self) -> (Option<i32>, String) {
        let output = tokio::time::timeout(Duration::from_secs(120), self.child.wait_with_output()).await;
        let output = output.unwrap().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }
}

impl Process {
    /// Starts this command, which listens on a port that was free a moment ago.
    pub(crate) fn start(mut command: Command) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        Self::of(command.args(["run", "--listen", &address.to_string()]).spawn().unwrap(), address)
    }

    /// Asks `balena-agent healthcheck`; gives how long that took, if it succeeded.
    pub(crate) async fn healthcheck(&self, fake: &Fake) -> Option<Duration> {
        let started = std::time::Instant::now();
        let mut check = command(fake, &["healthcheck", "--listen", &self.address.to_string()]);
        check.output().await.unwrap().status.success().then(|| started.elapsed())
    }
}

/// The binary with what it needs to find the fake, and nothing else of this process's environment.
pub(crate) fn command(fake: &Fake, arguments: &[&str]) -> Command {
    let state = fake.directories.another();
    let mut command = Command::new(env!("CARGO_BIN_EXE_balena-agent"));
    command
        .env_clear()
        .env("AGENT_STATE_DIRECTORY", &state)
        .env("BALENA_APP_LOCK_PATH", state.join("updates.lock"))
        .env("BALENA_SUPERVISOR_ADDRESS", format!("http://{}", fake.address))
        .env("BALENA_SUPERVISOR_API_KEY", KEY)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

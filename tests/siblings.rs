//! The services beside the agent in `examples/`: each holds the update lock of a simulated device through a real agent, known by
//! its token or by its Unix socket.

#![cfg(all(feature = "cli", feature = "service", feature = "simulator"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at what it can't do")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use balena_agent::simulator::{Device, Workload};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::timeout;

const AGENT: &str = env!("CARGO_BIN_EXE_balena-agent");
const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef";
/// Limit for the agent to start, and for a sibling to end.
const LIMIT: Duration = Duration::from_secs(60);

/// Says loudly what is not tested here, past the capture of output.
fn skip(what: &str) {
    let mut past = std::io::stderr();
    writeln!(past, "SKIP: {what}").unwrap();
}

/// How the agent knows the sibling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Token,
    Socket,
}

/// A device with an agent as its service `main`.
struct Beside {
    device: Device,
    address: String,
    socket: PathBuf,
}

impl Beside {
    async fn start(known: Known) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let device = Device::start().await.unwrap();
        let volume = device.volume_directory(1, "main-data");
        // No client's socket is in the state directory.
        let (state, socket) = (volume.join("balena-agent"), volume.join("app").join("agent.sock"));
        std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
        let agent = Workload::new(AGENT)
            .args(["run"])
            .env("AGENT_LISTEN", &*address)
            .env("AGENT_STATE_DIRECTORY", state.to_str().unwrap())
            .env("AGENT_CLIENT_APP", "state events locks");
        let agent = match known {
            Known::Token => agent.env("AGENT_CLIENT_APP_TOKEN", TOKEN),
            Known::Socket => agent.env("AGENT_CLIENT_APP_SOCKET", socket.to_str().unwrap()),
        };
        assert!(device.run_in("main", agent));
        let beside = Self { device, address, socket };
        let ready = async {
            while !beside.get("/ready").await.is_some_and(|answer| answer.starts_with("HTTP/1.1 200")) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(LIMIT, ready).await.unwrap_or_else(|_| panic!("the agent does not become ready"));
        beside
    }

    async fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(&self.address).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address);
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        Some(answer)
    }

    /// Runs a sibling, with a command as its work.
    async fn run(&self, sibling: &[&str], known: Known, work: &str) -> Output {
        let (program, arguments) = sibling.split_first().unwrap();
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .env("WORK", work)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        match known {
            Known::Token => command
                .env("BALENA_AGENT_ADDRESS", format!("http://{}", self.address))
                .env("BALENA_AGENT_TOKEN", TOKEN),
            Known::Socket => command.env("BALENA_AGENT_ADDRESS", format!("unix:{}", self.socket.display())),
        };
        timeout(LIMIT, command.output()).await.unwrap_or_else(|_| panic!("{sibling:?} does not end")).unwrap()
    }
}

/// Runs a sibling with work that looks for the lock file, with work that fails, with work whose lock is taken away, and
/// while someone else has the lock.
async fn holds_the_lock_while_it_works(sibling: &[&str], known: Known) {
    let beside = Beside::start(known).await;
    let lock = beside.device.lock_directory(1, "main").join("updates.lock");
    let output = beside.run(sibling, known, &format!("test -e {}", lock.display())).await;
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");
    assert!(stdout.contains("locked") && stdout.contains("released"), "{stdout}{stderr}");
    assert!(stdout.contains("\"snapshot\""), "the events of a moment: {stdout}{stderr}");
    assert!(!lock.exists(), "it is released: {stdout}{stderr}");
    assert!(!stdout.contains(TOKEN) && !stderr.contains(TOKEN));
    assert_eq!(beside.run(sibling, known, "exit 7").await.status.code(), Some(7));

    let taken = beside.run(sibling, known, &format!("rm {}; sleep 3", lock.display())).await;
    let (stdout, stderr) = (String::from_utf8_lossy(&taken.stdout), String::from_utf8_lossy(&taken.stderr));
    assert_eq!(taken.status.code(), Some(1), "{stdout}{stderr}");
    assert!(stderr.contains("lost") && !stdout.contains("released"), "{stdout}{stderr}");

    std::fs::File::create_new(&lock).unwrap();
    let refused = beside.run(sibling, known, "true").await;
    assert_eq!(refused.status.code(), Some(75), "{}", String::from_utf8_lossy(&refused.stderr));
    assert!(lock.exists(), "a foreign lock stays");
}

/// Runs a script of `examples/` with its interpreter, where that is installed.
async fn script(interpreter: &str, needs: &str, name: &str) {
    if !Command::new(needs).arg("--version").output().await.is_ok_and(|output| output.status.success()) {
        skip(&format!("no {needs} here, so examples/{name} is not run"));
        return;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    for known in [Known::Token, Known::Socket] {
        holds_the_lock_while_it_works(&[interpreter, path.to_str().unwrap()], known).await;
    }
}

#[tokio::test]
async fn sibling_sh() {
    script("sh", "curl", "sibling.sh").await;
}

#[tokio::test]
async fn sibling_py() {
    script("python3", "python3", "sibling.py").await;
}

/// `cargo test` builds the examples beside the test's own binary; `cargo test --test siblings` needs
/// `cargo build --example sibling` before it.
#[tokio::test]
async fn sibling_rs() {
    let test = std::env::current_exe().unwrap();
    let example = test.parent().and_then(Path::parent).unwrap().join("examples").join("sibling");
    assert!(example.exists(), "{} is not built: cargo build --example sibling", example.display());
    for known in [Known::Token, Known::Socket] {
        holds_the_lock_while_it_works(&[example.to_str().unwrap()], known).await;
    }
}

//! The services beside the agent in `examples/`: each holds the update lock of a simulated device through a real agent.

#![cfg(all(feature = "cli", feature = "service", feature = "simulator"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at what it can't do")]

use std::io::Write as _;
use std::path::Path;
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

/// A device with an agent as its service `main`.
struct Beside {
    device: Device,
    address: String,
}

impl Beside {
    async fn start() -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let device = Device::start().await.unwrap();
        let agent = Workload::new(AGENT)
            .args(["run"])
            .env("AGENT_LISTEN", &*address)
            .env("AGENT_STATE_DIRECTORY", device.volume_directory(1, "main-data").to_str().unwrap())
            .env("AGENT_CLIENT_APP", "state events locks")
            .env("AGENT_CLIENT_APP_TOKEN", TOKEN);
        assert!(device.run_in("main", agent));
        let beside = Self { device, address };
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
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n",
            self.address
        );
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        Some(answer)
    }

    /// Whether this agent serves leases.
    async fn has_locks(&self) -> bool {
        let routes = self.get("/agent/v1/openapi.json").await.unwrap_or_default();
        routes.contains("/agent/v1/locks/{name}")
    }

    /// Runs an example, with a command as its work.
    async fn run(&self, program: &str, script: &str, work: &str) -> Output {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(script);
        let mut command = Command::new(program);
        command
            .arg(path)
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .env("BALENA_AGENT_ADDRESS", format!("http://{}", self.address))
            .env("BALENA_AGENT_TOKEN", TOKEN)
            .env("WORK", work)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        timeout(LIMIT, command.output()).await.unwrap_or_else(|_| panic!("{script} does not end")).unwrap()
    }
}

/// Runs an example with work that looks for the lock file, with work that fails, and while someone else has the lock.
async fn holds_the_lock_while_it_works(program: &str, script: &str) {
    let beside = Beside::start().await;
    if !beside.has_locks().await {
        skip(&format!("this agent has no route for leases, so examples/{script} is not run"));
        return;
    }
    let lock = beside.device.lock_directory(1, "main").join("updates.lock");
    let output = beside.run(program, script, &format!("test -e {}", lock.display())).await;
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");
    assert!(stdout.contains("locked") && stdout.contains("released"), "{stdout}{stderr}");
    assert!(!lock.exists(), "it is released: {stdout}{stderr}");
    assert!(!stdout.contains(TOKEN) && !stderr.contains(TOKEN));
    assert_eq!(beside.run(program, script, "exit 7").await.status.code(), Some(7));

    let foreign = beside.device.lock_directory(1, "main").join("updates.lock");
    std::fs::File::create_new(&foreign).unwrap();
    let refused = beside.run(program, script, "true").await;
    assert_eq!(refused.status.code(), Some(75), "{}", String::from_utf8_lossy(&refused.stderr));
    assert!(foreign.exists(), "a foreign lock stays");
}

#[tokio::test]
async fn sibling_sh() {
    if Command::new("curl").arg("--version").output().await.is_err() {
        skip("no curl here, so examples/sibling.sh is not run");
        return;
    }
    holds_the_lock_while_it_works("sh", "sibling.sh").await;
}

#[tokio::test]
async fn sibling_py() {
    if !Command::new("python3").arg("--version").output().await.is_ok_and(|output| output.status.success()) {
        skip("no python3 here, so examples/sibling.py is not run");
        return;
    }
    holds_the_lock_while_it_works("python3", "sibling.py").await;
}

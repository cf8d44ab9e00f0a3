//! A place where several agents of one service run, with a client that may do more than anonymous ones.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::support::{Answer, Fake, KEY};

/// Token of the client `app` of the agents in a [`Place`].
pub(crate) const CLIENT: &str = "t0ken-0f-the-client-app";

/// The directories of one service, shared by all agents that start here.
pub(crate) struct Place {
    pub(crate) root: PathBuf,
    pub(crate) state: PathBuf,
    pub(crate) locks: PathBuf,
    supervisor: SocketAddr,
}

impl Place {
    pub(crate) fn new(fake: &Fake) -> Self {
        let root = fake.directory();
        let [state, locks] = ["state", "locks"].map(|name| root.join(name));
        std::fs::create_dir(&state).unwrap();
        std::fs::create_dir(&locks).unwrap();
        Self { root, state, locks, supervisor: fake.address }
    }

    pub(crate) fn lock_file(&self) -> PathBuf {
        self.locks.join("updates.lock")
    }

    /// The binary with a client `app` that may do what the tests need.
    pub(crate) fn agent(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_balena-agent"));
        command
            .env_clear()
            .env("AGENT_STATE_DIRECTORY", &self.state)
            .env("AGENT_REQUEST_RATE", "10000")
            .env("AGENT_CLIENT_APP", "state events locks locks:keep actions:restart")
            .env("AGENT_CLIENT_APP_TOKEN", CLIENT)
            .env("BALENA_APP_LOCK_PATH", self.lock_file())
            .env("BALENA_SUPERVISOR_ADDRESS", format!("http://{}", self.supervisor))
            .env("BALENA_SUPERVISOR_API_KEY", KEY)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }
}

/// Sends a request of the client `app`; `None` if no whole answer came.
pub(crate) async fn call(address: SocketAddr, method: &str, path: &str, body: &str) -> Option<Answer> {
    let kind = if body.is_empty() { "" } else { "content-type: application/json\r\n" };
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {CLIENT}\r\n{kind}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(head.as_bytes()).await.ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, head: head.into(), body: body.into() })
}

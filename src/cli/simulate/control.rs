//! The control socket of a simulated device: a client sends its arguments as one line of JSON and gets one line back.

use std::ffi::OsString;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser as _;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};

use crate::cli::output::io_error;
use crate::cli::{Cli, Command, usage_error};
use crate::error::{Error, ErrorKind, Result};
use crate::fs;

use super::action::Action;
use super::{SimulateArguments, SimulateCommand, Simulation};

/// Variable with the path of the socket.
pub(super) const VARIABLE: &str = "BALENA_SIMULATOR_CONTROL";
/// Mode of the directory that the socket is in.
const PRIVATE_DIRECTORY: u32 = 0o700;
/// Longest line in either direction, in bytes.
const LONGEST: u64 = 1024 * 1024;
/// Time limit of a client. Clients are served one after the other.
const PATIENCE: Duration = Duration::from_secs(5);

/// The socket, in a directory that only this user can enter.
#[derive(Debug)]
pub(super) struct Control {
    listener: UnixListener,
    path: PathBuf,
}

impl Control {
    /// Creates a private directory inside `directory` and listens there.
    pub(super) fn bind(directory: &Path) -> Result<Self> {
        let private = directory.join("control");
        std::fs::DirBuilder::new()
            .mode(PRIVATE_DIRECTORY)
            .create(&private)
            .map_err(|cause| io_error(&format!("can't make {}", private.display()), cause))?;
        let path = private.join("socket");
        let failed = |cause| io_error(&format!("can't listen on {}", path.display()), cause);
        let listener = UnixListener::bind(&path).map_err(failed)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(fs::PRIVATE)).map_err(failed)?;
        Ok(Self { listener, path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Serves one client after the other. Never returns.
    pub(super) async fn serve(&self, simulation: &Simulation) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    if tokio::time::timeout(PATIENCE, answer(stream, simulation)).await.is_err() {
                        tracing::debug!("a client of the control socket was too slow");
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "can't accept a client of the control socket");
                    tokio::time::sleep(PATIENCE).await;
                }
            }
        }
    }
}

async fn answer(mut stream: UnixStream, simulation: &Simulation) {
    let mut line = String::new();
    let (reader, mut writer) = stream.split();
    let read = BufReader::new(reader.take(LONGEST)).read_line(&mut line).await;
    let result = match read {
        Ok(_) => match action(&line) {
            Ok(action) => action.perform(simulation).await,
            Err(error) => Err(error),
        },
        Err(_) => return,
    };
    let told = match result {
        Ok(value) => json!({ "done": value }),
        Err(error) => json!({
            "kind": error.kind().as_str(),
            "failed": error.summary().to_string(),
            "help": error.advice(),
        }),
    };
    // The client may have disconnected.
    let _ = writer.write_all(format!("{told}\n").as_bytes()).await;
}

/// Parses the arguments of `simulate ctl` with the same parser as the command line.
fn action(line: &str) -> Result<Action> {
    let arguments: Vec<String> =
        serde_json::from_str(line).map_err(|cause| Error::argument("ACTION", cause.to_string()))?;
    let arguments: Vec<OsString> = arguments.into_iter().map(OsString::from).collect();
    let cli = Cli::try_parse_from(&arguments).map_err(|error| usage_error(&error))?;
    match cli.command {
        Command::Simulate(SimulateArguments { command: Some(SimulateCommand::Ctl(ctl)), .. }) => {
            Ok(ctl.action)
        }
        _ => Err(Error::argument("ACTION", "the control socket accepts only `simulate ctl`")),
    }
}

/// Sends the arguments of `simulate ctl` to the device behind this socket. Returns its response.
pub(super) async fn send(path: &Path, arguments: &[OsString]) -> Result<Value> {
    let away = |cause: std::io::Error| {
        let text = format!("can't reach the simulated device at {} ({cause})", path.display());
        Error::new(ErrorKind::Unreachable, text)
            .with_source(cause)
            .with_help("is `balena-agent simulate` still running?")
    };
    // The path of the socket may be no UTF-8; the device ignores it.
    let line = json!(arguments.iter().map(|argument| argument.to_string_lossy()).collect::<Vec<_>>());
    let talk = async {
        let mut stream = UnixStream::connect(path).await?;
        stream.write_all(format!("{line}\n").as_bytes()).await?;
        let mut answer = String::new();
        stream.take(LONGEST).read_to_string(&mut answer).await?;
        Ok(answer)
    };
    let slow = || std::io::Error::from(std::io::ErrorKind::TimedOut);
    let answer =
        tokio::time::timeout(PATIENCE * 2, talk).await.unwrap_or_else(|_| Err(slow())).map_err(away)?;
    let told: Value = serde_json::from_str(&answer).map_err(|cause| {
        let text = format!("the simulated device at {} did not answer this action", path.display());
        Error::new(ErrorKind::Decode, text).with_source(cause)
    })?;
    if let Some(done) = told.get("done") {
        return Ok(done.clone());
    }
    let text = |name: &str| told.get(name).and_then(Value::as_str).map(str::to_owned);
    let kind = match text("kind").as_deref() {
        Some(kind) if kind == ErrorKind::InvalidArgument.as_str() => ErrorKind::InvalidArgument,
        Some(kind) if kind == ErrorKind::Conflict.as_str() => ErrorKind::Conflict,
        _ => ErrorKind::Io,
    };
    let error = Error::new(kind, text("failed").unwrap_or_else(|| "the action failed".to_owned()));
    Err(match text("help") {
        Some(help) => error.with_help(help),
        None => error,
    })
}

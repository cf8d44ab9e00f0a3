//! A simulated device for people who write no Rust: around a command, by a file, by a control socket, in an image
//! that holds nothing but the binary.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::support::{
    AGENT, agent, assert_fails, first_line, free_address, pid, run, stderr, stdout, until_ready,
};

/// A directory of the test's own, as TMPDIR of the simulated device.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("balena-agent-{name}-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn environment(&self) -> BTreeMap<String, String> {
        let path = std::env::var("PATH").unwrap_or_default();
        let own = [("TMPDIR", self.0.to_str().unwrap()), ("PATH", &path), ("AGENT", AGENT)];
        own.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    pub(crate) fn entries(&self) -> Vec<PathBuf> {
        std::fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path()).collect()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn a_command_has_a_device_around_it_and_its_code_is_ours() {
    let scratch = Scratch::new("around");
    let environment = scratch.environment();
    for (script, code) in [
        ("exit 0", 0),
        ("exit 7", 7),
        ("kill -KILL $$", 128 + 9),
        // The variables are real.
        ("\"$AGENT\" device ping", 0),
        ("test -d \"${BALENA_APP_LOCK_PATH%/*}\" && test \"$RESIN_SERVICE_NAME\" = main", 0),
        ("\"$AGENT\" lock run -- true", 0),
        ("\"$AGENT\" simulate ctl stop-supervisor && \"$AGENT\" device ping", 6),
    ] {
        let output = run(&environment, &["simulate", "--", "sh", "-c", script]).await;
        assert_eq!(output.status.code(), Some(code), "{script}: {}", stderr(&output));
        assert_eq!(scratch.entries(), Vec::<PathBuf>::new(), "{script}");
    }
    let output = run(&environment, &["simulate", "--", "echo", "one  word", "two"]).await;
    assert_eq!(stdout(&output), "one  word two\n", "nothing but the command's own output");
    assert_fails(
        &run(&environment, &["simulate", "--", "/no/such/command"]).await,
        127,
        &["/no/such/command"],
    );
    assert_fails(&run(&environment, &["simulate", "--", "/"]).await, 126, &["can't run"]);
    assert_eq!(scratch.entries(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn signals_reach_the_command_and_nothing_is_left() {
    let scratch = Scratch::new("passed");
    let script = "trap 'exit 9' TERM INT HUP QUIT USR1; echo ready; while :; do sleep 0.05; done";
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGUSR1] {
        let mut child = agent(&scratch.environment(), &["simulate", "--", "sh", "-c", script])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        assert_eq!(first_line(&mut child).await, "ready");
        kill(pid(&child), signal).unwrap();
        assert_eq!(child.wait().await.unwrap().code(), Some(9), "{signal}");
        assert_eq!(scratch.entries(), Vec::<PathBuf>::new(), "{signal}");
    }
    // Without a command they end the device.
    for (signal, code) in
        [(Signal::SIGTERM, 0), (Signal::SIGINT, 0), (Signal::SIGQUIT, 131), (Signal::SIGUSR2, 140)]
    {
        let mut child = agent(&scratch.environment(), &["--json", "simulate"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        first_line(&mut child).await;
        assert_eq!(scratch.entries().len(), 1);
        // The line comes a moment before the last listener.
        tokio::time::sleep(Duration::from_millis(200)).await;
        kill(pid(&child), signal).unwrap();
        assert_eq!(child.wait().await.unwrap().code(), Some(code), "{signal}");
        assert_eq!(scratch.entries(), Vec::<PathBuf>::new(), "{signal}");
    }
}

/// Starts a device whose variables come in a file, and returns them as a shell reads them.
async fn with_file(scratch: &Scratch, file: &Path) -> (Child, BTreeMap<String, String>) {
    let arguments = ["simulate", "--env-file", file.to_str().unwrap()];
    let mut child = agent(&scratch.environment(), &arguments).stderr(Stdio::null()).spawn().unwrap();
    for _ in 0..500 {
        if file.exists() {
            break;
        }
        assert_eq!(child.try_wait().unwrap(), None, "the simulator ended");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let script = format!("set -a; . {}; env -0", file.display());
    let output = Command::new("sh").args(["-c", &script]).env_clear().output().await.unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let variables = stdout(&output).split_terminator('\0').map(str::to_owned).collect::<Vec<_>>();
    let variables = variables.iter().map(|line| line.split_once('=').unwrap());
    let of_balena = variables.filter(|(name, _)| name.starts_with("BALENA") || name.starts_with("RESIN"));
    (child, of_balena.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

#[tokio::test]
async fn a_shell_sources_the_file_which_goes_with_the_device() {
    let scratch = Scratch::new("sourced");
    let file = scratch.0.join("device.env");
    let (mut child, variables) = with_file(&scratch, &file).await;
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(variables["BALENA_HOST_OS_VERSION"], "balenaOS 6.5.24");
    assert_eq!(run(&variables, &["device", "ping"]).await.status.code(), Some(0));
    // Most values need no quotes, and read the same without a shell.
    let text = std::fs::read_to_string(&file).unwrap();
    let quoted = text.lines().filter(|line| line.contains('\'')).count();
    assert_eq!(quoted, 2, "{text}");
    kill(pid(&child), Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
    assert_eq!(scratch.entries(), Vec::<PathBuf>::new());

    // A file that another device has written meanwhile stays.
    let (mut child, _) = with_file(&scratch, &file).await;
    std::fs::File::create(&file).unwrap().write_all(b"another").unwrap();
    kill(pid(&child), Signal::SIGTERM).unwrap();
    child.wait().await.unwrap();
    assert_eq!(scratch.entries(), [file]);
}

/// The answer of the device's supervisor to a request; `None` if there is none.
async fn ask(variables: &BTreeMap<String, String>, method: &str, path: &str, body: &str) -> Option<String> {
    let address = variables["BALENA_SUPERVISOR_ADDRESS"].strip_prefix("http://").unwrap();
    let key = &variables["BALENA_SUPERVISOR_API_KEY"];
    let request = format!(
        "{method} {path}?apikey={key} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    Some(answer)
}

#[tokio::test]
async fn everything_can_be_done_to_a_device_that_runs() {
    let scratch = Scratch::new("ctl");
    let file = scratch.0.join("device.env");
    let (mut child, variables) = with_file(&scratch, &file).await;
    let socket = PathBuf::from(&variables["BALENA_SIMULATOR_CONTROL"]);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&socket), mode(socket.parent().unwrap())), (0o600, 0o700));

    let restart = ("POST", "/v2/applications/1/restart-service", r#"{"serviceName":"helper"}"#);
    let journal = ("POST", "/v2/journal-logs", r#"{"format":"cat"}"#);
    let get = |path| ("GET", path, "");
    let reboot = ("POST", "/v1/reboot", "");
    // What is done, then a request and what its answer has ("" for none at all), at last.
    let steps: &[(&str, (&str, &str, &str), &str)] = &[
        ("time stop 10ms", get("/ping"), " 200 "),
        ("time start 10ms", get("/ping"), " 200 "),
        ("time pull 20ms", get("/ping"), " 200 "),
        ("time power-off 20ms", get("/ping"), " 200 "),
        ("time boot 20ms", get("/ping"), " 200 "),
        ("fault status 502 --times 1 --on /v1/device", get("/v1/device"), " 502 "),
        ("fault close --times 1", get("/ping"), ""),
        ("fault reset-before --times 1", get("/ping"), ""),
        ("fault delay 10ms --times 1", get("/ping"), " 200 "),
        ("fault locked", restart, " 423 "),
        ("clear-faults", restart, " 200 "),
        ("fault locked-503", restart, "Updates are locked"),
        ("clear-faults", restart, " 200 "),
        ("lock", restart, "service: main"),
        ("unlock", restart, " 200 "),
        ("lock helper", restart, "service: helper"),
        ("unlock", restart, " 200 "),
        ("engine-fails list-containers", get("/v2/applications/state"), " 503 "),
        ("engine-recovers", get("/v2/applications/state"), " 200 "),
        ("offline", get("/v2/device/tags"), " 500 "),
        ("offline --since 1h", get("/v1/healthy"), " 500 "),
        ("online", get("/v1/healthy"), " 200 "),
        ("os-update begin", reboot, " 423 "),
        ("os-update end", get("/ping"), " 200 "),
        ("log main a-line-of-main", journal, "a-line-of-main"),
        ("stop-supervisor", get("/ping"), ""),
        ("start-supervisor", get("/ping"), " 200 "),
        ("restart-supervisor 100ms", get("/ping"), " 200 "),
        ("release", get("/v2/state/status"), "\"release\":\"00000000000000000000000000000002\""),
        ("reboot", get("/ping"), " 200 "),
        ("release", get("/v2/state/status"), "\"release\":\"00000000000000000000000000000003\""),
        ("shut-down", get("/ping"), ""),
        ("state", get("/ping"), ""),
        ("power-on", restart, " 200 "),
    ];
    for (action, (method, path, body), expected) in steps {
        let words: Vec<&str> = ["--json", "simulate", "ctl"].into_iter().chain(action.split(' ')).collect();
        let output = run(&variables, &words).await;
        assert_eq!(output.status.code(), Some(0), "{action}: {}", stderr(&output));
        let told: Value = serde_json::from_str(&stdout(&output)).unwrap();
        if *action == "state" {
            assert_eq!(told["containers"].as_array().map(Vec::len), Some(3), "{told}");
        }
        let mut seen = None;
        for _ in 0..200 {
            seen = ask(&variables, method, path, body).await.filter(|answer| !answer.is_empty());
            if seen
                .as_ref()
                .map_or(expected.is_empty(), |answer| !expected.is_empty() && answer.contains(expected))
            {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let fits = seen.as_ref().map_or(expected.is_empty(), |answer| answer.contains(expected));
        assert!(fits, "{action}: {seen:?}, expected {expected:?}");
    }

    for (action, code, word) in [
        ("fault status", 2, "200 to 599"),
        ("fault status 99", 2, "200 to 599"),
        ("fault delay", 2, "duration"),
        ("fault delay 5", 2, "unit"),
        ("fault close 5s", 2, "takes no value"),
        ("fault close --on v1/device", 2, "/v1/device"),
        ("engine-fails nothing", 2, "list-containers"),
        ("lock nobody", 2, "main"),
        ("log nobody x", 2, "helper"),
    ] {
        let words: Vec<&str> = ["simulate", "ctl"].into_iter().chain(action.split(' ')).collect();
        assert_fails(&run(&variables, &words).await, code, &[word]);
    }
    // A client that says nothing, or nonsense, is no harm.
    drop(tokio::net::UnixStream::connect(&socket).await.unwrap());
    let mut nonsense = tokio::net::UnixStream::connect(&socket).await.unwrap();
    nonsense.write_all(b"{\"nope\":1}\n").await.unwrap();
    let mut answer = String::new();
    nonsense.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("failed"), "{answer}");
    let silent = socket.to_str().unwrap();
    let explicit = run(&BTreeMap::new(), &["simulate", "ctl", "--control", silent, "online"]).await;
    assert_eq!(explicit.status.code(), Some(0), "{}", stderr(&explicit));

    kill(pid(&child), Signal::SIGTERM).unwrap();
    child.wait().await.unwrap();
    assert_fails(&run(&variables, &["simulate", "ctl", "online"]).await, 6, &[silent, "running"]);
    let nowhere = run(&BTreeMap::new(), &["simulate", "ctl", "online"]).await;
    assert_fails(&nowhere, 78, &["BALENA_SIMULATOR_CONTROL", "--control"]);
    assert_eq!(scratch.entries(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_place_for_temporary_files_that_is_none_is_no_obstacle() {
    let environment = BTreeMap::from([("TMPDIR".to_owned(), "/no/such/directory".to_owned())]);
    let output = run(&environment, &["simulate", "--", "/bin/sh", "-c", "exit 7"]).await;
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_as_what_it_is() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let scratch = Scratch::new("port");
    let output = run(&scratch.environment(), &["simulate", "--port", &port]).await;
    assert_fails(&output, 1, &[&port, "--port", "in use"]);
    assert_eq!(scratch.entries(), Vec::<PathBuf>::new());
}

/// A root with the binary in it, what it is linked to, and nothing else.
fn bare_root(scratch: &Scratch) -> PathBuf {
    let root = scratch.0.join("root");
    std::fs::create_dir(&root).unwrap();
    let copy = |from: &Path| {
        let to = root.join(from.strip_prefix("/").unwrap());
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(from, to).unwrap();
    };
    let linked = std::process::Command::new("ldd").arg(AGENT).output().unwrap();
    let linked = String::from_utf8_lossy(&linked.stdout).into_owned();
    // `name => /path (0x…)`, or `/path (0x…)` for the loader; a static binary has none.
    linked.split_whitespace().filter(|word| word.starts_with('/')).for_each(|path| copy(Path::new(path)));
    std::fs::copy(AGENT, root.join("balena-agent")).unwrap();
    root
}

fn names(root: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(root).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn an_image_with_nothing_but_the_binary_is_enough() {
    if !nix::unistd::geteuid().is_root() {
        println!("SKIP: an image with nothing but the binary: chroot needs root, and this is not root");
        return;
    }
    let scratch = Scratch::new("image");
    let root = bare_root(&scratch);
    let before = names(&root);
    let inside = |arguments: &[&str]| {
        let mut command = Command::new("chroot");
        command.arg(&root).arg("/balena-agent").args(arguments);
        command.stdin(Stdio::null()).kill_on_drop(true).env_remove("TMPDIR");
        command
    };
    let mut child =
        inside(&["--json", "simulate"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let variables: BTreeMap<String, String> = serde_json::from_str(&first_line(&mut child).await).unwrap();
    assert_eq!(run(&variables, &["device", "ping"]).await.status.code(), Some(0));
    assert_eq!(names(&root).len(), before.len() + 1, "one directory of its own");
    kill(pid(&child), Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
    assert_eq!(names(&root), before, "nothing is left");

    let address = free_address();
    let mut service =
        inside(&["run", "--simulate", "--listen", &address]).stderr(Stdio::null()).spawn().unwrap();
    until_ready(&BTreeMap::new(), &address).await;
    kill(pid(&service), Signal::SIGTERM).unwrap();
    assert_eq!(service.wait().await.unwrap().code(), Some(0));
    assert_eq!(names(&root), before, "nothing is left");

    // Nowhere to write at all.
    let script = "mount --bind \"$0\" \"$0\" && mount -o remount,ro,bind \"$0\" && exec chroot \"$0\" /balena-agent simulate";
    let output = Command::new("unshare").args(["-m", "sh", "-c", script]).arg(&root).output().await.unwrap();
    let text = stderr(&output);
    if text.contains("unshare") || text.contains("mount:") {
        println!("SKIP: an image that is read-only: no mount namespace here: {text}");
        return;
    }
    assert_fails(&output, 1, &["directory", "/tmp", "TMPDIR"]);
    assert!(!text.contains("--port"), "{text}");
}

#[tokio::test]
async fn two_devices_do_not_share_a_file() {
    let scratch = Scratch::new("shared");
    let file = scratch.0.join("device.env");
    let arguments = ["simulate", "--env-file", file.to_str().unwrap()];
    let (mut child, variables) = with_file(&scratch, &file).await;
    for _ in 0..2 {
        let second = run(&scratch.environment(), &arguments).await;
        assert_fails(&second, 5, &["device.env", "another simulated device", "--env-file"]);
    }
    assert_eq!(run(&variables, &["device", "ping"]).await.status.code(), Some(0));
    assert!(file.exists());

    // What a device has left that was killed is no hindrance.
    child.kill().await.unwrap();
    assert!(file.exists());
    let before = std::fs::read_to_string(&file).unwrap();
    let mut next = agent(&scratch.environment(), &arguments).stderr(Stdio::null()).spawn().unwrap();
    while std::fs::read_to_string(&file).unwrap() == before {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    kill(pid(&next), Signal::SIGTERM).unwrap();
    assert_eq!(next.wait().await.unwrap().code(), Some(0));
    assert!(!file.exists());
}

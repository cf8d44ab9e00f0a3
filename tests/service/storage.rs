//! Leases while the state directory does not work: they go on, and it is said.

use std::path::Path;
use std::process::Stdio;

use nix::sys::signal::Signal;
use tokio::process::{Child, Command};

use crate::place::{CLIENT, Place, call};
use crate::restarts::{held, release, take};
use crate::support::{Fake, Process, eventually, get};

/// The faults of `/ready` that name the state directory.
async fn faults(agent: &Process) -> String {
    let ready = get(agent.address, "/ready").await;
    assert_eq!(ready.status, 200, "{}", ready.body);
    let faults = ready.json()["faults"].as_array().cloned().unwrap_or_default();
    let of_storage = faults.iter().filter(|fault| fault["setting"] == "AGENT_STATE_DIRECTORY");
    of_storage.map(|fault| fault["fault"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join("\n")
}

async fn start(command: Command) -> Process {
    let agent = Process::start(command);
    agent.ready().await;
    agent
}

/// The agent with this state directory.
fn with(place: &Place, state: &Path) -> Command {
    let mut command = place.agent();
    command.env("AGENT_STATE_DIRECTORY", state);
    command
}

/// A small file system of memory at the state directory, in a mount namespace of its own. `None`, said aloud, where
/// that is not allowed.
struct SmallDisk {
    holder: Child,
}

impl SmallDisk {
    async fn mount(at: &Path) -> Option<Self> {
        let script = r#"mount -t tmpfs -o size=512k tmpfs "$0" && touch "$0/mounted" && exec sleep 600"#;
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "sh", "-c", script]).arg(at).stdin(Stdio::null()).kill_on_drop(true);
        let mut holder = match unshare.spawn() {
            Ok(holder) => holder,
            Err(error) => {
                eprintln!("SKIPPED: can't run unshare: {error}");
                return None;
            }
        };
        let root = format!("/proc/{}/root", holder.id()?);
        let is_mounted = eventually("the mount", async || {
            if holder.try_wait().unwrap().is_some() {
                return Some(false);
            }
            Path::new(&format!("{root}{}/mounted", at.display())).exists().then_some(true)
        })
        .await;
        if !is_mounted {
            eprintln!("SKIPPED: this user may not mount a file system");
        }
        is_mounted.then_some(Self { holder })
    }

    /// A command in that namespace.
    fn inside(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--mount=/proc/{}/ns/mnt", self.holder.id().unwrap())).arg(program);
        command
    }

    async fn run(&self, script: &str, at: &Path) {
        let status = self.inside("sh").args(["-c", script]).arg(at).status().await.unwrap();
        assert!(status.success(), "{script}");
    }

    /// The agent in that namespace.
    async fn start(&self, place: &Place) -> Process {
        let agent = place.agent();
        let mut command = self.inside(env!("CARGO_BIN_EXE_balena-agent"));
        command.env_clear();
        for (name, value) in agent.as_std().get_envs() {
            command.env(name, value.unwrap());
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        start(command).await
    }
}

#[tokio::test]
async fn leases_go_on_while_the_storage_is_full_or_can_only_be_read() {
    let fake = Fake::start().await;
    let place = Place::new(&fake);
    let Some(disk) = SmallDisk::mount(&place.state).await else { return };
    let agent = disk.start(&place).await;
    let first = take(&agent, "first").await;
    assert_eq!(first["durable"], true);
    let first = first["id"].as_str().map(str::to_owned);
    disk.run(r#"dd if=/dev/zero of="$0/fill" bs=1k count=2000 2>/dev/null; true"#, &place.state).await;
    // The prepared part of the file takes some.
    let mut durable = true;
    for number in 0..400 {
        let name = format!("w{}", number % 8);
        durable = take(&agent, &name).await["durable"] == true;
        if !durable {
            break;
        }
    }
    assert!(!durable, "a full storage keeps nothing more");
    assert!(faults(&agent).await.contains("no space left"), "{}", faults(&agent).await);
    release(&agent, "w0").await;
    agent.end(Signal::SIGKILL).await;

    let agent = disk.start(&place).await;
    assert_eq!(held(&agent, "first").await, first, "after a start on a full storage");
    agent.end(Signal::SIGTERM).await;

    disk.run(r#"rm "$0/fill" && mount -o remount,ro "$0""#, &place.state).await;
    let agent = disk.start(&place).await;
    assert_eq!(held(&agent, "first").await, first, "after a start on a storage that can only be read");
    assert_eq!(take(&agent, "more").await["durable"], false);
    assert!(faults(&agent).await.contains("read-only"), "{}", faults(&agent).await);
    let names = call(agent.address, "GET", "/agent/v1/locks", "").await.unwrap().json();
    for lease in names["leases"].as_array().unwrap().iter().filter(|lease| lease["state"] == "held") {
        release(&agent, lease["name"].as_str().unwrap()).await;
    }
    assert!(!place.lock_file().exists(), "release works");
    let (_, log) = agent.end(Signal::SIGTERM).await;
    assert!(!log.contains(CLIENT), "{log}");
}

#[tokio::test]
async fn a_state_directory_that_is_no_directory_is_told() {
    let fake = Fake::start().await;
    let place = Place::new(&fake);
    let file = place.root.join("file");
    drop(std::fs::File::create(&file).unwrap());
    for path in [file.clone(), file.join("below"), place.root.join("missing/below")] {
        let agent = start(with(&place, &path)).await;
        assert_eq!(take(&agent, "a").await["durable"], false);
        assert!(faults(&agent).await.contains("memory only"), "{}", faults(&agent).await);
        release(&agent, "a").await;
        assert!(!place.lock_file().exists());
        agent.end(Signal::SIGTERM).await;
    }
}

#[tokio::test]
async fn a_state_directory_that_is_deleted_meanwhile_is_told() {
    let fake = Fake::start().await;
    let place = Place::new(&fake);
    let agent = start(place.agent()).await;
    let first = take(&agent, "first").await;
    assert_eq!(first["durable"], true);
    std::fs::remove_dir_all(&place.state).unwrap();
    assert_eq!(take(&agent, "second").await["durable"], false);
    assert!(faults(&agent).await.contains("journal"), "{}", faults(&agent).await);
    release(&agent, "second").await;
    assert!(place.lock_file().exists() && held(&agent, "first").await.is_some());
    agent.end(Signal::SIGTERM).await;
}

#[tokio::test]
async fn one_directory_for_state_and_lock_and_one_by_two_names() {
    let fake = Fake::start().await;
    let place = Place::new(&fake);
    let link = place.root.join("link");
    std::os::unix::fs::symlink(&place.locks, &link).unwrap();
    let agent = start(with(&place, &place.locks)).await;
    let id = take(&agent, "a").await["id"].as_str().map(str::to_owned);
    agent.end(Signal::SIGKILL).await;
    let agent = start(with(&place, &link)).await;
    assert_eq!(held(&agent, "a").await, id);
    let list = call(agent.address, "GET", "/agent/v1/locks", "").await.unwrap().json();
    assert_eq!(list["durable"], true, "what was read is on the storage: {list}");
    // Another state directory and the same lock directory: it waits.
    let other = Process::start(place.agent());
    eventually("the other one to wait", async || {
        let ready = call(other.address, "GET", "/ready", "").await?;
        ready.body.contains("another agent owns").then_some(())
    })
    .await;
    assert_eq!(call(other.address, "GET", "/agent/v1/locks", "").await.unwrap().status, 503);
    assert_eq!(held(&agent, "a").await, id);
    other.end(Signal::SIGTERM).await;
    assert!(place.lock_file().exists());
    agent.end(Signal::SIGTERM).await;
}

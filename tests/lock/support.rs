//! A lock directory that goes with the test, and other processes that use it.

use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use balena_agent::supervisor::UpdateLock;
use balena_agent::{Balena, Environment, Error};

/// Far beyond what anything here takes; a test that needs it fails.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// Said past the test harness, which keeps the words of tests that pass to itself.
macro_rules! skip {
    ($($what:tt)*) => {{
        let mut past = std::io::stderr();
        writeln!(past, "SKIP: {}", format_args!($($what)*)).unwrap();
    }};
}

/// A service's lock directory, mode 1777 as the supervisor leaves it. Goes with the test.
pub(crate) struct Dir(pub(crate) PathBuf);

impl Dir {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("balena-agent-lock-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o1777)).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.join("updates.lock")
    }

    pub(crate) fn lock(&self) -> UpdateLock {
        lock_of("main", &self.path())
    }

    pub(crate) fn names(&self) -> Vec<String> {
        fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    pub(crate) fn child(&self, role: &str) -> Process {
        Process::new(self.command(role))
    }

    pub(crate) fn command(&self, role: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["child", "--exact", "--nocapture", "--test-threads=1"]);
        command.env("LOCK_TEST_ROLE", role).env("LOCK_TEST_DIR", &self.0);
        command
    }

    /// The same under another user; `None`, loudly, where that can't be done.
    pub(crate) fn child_as(&self, user: u32, role: &str) -> Option<Process> {
        if !nix::unistd::geteuid().is_root() {
            skip!("not root, can't become user {user}");
            return None;
        }
        let mut command = self.command(role);
        command.uid(user).gid(user);
        match Process::try_new(command) {
            Ok(process) => Some(process),
            Err(error) => {
                skip!("can't run {} as user {user}: {error}", std::env::current_exe().unwrap().display());
                None
            }
        }
    }

    /// The same with a file system of its own mounted on the directory.
    pub(crate) fn child_on_tmpfs(&self, options: &str, prepare: &str, role: &str) -> Option<Process> {
        let script = format!(
            "mount -t tmpfs -o {options} tmpfs \"$LOCK_TEST_DIR\" && {prepare} && exec \"$0\" \"$@\""
        );
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", &script]);
        let inner = self.command(role);
        command.arg(inner.get_program()).args(inner.get_args());
        command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let probe = Command::new("unshare")
            .args(["-m", "sh", "-c", "mount -t tmpfs tmpfs \"$0\""])
            .arg(&self.0)
            .stderr(Stdio::null())
            .status();
        if !probe.is_ok_and(|status| status.success()) {
            skip!("can't mount a file system here (unshare and mount, as root)");
            return None;
        }
        Some(Process::new(command))
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn lock_of(service: &str, path: &Path) -> UpdateLock {
    let env = Environment::from_vars([
        ("BALENA_APP_LOCK_PATH", path.to_str().unwrap()),
        ("BALENA_SERVICE_NAME", service),
        ("BALENA_APP_ID", "1234567"),
    ])
    .unwrap();
    Balena::builder().environment(env).build().update_lock()
}

/// Another process with a role. Killed when dropped.
pub(crate) struct Process {
    pub(crate) child: Child,
    out: BufReader<ChildStdout>,
}

impl Process {
    pub(crate) fn new(command: Command) -> Self {
        Self::try_new(command).unwrap()
    }

    pub(crate) fn try_new(mut command: Command) -> std::io::Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let out = BufReader::new(child.stdout.take().unwrap());
        Ok(Self { child, out })
    }

    /// What it says next.
    pub(crate) fn says(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert!(self.out.read_line(&mut line).unwrap() > 0, "the child ended without a word");
            if let Some(said) = line.trim_end().strip_prefix("> ") {
                return said.to_owned();
            }
        }
    }

    pub(crate) fn expect(mut self, said: &str) -> Self {
        assert_eq!(self.says(), said);
        self
    }

    pub(crate) fn go_on(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    /// As `kill -9`, or the engine after its patience.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn ends_well(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Takes the lock many times; whoever has it makes a file that nobody else may have made.
pub(crate) fn race(lock: &UpdateLock, dir: &Path) -> u32 {
    const ROUNDS: u32 = 200;
    let marker = dir.join("in-use");
    for round in 0..ROUNDS {
        let held = loop {
            // Alternately with the option: it must not make anyone take what is in use.
            let acquire = lock.acquire();
            let acquire = if round % 2 == 0 { acquire.take_over_stale() } else { acquire };
            match acquire.try_now() {
                Ok(held) => break held,
                // All who race live, so nothing here is ever stale.
                Err(error) => assert!(error.is_locked() && !error.to_string().contains("stale"), "{error}"),
            }
            std::thread::yield_now();
        };
        OpenOptions::new().write(true).create_new(true).open(&marker).expect("two holders");
        assert!(held.is_held());
        fs::remove_file(&marker).unwrap();
        held.release().expect("it was ours to the end");
    }
    ROUNDS
}

pub(crate) fn locked(result: balena_agent::Result<balena_agent::supervisor::HeldLock>) -> Error {
    let error = result.expect_err("it is held by somebody");
    assert!(error.is_locked(), "{error}");
    error
}

pub(crate) use skip;

//! Update locks: one holder, two mechanisms, nothing of others deleted, and words for every trouble.
//!
//! Other processes are this very program again, with a role in its environment (see [`child`]).
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests are tests")]

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use balena_agent::supervisor::{LockState, PathKind, UpdateLock};
use balena_agent::{Balena, Environment, Error, LockHolder};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// Far beyond what anything here takes; a test that needs it fails.
const LONG: Duration = Duration::from_secs(30);

/// Said past the test harness, which keeps the words of tests that pass to itself.
macro_rules! skip {
    ($($what:tt)*) => {{
        let mut past = std::io::stderr();
        writeln!(past, "SKIP: {}", format_args!($($what)*)).unwrap();
    }};
}

/// A service's lock directory, mode 1777 as the supervisor leaves it. Goes with the test.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("balena-agent-lock-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o1777)).unwrap();
        Self(path)
    }

    fn path(&self) -> PathBuf {
        self.0.join("updates.lock")
    }

    fn lock(&self) -> UpdateLock {
        lock_of("main", &self.path())
    }

    fn names(&self) -> Vec<String> {
        fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    fn child(&self, role: &str) -> Process {
        Process::new(self.command(role))
    }

    fn command(&self, role: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["child", "--exact", "--nocapture", "--test-threads=1"]);
        command.env("LOCK_TEST_ROLE", role).env("LOCK_TEST_DIR", &self.0);
        command
    }

    /// The same under another user; `None`, loudly, where that can't be done.
    fn child_as(&self, user: u32, role: &str) -> Option<Process> {
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
    fn child_on_tmpfs(&self, options: &str, prepare: &str, role: &str) -> Option<Process> {
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

fn lock_of(service: &str, path: &Path) -> UpdateLock {
    let env = Environment::from_vars([
        ("BALENA_APP_LOCK_PATH", path.to_str().unwrap()),
        ("BALENA_SERVICE_NAME", service),
        ("BALENA_APP_ID", "1234567"),
    ])
    .unwrap();
    Balena::builder().environment(env).build().update_lock()
}

/// Another process with a role. Killed when dropped.
struct Process {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Process {
    fn new(command: Command) -> Self {
        Self::try_new(command).unwrap()
    }

    fn try_new(mut command: Command) -> std::io::Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let out = BufReader::new(child.stdout.take().unwrap());
        Ok(Self { child, out })
    }

    /// What it says next.
    fn says(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert!(self.out.read_line(&mut line).unwrap() > 0, "the child ended without a word");
            if let Some(said) = line.trim_end().strip_prefix("> ") {
                return said.to_owned();
            }
        }
    }

    fn expect(mut self, said: &str) -> Self {
        assert_eq!(self.says(), said);
        self
    }

    fn go_on(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    /// As `kill -9`, or the engine after its patience.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn ends_well(mut self) {
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

/// Not a test: what the other processes do.
#[test]
fn child() {
    let Ok(role) = std::env::var("LOCK_TEST_ROLE") else { return };
    let dir = PathBuf::from(std::env::var_os("LOCK_TEST_DIR").unwrap());
    let path = dir.join("updates.lock");
    let lock = lock_of("main", &path);
    // The test harness leaves its line open.
    println!();
    let wait = || std::io::stdin().lock().read_line(&mut String::new()).unwrap();
    match role.as_str() {
        "hold" => {
            let held = lock.acquire().owner("flasher").reason("firmware").try_now().unwrap();
            println!("> held");
            wait();
            held.release().unwrap();
            println!("> released");
        }
        "try" | "try stale" => {
            let mut acquire = lock.acquire();
            if role == "try stale" {
                acquire = acquire.take_over_stale();
                println!("> ready");
                wait();
            }
            let result = acquire.try_now();
            match &result {
                Ok(held) => println!(
                    "> ok {:?}",
                    lock.status().unwrap().file.and_then(|file| file.owner).map(|_| held.is_held())
                ),
                Err(error) => println!("> {} {error}", error.kind()),
            }
            wait();
        }
        // What the host OS does before it reboots.
        "flock" => match Flock::lock(File::open(&path).unwrap(), FlockArg::LockExclusiveNonblock) {
            Ok(_) => println!("> free"),
            Err((_, errno)) => println!("> {errno}"),
        },
        "race" => {
            println!("> ready");
            wait();
            println!("> {}", race(&lock, &dir));
        }
        _ => panic!("no role {role}"),
    }
}

/// Takes the lock many times; whoever has it makes a file that nobody else may have made.
fn race(lock: &UpdateLock, dir: &Path) -> u32 {
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

fn locked(result: balena_agent::Result<balena_agent::supervisor::HeldLock>) -> Error {
    let error = result.expect_err("it is held by somebody");
    assert!(error.is_locked(), "{error}");
    error
}

#[test]
fn free_taken_released() {
    let dir = Dir::new();
    let lock = dir.lock();
    assert_eq!(lock.status().unwrap().state, LockState::Free);
    assert_eq!(lock.status().unwrap().to_string(), format!("{}: free", dir.path().display()));

    let held = lock.acquire().owner("flasher").reason("modem firmware").try_now().unwrap();
    assert!(held.is_held() && held.path() == dir.path());
    assert_eq!(fs::metadata(dir.path()).unwrap().mode() & 0o7777, 0o644);
    assert_eq!(dir.names(), ["updates.lock"], "nothing but the lock");

    let status = lock.status().unwrap();
    assert!(status.is_locked());
    let file = status.file.as_ref().unwrap();
    assert_eq!((file.state, file.kind, file.flock), (LockState::ThisProcess, PathKind::File, Some(true)));
    assert_eq!(file.owner.as_ref(), Some(held.owner()));
    assert_eq!(held.owner().pid, std::process::id());
    assert_eq!(held.owner().reason.as_deref(), Some("modem firmware"));
    let json = serde_json::to_value(&status).unwrap();
    assert_eq!(json["state"], "this_process");
    assert_eq!(json["file"]["owner"]["service"], "main");
    assert_eq!(json["file"]["kind"], "file");
    assert!(json["legacy"].is_null());

    let error = locked(lock.acquire().try_now());
    let Some(LockHolder::Process(who)) = error.lock_holder() else { panic!("{error:?}") };
    assert!(who.starts_with("flasher (service main, process "), "{who}");
    assert!(who.ends_with(": modem firmware"), "{who}");
    assert!(error.to_string().contains("held by this process, flasher"), "{error}");

    held.release().unwrap();
    assert_eq!(dir.names(), [""; 0]);
    assert!(!lock.status().unwrap().is_locked());
}

#[test]
fn both_mechanisms_hold() {
    let dir = Dir::new();
    let held = dir.lock().acquire().try_now().unwrap();
    let create = || OpenOptions::new().write(true).create_new(true).open(dir.path());
    assert_eq!(create().unwrap_err().kind(), ErrorKind::AlreadyExists);
    dir.child("flock").expect(&Errno::EWOULDBLOCK.to_string()).ends_well();
    match Command::new("flock").arg("-nx").arg(dir.path()).arg("true").status() {
        Ok(status) => assert_eq!(status.code(), Some(1)),
        Err(error) => skip!("the flock command: {error}"),
    }
    // A program of the container that the holder starts does not keep the flock when it outlives it.
    let mut outlives = Command::new("sleep").arg("60").spawn().unwrap();
    drop(held);
    create().unwrap();
    dir.child("flock").expect("free").ends_well();
    outlives.kill().unwrap();
    outlives.wait().unwrap();
}

#[test]
fn another_process_is_named_and_respected() {
    let dir = Dir::new();
    let mut holder = dir.child("hold").expect("held");
    let status = dir.lock().status().unwrap();
    let file = status.file.unwrap();
    assert_eq!((status.state, file.flock), (LockState::Held, Some(true)));
    assert_eq!(file.owner.unwrap().pid, holder.child.id());
    for acquire in [dir.lock().acquire(), dir.lock().acquire().take_over_stale()] {
        let error = locked(acquire.try_now());
        assert!(error.to_string().contains(&format!("process {}", holder.child.id())), "{error}");
        assert!(error.advice().unwrap().contains("alive"), "{error}");
    }
    holder.go_on();
    holder.expect("released").ends_well();
    dir.lock().acquire().try_now().unwrap().release().unwrap();
}

#[test]
fn dropped_also_in_a_panic() {
    let dir = Dir::new();
    drop(dir.lock().acquire().try_now().unwrap());
    assert!(!dir.path().exists());
    let panicked = std::panic::catch_unwind(|| {
        let _held = dir.lock().acquire().try_now().unwrap();
        assert!(!dir.path().exists(), "on purpose");
    });
    assert!(panicked.is_err() && dir.names().is_empty());
}

#[tokio::test]
async fn waits_until_it_is_free() {
    let dir = Dir::new();
    let lock = dir.lock();
    let held = lock.acquire().try_now().unwrap();
    let waiter = tokio::time::timeout(LONG, lock.acquire().into_future());
    let (waited, ()) = tokio::join!(waiter, async {
        tokio::task::yield_now().await;
        assert!(held.is_held());
        drop(held);
    });
    let waited = waited.expect("got it in time").unwrap();
    assert!(waited.is_held());

    // A wait that is given up leaves nothing and takes nothing.
    let given_up = tokio::time::timeout(Duration::from_millis(10), lock.acquire().into_future()).await;
    assert!(given_up.is_err() && waited.is_held());
    assert_eq!(dir.names(), ["updates.lock"]);
}

#[tokio::test]
async fn a_timeout_tells_who_holds_it() {
    let dir = Dir::new();
    let mut holder = dir.child("hold").expect("held");
    for timeout in [Duration::ZERO, Duration::from_millis(20)] {
        let error = locked(dir.lock().acquire().timeout(timeout).await);
        assert!(
            error.to_string().contains("flasher (service main") && error.to_string().contains("(waited "),
            "{error}"
        );
    }
    holder.go_on();
    // An endless timeout is none, and no overflow.
    let held = tokio::time::timeout(LONG, dir.lock().acquire().timeout(Duration::MAX).into_future()).await;
    held.unwrap().unwrap().release().unwrap();
}

#[tokio::test]
async fn force_is_noticed() {
    let dir = Dir::new();
    let held = dir.lock().acquire().try_now().unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(10), held.lost()).await.is_err(), "still ours");
    let (lost, ()) = tokio::join!(tokio::time::timeout(LONG, held.lost()), async {
        fs::remove_file(dir.path()).unwrap();
    });
    lost.expect("noticed");
    assert!(!held.is_held());
    let error = held.release().unwrap_err();
    assert!(error.is_conflict() && error.advice().unwrap().contains("force"), "{error}");
    assert_eq!(dir.names(), [""; 0], "not made again");
}

#[test]
fn the_lock_of_who_forced_is_left_alone() {
    let dir = Dir::new();
    for explicit in [true, false] {
        let held = dir.lock().acquire().try_now().unwrap();
        fs::remove_file(dir.path()).unwrap();
        let _foreign = OpenOptions::new().write(true).create_new(true).mode(0o444).open(dir.path()).unwrap();
        let made = fs::metadata(dir.path()).unwrap().ino();
        assert!(!held.is_held());
        if explicit {
            assert!(held.release().unwrap_err().is_conflict());
        } else {
            drop(held);
        }
        assert_eq!(fs::metadata(dir.path()).unwrap().ino(), made);
        fs::remove_file(dir.path()).unwrap();
    }
    // Moved away, our file still exists: it is the path that locks.
    let held = dir.lock().acquire().try_now().unwrap();
    fs::rename(dir.path(), dir.0.join("moved")).unwrap();
    assert!(!held.is_held() && held.release().is_err());
    assert_eq!(dir.names(), ["moved"]);
}

#[tokio::test]
async fn a_killed_holder_leaves_a_stale_lock() {
    let dir = Dir::new();
    let holder = dir.child("hold").expect("held");
    let pid = holder.child.id();
    holder.kill();
    let left = fs::metadata(dir.path()).unwrap().ino();

    let status = dir.lock().status().unwrap();
    let file = status.file.as_ref().unwrap();
    assert_eq!((status.state, file.flock), (LockState::Stale, Some(false)));
    assert_eq!(file.stale.as_deref(), Some(format!("its holder, process {pid}, has ended").as_str()));

    // Refused, and at once: nobody is there to release it.
    let waited = tokio::time::timeout(LONG, dir.lock().acquire().into_future()).await;
    for error in [locked(dir.lock().acquire().try_now()), locked(waited.expect("does not wait"))] {
        assert!(error.advice().unwrap().contains("take_over_stale"), "{error}");
    }

    let held = dir.lock().acquire().take_over_stale().reason("after the crash").await.unwrap();
    assert_eq!(fs::metadata(dir.path()).unwrap().ino(), left, "it existed all the time");
    let status = dir.lock().status().unwrap();
    assert_eq!(status.state, LockState::ThisProcess);
    assert_eq!(status.file.unwrap().owner.as_ref(), Some(held.owner()));
    dir.child("flock").expect(&Errno::EWOULDBLOCK.to_string()).ends_well();
    held.release().unwrap();
    assert_eq!(dir.names(), [""; 0]);
}

#[test]
fn only_what_was_ours_is_taken_over() {
    let dir = Dir::new();
    dir.child("hold").expect("held").kill();
    let line = fs::read(dir.path()).unwrap();
    let text = String::from_utf8(line.clone()).unwrap();

    // Another service's, seen through a shared mount.
    let other = lock_of("other", &dir.path());
    assert_eq!(other.status().unwrap().state, LockState::Held);
    locked(other.acquire().take_over_stale().try_now());

    // Shell scripts, other libraries, half a line: nothing shows that their maker would hold an flock.
    for content in ["", "0", "1234\n", &text.replace("balena-agent/1", "other/1"), &text[..text.len() / 2]] {
        File::create(dir.path()).unwrap().write_all(content.as_bytes()).unwrap();
        let error = locked(dir.lock().acquire().take_over_stale().try_now());
        assert!(error.to_string().contains("an unknown program of user "), "{error}");
        assert!(error.advice().unwrap().contains(&format!("`rm {}`", dir.path().display())), "{error}");
    }

    // Its maker lives, whatever became of the flock.
    let held = lock_of("main", &dir.0.join("resin-updates.lock")).acquire().try_now().unwrap();
    fs::copy(held.path(), dir.path()).unwrap();
    assert_eq!(dir.lock().status().unwrap().state, LockState::Held);
    locked(dir.lock().acquire().take_over_stale().try_now());
    held.release().unwrap();

    // Its maker's line and somebody's flock: in use.
    File::create(dir.path()).unwrap().write_all(&line).unwrap();
    assert_eq!(dir.lock().status().unwrap().state, LockState::Stale);
    let flock = Flock::lock(File::open(dir.path()).unwrap(), FlockArg::LockExclusiveNonblock).unwrap();
    assert_eq!(dir.lock().status().unwrap().state, LockState::Held);
    locked(dir.lock().acquire().take_over_stale().try_now());
    drop(flock);
    dir.lock().acquire().take_over_stale().try_now().unwrap().release().unwrap();
}

#[test]
fn of_many_that_take_over_one_gets_it() {
    let dir = Dir::new();
    for _ in 0..5 {
        dir.child("hold").expect("held").kill();
        let mut all: Vec<_> = (0..6).map(|_| dir.child("try stale").expect("ready")).collect();
        all.iter_mut().for_each(Process::go_on);
        let said: Vec<_> = all.iter_mut().map(Process::says).collect();
        let won = said.iter().filter(|said| *said == "ok Some(true)").count();
        let refused = said.iter().filter(|said| said.starts_with("locked ")).count();
        assert_eq!((won, refused), (1, 5), "{said:#?}");
        all.into_iter().for_each(Process::ends_well);
        assert_eq!(dir.names(), [""; 0]);
    }
}

#[test]
fn killed_at_any_moment_it_can_be_taken_again() {
    let dir = Dir::new();
    for moment in 0..20 {
        let mut other = dir.child("race").expect("ready");
        other.go_on();
        std::thread::sleep(Duration::from_micros(moment * 317));
        other.kill();
        // Never a lock that nobody can tell the maker of.
        let status = dir.lock().status().unwrap();
        assert!(matches!(status.state, LockState::Free | LockState::Stale), "{status}");
        dir.lock().acquire().take_over_stale().try_now().unwrap().release().unwrap();
        let _ = fs::remove_file(dir.0.join("in-use"));
    }
}

#[test]
fn never_two_holders() {
    let dir = Dir::new();
    let mut others: Vec<_> = (0..2).map(|_| dir.child("race").expect("ready")).collect();
    others.iter_mut().for_each(Process::go_on);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| race(&dir.lock(), &dir.0));
        }
    });
    for other in others {
        other.expect("200").ends_well();
    }
    assert_eq!(dir.names(), [""; 0]);
}

#[test]
fn without_permission_it_is_explained() {
    // As the engine makes the directory again after a reboot.
    let dir = Dir::new();
    fs::set_permissions(&dir.0, fs::Permissions::from_mode(0o755)).unwrap();
    let Some(mut other) = dir.child_as(1000, "try") else { return };
    let said = other.says();
    assert!(said.starts_with("io take update lock "), "{said}");
    assert!(
        said.contains("user 1000 may not use ") && said.contains("belongs to user 0 with mode 0755"),
        "{said}"
    );
    assert!(said.contains("`chmod 1777`"), "{said}");
    assert_eq!(dir.names(), [""; 0]);
}

#[test]
fn another_user_can_lock_when_the_directory_allows_it() {
    let dir = Dir::new();
    let Some(other) = dir.child_as(1000, "hold") else { return };
    let other = other.expect("held");
    assert_eq!(dir.lock().status().unwrap().file.unwrap().uid, 1000);
    other.kill();
    // Stale, of user 1000: user 1001 could not remove it in the end, root can.
    let mut stranger = dir.child_as(1001, "try stale").unwrap().expect("ready");
    stranger.go_on();
    let said = stranger.says();
    assert!(said.contains("belongs to another user than 1001"), "{said}");
    assert_eq!(dir.lock().status().unwrap().state, LockState::Stale);
    let held = dir.lock().acquire().take_over_stale().try_now().unwrap();
    held.release().unwrap();
}

#[test]
fn nobody_can_not_lock() {
    let dir = Dir::new();
    let Some(mut nobody) = dir.child_as(65534, "try") else { return };
    let said = nobody.says();
    assert!(said.starts_with("config ") && said.contains("leftover of its own"), "{said}");
    assert_eq!(dir.names(), [""; 0]);
}

#[test]
fn the_supervisors_lock_is_recognised() {
    let dir = Dir::new();
    for name in ["updates.lock", "resin-updates.lock"] {
        let path = dir.0.join(name);
        File::create(&path).unwrap().write_all(b"0").unwrap();
        if let Err(error) = chown(&path, Some(65534), Some(65534)) {
            skip!("can't give a file to user 65534: {error}");
            return;
        }
    }
    let status = dir.lock().status().unwrap();
    assert_eq!(
        (status.state, status.legacy.as_ref().unwrap().state),
        (LockState::Supervisor, LockState::Supervisor)
    );
    assert!(status.to_string().contains("held by the supervisor"), "{status}");
    let error = locked(dir.lock().acquire().take_over_stale().try_now());
    assert_eq!(error.lock_holder(), Some(&LockHolder::SupervisorOperation { app_id: 1_234_567 }));
    assert!(error.advice().unwrap().contains("by itself"), "{error}");
}

#[test]
fn the_legacy_name_locks_too() {
    let dir = Dir::new();
    File::create(dir.0.join("resin-updates.lock")).unwrap();
    let status = dir.lock().status().unwrap();
    assert_eq!((status.is_locked(), status.state, status.file.is_none()), (true, LockState::Held, true));
    assert!(status.to_string().contains("resin-updates.lock: held by an unknown program"), "{status}");
    // It is another lock: ours can be taken beside it, and released without it.
    dir.lock().acquire().try_now().unwrap().release().unwrap();
    assert_eq!(dir.names(), ["resin-updates.lock"]);
    // And the other way round.
    let legacy = lock_of("main", &dir.0.join("resin-updates.lock"));
    File::create(dir.path()).unwrap();
    assert!(legacy.status().unwrap().legacy.unwrap().path.ends_with("updates.lock"));
}

#[test]
fn whatever_is_at_the_path_locks() {
    let dir = Dir::new();
    let path = dir.path();
    let refused = |kind: PathKind, words: &str| {
        let status = dir.lock().status().unwrap();
        let file = status.file.unwrap();
        assert_eq!((status.state, file.kind, file.flock), (LockState::Held, kind, None));
        let error = locked(dir.lock().acquire().take_over_stale().try_now());
        assert!(error.to_string().contains(words), "{error}");
    };
    fs::create_dir(&path).unwrap();
    refused(PathKind::Directory, &format!("`rm -r {}`", path.display()));
    fs::remove_dir(&path).unwrap();

    symlink(dir.0.join("nowhere"), &path).unwrap();
    refused(PathKind::Symlink, "a symbolic link of user ");
    fs::remove_file(&path).unwrap();
    // Not followed either when it leads to a stale lock of ours.
    dir.child("hold").expect("held").kill();
    fs::rename(&path, dir.0.join("elsewhere")).unwrap();
    symlink("elsewhere", &path).unwrap();
    refused(PathKind::Symlink, "a symbolic link of user ");
    fs::remove_file(&path).unwrap();

    let _socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
    refused(PathKind::Other, "a socket, pipe or device of user ");
}

#[test]
fn places_that_do_not_lock_are_refused() {
    let dir = Dir::new();
    File::create(dir.0.join("file")).unwrap();
    for (path, words) in [
        (dir.0.join("none/updates.lock"), "there is no directory"),
        (dir.0.join("file/updates.lock"), "is not a directory"),
        (dir.0.join("Updates.lock"), "a file of this name locks nothing"),
        (dir.0.join("my.lock"), "a file of this name locks nothing"),
        ("updates.lock".into(), "not an absolute path"),
    ] {
        let error = lock_of("main", &path).acquire().try_now().unwrap_err();
        assert!(error.is_config() && error.to_string().contains(words), "{error}");
        assert!(
            error.advice().unwrap().contains("BALENA_APP_LOCK_PATH")
                || error.advice().unwrap().contains("unset it")
        );
    }
    assert!(lock_of("main", &dir.0.join("none/updates.lock")).status().unwrap_err().is_config());
    assert!(lock_of("main", &dir.0.join("file/updates.lock")).status().unwrap_err().is_config());
}

#[test]
fn read_only_and_full_are_explained() {
    let dir = Dir::new();
    for (options, prepare, words) in [
        ("ro", "true", "mounted read-only"),
        // One inode: the directory's own.
        ("nr_inodes=1", "true", "no space left"),
        // Room for the file and none for its content: it locks, without the note of its owner.
        ("size=4k", "head -c 4096 /dev/zero >\"$LOCK_TEST_DIR/full\"", "ok None"),
    ] {
        let Some(mut process) = dir.child_on_tmpfs(options, prepare, "try") else { return };
        let said = process.says();
        assert!(said.contains(words), "{options}: {said}");
        process.ends_well();
    }
}

#[test]
fn a_lock_that_can_not_be_read_is_still_seen() {
    let dir = Dir::new();
    let held = dir.lock().acquire().try_now().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o600)).unwrap();
    let Some(mut other) = dir.child_as(1000, "try") else { return };
    let said = other.says();
    assert!(said.starts_with("locked ") && said.contains("an unknown program of user 0"), "{said}");
    assert!(held.is_held());
}

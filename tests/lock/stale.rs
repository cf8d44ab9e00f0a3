//! What a killed holder leaves behind, and who may take it over.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use balena_agent::supervisor::LockState;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use serde_json::{Value, json};

use crate::support::{Dir, LONG, Process, lock_of, locked, skip};

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
    let elsewhere = Dir::new();
    let holder = elsewhere.child("hold").expect("held");
    fs::copy(elsewhere.path(), dir.path()).unwrap();
    assert_eq!(dir.lock().status().unwrap().state, LockState::Held);
    locked(dir.lock().acquire().take_over_stale().try_now());
    holder.kill();

    // This process is its maker, and has no flock on it: nothing here holds it.
    let own = Dir::new();
    let held = own.lock().acquire().try_now().unwrap();
    fs::copy(held.path(), dir.path()).unwrap();
    assert_eq!(dir.lock().status().unwrap().state, LockState::Stale);
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

/// Whatever a lock file says, no process is named as the holder that is not one.
#[test]
fn the_named_owner_is_alive_or_it_is_said() {
    let dir = Dir::new();
    let mut holder = dir.child("hold").expect("held");
    let line: Value = serde_json::from_slice(&fs::read(dir.path()).unwrap()).unwrap();
    let pid = holder.child.id();
    let status = dir.lock().status().unwrap().file.unwrap();
    assert_eq!((status.state, status.owner_alive, status.stale), (LockState::Held, Some(true), None));

    let mut ended = Command::new("true").spawn().unwrap();
    ended.wait().unwrap();
    let with = |changes: &[(&str, Value)]| {
        let mut line = line.clone();
        for (name, value) in changes {
            line["owner"][name] = value.clone();
        }
        line.to_string()
    };
    let elsewhere = json!(1);
    let there = Dir::new();
    for (content, in_use, free, words) in [
        (with(&[]), Some(true), Some(true), "held by flasher"),
        (with(&[("pid", json!(ended.id()))]), Some(false), Some(false), "has ended"),
        (with(&[("process_started", json!(7))]), Some(false), Some(false), "is now another process"),
        (with(&[("boot_id", json!("other"))]), Some(false), Some(false), "has rebooted"),
        (with(&[("pid_namespace", elsewhere.clone())]), None, Some(false), ""),
        (with(&[("pid_namespace", elsewhere), ("pid", json!(ended.id()))]), None, Some(false), ""),
        (with(&[("pid_namespace", Value::Null), ("container", json!("0123"))]), None, Some(false), ""),
        (with(&[("process_started", Value::Null)]), None, None, ""),
    ] {
        for service in ["main", "other"] {
            File::create(there.path()).unwrap().write_all(content.as_bytes()).unwrap();
            let lock = lock_of(service, &there.path());
            let look = || lock.status().unwrap().file.unwrap();
            let flock = Flock::lock(File::open(there.path()).unwrap(), FlockArg::LockExclusiveNonblock);
            let (file, error) = (look(), locked(lock.acquire().take_over_stale().try_now()));
            assert_eq!((file.state, file.owner_alive), (LockState::Held, in_use), "{content}");
            let said = match in_use {
                Some(true) => "held by flasher (service main, ",
                Some(false) => "held by a program that was started by flasher (service main, ",
                None => "(whether that process is alive is not visible from here)",
            };
            assert!(file.to_string().contains(said) && file.to_string().contains(words), "{file}");
            assert!(error.to_string().contains(said) && error.to_string().contains(words), "{error}");
            // The advice says the same of the holder.
            let alive = match in_use {
                Some(true) => "its holder is alive",
                Some(false) => "a program that it started is alive",
                None => "a process that is alive has it in use",
            };
            assert!(error.advice().unwrap().contains(alive), "{error}");
            drop(flock);

            let file = look();
            assert_eq!(file.owner_alive, free, "{content}");
            let stale = free == Some(false);
            let state = if stale && service == "main" { LockState::Stale } else { LockState::Held };
            assert_eq!(file.state, state, "{content}");
            assert_eq!(file.to_string().starts_with("left behind by flasher"), stale, "{file}");
            assert!(file.to_string().contains(words), "{file}");
            assert_eq!(file.to_string().contains("is not visible from here"), free.is_none(), "{file}");
        }
    }
    assert_eq!(holder.child.id(), pid);
    holder.go_on();
    holder.expect("released").ends_well();
}

#[test]
fn a_holder_that_nobody_waits_for_has_ended_all_the_same() {
    let dir = Dir::new();
    let mut holder = dir.child("hold").expect("held");
    holder.child.kill().unwrap();
    let by = Instant::now() + LONG;
    while dir.lock().status().unwrap().state != LockState::Stale {
        assert!(Instant::now() < by, "{}", dir.lock().status().unwrap());
        std::thread::yield_now();
    }
    dir.lock().acquire().take_over_stale().try_now().unwrap().release().unwrap();
}

#[test]
fn a_holder_in_another_pid_namespace_is_not_mistaken_for_one_of_ours() {
    let dir = Dir::new();
    let inner = dir.command("hold");
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child"]).arg(inner.get_program()).args(inner.get_args());
    command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let probe = Command::new("unshare").args(["--pid", "--fork", "true"]).stderr(Stdio::null()).status();
    if !probe.is_ok_and(|status| status.success()) {
        skip!("can't make a PID namespace here (unshare, as root)");
        return;
    }
    let mut holder = Process::new(command).expect("held");
    let file = dir.lock().status().unwrap().file.unwrap();
    // There it is process 1; here that is somebody else, who lives.
    assert_eq!((file.owner.as_ref().unwrap().pid, file.owner_alive), (1, None), "{file}");
    assert!(file.to_string().contains("is not visible from here"), "{file}");
    holder.go_on();
    holder.expect("released").ends_well();
}

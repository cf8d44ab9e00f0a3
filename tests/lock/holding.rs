//! One holder, two mechanisms, and nothing of others deleted.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::process::Command;
use std::time::Duration;

use balena_agent::LockHolder;
use balena_agent::supervisor::{LockState, PathKind};
use nix::errno::Errno;

use crate::support::{Dir, LONG, Process, lock_of, locked, race, skip};

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

/// Polled for once a second, twenty that each hold it for a moment need a quarter of a minute.
#[tokio::test]
async fn a_release_is_noticed_at_once_by_all_who_wait() {
    const CONTENDERS: usize = 20;
    let dir = Dir::new();
    let held = dir.lock().acquire().try_now().unwrap();
    let mut contenders = tokio::task::JoinSet::new();
    for _ in 0..CONTENDERS {
        let lock = dir.lock();
        contenders.spawn(async move {
            let held = lock.acquire().await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
            held.release().unwrap();
        });
    }
    // They all wait by now, and have done so for long enough to look seldom.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let started = std::time::Instant::now();
    held.release().unwrap();
    assert_eq!(contenders.join_all().await.len(), CONTENDERS);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(dir.names(), [""; 0]);
}

#[test]
fn a_wait_needs_no_inotify() {
    let dir = Dir::new();
    let held = dir.lock().acquire().try_now().unwrap();
    // A directory that can't be read can't be watched, but what is in it can be looked at by its name.
    fs::set_permissions(&dir.0, fs::Permissions::from_mode(0o1733)).unwrap();
    let Some(waits) = dir.child_as(1000, "wait") else { return };
    let mut waits = waits.expect("inotify Permission denied (os error 13)");
    held.release().unwrap();
    assert_eq!(waits.says(), "got it");
    waits.ends_well();
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

#[test]
fn never_two_holders() {
    let dir = Dir::new();
    let mut others: Vec<_> = (0..2).map(|_| dir.child("race").expect("ready")).collect();
    others.iter_mut().for_each(Process::go_on);
    std::thread::scope(|scope| {
        // Under both names: the supervisor takes either for the one lock of the application.
        for name in ["updates.lock", "resin-updates.lock"] {
            let lock = lock_of("main", &dir.0.join(name));
            let dir = &dir.0;
            scope.spawn(move || race(&lock, dir));
        }
    });
    for other in others {
        other.expect("200").ends_well();
    }
    assert_eq!(dir.names(), [""; 0]);
}

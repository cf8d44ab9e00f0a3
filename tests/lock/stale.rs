//! What a killed holder leaves behind, and who may take it over.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use balena_agent::supervisor::LockState;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::support::{Dir, LONG, Process, lock_of, locked};

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

//! Users, file systems and things in the way: each explained in words.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

use balena_agent::LockHolder;
use balena_agent::supervisor::{LockState, PathKind};

use crate::support::{Dir, lock_of, locked, skip};

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

/// What may lie in a lock directory under a name.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Lies {
    Nothing,
    Foreign,
    /// Left behind by a killed process of this service.
    Stale,
    Directory,
}

#[test]
fn both_names_lock_and_every_question_has_the_same_answer() {
    use Lies::{Directory, Foreign, Nothing, Stale};
    let left = {
        let dir = Dir::new();
        dir.child("hold").expect("held").kill();
        fs::read(dir.path()).unwrap()
    };
    let lay = |lies: Lies, path: &std::path::Path| match lies {
        Nothing => {}
        Foreign => drop(File::create(path).unwrap()),
        Stale => File::create(path).unwrap().write_all(&left).unwrap(),
        Directory => fs::create_dir(path).unwrap(),
    };
    for asked in ["updates.lock", "resin-updates.lock"] {
        let other = if asked == "updates.lock" { "resin-updates.lock" } else { "updates.lock" };
        for (own, beside, state) in [
            (Nothing, Nothing, LockState::Free),
            (Foreign, Nothing, LockState::Held),
            (Nothing, Foreign, LockState::Held),
            (Nothing, Directory, LockState::Held),
            (Foreign, Foreign, LockState::Held),
            (Stale, Foreign, LockState::Held),
            (Foreign, Stale, LockState::Held),
            (Stale, Nothing, LockState::Stale),
            (Nothing, Stale, LockState::Stale),
            (Stale, Stale, LockState::Stale),
        ] {
            let case = format!("{asked}: {own:?}, beside it {beside:?}");
            let dir = Dir::new();
            lay(own, &dir.0.join(asked));
            lay(beside, &dir.0.join(other));
            let before = {
                let mut names = dir.names();
                names.sort();
                names
            };
            let lock = lock_of("main", &dir.0.join(asked));
            let status = lock.status().unwrap();
            assert_eq!((status.state, status.is_locked()), (state, state != LockState::Free), "{case}");
            let taken = lock.acquire().take_over_stale().try_now();
            if state == LockState::Held {
                let error = locked(taken);
                let culprit = if [Foreign, Directory].contains(&own) { asked } else { other };
                let path = dir.0.join(culprit).display().to_string();
                assert!(error.advice().unwrap().contains(&path), "{case}: {error}");
                assert!(error.lock_holder().is_some(), "{case}: {error}");
                let mut names = dir.names();
                names.sort();
                assert_eq!(names, before, "{case}: nothing of others is touched");
                continue;
            }
            let held = taken.unwrap();
            assert_eq!(dir.names(), [asked], "{case}: one lock, and no leftover beside it");
            assert_eq!(lock.status().unwrap().state, LockState::ThisProcess, "{case}");
            // Whoever asks under the other name gets the same answer.
            let beside = lock_of("main", &dir.0.join(other));
            assert_eq!(beside.status().unwrap().state, LockState::ThisProcess, "{case}");
            assert!(locked(beside.acquire().try_now()).advice().unwrap().contains("this process"), "{case}");
            held.release().unwrap();
            assert_eq!(dir.names(), [""; 0], "{case}");
        }
        // Without the option what is stale is left alone, wherever it lies.
        for own in [true, false] {
            let dir = Dir::new();
            lay(Stale, &dir.0.join(if own { asked } else { other }));
            let error = locked(lock_of("main", &dir.0.join(asked)).acquire().try_now());
            assert!(error.advice().unwrap().contains("`.take_over_stale()`"), "{error}");
            assert_eq!(dir.names().len(), 1);
        }
    }
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

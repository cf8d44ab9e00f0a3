use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use super::*;

struct Dirs(PathBuf, PathBuf, PathBuf);

impl Dirs {
    fn new(name: &str) -> Self {
        let root = std::env::temp_dir().join(format!("agent-owner-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        let (state, locks) = (root.join("state"), root.join("locks"));
        fs::create_dir_all(&state).unwrap();
        fs::create_dir_all(&locks).unwrap();
        Self(state, locks, root)
    }

    fn take(&self) -> Result<Owner, OwnedBy> {
        Owner::try_take(Some(&self.0), Some(&self.1))
    }
}

impl Drop for Dirs {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.2).unwrap();
    }
}

#[test]
fn both_are_taken_or_none() {
    let dirs = Dirs::new("both");
    let owner = dirs.take().unwrap();
    let other = dirs.take().unwrap_err();
    assert_eq!((&other.directory, other.holder.as_ref()), (&dirs.0, Some(&Holder::here())));
    assert!(other.to_string().starts_with(&format!("another agent owns {}: process ", dirs.0.display())));
    drop(owner);

    // With the second directory taken, the first is given back.
    let second = Owner::try_take(None, Some(&dirs.1)).unwrap();
    assert_eq!(dirs.take().unwrap_err().directory, dirs.1);
    let first = Owner::try_take(Some(&dirs.0), None).unwrap();
    drop((first, second));
    let owner = dirs.take().unwrap();
    assert!(owner.faults().is_empty());
    assert!(dirs.0.join(NAME).exists() && dirs.1.join(NAME).exists());
}

#[test]
fn one_directory_for_both_purposes_is_no_other_agent() {
    let dirs = Dirs::new("same");
    let link = dirs.2.join("link");
    std::os::unix::fs::symlink(&dirs.0, &link).unwrap();
    for second in [&dirs.0, &link] {
        let owner = Owner::try_take(Some(&dirs.0), Some(second)).unwrap();
        assert!(owner.faults().is_empty(), "{:?}", owner.faults());
        assert!(Owner::try_take(Some(second), Some(&dirs.1)).is_err(), "it is owned");
    }
}

#[test]
fn a_directory_that_is_not_there_is_a_fault_and_no_owner() {
    let dirs = Dirs::new("missing");
    let owner = Owner::try_take(Some(&dirs.0), Some(&dirs.2.join("none"))).unwrap();
    assert_eq!(owner.faults().len(), 1);
    assert!(owner.faults()[0].contains("would not be noticed"), "{:?}", owner.faults());
    assert!(dirs.take().is_err());
    let link = dirs.2.join("linked");
    fs::create_dir(&link).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", link.join(NAME)).unwrap();
    assert_eq!(Owner::try_take(None, Some(&link)).unwrap().faults().len(), 1);
}

#[test]
fn a_removed_file_is_locked_anew() {
    let dirs = Dirs::new("removed");
    let file = open(&dirs.1.join(NAME)).unwrap();
    fs::remove_file(dirs.1.join(NAME)).unwrap();
    let _on_the_removed_one = Flock::lock(file, FlockArg::LockExclusiveNonblock).unwrap();
    let owner = dirs.take().unwrap();
    assert!(owner.faults().is_empty() && dirs.take().is_err());
}

#[tokio::test(start_paused = true)]
async fn the_next_one_waits_until_it_is_free() {
    let dirs = Dirs::new("wait");
    let owner = dirs.take().unwrap();
    let mut told = 0;
    {
        let wait = Owner::wait(Some(&dirs.0), Some(&dirs.1), |_| told += 1);
        assert!(tokio::time::timeout(Duration::from_secs(10), wait).await.is_err());
    }
    assert_eq!(told, 1, "once for one owner");
    drop(owner);
    let owner = Owner::wait(Some(&dirs.0), Some(&dirs.1), |other| panic!("{other}")).await;
    drop(owner);
}

/// What a process does that `killed_at_any_step_of_a_hand_over_there_is_one_owner` starts: takes the ownership as often
/// as it can, and writes into a file when it begins and ends to be the owner.
#[test]
fn child_that_wants_to_own() {
    let Ok(root) = std::env::var("OWNER_TEST_ROOT") else { return };
    let root = PathBuf::from(root);
    let mut log = OpenOptions::new().append(true).open(root.join("log")).unwrap();
    let pid = std::process::id();
    println!("ready");
    loop {
        if let Ok(owner) = Owner::try_take(Some(&root.join("state")), Some(&root.join("locks"))) {
            log.write_all(format!("{pid} begins\n").as_bytes()).unwrap();
            std::thread::yield_now();
            log.write_all(format!("{pid} ends\n").as_bytes()).unwrap();
            drop(owner);
        }
        std::thread::yield_now();
    }
}

#[test]
fn killed_at_any_step_of_a_hand_over_there_is_one_owner() {
    let dirs = Dirs::new("killed");
    File::create(dirs.2.join("log")).unwrap();
    let start = || -> Child {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture"])
            .arg(module_path!().split_once("::").unwrap().1.to_owned() + "::child_that_wants_to_own")
            .env("OWNER_TEST_ROOT", &dirs.2)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        assert!(lines.map_while(Result::ok).any(|line| line.contains("ready")));
        child
    };
    let kills = 60;
    let (mut one, mut other) = (start(), start());
    for round in 0..kills {
        std::thread::sleep(Duration::from_micros(300 * (round % 17)));
        one.kill().unwrap();
        one.wait().unwrap();
        one = std::mem::replace(&mut other, start());
    }
    for child in [&mut one, &mut other] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let log = fs::read_to_string(dirs.2.join("log")).unwrap();
    let (mut owner, mut owners, mut dead) = (None, BTreeSet::new(), BTreeSet::new());
    for line in log.lines() {
        let (pid, what) = line.split_once(' ').unwrap();
        assert!(!dead.contains(pid), "{pid} acts while another owns");
        match (what, owner) {
            ("begins", None) => owner = Some(pid),
            // The one before was killed as the owner: it never writes again.
            ("begins", Some(before)) => {
                assert!(dead.insert(before), "{before} was overtaken twice");
                owner = Some(pid);
            }
            ("ends", Some(before)) if before == pid => owner = None,
            _ => panic!("{line}, while {owner:?} owns"),
        }
        owners.insert(pid);
    }
    println!(
        "{kills} kills, {} owners, {} terms, {} killed as the owner",
        owners.len(),
        log.lines().count() / 2,
        dead.len()
    );
    assert!(dirs.take().is_ok());
}

//! Several writers at once, and writers that die.

use std::collections::BTreeSet;
use std::env;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use balena_agent::Balena;

use crate::support::{Dir, get, token};

/// What the child of a test is to do, and where.
const ROLE: &str = "SETTINGS_TEST_ROLE";
const PLACE: &str = "SETTINGS_TEST_PLACE";

/// This test program again, as the process that `child` describes.
fn child(role: &str, place: &Dir) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "processes::child_process", "--nocapture"])
        .env(ROLE, role)
        .env(PLACE, &place.0)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn child_process() {
    let Ok(role) = env::var(ROLE) else { return };
    let place = PathBuf::from(env::var_os(PLACE).unwrap());
    let open = || Balena::builder().data_directory(&place).try_build().unwrap();
    if role == "forever" {
        let balena = open();
        for number in 0_u64.. {
            let token = format!("token-{}-{number}-{}", std::process::id(), "x".repeat(600));
            balena.auth().login_with_token(token).unwrap();
        }
    }
    for number in 0..20 {
        open().settings().set(&format!("{role}-{number}"), "x").unwrap();
    }
}

/// SIGKILL at any instant: a reader always finds the file whole, with a token in it.
#[test]
fn a_killed_writer_leaves_a_whole_file() {
    let dir = Dir::new();
    dir.open().auth().login_with_token(format!("token-start-{}", "x".repeat(600))).unwrap();
    let mut found = BTreeSet::new();
    for round in 0..60_u64 {
        let mut writer = child("forever", &dir);
        // Once it writes, not while it starts.
        let (began, start) = (Instant::now(), dir.text());
        while dir.text() == start && began.elapsed() < Duration::from_secs(20) {
            thread::yield_now();
        }
        thread::sleep(Duration::from_micros(round * 137 % 3000));
        writer.kill().unwrap();
        writer.wait().unwrap();
        let text = dir.text();
        assert!(text.starts_with("[Settings]\n") && text.ends_with("\n\n"), "round {round}: {text:?}");
        let token = token(&dir.open()).unwrap();
        assert!(token.starts_with("token-") && token.ends_with(&"x".repeat(600)), "round {round}: {token}");
        found.insert(token);
    }
    assert!(found.len() > 50, "the writers wrote nothing");
    dir.open().auth().login_with_token("last").unwrap();
    assert_eq!(dir.names(), ["balena.cfg"], "what the dead left behind is swept up");
}

#[test]
fn nobody_loses_what_another_process_wrote() {
    let dir = Dir::new();
    let roles = ["a", "b", "c", "d"];
    let mut children: Vec<_> = roles.iter().map(|role| child(role, &dir)).collect();
    let mine = dir.open();
    for number in 0..20 {
        mine.settings().set(&format!("mine-{number}"), "x").unwrap();
    }
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    for name in roles.iter().chain(["mine"].iter()) {
        for number in 0..20 {
            assert_eq!(get(&mine, &format!("{name}-{number}")), "x", "{name}-{number}");
        }
    }
    assert_eq!(dir.names(), ["balena.cfg"]);
}

#[test]
fn what_one_instance_writes_the_other_sees() {
    let dir = Dir::new();
    let (one, two) = (dir.open(), dir.open());
    one.auth().login_with_token("one").unwrap();
    assert_eq!(token(&two).as_deref(), Some("one"));
    two.settings().set("timeout", "5").unwrap();
    assert_eq!(get(&one, "timeout"), "5");
    two.auth().logout().unwrap();
    assert_eq!(token(&one), None);
    let threads: Vec<_> = (0..8)
        .map(|number| {
            let balena = if number % 2 == 0 { one.clone() } else { dir.open() };
            thread::spawn(move || {
                for turn in 0..10 {
                    balena.settings().set(&format!("t{number}-{turn}"), "x").unwrap();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(
        one.settings()
            .get_all()
            .unwrap()
            .keys()
            .filter(|name| name.starts_with('t') && name.contains('-'))
            .count(),
        80
    );
}

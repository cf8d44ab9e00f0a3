//! Files that can't be read or written: one error that says what to do, and the old token stays.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use balena_agent::Error;
use nix::unistd::geteuid;

use crate::support::{Dir, skip, token};

fn assert_helpful(error: &Error, words: &str) {
    assert!(error.is_io() || error.is_config(), "{error}");
    assert!(error.advice().is_some_and(|advice| advice.contains(words)), "{error}");
    assert!(!format!("{error:?}").contains("secret-token"), "{error:?}");
}

/// Whether modes mean nothing to this user.
fn is_root() -> bool {
    geteuid().is_root()
}

/// Modes mean nothing to root, who runs the test again as nobody.
fn is_unprivileged(test: &str) -> bool {
    if !is_root() {
        return true;
    }
    let nobody =
        Command::new(std::env::current_exe().unwrap()).args(["--exact", test]).uid(65534).gid(65534).output();
    match nobody {
        Ok(done) => assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout)),
        Err(why) => skip(&format!("nobody may not run this: {test} is not tested ({why})")),
    }
    false
}

#[test]
fn what_is_in_the_way_is_named() {
    let dir = Dir::new();
    fs::create_dir(dir.cfg()).unwrap();
    assert_helpful(&dir.refused(), "remove it");
    let dir = Dir::new();
    dir.write(&"x".repeat(2 * 1024 * 1024));
    assert_helpful(&dir.refused(), "remove it");
    let file = Dir::new();
    file.write("");
    let error = balena_agent::Balena::builder().data_directory(file.cfg()).try_build().unwrap_err();
    assert!(error.is_config() || error.is_io(), "{error}");
    assert!(error.to_string().contains("balena.cfg"), "{error}");
    let pipe = Dir::new();
    nix::unistd::mkfifo(&pipe.cfg(), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_helpful(&pipe.refused(), "remove it");
}

#[test]
fn without_try_build_it_is_an_error_of_the_first_call() {
    let dir = Dir::new();
    fs::create_dir(dir.cfg()).unwrap();
    let balena = dir.builder().build();
    assert!(balena.auth().get_token().unwrap_err().is_config());
    assert!(balena.settings().get("timeout").unwrap_err().is_config());
    assert!(balena.auth().login_with_token("x").unwrap_err().is_config());
    fs::remove_dir(dir.cfg()).unwrap();
    balena.auth().login_with_token("x").unwrap();
    assert_eq!(token(&balena).as_deref(), Some("x"), "what was mended is found mended");
}

#[test]
fn an_unreadable_file_is_not_taken_for_none() {
    if !is_unprivileged("trouble::an_unreadable_file_is_not_taken_for_none") {
        return;
    }
    let dir = Dir::new();
    dir.open().auth().login_with_token("secret-token").unwrap();
    fs::set_permissions(dir.cfg(), fs::Permissions::from_mode(0o0)).unwrap();
    assert_helpful(&dir.refused(), "this user may not read");
    assert_eq!(dir.names(), ["balena.cfg"]);
}

#[test]
fn a_directory_that_can_not_be_written_keeps_what_it_has() {
    if !is_unprivileged("trouble::a_directory_that_can_not_be_written_keeps_what_it_has") {
        return;
    }
    let dir = Dir::new();
    let balena = dir.open();
    balena.auth().login_with_token("secret-token").unwrap();
    fs::set_permissions(&dir.0, fs::Permissions::from_mode(0o500)).unwrap();
    assert_helpful(&balena.auth().login_with_token("other").unwrap_err(), "this user may not");
    assert_helpful(&balena.auth().logout().unwrap_err(), "this user may not");
    assert_eq!(token(&balena).as_deref(), Some("secret-token"));
    assert_eq!(token(&dir.open()).as_deref(), Some("secret-token"), "reading needs no writing");
}

/// A file system of its own; gone with the test.
struct Mount(Dir);

impl Mount {
    fn new() -> Option<Self> {
        let dir = Dir::new();
        let made = Command::new("mount").args(["-t", "tmpfs", "-o", "size=16k", "none"]).arg(&dir.0).output();
        if is_root() && made.is_ok_and(|made| made.status.success()) {
            return Some(Self(dir));
        }
        skip("no right to mount: full and read-only file systems are not tested");
        None
    }

    fn remount(&self, how: &str) {
        let done = Command::new("mount").args(["-o", how]).arg(&self.0.0).status();
        assert!(done.unwrap().success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0.0).status();
    }
}

#[test]
fn a_full_disk_keeps_the_old_token() {
    let Some(mount) = Mount::new() else { return };
    let dir = &mount.0;
    let balena = dir.open();
    balena.auth().login_with_token("secret-token").unwrap();
    let before = dir.text();
    let filler = dir.0.join("filler");
    let mut file = fs::File::create(&filler).unwrap();
    while std::io::Write::write_all(&mut file, &[0; 1024]).is_ok() {}
    let error = balena.auth().login_with_token("x".repeat(64)).unwrap_err();
    assert!(error.is_io(), "{error}");
    assert_helpful(&error, "space");
    assert_eq!((dir.text(), token(&balena).as_deref()), (before, Some("secret-token")));
    assert_eq!(dir.names(), ["balena.cfg", "filler"], "no draft stays behind");
    assert_eq!(token(&dir.open()).as_deref(), Some("secret-token"));
    // Garbage from elsewhere, and no room to begin anew: the login is still there when there is room again.
    dir.write("half a fi");
    assert_helpful(&balena.settings().set("x", "y".repeat(9000).as_str()).unwrap_err(), "space");
    assert_eq!(token(&balena).as_deref(), Some("secret-token"));
    drop(file);
    fs::remove_file(filler).unwrap();
    balena.settings().set("x", "y").unwrap();
    assert_eq!(token(&dir.open()).as_deref(), Some("secret-token"));
    balena.auth().login_with_token("other").unwrap();
    assert_eq!(token(&dir.open()).as_deref(), Some("other"));
}

#[test]
fn a_read_only_file_system_keeps_what_it_has() {
    let Some(mount) = Mount::new() else { return };
    let dir = &mount.0;
    dir.open().auth().login_with_token("secret-token").unwrap();
    mount.remount("remount,ro");
    let balena = dir.open();
    assert_eq!(token(&balena).as_deref(), Some("secret-token"), "reading needs no writing");
    let error = balena.auth().login_with_token("other").unwrap_err();
    assert_helpful(&error, "read-only");
    assert_eq!(token(&balena).as_deref(), Some("secret-token"));
    mount.remount("remount,rw");
}

//! Where a file can't be written, and where somebody else has a hand in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use balena_agent::{Error, RetryPolicy};

use crate::file_server::{FileServer, Turn};
use crate::{Dir, MIB, client, is, save};

#[tokio::test]
async fn directories_that_can_not_be_written_to() {
    let (dir, turn) = (Dir::new(), Turn::of(MIB));
    let server = FileServer::start([turn.clone()]);
    let error = save(&server, &dir.0.join("missing/x.img")).await.unwrap_err();
    assert!(error.is_config() && error.advice().unwrap().contains("does not exist"), "{error}");
    let error = save(&server, &dir.0).await.unwrap_err();
    assert!(error.is_io() && error.advice().unwrap().contains("name a file"), "{error}");
    assert!(save(&server, Path::new("/")).await.is_err());
    assert_eq!(dir.names(), [""; 0]);

    // Somebody's trap in a directory that all may write to.
    let server = FileServer::start([turn.clone().breaks_after(MIB / 2)]);
    let (once, _) = client(server.address, RetryPolicy::never());
    once.release().asset().download(1).await.unwrap().to_file(dir.file()).await.unwrap_err();
    let (part, victim) = (dir.part(), dir.0.join("victim"));
    fs::remove_file(&part).unwrap();
    fs::File::create(&victim).unwrap();
    std::os::unix::fs::symlink(&victim, &part).unwrap();
    server.then([turn.clone()]);
    save(&server, &dir.file()).await.unwrap();
    is(&dir.file(), &turn);
    assert_eq!(fs::metadata(&victim).unwrap().len(), 0);
}

/// Set in the process that has a file system of its own.
const PLACE: &str = "BALENA_AGENT_TEST_PLACE";
const SERVER: &str = "BALENA_AGENT_TEST_SERVER";

/// Runs the test of this name again, with a file system of its own mounted with these options.
fn on_a_file_system_of_its_own(test: &str, options: &str, server: &FileServer) {
    let dir = Dir::new();
    let unshare = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", script]).env(PLACE, &dir.0);
        command
    };
    let mounts = unshare(&format!("mount -t tmpfs -o {options} tmpfs \"${PLACE}\""));
    let probe = { mounts }.output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        println!("SKIP: can't mount a file system here (unshare and mount, as root): {test} is not tested");
        return;
    }
    let script = format!("mount -t tmpfs -o {options} tmpfs \"${PLACE}\" && exec \"$0\" \"$@\"");
    let output = unshare(&script)
        .arg(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(SERVER, server.address.to_string())
        .output()
        .unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// What happens there: the error, and what is left.
async fn there() -> Option<(Error, Vec<PathBuf>)> {
    let (place, server) = (PathBuf::from(std::env::var_os(PLACE)?), std::env::var(SERVER).ok()?);
    let (balena, _) = client(server, RetryPolicy::standard());
    let error =
        balena.release().asset().download(1).await.unwrap().to_file(place.join("x.img")).await.unwrap_err();
    let left = fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().path()).collect();
    Some((error, left))
}

#[tokio::test]
async fn a_full_disk_is_one_clear_error() {
    if let Some((error, left)) = there().await {
        assert!(error.is_io() && error.to_string().contains("x.img"), "{error}");
        assert!(error.advice().unwrap().contains("no space left"), "{error}");
        assert!(left.is_empty(), "{left:?}");
        return;
    }
    let server = FileServer::start([Turn::of(5 * MIB)]);
    on_a_file_system_of_its_own("places::a_full_disk_is_one_clear_error", "size=2m", &server);
}

#[tokio::test]
async fn a_read_only_directory_is_one_clear_error() {
    if let Some((error, left)) = there().await {
        assert!(error.is_io() && error.advice().unwrap().contains("read-only"), "{error}");
        assert!(left.is_empty(), "{left:?}");
        return;
    }
    let server = FileServer::start([Turn::of(5 * MIB)]);
    on_a_file_system_of_its_own("places::a_read_only_directory_is_one_clear_error", "ro", &server);
}

#[tokio::test]
async fn names_are_taken_as_they_are() {
    use std::os::unix::ffi::OsStrExt as _;

    let (dir, turn) = (Dir::new(), Turn::of(MIB));
    let server = FileServer::start([turn.clone()]);
    let path = dir.0.join(std::ffi::OsStr::from_bytes(b"b\xff.img"));
    save(&server, &path).await.unwrap();
    is(&path, &turn);
    fs::remove_file(&path).unwrap();
    // The name of a directory that is not there: nothing is downloaded first.
    for end in ["new/", "new/."] {
        let refuses = Turn { status: 404, ..turn.clone() };
        server.then([turn.clone().breaks_after(MIB / 2), refuses]);
        let error = save(&server, &dir.0.join(end)).await.unwrap_err();
        assert!(error.is_config() && error.advice().unwrap().contains("directory"), "{error}");
        assert_eq!(dir.names(), [""; 0]);
    }
}

#[tokio::test]
async fn what_blocks_the_name_of_a_part_is_left_alone() {
    let (dir, turn) = (Dir::new(), Turn::of(MIB));
    let server = FileServer::start([turn.clone().breaks_after(MIB / 2)]);
    let (once, _) = client(server.address, RetryPolicy::never());
    once.release().asset().download(1).await.unwrap().to_file(dir.file()).await.unwrap_err();
    let part = dir.part();
    fs::remove_file(&part).unwrap();
    fs::create_dir(&part).unwrap();
    server.then([turn.clone()]);
    save(&server, &dir.file()).await.unwrap();
    is(&dir.file(), &turn);
    assert!(part.is_dir());
}

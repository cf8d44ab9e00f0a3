//! What a download promises: the whole file or none, whatever the connection and the server do.
#![cfg(feature = "service")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use balena_agent::jiff::Timestamp;
use balena_agent::transport::{Body, BoxFuture, Request, Response, Transport, TransportError};
use balena_agent::{Balena, Clock, Download, Error, Progress, Retry, Settings};
use file_server::{FileServer, Turn, content};
use futures_util::stream::{self, StreamExt as _};

#[path = "support/file_server.rs"]
mod file_server;

const MIB: u64 = 1024 * 1024;

/// Waits take no time, and are remembered.
#[derive(Debug, Default)]
struct Hasty(Mutex<Vec<Duration>>);

impl Clock for Hasty {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.0.lock().unwrap().push(duration);
        Box::pin(async {})
    }
}

struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("balena-agent-download-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("balena.img")
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The part that is left.
    fn part(&self) -> PathBuf {
        let part = self.names().into_iter().find(|name| name.starts_with(".balena.img.")).expect("a part");
        self.0.join(part)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::set_permissions(&self.0, fs::Permissions::from_mode(0o755));
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn client(address: impl std::fmt::Display, retry: Retry) -> (Balena, Arc<Hasty>) {
    let clock = Arc::new(Hasty::default());
    let settings = Settings { api_endpoint: Some(format!("http://{address}")), ..Settings::default() };
    let balena = Balena::builder()
        .settings(settings)
        .token("t0ken".to_owned().into())
        .retry(retry)
        .clock(clock.clone())
        .build();
    (balena, clock)
}

async fn open(server: &FileServer) -> Result<Download, Error> {
    client(server.address, Retry::standard()).0.release().asset().download(1).await
}

async fn save(server: &FileServer, path: &Path) -> Result<u64, Error> {
    open(server).await?.to_file(path).await
}

/// The whole file.
fn bytes(turn: &Turn) -> Vec<u8> {
    let mut all = vec![0; usize::try_from(turn.length).unwrap()];
    content(turn.seed, 0, &mut all);
    all
}

#[track_caller]
fn is(path: &Path, turn: &Turn) {
    assert!(fs::read(path).unwrap() == bytes(turn), "{} is another file", path.display());
}

#[tokio::test]
async fn a_broken_connection_is_gone_on_with() {
    let (dir, turn) = (Dir::new(), Turn::of(64 * MIB));
    let server = FileServer::start([turn.clone().breaks_after(3 * MIB)]);
    let (balena, clock) = client(server.address, Retry::standard());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let keeps = seen.clone();
    let download = balena.release().asset().download(1).await.unwrap();
    let download = download.progress(move |progress: Progress| keeps.lock().unwrap().push(progress));
    assert_eq!(download.to_file(dir.file()).await.unwrap(), turn.length);
    is(&dir.file(), &turn);
    assert_eq!(dir.names(), ["balena.img"]);

    let asked = server.asked();
    assert_eq!(asked.len(), 22, "{asked:?}");
    assert_eq!(asked[0], "whole");
    for (times, range) in (1..).zip(&asked[1..]) {
        // No byte twice.
        assert_eq!(*range, format!("bytes={}- if \"one\"", times * 3 * MIB));
    }
    let seen = seen.lock().unwrap();
    assert!(seen.is_sorted_by_key(|progress| progress.done));
    assert_eq!(
        seen.last().map(|progress| (progress.done, progress.total)),
        Some((turn.length, Some(turn.length)))
    );
    let slept = clock.0.lock().unwrap();
    assert_eq!(slept.len(), 21);
    assert!(
        slept.iter().all(|pause| *pause <= Duration::from_millis(500)),
        "what brings something costs no patience"
    );
}

#[tokio::test]
async fn a_server_without_ranges_begins_again() {
    let (dir, turn) = (Dir::new(), Turn { ranges: false, ..Turn::of(9 * MIB) });
    let broken = |at| turn.clone().breaks_after(at);
    let server = FileServer::start([broken(MIB), broken(5 * MIB), broken(2 * MIB), turn.clone()]);
    save(&server, &dir.file()).await.unwrap();
    is(&dir.file(), &turn);
    assert_eq!(dir.names(), ["balena.img"]);
    assert_eq!(server.asked().len(), 4);

    // A connection that never brings more than the last one is given up.
    let server = FileServer::start([broken(MIB)]);
    let error = save(&server, &dir.0.join("other")).await.unwrap_err();
    assert!(error.is_unreachable() && error.to_string().contains("1048576 of 9437184 bytes"), "{error}");
    assert_eq!(server.asked().len(), 9, "the first, and eight that brought nothing new");
    assert!(!dir.0.join("other").exists());
}

#[tokio::test]
async fn a_file_that_changes_in_the_middle_is_never_mixed() {
    let turn = Turn::of(5 * MIB);
    let other = Turn { seed: 2, length: 4 * MIB, ..Turn::of(0) }.header("etag", "\"two\"");
    let longer = Turn { length: 6 * MIB, ..other.clone() };
    let careless = Turn { careless: true, ..longer.clone() };
    let shrunk = Turn { length: MIB, careless: true, ..other.clone() };
    for then in [other, longer, careless, shrunk] {
        let dir = Dir::new();
        let server = FileServer::start([turn.clone().breaks_after(2 * MIB), then.clone()]);
        assert_eq!(save(&server, &dir.file()).await.unwrap(), then.length);
        is(&dir.file(), &then);
        assert_eq!(dir.names(), ["balena.img"]);

        let server = FileServer::start([turn.clone().breaks_after(2 * MIB), then.clone()]);
        let mut stream = open(&server).await.unwrap().stream();
        let mut all = Vec::new();
        let error = loop {
            match stream.next().await.expect("an error before the end") {
                Ok(piece) => all.extend_from_slice(&piece),
                Err(error) => break error,
            }
        };
        assert!(error.to_string().contains("the same file"), "{error}");
        assert!(all == bytes(&turn)[..all.len()], "what was given out is of one file");
        assert!(stream.next().await.is_none());
    }
}

#[tokio::test]
async fn without_a_validator_nothing_is_gone_on_with() {
    let bare = Turn { headers: vec![], ..Turn::of(3 * MIB) };
    let weak = bare.clone().header("etag", "W/\"one\"");
    for turn in [bare, weak] {
        let dir = Dir::new();
        let server = FileServer::start([turn.clone().breaks_after(MIB), turn.clone()]);
        save(&server, &dir.file()).await.unwrap();
        is(&dir.file(), &turn);
        assert_eq!(server.asked(), ["whole", "whole"]);
    }
    let dated = Turn { headers: vec![], ..Turn::of(3 * MIB) }
        .header("last-modified", "Sat, 15 Jun 2024 12:00:00 GMT")
        .header("date", "Sat, 15 Jun 2024 13:00:00 GMT");
    let dir = Dir::new();
    let server = FileServer::start([dated.clone().breaks_after(MIB), dated.clone()]);
    save(&server, &dir.file()).await.unwrap();
    is(&dir.file(), &dated);
    assert_eq!(server.asked()[1], "bytes=1048576- if Sat, 15 Jun 2024 12:00:00 GMT");
}

#[tokio::test]
async fn a_stream_gives_every_byte_once() {
    let turn = Turn::of(5 * MIB);
    let forgets = Turn { ranges: false, ..turn.clone() };
    let server =
        FileServer::start([turn.clone().breaks_after(MIB), forgets.breaks_after(3 * MIB), turn.clone()]);
    let mut stream = open(&server).await.unwrap().stream();
    let mut all = Vec::new();
    while let Some(piece) = stream.next().await {
        all.extend_from_slice(&piece.unwrap());
    }
    assert!(all == bytes(&turn));
    assert_eq!(server.asked().len(), 3);
}

/// Says so much of ten bytes with each connection, and then nothing more.
#[derive(Debug)]
struct Silent(usize);

impl Transport for Silent {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        if request.uri().path() != "/file" {
            let row = r#"{"d":[{"asset":{"href":"https://assets.example/file"}}]}"#;
            let body = Body::new(stream::iter([Ok(row.into())]));
            return Box::pin(async { Ok(http::Response::new(body)) });
        }
        let range = request.headers().get("range").map(|range| range.to_str().unwrap().to_owned());
        let start = range.map_or(0, |range| range["bytes=".len()..range.len() - 1].parse().unwrap());
        let some: Vec<_> = (start..(start + self.0).min(10))
            .map(|at| Ok(vec![b'0' + u8::try_from(at).unwrap()].into()))
            .collect();
        let rest = stream::iter(some).chain(stream::pending());
        let answer = http::Response::builder().header("etag", "\"one\"");
        let answer = match start {
            0 => answer.header("content-length", 10),
            _ => answer.status(206).header("content-range", format!("bytes {start}-9/10")),
        };
        Box::pin(async { Ok(answer.body(Body::new(rest)).unwrap()) })
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_falls_silent_is_given_up_for_another() {
    let silent = async |bytes| {
        let transport = Arc::new(Silent(bytes));
        let balena = Balena::builder().token("t0ken".to_owned().into()).transport(transport).build();
        let mut stream = balena.release().asset().download(1).await.unwrap().stream();
        let (mut all, started) = (Vec::new(), tokio::time::Instant::now());
        loop {
            match stream.next().await {
                Some(Ok(piece)) => all.extend_from_slice(&piece),
                end => return (all, end.map(Result::unwrap_err), started.elapsed().as_secs() / 90),
            }
        }
    };
    let (all, error, silences) = silent(4).await;
    assert_eq!((String::from_utf8(all).unwrap().as_str(), silences), ("0123456789", 2));
    assert!(error.is_none(), "{error:?}");
    // Nothing at all, nine times.
    let (all, error, silences) = silent(0).await;
    assert!(all.is_empty() && error.unwrap().is_timeout() && (9..12).contains(&silences), "{silences}");
}

#[tokio::test]
async fn a_checksum_is_held_against_what_came() {
    let sha256 = |turn: &Turn| {
        use sha2::Digest as _;
        let sum = sha2::Sha256::digest(bytes(turn));
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, sum)
    };
    let turn = Turn::of(3 * MIB);
    let told = |turn: Turn, sum: &str| turn.header("repr-digest", format!("sha-256=:{sum}:"));
    let right = told(turn.clone(), &sha256(&turn));
    let wrong = told(turn.clone(), &sha256(&Turn { seed: 2, ..turn.clone() }));

    let dir = Dir::new();
    let server = FileServer::start([right.clone().breaks_after(MIB), right.clone()]);
    save(&server, &dir.file()).await.unwrap();
    is(&dir.file(), &turn);

    // The file that was there stays.
    let server = FileServer::start([wrong.clone()]);
    let error = save(&server, &dir.file()).await.unwrap_err();
    assert!(error.is_decode() && error.to_string().contains("sha-256"), "{error}");
    is(&dir.file(), &turn);
    assert_eq!(dir.names(), ["balena.img"]);

    let mut stream = open(&server).await.unwrap().stream();
    let mut last = None;
    while let Some(piece) = stream.next().await {
        last = Some(piece);
    }
    assert!(last.unwrap().unwrap_err().is_decode());
}

#[tokio::test]
async fn files_of_all_lengths() {
    for tells_length in [true, false] {
        for length in [0, 1, 65_536, 16 * MIB, 16 * MIB + 1, 33 * MIB] {
            let (dir, turn) = (Dir::new(), Turn { tells_length, ..Turn::of(length) });
            let breaks = turn.clone().breaks_after(length / 2);
            let server = FileServer::start([breaks, turn.clone()]);
            let download = open(&server).await.unwrap();
            assert_eq!(download.length(), tells_length.then_some(length));
            assert_eq!(download.to_file(dir.file()).await.unwrap(), length);
            is(&dir.file(), &turn);
        }
    }
}

#[tokio::test]
async fn what_is_packed_stays_packed() {
    let turn = Turn::of(MIB).header("content-encoding", "gzip").header("content-type", "application/x-img");
    let turn = turn.header("content-disposition", "attachment; filename=\"../a.img.gz\"");
    let dir = Dir::new();
    let server = FileServer::start([turn.clone().breaks_after(1000), turn.clone()]);
    let download = open(&server).await.unwrap();
    assert_eq!(download.length(), Some(MIB));
    assert_eq!(download.content_encoding(), Some("gzip"));
    assert_eq!(download.content_type(), Some("application/x-img"));
    assert_eq!(download.filename().as_deref(), Some("a.img.gz"));
    download.to_file(dir.file()).await.unwrap();
    is(&dir.file(), &turn);
}

#[tokio::test]
async fn what_a_former_process_left_is_gone_on_with() {
    let (dir, turn) = (Dir::new(), Turn::of(40 * MIB));
    let server = FileServer::start([turn.clone().breaks_after(20 * MIB)]);
    let (once, _) = client(server.address, Retry::never());
    let error = once.release().asset().download(1).await.unwrap().to_file(dir.file()).await.unwrap_err();
    assert!(error.is_unreachable() && error.to_string().contains("goes on"), "{error}");
    assert!(!dir.file().exists());
    let part = dir.part();

    // What lies behind the last place that was made sure of may be anything after a power cut.
    let mut left = fs::read(&part).unwrap();
    assert!(left.len() > usize::try_from(16 * MIB).unwrap());
    left[usize::try_from(16 * MIB).unwrap()..].fill(0);
    fs::File::options()
        .write(true)
        .open(&part)
        .and_then(|mut file| std::io::Write::write_all(&mut file, &left))
        .unwrap();
    server.then([turn.clone()]);
    save(&server, &dir.file()).await.unwrap();
    is(&dir.file(), &turn);
    assert_eq!(server.asked().last().unwrap(), "bytes=16777216- if \"one\"");
    assert_eq!(dir.names(), ["balena.img"]);
}

#[tokio::test]
async fn what_was_left_of_another_file_is_removed() {
    let (dir, turn) = (Dir::new(), Turn::of(40 * MIB));
    let server = FileServer::start([turn.clone().breaks_after(20 * MIB)]);
    let (once, _) = client(server.address, Retry::never());
    let save_once = async || once.release().asset().download(1).await.unwrap().to_file(dir.file()).await;
    save_once().await.unwrap_err();
    dir.part();
    let neighbour = dir.0.join(".balena.img.txt.part");
    fs::File::create(&neighbour).unwrap();

    let other = Turn { seed: 2, ..Turn::of(MIB) }.header("etag", "\"two\"");
    server.then([other.clone()]);
    save_once().await.unwrap();
    is(&dir.file(), &other);
    assert_eq!(server.asked().last().unwrap(), "whole");
    assert_eq!(dir.names(), [".balena.img.txt.part", "balena.img"]);
}

#[tokio::test]
async fn a_leftover_is_checked_too() {
    let (dir, turn) = (Dir::new(), Turn::of(40 * MIB));
    let crc = {
        let mut hash = crc32fast::Hasher::new();
        hash.update(&bytes(&turn));
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, hash.finalize().to_be_bytes())
    };
    let turn = turn.header("x-amz-checksum-crc32", crc);
    let server = FileServer::start([turn.clone().breaks_after(20 * MIB)]);
    let (once, _) = client(server.address, Retry::never());
    let save_once = async || once.release().asset().download(1).await.unwrap().to_file(dir.file()).await;
    save_once().await.unwrap_err();
    let mut left = fs::read(dir.part()).unwrap();
    left[5] ^= 1;
    fs::File::options()
        .write(true)
        .open(dir.part())
        .and_then(|mut file| std::io::Write::write_all(&mut file, &left))
        .unwrap();
    server.then([turn.clone()]);
    let error = save_once().await.unwrap_err();
    assert!(error.is_decode(), "{error}");
    assert_eq!(dir.names(), [""; 0]);
    save_once().await.unwrap();
    is(&dir.file(), &turn);
}

#[tokio::test]
async fn a_file_is_replaced_only_when_the_new_one_is_whole() {
    let (dir, old) = (Dir::new(), Turn::of(MIB));
    save(&FileServer::start([old.clone()]), &dir.file()).await.unwrap();
    let new = Turn { seed: 2, ..Turn::of(2 * MIB) };
    let server = FileServer::start([Turn { hangs: true, ..new.clone().breaks_after(MIB) }]);
    let seen = Arc::new(tokio::sync::Notify::new());
    let tells = seen.clone();
    let download = open(&server).await.unwrap().progress(move |progress| {
        if progress.done == MIB {
            tells.notify_one();
        }
    });
    // Dropped in the middle.
    tokio::select! {
        done = download.to_file(dir.file()) => panic!("{done:?}"),
        () = seen.notified() => {}
    }
    is(&dir.file(), &old);

    // A link is replaced; what it led to stays.
    let link = dir.0.join("link");
    std::os::unix::fs::symlink(dir.file(), &link).unwrap();
    server.then([new.clone()]);
    save(&server, &link).await.unwrap();
    is(&link, &new);
    is(&dir.file(), &old);
    assert!(!link.is_symlink());
}

#[tokio::test]
async fn dropped_in_the_middle_there_is_no_file() {
    let (dir, turn) = (Dir::new(), Turn::of(30 * MIB));
    let server = FileServer::start([Turn { hangs: true, ..turn.clone().breaks_after(20 * MIB) }]);
    let dropped = async || {
        let seen = Arc::new(tokio::sync::Notify::new());
        let tells = seen.clone();
        let download = open(&server).await.unwrap().progress(move |progress| {
            if progress.done >= 20 * MIB {
                tells.notify_one();
            }
        });
        tokio::select! {
            done = download.to_file(dir.file()) => panic!("{done:?}"),
            () = seen.notified() => {}
        }
        assert!(!dir.file().exists());
    };
    dropped().await;
    // And right behind it, while its last write may still be under way.
    server.then([turn.clone()]);
    save(&server, &dir.file()).await.unwrap();
    is(&dir.file(), &turn);
    assert_eq!(dir.names(), ["balena.img"]);
}

#[tokio::test]
async fn two_do_not_write_one_file() {
    let (dir, turn) = (Dir::new(), Turn::of(2 * MIB));
    let slow = Turn { hangs: true, ..turn.clone().breaks_after(MIB) };
    let server = FileServer::start([slow, turn.clone()]);
    let first = open(&server).await.unwrap();
    let second = open(&server).await.unwrap();
    let error = tokio::select! {
        done = first.to_file(dir.file()) => panic!("{done:?}"),
        second = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            second.to_file(dir.file()).await
        } => second.unwrap_err(),
    };
    assert!(error.is_conflict() && error.to_string().contains("already"), "{error}");
    assert!(!dir.file().exists());
}

#[tokio::test]
async fn what_the_server_refuses_is_no_reason_to_go_on() {
    let (dir, turn) = (Dir::new(), Turn::of(3 * MIB));
    for (status, times) in [(403, 2), (404, 2), (500, 9)] {
        let refuses = Turn { status, headers: vec![], ..turn.clone() };
        let server = FileServer::start([turn.clone().breaks_after(MIB), refuses]);
        let error = save(&server, &dir.file()).await.unwrap_err();
        assert_eq!(error.status(), Some(status), "{error}");
        assert!(!error.to_string().contains("signature") && !error.to_string().contains("t0ken"), "{error}");
        assert_eq!(server.asked().len(), times, "{status}");
        assert!(!dir.file().exists());
    }
    // A part that nobody asked for, and more than there is.
    let server = FileServer::start([Turn { status: 206, ..turn.clone() }]);
    assert!(open(&server).await.unwrap_err().is_decode());
}

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
    let (once, _) = client(server.address, Retry::never());
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
    let (balena, _) = client(server, Retry::standard());
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
    on_a_file_system_of_its_own("a_full_disk_is_one_clear_error", "size=2m", &server);
}

#[tokio::test]
async fn a_read_only_directory_is_one_clear_error() {
    if let Some((error, left)) = there().await {
        assert!(error.is_io() && error.advice().unwrap().contains("read-only"), "{error}");
        assert!(left.is_empty(), "{left:?}");
        return;
    }
    let server = FileServer::start([Turn::of(5 * MIB)]);
    on_a_file_system_of_its_own("a_read_only_directory_is_one_clear_error", "ro", &server);
}

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
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use balena_agent::jiff::Timestamp;
use balena_agent::transport::BoxFuture;
use balena_agent::{Balena, Clock, Download, Error, RetryPolicy, Settings};
use file_server::{FileServer, Turn, content};

#[path = "download/breaks.rs"]
mod breaks;
#[path = "support/file_server.rs"]
mod file_server;
#[path = "download/leftovers.rs"]
mod leftovers;
#[path = "download/lies.rs"]
mod lies;
#[path = "download/places.rs"]
mod places;
#[path = "download/versions.rs"]
mod versions;

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

fn client(address: impl std::fmt::Display, retry: RetryPolicy) -> (Balena, Arc<Hasty>) {
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
    client(server.address, RetryPolicy::standard()).0.release().asset().download(1).await
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

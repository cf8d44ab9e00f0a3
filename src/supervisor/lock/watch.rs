//! Notices changes of a lock file: by inotify, and by polling as a fallback.

use std::ffi::OsStr;
use std::os::fd::{AsFd as _, AsRawFd, RawFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent};
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, sleep, sleep_until};

use crate::fs::directory_of;

use super::{LEGACY_NAME, NAME};

/// Polling interval besides inotify, which misses some changes: those of other hosts on a network file system, and
/// the end of a process that does not have the lock file open.
const POLL_INTERVAL: Duration = Duration::from_secs(5);
/// Polling interval without inotify; it doubles up to [`MAX_BACKOFF`].
const INITIAL_BACKOFF: Duration = Duration::from_millis(250);
const MAX_BACKOFF: Duration = Duration::from_secs(1);
/// Events within this time cause one wake-up.
const DEBOUNCE: Duration = Duration::from_millis(10);

/// Events that may end a lock: the file is deleted, moved, replaced, or closed by a holder that ends.
const RELEASE_EVENTS: AddWatchFlags = AddWatchFlags::IN_DELETE
    .union(AddWatchFlags::IN_MOVE)
    .union(AddWatchFlags::IN_CLOSE_WRITE)
    .union(AddWatchFlags::IN_DELETE_SELF)
    .union(AddWatchFlags::IN_MOVE_SELF)
    .union(AddWatchFlags::IN_ONLYDIR);

/// A watch on the directory of a lock.
#[derive(Debug)]
pub(crate) struct LockWatch {
    directory: PathBuf,
    /// Polling interval besides inotify.
    poll: Duration,
    events: Option<AsyncFd<Events>>,
    pause: Duration,
    /// When events last caused a wake-up.
    woken: Option<Instant>,
}

/// inotify as a file descriptor for tokio.
#[derive(Debug)]
struct Events(Inotify);

impl AsRawFd for Events {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl LockWatch {
    /// Starts to watch. Later events end [`changed`](Self::changed), so read the lock after this call.
    pub(crate) fn new(lock: &Path) -> Self {
        let directory = directory_of(lock).to_owned();
        let events = match watch(&directory) {
            Ok(events) => Some(events),
            Err(error) => {
                tracing::debug!(directory = %directory.display(), %error,
                    "inotify does not work here: polling the lock once a second");
                None
            }
        };
        Self { directory, poll: POLL_INTERVAL, events, pause: INITIAL_BACKOFF, woken: None }
    }

    /// Sets the polling interval besides inotify.
    #[cfg(feature = "service")]
    pub(crate) fn poll_every(self, poll: Duration) -> Self {
        Self { poll, ..self }
    }

    /// Resolves when a lock file has changed, or at the polling interval of at most a few seconds. Dropping the
    /// future loses no event.
    pub(crate) async fn changed(&mut self) {
        let Some(events) = &self.events else {
            sleep(self.pause).await;
            self.pause = (self.pause * 2).min(MAX_BACKOFF);
            // The inotify limit may have freed up, or the directory may exist again.
            self.events = watch(&self.directory).ok();
            return;
        };
        let look = sleep(self.poll);
        tokio::pin!(look);
        loop {
            let told = async {
                if let Some(woken) = self.woken {
                    sleep_until(woken + DEBOUNCE).await;
                }
                next(events).await
            };
            let told = tokio::select! {
                told = told => told,
                () = &mut look => return,
            };
            self.woken = Some(Instant::now());
            match told {
                WatchEvent::Nothing => {}
                WatchEvent::Change => return,
                WatchEvent::End => {
                    self.events = None;
                    return;
                }
            }
        }
    }
}

/// What a batch of events means.
enum WatchEvent {
    /// No lock file has changed.
    Nothing,
    /// A lock file has changed.
    Change,
    /// The directory is gone, or inotify failed: this watch delivers no more events.
    End,
}

#[expect(
    deprecated,
    reason = "what replaces it is unsafe, for types whose descriptor may change; ours has one for life"
)]
fn watch(directory: &Path) -> std::io::Result<AsyncFd<Events>> {
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
    inotify.add_watch(directory, RELEASE_EVENTS)?;
    AsyncFd::with_interest(Events(inotify), tokio::io::Interest::READABLE)
}

async fn next(events: &AsyncFd<Events>) -> WatchEvent {
    loop {
        let Ok(mut ready) = events.readable().await else { return WatchEvent::End };
        match ready.get_inner().0.read_events() {
            Ok(events) => return classify(&events),
            Err(Errno::EAGAIN) => ready.clear_ready(),
            Err(Errno::EINTR) => {}
            Err(_) => return WatchEvent::End,
        }
    }
}

fn classify(events: &[InotifyEvent]) -> WatchEvent {
    let over = AddWatchFlags::IN_IGNORED
        | AddWatchFlags::IN_UNMOUNT
        | AddWatchFlags::IN_DELETE_SELF
        | AddWatchFlags::IN_MOVE_SELF;
    let of_lock = |event: &InotifyEvent| {
        let name = event.name.as_deref();
        name == Some(OsStr::new(NAME))
            || name == Some(OsStr::new(LEGACY_NAME))
            || event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW)
    };
    if events.iter().any(|event| event.mask.intersects(over)) {
        WatchEvent::End
    } else if events.iter().any(of_lock) {
        WatchEvent::Change
    } else {
        WatchEvent::Nothing
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;

    /// Shorter than the polling intervals with and without inotify.
    const AT_ONCE: Duration = Duration::from_millis(200);

    async fn told(watch: &mut LockWatch) -> bool {
        tokio::time::timeout(AT_ONCE, watch.changed()).await.is_ok()
    }

    #[tokio::test]
    async fn only_the_lock_files_wake_and_each_does() {
        let dir = std::env::temp_dir().join(format!("balena-agent-watch-{}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        let (lock, other) = (dir.join(NAME), dir.join("other"));
        let mut watch = LockWatch::new(&lock);
        assert!(watch.events.is_some(), "inotify does not work here");
        for _ in 0..2 {
            drop(fs::File::create(&other).unwrap());
            fs::remove_file(&other).unwrap();
            assert!(!told(&mut watch).await, "another file");
        }
        for name in [NAME, LEGACY_NAME] {
            let path = dir.join(name);
            let holder = fs::File::create(&path).unwrap();
            assert!(!told(&mut watch).await, "a lock that is made ends no lock");
            drop(holder);
            assert!(told(&mut watch).await, "its holder ends");
            fs::remove_file(&path).unwrap();
            assert!(told(&mut watch).await, "it is deleted");
            drop(fs::File::create(&other).unwrap());
            fs::rename(&other, &path).unwrap();
            assert!(told(&mut watch).await, "it is replaced");
            fs::rename(&path, &other).unwrap();
            assert!(told(&mut watch).await, "it is moved away");
        }
        // The directory was replaced: the new one is watched too.
        fs::remove_file(&other).unwrap();
        fs::remove_dir(&dir).unwrap();
        assert!(told(&mut watch).await, "the directory is gone");
        fs::create_dir(&dir).unwrap();
        while watch.events.is_none() {
            watch.changed().await;
        }
        drop(fs::File::create(&lock).unwrap());
        assert!(told(&mut watch).await);
        fs::remove_dir_all(&dir).unwrap();
    }
}

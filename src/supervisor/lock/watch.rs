//! Tells when a lock file changes: by inotify, with a slow look beside it.

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

/// Pause between two looks beside inotify, which does not tell everything: not what another host does in a
/// network file system, and not the end of a process that has the lock file not open.
const BESIDE: Duration = Duration::from_secs(5);
/// Pause between two looks without inotify; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Events that come closer together than this wake us once.
const TOGETHER: Duration = Duration::from_millis(10);

/// What may end a lock: its file is deleted, moved, replaced, or closed by a holder that ends.
const ENDS: AddWatchFlags = AddWatchFlags::IN_DELETE
    .union(AddWatchFlags::IN_MOVE)
    .union(AddWatchFlags::IN_CLOSE_WRITE)
    .union(AddWatchFlags::IN_DELETE_SELF)
    .union(AddWatchFlags::IN_MOVE_SELF)
    .union(AddWatchFlags::IN_ONLYDIR);

/// A watch on the directory of a lock.
#[derive(Debug)]
pub(super) struct LockWatch {
    directory: PathBuf,
    events: Option<AsyncFd<Events>>,
    pause: Duration,
    /// When events woke us last.
    woken: Option<Instant>,
}

/// inotify as a file descriptor that tokio can wait for.
#[derive(Debug)]
struct Events(Inotify);

impl AsRawFd for Events {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl LockWatch {
    /// Begins to watch. What happens from now on ends [`changed`](Self::changed), so look after this.
    pub(super) fn new(lock: &Path) -> Self {
        let directory = directory_of(lock).to_owned();
        let events = match watch(&directory) {
            Ok(events) => Some(events),
            Err(error) => {
                tracing::debug!(directory = %directory.display(), %error,
                    "inotify does not work here: the lock is looked at once a second");
                None
            }
        };
        Self { directory, events, pause: FIRST_PAUSE, woken: None }
    }

    /// Resolves when a lock file has changed, or when it is time to look anyway: at most a few seconds
    /// later. Dropping it loses no event.
    pub(super) async fn changed(&mut self) {
        let Some(events) = &self.events else {
            sleep(self.pause).await;
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            // The limit of inotify may be free again, the directory be there again.
            self.events = watch(&self.directory).ok();
            return;
        };
        let look = sleep(BESIDE);
        tokio::pin!(look);
        loop {
            let told = async {
                if let Some(woken) = self.woken {
                    sleep_until(woken + TOGETHER).await;
                }
                next(events).await
            };
            let told = tokio::select! {
                told = told => told,
                () = &mut look => return,
            };
            self.woken = Some(Instant::now());
            match told {
                Told::Nothing => {}
                Told::Change => return,
                Told::End => {
                    self.events = None;
                    return;
                }
            }
        }
    }
}

/// What a bunch of events says.
enum Told {
    /// Nothing of a lock file.
    Nothing,
    /// A lock file has changed.
    Change,
    /// The directory is gone, or inotify fails: this watch tells nothing any more.
    End,
}

#[expect(
    deprecated,
    reason = "what replaces it is unsafe, for types whose descriptor may change; ours has one for life"
)]
fn watch(directory: &Path) -> std::io::Result<AsyncFd<Events>> {
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
    inotify.add_watch(directory, ENDS)?;
    AsyncFd::with_interest(Events(inotify), tokio::io::Interest::READABLE)
}

async fn next(events: &AsyncFd<Events>) -> Told {
    loop {
        let Ok(mut ready) = events.readable().await else { return Told::End };
        match ready.get_inner().0.read_events() {
            Ok(events) => return tell(&events),
            Err(Errno::EAGAIN) => ready.clear_ready(),
            Err(Errno::EINTR) => {}
            Err(_) => return Told::End,
        }
    }
}

fn tell(events: &[InotifyEvent]) -> Told {
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
        Told::End
    } else if events.iter().any(of_lock) {
        Told::Change
    } else {
        Told::Nothing
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;

    /// Less than what it takes without inotify, and than what is looked beside it.
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
        // The directory is another one now: watched as well.
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

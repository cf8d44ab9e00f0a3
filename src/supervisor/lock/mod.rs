//! Update locks: one file, two mechanisms (supervisor API reference, section 5).
//!
//! The supervisor checks whether the file **exists**. The host OS, before it reboots into an update, checks whether
//! an exclusive `flock` is held **on** it. [`HeldLock`] provides both. The holder is described in the file itself:
//! nothing else reads the content, so it can't outlive or contradict the lock.

mod acquire;
mod error;
mod held;
mod inspect;
mod owner;
mod process;
mod status;
mod watch;

use std::future::IntoFuture;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use tokio::time::Instant;

use crate::env::Environment;
use crate::error::Result;
use crate::fs::directory_of;

use acquire::Attempt;
use owner::tidy;

pub use held::HeldLock;
pub use owner::LockOwner;
pub use status::{LockFile, LockState, LockStatus, PathKind};
pub(crate) use watch::LockWatch;

/// User id of the supervisor's own locks. It treats every lock of this user as its own.
const SUPERVISOR_UID: u32 = 65534;
/// The lock file name known to the supervisor and the host OS, and an older one that only the supervisor knows.
const NAME: &str = "updates.lock";
const LEGACY_NAME: &str = "resin-updates.lock";

/// The update lock of this service.
///
/// While it is held, the supervisor does not update, restart, stop or purge any service of the application and does
/// not reboot or shut down the device; a host OS update does not reboot it either. Downloads continue, and so does
/// the update of the supervisor itself. `force` removes the lock: see [`HeldLock::lost`].
///
/// No label is needed: the directory is mounted into every service. A reboot empties it.
#[derive(Debug, Clone)]
pub struct UpdateLock {
    path: PathBuf,
    service: Option<String>,
    app_id: Option<i64>,
}

impl UpdateLock {
    pub(crate) fn new(env: &Environment) -> Self {
        Self {
            path: env.lock_path(),
            service: env.service_name.clone(),
            app_id: env.app_id.as_deref().and_then(|id| id.parse().ok()),
        }
    }

    /// Returns the path of the lock file, whether it exists or not.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the lock, and waits while another holder has it. A release is noticed immediately if inotify works, else
    /// within a second. Waiting requires a tokio runtime with I/O and time.
    ///
    /// A lock under the other name ([`LockStatus::legacy`]) blocks this one too: the supervisor treats both as the
    /// lock of the application, and so does the program that created it.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use balena_agent::{Balena, Environment};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let directory = std::env::temp_dir().join(format!("balena-agent-doc-{}", std::process::id()));
    /// # std::fs::create_dir_all(&directory)?;
    /// # let path = directory.join("updates.lock").display().to_string();
    /// # let balena = Balena::builder()
    /// #     .environment(Environment::from_vars([("BALENA_APP_LOCK_PATH", path)])?)
    /// #     .build();
    /// let held = balena
    ///     .update_lock()
    ///     .acquire()
    ///     .reason("writing the modem's firmware")
    ///     .timeout(Duration::from_secs(60))
    ///     .await?;
    /// // The supervisor does not restart this service here, unless forced:
    /// assert!(held.is_held());
    /// // Dropping it releases it too, but does not report whether the lock was held to the end.
    /// held.release()?;
    /// assert!(!balena.update_lock().status()?.is_locked());
    /// # std::fs::remove_dir_all(&directory)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `is_locked` if the [timeout](AcquireLock::timeout) has expired (never without one), if the lock is stale, so
    /// that waiting does not help, or if it is to be taken over and belongs to another user;
    /// [`lock_holder`](crate::Error::lock_holder) returns the holder. `is_config` if there is no such directory, the
    /// file name does not lock, or this process runs as user 65534, whose locks the supervisor treats as its own.
    /// `is_io` if the directory can't be written: no permission, read-only, full.
    pub fn acquire(&self) -> AcquireLock {
        AcquireLock {
            lock: self.clone(),
            timeout: None,
            owner: None,
            reason: None,
            stale: StalePolicy::Refuse,
        }
    }

    /// Checks whether the lock could be taken if it were free. Creates and deletes a file of another name, which does
    /// not lock: modes and mount options alone are not sufficient.
    ///
    /// # Errors
    /// Those of [`acquire`](Self::acquire) except `is_locked`.
    #[cfg(feature = "cli")]
    pub(crate) fn try_directory(&self) -> Result<()> {
        error::check(self)?;
        let draft = crate::fs::TempFile::beside(&self.path, 0o600);
        draft.map(drop).map_err(|cause| error::directory(self, "take", cause))
    }

    /// Returns who holds the lock, as far as visible from here. Changes nothing.
    ///
    /// # Errors
    /// `is_config` if there is no such directory or the file name does not lock; `is_io` if it can't be read.
    pub fn status(&self) -> Result<LockStatus> {
        inspect::read(self, "read")
    }

    /// Returns the path of the other lock file name.
    fn other_path(&self) -> PathBuf {
        let ours = self.path.file_name();
        let other = if ours.is_some_and(|name| name == LEGACY_NAME) { NAME } else { LEGACY_NAME };
        directory_of(&self.path).join(other)
    }
}

/// How to handle a lock that its holder left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StalePolicy {
    Refuse,
    TakeOver,
}

/// The acquisition of an update lock. Nothing happens before `.await` or [`try_now`](Self::try_now).
///
/// Dropping the future ends the wait and leaves nothing behind.
#[derive(Debug, Clone)]
#[must_use = "the lock is not taken before `.await`"]
pub struct AcquireLock {
    lock: UpdateLock,
    timeout: Option<Duration>,
    owner: Option<String>,
    reason: Option<String>,
    stale: StalePolicy,
}

impl AcquireLock {
    /// Sets the longest wait. After it the error is `is_locked` and names the holder. Without it the wait is
    /// unlimited.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets the name of the holder for readers of the lock; default: the program's name. Up to 200 characters,
    /// readable by every service user with access to the directory.
    pub fn owner(mut self, owner: impl AsRef<str>) -> Self {
        self.owner = Some(tidy(owner.as_ref()));
        self
    }

    /// Sets the reason for readers of the lock. Up to 200 characters.
    pub fn reason(mut self, reason: impl AsRef<str>) -> Self {
        self.reason = Some(tidy(reason.as_ref()));
        self
    }

    /// Takes the lock over if its holder was killed, and was of this library and this service.
    ///
    /// A lock file outlives its holder and then locks until the next reboot. A stale file is recognizable because
    /// every holder keeps an `flock` on it while it lives. The lock is taken over only if the file says that this
    /// library created it for this service, no process has an `flock` on it, and the holder has ended, or ran in
    /// another container or before a reboot. The lock exists all the time meanwhile, and of several processes that
    /// try, one gets it. Locks of the supervisor and of other programs are never touched.
    ///
    /// Use it if the program finishes or undoes at its start what a crash interrupted. Do not use it if a person must
    /// inspect the result of a crash.
    pub fn take_over_stale(mut self) -> Self {
        self.stale = StalePolicy::TakeOver;
        self
    }

    /// Sets how a lock left behind is handled.
    #[cfg(feature = "cli")]
    pub(crate) fn stale(mut self, stale: StalePolicy) -> Self {
        self.stale = stale;
        self
    }

    /// Takes the lock now or fails with `is_locked`, without waiting and without a runtime.
    ///
    /// # Errors
    /// Those of [`UpdateLock::acquire`].
    pub fn try_now(self) -> Result<HeldLock> {
        match self.attempt()? {
            Attempt::Held(held) => Ok(held),
            Attempt::Busy(file) => Err(error::locked(&self.lock, file.as_ref(), None)),
        }
    }

    async fn wait(self) -> Result<HeldLock> {
        let started = Instant::now();
        // A timeout beyond the range of the clock counts as none.
        let until = self.timeout.and_then(|timeout| started.checked_add(timeout));
        let mut watch = None;
        loop {
            let file = match self.attempt()? {
                Attempt::Held(held) => return Ok(held),
                Attempt::Busy(file) => file,
            };
            // No holder is left to release it.
            if self.stale == StalePolicy::Refuse
                && file.as_ref().is_some_and(|file| file.state == LockState::Stale)
            {
                return Err(error::locked(&self.lock, file.as_ref(), None));
            }
            let now = Instant::now();
            if until.is_some_and(|until| now >= until) {
                return Err(error::locked(&self.lock, file.as_ref(), Some(now - started)));
            }
            let Some(watch) = &mut watch else {
                tracing::trace!(path = %self.lock.path.display(), "the update lock is held, waiting");
                watch = Some(LockWatch::new(&self.lock.path));
                continue;
            };
            match until {
                // The last check is at the very end, so that a short timeout is not shortened further.
                Some(until) => drop(tokio::time::timeout_at(until, watch.changed()).await),
                None => watch.changed().await,
            }
        }
    }
}

impl IntoFuture for AcquireLock {
    type Output = Result<HeldLock>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<HeldLock>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.wait())
    }
}

//! Update locks: one file, two mechanisms (supervisor API reference, section 5).
//!
//! The supervisor asks whether the file **exists**; the host OS, before it reboots into an update, asks
//! whether somebody has an exclusive `flock` **on** it. [`HeldLock`] is both at once. Who holds the lock is
//! written into the file: neither side reads its content, and so it can't outlive or contradict the lock.

mod attempt;
mod held;
mod owner;
mod process;
mod status;
mod trouble;
mod watch;

use std::future::IntoFuture;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use tokio::time::Instant;

use crate::env::Environment;
use crate::error::Result;
use crate::fs::directory_of;

use attempt::Attempt;
use owner::tidy;
use watch::LockWatch;

pub use held::HeldLock;
pub use owner::LockOwner;
pub use status::{LockFile, LockState, LockStatus, PathKind};

/// The user that the supervisor takes its own locks as. It treats every lock of this user as its own.
const SUPERVISOR_UID: u32 = 65534;
/// The name that the supervisor and the host OS look for, and the older one that only the supervisor knows.
const NAME: &str = "updates.lock";
const LEGACY_NAME: &str = "resin-updates.lock";

/// This service's update lock.
///
/// While it is held, the supervisor neither updates, restarts, stops nor purges any service of the
/// application, and neither reboots nor shuts the device down; nor does a host OS update reboot it.
/// Downloads go on, and so does the supervisor's own update. `force` takes the lock away: see
/// [`HeldLock::lost`].
///
/// No label is needed; the directory is mounted into every service. It is emptied by a reboot.
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

    /// Where the lock file is, or will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the lock, waiting as long as somebody else holds it. A release is noticed at once where inotify
    /// works, within a second elsewhere. To wait needs a tokio runtime with I/O and time.
    ///
    /// A lock under the other name ([`LockStatus::legacy`]) holds this one too: the supervisor takes either
    /// for the lock of the application, and so does whoever made it.
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
    /// // Nobody restarts us here, unless with force:
    /// assert!(held.is_held());
    /// // Dropping it does the same, but can't tell whether the lock was ours to the end.
    /// held.release()?;
    /// assert!(!balena.update_lock().status()?.is_locked());
    /// # std::fs::remove_dir_all(&directory)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `is_locked` when the [timeout](AcquireLock::timeout) ran out (never without one), or when the lock
    /// is stale, so that waiting is in vain, or is to be taken over and is another user's;
    /// [`lock_holder`](crate::Error::lock_holder) tells who.
    /// `is_config` when there is no such directory, the path has a name that does not lock, or this process
    /// runs as user 65534, whose locks the supervisor takes for its own. `is_io` when the directory can't
    /// be written: no permission, read-only, full.
    pub fn acquire(&self) -> AcquireLock {
        AcquireLock {
            lock: self.clone(),
            timeout: None,
            owner: None,
            reason: None,
            stale: StalePolicy::Refuse,
        }
    }

    /// Whether the lock could be taken if it were free. Tries it with a file of another name, which locks
    /// nothing and is gone again: modes and mount options alone don't tell.
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire), apart from `is_locked`.
    #[cfg(feature = "cli")]
    pub(crate) fn try_directory(&self) -> Result<()> {
        trouble::check(self)?;
        let draft = crate::fs::Draft::beside(&self.path, 0o600);
        draft.map(drop).map_err(|cause| trouble::directory(self, "take", cause))
    }

    /// Who holds the lock, as far as can be seen from here. Changes nothing.
    ///
    /// # Errors
    /// `is_config` when there is no such directory or the path has a name that does not lock, `is_io` when it
    /// can't be read.
    pub fn status(&self) -> Result<LockStatus> {
        status::read(self, "look at")
    }

    /// The other name that locks.
    fn other_path(&self) -> PathBuf {
        let ours = self.path.file_name();
        let other = if ours.is_some_and(|name| name == LEGACY_NAME) { NAME } else { LEGACY_NAME };
        directory_of(&self.path).join(other)
    }
}

/// What becomes of a lock that its holder left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StalePolicy {
    Refuse,
    TakeOver,
}

/// Taking an update lock. Nothing happens before `.await` or [`try_now`](Self::try_now).
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
    /// Waits this long at most; then the error is `is_locked` and says who holds it. Without, it waits
    /// for ever.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Who takes the lock, in words for those who find it held; the program's name if not given.
    /// Up to 200 characters, readable by every service user that sees the directory.
    pub fn owner(mut self, owner: impl AsRef<str>) -> Self {
        self.owner = Some(tidy(owner.as_ref()));
        self
    }

    /// Why the lock is taken, in words for those who find it held. Up to 200 characters.
    pub fn reason(mut self, reason: impl AsRef<str>) -> Self {
        self.reason = Some(tidy(reason.as_ref()));
        self
    }

    /// Takes the lock over from a holder of this library and this service that was killed.
    ///
    /// A lock file outlives its maker, and then locks until the next reboot. Ours can be told from one
    /// that is in use: every holder keeps an `flock` on the file as long as it lives. A lock is taken over
    /// only if the file says that this library made it for this service, nobody has an `flock` on it, and
    /// that process is gone, or was in another container or before a reboot. The lock exists all the time
    /// meanwhile, and of several that try one gets it. Locks of the supervisor and of other programs are
    /// never touched.
    ///
    /// Right for a program that finishes or undoes at its start what a crash interrupted. Wrong if the lock
    /// guards something that must be looked at by a person after a crash.
    pub fn take_over_stale(mut self) -> Self {
        self.stale = StalePolicy::TakeOver;
        self
    }

    /// Says what becomes of a lock that its holder left behind.
    #[cfg(feature = "cli")]
    pub(crate) fn stale(mut self, stale: StalePolicy) -> Self {
        self.stale = stale;
        self
    }

    /// Takes the lock now or fails with `is_locked`, without waiting and without a runtime.
    ///
    /// # Errors
    /// As [`UpdateLock::acquire`].
    pub fn try_now(self) -> Result<HeldLock> {
        match self.attempt()? {
            Attempt::Held(held) => Ok(held),
            Attempt::Busy(file) => Err(trouble::locked(&self.lock, file.as_ref(), None)),
        }
    }

    async fn wait(self) -> Result<HeldLock> {
        let started = Instant::now();
        // A timeout beyond what the clock can count is none.
        let until = self.timeout.and_then(|timeout| started.checked_add(timeout));
        let mut watch = None;
        loop {
            let file = match self.attempt()? {
                Attempt::Held(held) => return Ok(held),
                Attempt::Busy(file) => file,
            };
            // Nobody is left to release it.
            if self.stale == StalePolicy::Refuse
                && file.as_ref().is_some_and(|file| file.state == LockState::Stale)
            {
                return Err(trouble::locked(&self.lock, file.as_ref(), None));
            }
            let now = Instant::now();
            if until.is_some_and(|until| now >= until) {
                return Err(trouble::locked(&self.lock, file.as_ref(), Some(now - started)));
            }
            let Some(watch) = &mut watch else {
                tracing::trace!(path = %self.lock.path.display(), "the update lock is held, waiting");
                watch = Some(LockWatch::new(&self.lock.path));
                continue;
            };
            match until {
                // The last look is at the very end, so that a short timeout is no shorter than it says.
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

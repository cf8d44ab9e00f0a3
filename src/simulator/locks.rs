//! Update locks: real files in a real directory, so that lock clients and the simulated supervisor share them.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use super::lock;
use super::refusal::Refusal;

/// User id of the supervisor's lock files. The supervisor treats any file of this user as its own.
const OWNER: u32 = 65534;
/// Either name locks; the supervisor creates both.
const NAMES: [&str; 2] = ["updates.lock", "resin-updates.lock"];
/// Mode of the service directories once the supervisor locks: anyone may create files, only owners may delete them.
const OPEN_TO_ALL: u32 = 0o1777;

/// The lock directories of the device.
#[derive(Debug)]
pub(super) struct Locks {
    root: PathBuf,
    /// Files created by the supervisor: without the privilege to give them to [`OWNER`], this is the only record.
    own: Mutex<Vec<PathBuf>>,
}

/// A file in a lock directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockEntry {
    /// Numeric id of the app.
    pub app: i64,
    /// Service of the directory; `None` if the file is in the app's own directory.
    pub service: Option<String>,
    /// File name.
    pub file: String,
}

/// Locks that the supervisor holds on one app. Must be released with [`Locks::release`]: no `Drop`, because a
/// supervisor that crashes leaves its files behind.
#[derive(Debug)]
pub(super) struct HeldLocks {
    files: Vec<PathBuf>,
    _turn: OwnedMutexGuard<()>,
}

/// Mutual exclusion of operations per app inside the supervisor. Ends with its process.
#[derive(Debug, Default)]
pub(super) struct AppLocks {
    apps: Mutex<HashMap<i64, Arc<AsyncMutex<()>>>>,
}

impl AppLocks {
    /// Waits for the app, without a limit if `wait` is `None`.
    pub(super) async fn take(
        &self,
        app: i64,
        wait: Option<Duration>,
    ) -> Result<OwnedMutexGuard<()>, Refusal> {
        let turn = Arc::clone(lock(&self.apps).entry(app).or_default()).lock_owned();
        let Some(wait) = wait else { return Ok(turn.await) };
        tokio::time::timeout(wait, turn).await.map_err(|_| {
            Refusal::Locked(format!("Locks for app {app} are being held by another supervisor operation"))
        })
    }
}

impl Locks {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root, own: Mutex::default() }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn directory(&self, app: i64, service: &str) -> PathBuf {
        self.root.join(app.to_string()).join(service)
    }

    /// Creates the directory of a service that is about to start. The supervisor does this, or the engine after a
    /// boot.
    pub(super) fn prepare(&self, app: i64, service: &str, by_supervisor: bool) -> io::Result<()> {
        if !self.root.is_dir() {
            // The device was dropped; its directory must not be created again.
            return Err(io::ErrorKind::NotFound.into());
        }
        let directory = self.directory(app, service);
        DirBuilder::new().recursive(true).mode(0o755).create(&directory)?;
        if by_supervisor {
            fs::set_permissions(&directory, Permissions::from_mode(OPEN_TO_ALL))?;
        }
        Ok(())
    }

    /// Returns the subdirectories of an app's lock directory, including those of former services.
    pub(super) fn services(&self, app: i64) -> Vec<String> {
        let mut services: Vec<String> = children(&self.directory(app, ""))
            .into_iter()
            .filter(|(_, metadata)| metadata.is_dir())
            .filter_map(|(path, _)| Some(path.file_name()?.to_str()?.to_owned()))
            .collect();
        services.sort_unstable();
        services
    }

    /// Creates both lock files in every service's directory, or none. `force` removes existing ones first.
    pub(super) fn take(
        &self,
        app: i64,
        services: &[String],
        force: bool,
        turn: OwnedMutexGuard<()>,
    ) -> Result<HeldLocks, Refusal> {
        let mut held = HeldLocks { files: self.leftovers(app), _turn: turn };
        for service in services {
            let directory = self.directory(app, service);
            let missing = NAMES.map(|name| directory.join(name)).into_iter();
            for file in missing.filter(|file| !held.files.contains(file)).collect::<Vec<_>>() {
                if force {
                    remove(&file);
                }
                match self.create(app, service, &file) {
                    Ok(()) => held.files.push(file),
                    Err(error) => {
                        self.release(held);
                        return Err(match error.kind() {
                            io::ErrorKind::AlreadyExists => Refusal::Locked(format!(
                                "Lockfile exists for {{ appId: {app}, service: {service} }}"
                            )),
                            _ => Refusal::Unexpected(format!("Got code {error} while trying to take lock")),
                        });
                    }
                }
            }
        }
        Ok(held)
    }

    fn create(&self, app: i64, service: &str, file: &Path) -> io::Result<()> {
        self.prepare(app, service, true)?;
        let mut opened = OpenOptions::new().write(true).create_new(true).mode(0o444).open(file)?;
        opened.write_all(b"0")?;
        // Only root may change the owner. The file is recorded as the supervisor's in either case.
        let _ = std::os::unix::fs::chown(file, Some(OWNER), Some(OWNER));
        let mut own = lock(&self.own);
        if !own.iter().any(|known| known == file) {
            own.push(file.to_owned());
        }
        Ok(())
    }

    pub(super) fn release(&self, held: HeldLocks) {
        for file in held.files {
            self.remove(&file);
        }
    }

    /// Removes a lock file from the disk and from the record.
    fn remove(&self, file: &Path) {
        remove(file);
        lock(&self.own).retain(|known| known != file);
    }

    /// Returns lock files that an earlier supervisor left behind.
    fn leftovers(&self, app: i64) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut queue = vec![self.directory(app, "")];
        while let Some(directory) = queue.pop() {
            for (path, metadata) in children(&directory) {
                let ours = metadata.uid() == OWNER || lock(&self.own).contains(&path);
                if ours && path.to_string_lossy().ends_with("updates.lock") {
                    found.push(path);
                } else if metadata.is_dir() {
                    queue.push(path);
                }
            }
        }
        found
    }

    pub(super) fn has_leftovers(&self, app: i64) -> bool {
        !self.leftovers(app).is_empty()
    }

    pub(super) fn clean(&self, app: i64) {
        for file in self.leftovers(app) {
            self.remove(&file);
        }
    }

    /// Returns all files in all lock directories.
    pub(super) fn entries(&self) -> Vec<LockEntry> {
        let mut entries = Vec::new();
        for (directory, _) in children(&self.root) {
            let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
            let Some(app) = name(&directory).and_then(|name| name.parse().ok()) else { continue };
            for (path, metadata) in children(&directory) {
                let Some(service) = name(&path) else { continue };
                if !metadata.is_dir() {
                    entries.push(LockEntry { app, service: None, file: service });
                    continue;
                }
                entries.extend(children(&path).into_iter().filter_map(|(file, _)| {
                    Some(LockEntry { app, service: Some(service.clone()), file: name(&file)? })
                }));
            }
        }
        entries.sort_unstable();
        entries
    }

    /// Removes every lock of every holder.
    pub(super) fn remove_all(&self) {
        for entry in self.entries() {
            let path =
                self.directory(entry.app, entry.service.as_deref().unwrap_or_default()).join(entry.file);
            if fs::remove_file(&path).is_err() {
                let _ = fs::remove_dir_all(&path);
            }
        }
        lock(&self.own).clear();
    }

    /// Empties the directory at boot: on a device it is in memory.
    pub(super) fn forget(&self) {
        for (path, _) in children(&self.root) {
            let _ = fs::remove_dir_all(path);
        }
        lock(&self.own).clear();
    }
}

/// Returns the entries of a directory without following links. A missing directory has none.
fn children(directory: &Path) -> Vec<(PathBuf, fs::Metadata)> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let known = |entry: fs::DirEntry| Some((entry.path(), fs::symlink_metadata(entry.path()).ok()?));
    entries.flatten().filter_map(known).collect()
}

/// Removes a file or an empty directory. Errors are ignored.
fn remove(file: &Path) {
    if fs::remove_file(file).is_err() {
        let _ = fs::remove_dir(file);
    }
}

#[cfg(test)]
mod tests {
    use super::{AppLocks, Locks};
    use crate::simulator::refusal::Refusal;

    async fn take(locks: &Locks, force: bool) -> Result<super::HeldLocks, Refusal> {
        let turn = AppLocks::default().take(1, None).await.expect("nobody else");
        locks.take(1, &locks.services(1), force, turn)
    }

    #[tokio::test]
    async fn a_user_lock_refuses_and_leaves_nothing_behind() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let locks = Locks::new(directory.path().to_owned());
        locks.prepare(1, "a", true).expect("directory");
        locks.prepare(1, "b", true).expect("directory");
        std::fs::File::create(locks.directory(1, "b").join("resin-updates.lock")).expect("lock");

        let refused = take(&locks, false).await.expect_err("locked");
        assert_eq!(refused, Refusal::Locked("Lockfile exists for { appId: 1, service: b }".to_owned()));
        assert_eq!(locks.entries().len(), 1);

        let held = take(&locks, true).await.expect("forced");
        assert_eq!(locks.entries().len(), 4);
        locks.release(held);
        assert!(locks.entries().is_empty());
    }

    #[tokio::test]
    async fn leftovers_of_a_dead_supervisor_do_not_block() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let locks = Locks::new(directory.path().to_owned());
        locks.prepare(1, "a", true).expect("directory");
        drop(take(&locks, false).await.expect("free"));
        assert!(locks.has_leftovers(1));
        let held = take(&locks, false).await.expect("adopted");
        locks.release(held);
        assert!(locks.entries().is_empty());
    }
}

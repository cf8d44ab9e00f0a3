//! The settings file of the SDKs: reading, locking, atomic writes.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::PathBuf;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::error::{Error, ErrorKind, Result};
use crate::fs::{PRIVATE, failed, write_atomic};

use super::ini::Document;

/// Maximum size in bytes. Settings files are much smaller.
const LONGEST: u64 = 64 * 1024;
/// Time to wait for the lock. Each writer holds it only while writing one small file.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
const LOCK_PAUSE: Duration = Duration::from_millis(5);
/// Pause before a second read: the Python SDK truncates the file before it writes it.
const WRITER_PAUSE: Duration = Duration::from_millis(20);
const WRITER_PAUSES: usize = 5;

/// Path of the file, and its section for this crate.
#[derive(Debug, Clone)]
pub(crate) struct SettingsFile {
    pub(crate) directory: PathBuf,
    pub(crate) name: String,
    pub(crate) section: String,
}

/// Identity of a version of the file, to notice changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileVersion {
    file: (u64, u64),
    length: u64,
    written: (i64, i64),
    changed: (i64, i64),
}

/// Content of the file.
#[derive(Debug)]
pub(super) enum FileState {
    Missing,
    /// Not a settings file, or one without the section.
    Garbage(Vec<u8>),
    Settings(Document, FileVersion),
}

/// The lock of the file. The kernel releases it when a process dies.
#[derive(Debug)]
pub(super) struct FileLock {
    _directory: Option<Flock<File>>,
}

impl SettingsFile {
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.join(&self.name)
    }

    /// Returns `None` if the file does not exist.
    pub(super) fn stamp(&self) -> Option<FileVersion> {
        fs::metadata(self.path()).ok().as_ref().map(stamp)
    }

    /// Reads the file once.
    ///
    /// # Errors
    /// `is_io` or `is_config` if the file can't be read.
    pub(super) fn read(&self) -> Result<FileState> {
        if self.directory.as_os_str().is_empty() {
            return Err(Error::new(ErrorKind::Config, "there is no home directory for the settings file")
                .with_help("set HOME or BALENA_SETTINGS_HOME_DIRECTORY, or pass a data directory"));
        }
        let path = self.path();
        let fault = |cause: io::Error| failed("read", &path, cause);
        let about = match fs::metadata(&path) {
            Ok(about) => about,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(FileState::Missing),
            Err(cause) => return Err(fault(cause)),
        };
        // Opening a named pipe would block until a writer opens it.
        if !about.is_file() || about.len() > LONGEST {
            return Err(Error::new(ErrorKind::Config, "it is not a settings file")
                .with_operation(format!("read {}", path.display()))
                .with_help("remove it, or use another data directory"));
        }
        let file = File::open(&path).map_err(fault)?;
        let stamp = stamp(&file.metadata().map_err(fault)?);
        let mut bytes = Vec::new();
        file.take(LONGEST).read_to_end(&mut bytes).map_err(fault)?;
        let document = std::str::from_utf8(&bytes).ok().and_then(|text| Document::parse(text, &self.section));
        Ok(match document {
            Some(document) => FileState::Settings(document, stamp),
            None => FileState::Garbage(bytes),
        })
    }

    /// Reads the file, and reads it again for a moment before treating it as garbage.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(super) fn read_patiently(&self) -> Result<FileState> {
        for _ in 0..WRITER_PAUSES {
            let found = self.read()?;
            if !matches!(found, FileState::Garbage(_)) {
                return Ok(found);
            }
            std::thread::sleep(WRITER_PAUSE);
        }
        self.read()
    }

    /// Waits for the lock. Creates the directory if it is missing.
    ///
    /// # Errors
    /// `is_io` or `is_config` if the directory or the lock can't be used; `is_locked` if another process keeps the
    /// lock.
    pub(super) fn lock(&self) -> Result<FileLock> {
        let fault = |cause: io::Error| failed("open", &self.directory, cause);
        if !self.directory.is_dir() {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.directory);
            made.map_err(|cause| failed("make", &self.directory, cause))?;
        }
        let mut directory = File::open(&self.directory).map_err(fault)?;
        let mut waited = Duration::ZERO;
        loop {
            directory = match Flock::lock(directory, FlockArg::LockExclusiveNonblock) {
                Ok(held) => return Ok(self.held(Some(held))),
                Err((directory, Errno::EWOULDBLOCK | Errno::EINTR)) => directory,
                Err((_, errno)) => {
                    tracing::debug!(%errno, "this file system has no locks: writing without");
                    return Ok(self.held(None));
                }
            };
            if waited >= LOCK_PATIENCE {
                return Err(Error::new(ErrorKind::Locked, "another process keeps it locked")
                    .with_operation(format!("lock {}", self.directory.display()))
                    .with_help("find it with `fuser -v`"));
            }
            std::thread::sleep(LOCK_PAUSE);
            waited += LOCK_PAUSE;
        }
    }

    fn held(&self, directory: Option<Flock<File>>) -> FileLock {
        if directory.is_some() {
            self.sweep();
        }
        FileLock { _directory: directory }
    }

    /// Removes temporary files of killed writers. The lock guarantees that nobody is writing.
    fn sweep(&self) {
        let begin = format!(".{}.", self.name);
        for entry in fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let left = name.to_str().is_some_and(|name| {
                name.strip_prefix(&begin).is_some_and(|rest| rest.strip_suffix(".tmp").is_some())
            });
            if left && let Err(error) = fs::remove_file(entry.path()) {
                tracing::debug!(%error, "a temporary file could not be removed");
            }
        }
    }

    /// Writes the file atomically: after a crash or a power cut it has the old or the new content.
    ///
    /// # Errors
    /// `is_io` or `is_config` if the file can't be written; `is_invalid_argument` if a value could not be read back.
    /// The file is then unchanged.
    pub(super) fn write(&self, _held: &FileLock, document: &Document) -> Result<Option<FileVersion>> {
        let text = document.text(&self.section);
        if u64::try_from(text.len()).unwrap_or(u64::MAX) > LONGEST
            || Document::parse(&text, &self.section).as_ref() != Some(document)
        {
            return Err(Error::argument("value", "the settings file can't hold it")
                .with_help("names and values are short lines of text, without white space around them"));
        }
        // Follows a symlink: the user stores the file elsewhere.
        let path = fs::canonicalize(self.path()).unwrap_or_else(|_| self.path());
        write_atomic(&path, text.as_bytes(), PRIVATE)?;
        Ok(self.stamp())
    }

    /// Copies an unreadable file to another name, as the SDK does, to lose no data. The original stays until a new
    /// file replaces it.
    ///
    /// # Errors
    /// `is_io` or `is_config` if the copy can't be written.
    pub(super) fn set_aside(&self, _held: &FileLock, bytes: &[u8]) -> Result<()> {
        let (path, aside) = (self.path(), self.directory.join(format!("{}.old", self.name)));
        write_atomic(&aside, bytes, PRIVATE)?;
        tracing::warn!(
            path = %path.display(), aside = %aside.display(),
            "this is not a settings file: it is kept under another name and a new one is written"
        );
        Ok(())
    }
}

fn stamp(about: &fs::Metadata) -> FileVersion {
    FileVersion {
        file: (about.dev(), about.ino()),
        length: about.len(),
        written: (about.mtime(), about.mtime_nsec()),
        changed: (about.ctime(), about.ctime_nsec()),
    }
}

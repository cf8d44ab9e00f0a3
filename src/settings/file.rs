//! The settings file of the SDKs: read, and written whole, by one at a time.

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

/// No settings file is nearly as long.
const LONGEST: u64 = 64 * 1024;
/// For who writes at the same time: each holds the lock for as long as one small file takes.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
const LOCK_PAUSE: Duration = Duration::from_millis(5);
/// The Python SDK empties the file before it writes it: a moment later it is whole.
const WRITER_PAUSE: Duration = Duration::from_millis(20);
const WRITER_PAUSES: usize = 5;

/// Where the file is, and which section of it is ours.
#[derive(Debug, Clone)]
pub(crate) struct SettingsFile {
    pub(crate) directory: PathBuf,
    pub(crate) name: String,
    pub(crate) section: String,
}

/// Tells one state of the file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    file: (u64, u64),
    length: u64,
    written: (i64, i64),
    changed: (i64, i64),
}

/// What is there.
#[derive(Debug)]
pub(super) enum Found {
    Missing,
    /// No settings file, or one without our section.
    Garbage(Vec<u8>),
    Settings(Document, Stamp),
}

/// Nobody else writes while it exists; the kernel takes it back from whoever dies.
#[derive(Debug)]
pub(super) struct Held {
    _directory: Option<Flock<File>>,
}

impl SettingsFile {
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.join(&self.name)
    }

    /// `None` if it is not there.
    pub(super) fn stamp(&self) -> Option<Stamp> {
        fs::metadata(self.path()).ok().as_ref().map(stamp)
    }

    /// Looks once.
    ///
    /// # Errors
    /// `is_io`, `is_config` when it can't be read.
    pub(super) fn read(&self) -> Result<Found> {
        if self.directory.as_os_str().is_empty() {
            return Err(Error::new(ErrorKind::Config, "there is no home directory to keep the settings in")
                .help("set HOME or BALENA_SETTINGS_HOME_DIRECTORY, or name a data directory"));
        }
        let path = self.path();
        let fault = |cause: io::Error| failed("read", &path, cause);
        let about = match fs::metadata(&path) {
            Ok(about) => about,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Found::Missing),
            Err(cause) => return Err(fault(cause)),
        };
        // Opening a pipe would wait for who writes into it.
        if !about.is_file() || about.len() > LONGEST {
            return Err(Error::new(ErrorKind::Config, "it is no settings file")
                .operation(format!("read {}", path.display()))
                .help("take it away, or name another data directory"));
        }
        let file = File::open(&path).map_err(fault)?;
        let stamp = stamp(&file.metadata().map_err(fault)?);
        let mut bytes = Vec::new();
        file.take(LONGEST).read_to_end(&mut bytes).map_err(fault)?;
        let document = std::str::from_utf8(&bytes).ok().and_then(|text| Document::parse(text, &self.section));
        Ok(match document {
            Some(document) => Found::Settings(document, stamp),
            None => Found::Garbage(bytes),
        })
    }

    /// Looks again for a moment before it takes a file for garbage.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(super) fn read_patiently(&self) -> Result<Found> {
        for _ in 0..WRITER_PAUSES {
            let found = self.read()?;
            if !matches!(found, Found::Garbage(_)) {
                return Ok(found);
            }
            std::thread::sleep(WRITER_PAUSE);
        }
        self.read()
    }

    /// Waits for its turn to write; makes the directory where there is none.
    ///
    /// # Errors
    /// `is_io`, `is_config`; `is_locked` when somebody else keeps it.
    pub(super) fn lock(&self) -> Result<Held> {
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
                    .operation(format!("lock {}", self.directory.display()))
                    .help("see `fuser -v` for which one it is"));
            }
            std::thread::sleep(LOCK_PAUSE);
            waited += LOCK_PAUSE;
        }
    }

    fn held(&self, directory: Option<Flock<File>>) -> Held {
        if directory.is_some() {
            self.sweep();
        }
        Held { _directory: directory }
    }

    /// Takes away what writers left behind that were killed; with the lock held, nobody is writing.
    fn sweep(&self) {
        let begin = format!(".{}.", self.name);
        for entry in fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let left = name.to_str().is_some_and(|name| {
                name.strip_prefix(&begin).is_some_and(|rest| rest.strip_suffix(".tmp").is_some())
            });
            if left && let Err(error) = fs::remove_file(entry.path()) {
                tracing::debug!(%error, "a draft stays behind");
            }
        }
    }

    /// Writes it whole: after a crash or a power cut it is as it was, or as it was to be.
    ///
    /// # Errors
    /// `is_io`, `is_config`, `is_invalid_argument` for what would not be read: the file is as it was.
    pub(super) fn write(&self, _held: &Held, document: &Document) -> Result<Option<Stamp>> {
        let text = document.text(&self.section);
        if u64::try_from(text.len()).unwrap_or(u64::MAX) > LONGEST
            || Document::parse(&text, &self.section).as_ref() != Some(document)
        {
            return Err(Error::argument("value", "the settings file can't hold it")
                .help("names and values are short lines of text, without white space around them"));
        }
        // A symlink stays one: somebody keeps the file elsewhere.
        let path = fs::canonicalize(self.path()).unwrap_or_else(|_| self.path());
        write_atomic(&path, text.as_bytes(), PRIVATE)?;
        Ok(self.stamp())
    }

    /// Keeps what can't be read under another name, as the SDK does: it may be all that is left of something.
    /// It stays where it is as well, until a whole file takes its place.
    ///
    /// # Errors
    /// `is_io`, `is_config`.
    pub(super) fn set_aside(&self, _held: &Held, bytes: &[u8]) -> Result<()> {
        let (path, aside) = (self.path(), self.directory.join(format!("{}.old", self.name)));
        write_atomic(&aside, bytes, PRIVATE)?;
        tracing::warn!(
            path = %path.display(), aside = %aside.display(),
            "this was no settings file: it is set aside, and a new one begins"
        );
        Ok(())
    }
}

fn stamp(about: &fs::Metadata) -> Stamp {
    Stamp {
        file: (about.dev(), about.ino()),
        length: about.len(),
        written: (about.mtime(), about.mtime_nsec()),
        changed: (about.ctime(), about.ctime_nsec()),
    }
}

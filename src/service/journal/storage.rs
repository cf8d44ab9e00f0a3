//! What the journal needs of a file system. Tests put one with faults in its place.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;

use crate::fs::{PRIVATE, TempFile, write_atomic};

/// Name of the file in the state directory.
const NAME: &str = "journal";
/// Beginning of the name of a file that could not be read whole, followed by a number.
const DAMAGED: &str = "journal.damaged-";
/// Number of such files that are kept.
const DAMAGED_KEPT: usize = 3;

/// One of the two files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// The journal.
    Current,
    /// The file that is to replace it.
    Next,
}

/// A journal file and its successor.
pub(super) trait Storage: Send + fmt::Debug {
    /// Reads the journal, at most `limit` bytes; `None` if there is none.
    fn read(&mut self, limit: u64) -> io::Result<Option<Vec<u8>>>;
    /// Creates an empty successor. An earlier one is discarded.
    fn create_next(&mut self) -> io::Result<()>;
    /// Writes at an offset. Returns how many bytes were written.
    fn write_at(&mut self, target: Target, bytes: &[u8], offset: u64) -> io::Result<usize>;
    /// Syncs the content.
    fn sync(&mut self, target: Target) -> io::Result<()>;
    /// Puts the successor in the place of the journal.
    fn replace(&mut self) -> io::Result<()>;
    /// Syncs the directory, and with it the last [`Storage::replace`].
    fn sync_directory(&mut self) -> io::Result<()>;
    /// Keeps the journal as it is under another name, beside its successor. Removes the oldest of such files.
    fn set_aside(&mut self) -> io::Result<()>;
    /// Returns the path of the journal, for messages.
    fn path(&self) -> &Path;
}

/// Files in a state directory.
#[derive(Debug)]
pub(super) struct FileStorage {
    path: PathBuf,
    directory: PathBuf,
    current: Option<File>,
    next: Option<(TempFile, File)>,
}

impl FileStorage {
    /// Uses this directory. Removes what a killed process left of a successor.
    pub(super) fn new(directory: &Path) -> Self {
        for name in names(directory, ".journal.") {
            let path = directory.join(name);
            if path.extension().is_some_and(|extension| extension == "tmp") {
                let _ = fs::remove_file(path);
            }
        }
        Self { path: directory.join(NAME), directory: directory.to_owned(), current: None, next: None }
    }

    /// Checks that the next start will find this file: its directory may have been deleted.
    fn check_place(&self, file: &File) -> io::Result<()> {
        let (ours, there) = (file.metadata()?, fs::symlink_metadata(&self.path)?);
        if (ours.dev(), ours.ino()) == (there.dev(), there.ino()) {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::NotFound,
            "the journal was deleted, or another file is in its place",
        ))
    }

    fn file(&self, target: Target) -> io::Result<&File> {
        match target {
            // Without one, it can only be read: otherwise it is written first as the next one.
            Target::Current => self.current.as_ref().ok_or_else(|| Errno::EROFS.into()),
            Target::Next => {
                self.next.as_ref().map(|(_, file)| file).ok_or_else(|| io::ErrorKind::NotFound.into())
            }
        }
    }
}

/// What the file system allows with the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

impl Storage for FileStorage {
    fn read(&mut self, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(flags);
        let (file, access) = match options.clone().write(true).open(&self.path) {
            Ok(file) => (file, Access::Write),
            // What is there counts.
            Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                (options.open(&self.path)?, Access::Read)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let mut bytes = Vec::new();
        (&file).take(limit).read_to_end(&mut bytes)?;
        self.current = (access == Access::Write).then_some(file);
        Ok(Some(bytes))
    }

    fn create_next(&mut self) -> io::Result<()> {
        self.next = None;
        self.next = Some(TempFile::beside(&self.path, PRIVATE)?);
        Ok(())
    }

    fn write_at(&mut self, target: Target, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.file(target)?.write_at(bytes, offset)
    }

    fn sync(&mut self, target: Target) -> io::Result<()> {
        let file = self.file(target)?;
        file.sync_data()?;
        match target {
            Target::Current => self.check_place(file),
            Target::Next => Ok(()),
        }
    }

    fn replace(&mut self) -> io::Result<()> {
        let (draft, file) = self.next.take().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        draft.replace(&self.path)?;
        self.current = Some(file);
        Ok(())
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        File::open(&self.directory)?.sync_all()
    }

    fn set_aside(&mut self) -> io::Result<()> {
        let mut kept = names(&self.directory, DAMAGED);
        kept.sort_unstable();
        let journal = fs::symlink_metadata(&self.path)?;
        let is_journal = |name: &String| {
            let kept = fs::symlink_metadata(self.directory.join(name));
            kept.is_ok_and(|kept| (kept.dev(), kept.ino()) == (journal.dev(), journal.ino()))
        };
        // A start before this one kept it, and could not replace it.
        if kept.iter().any(is_journal) {
            return Ok(());
        }
        let last = kept.last().and_then(|name| name.strip_prefix(DAMAGED)?.parse::<u32>().ok());
        let name = format!("{DAMAGED}{:06}", last.unwrap_or(0).saturating_add(1));
        let path = self.directory.join(name);
        // A second name costs no space. File systems without hard links get a copy.
        if fs::hard_link(&self.path, &path).is_err() {
            write_atomic(&path, &fs::read(&self.path)?, PRIVATE).map_err(io::Error::other)?;
        }
        for old in kept.iter().rev().skip(DAMAGED_KEPT.saturating_sub(1)) {
            fs::remove_file(self.directory.join(old))?;
        }
        Ok(())
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

/// Returns the names in a directory that begin like this.
fn names(directory: &Path, beginning: &str) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.starts_with(beginning)).collect()
}

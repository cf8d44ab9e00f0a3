//! A file written in pieces under a temporary name, and renamed to its target when complete.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, SeekFrom};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::libc::O_NOFOLLOW;
use nix::unistd::Uid;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _, BufWriter};

use super::directory_of;

/// Number of bytes after which the content is synced. After a power cut, content after the last sync does not count:
/// a file may have its length without its content.
const SYNC_INTERVAL: u64 = 16 * 1024 * 1024;
/// Number of bytes per write.
const BLOCK: usize = 128 * 1024;
/// Number of attempts to lock: a write of an abandoned download may still be running and hold the lock.
const LOCK_TRIES: u32 = 40;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// A partial file. One with a mark stays when it is dropped, and the next open with the same mark continues it. One
/// without a mark is removed.
#[derive(Debug)]
pub(crate) struct PartialFile {
    path: PathBuf,
    file: BufWriter<tokio::fs::File>,
    written: u64,
    sure: u64,
    stays: bool,
}

impl PartialFile {
    /// Opens the partial file of `target`, with the content that an earlier one of the same mark left;
    /// [`written`](Self::written) returns its length. Removes partial files with other marks.
    ///
    /// # Errors
    /// `WouldBlock` if another process is writing it.
    pub(crate) async fn open(target: &Path, mark: Option<u64>) -> io::Result<Self> {
        let name = target.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidFilename))?;
        if target.is_dir() {
            return Err(io::Error::from(io::ErrorKind::IsADirectory));
        }
        // Refuses `name/` and `name/.` now rather than at the final rename.
        if !target.as_os_str().as_encoded_bytes().ends_with(name.as_encoded_bytes()) {
            return Err(io::Error::from(io::ErrorKind::NotADirectory));
        }
        let unique = || getrandom::u64().map_err(io::Error::from);
        let mut path = directory_of(target).join(part_name(name, mark.map_or_else(unique, Ok)?));
        remove_others(&path, name);
        let mut stays = mark.is_some();
        let mut tries = 0;
        let file = loop {
            match claim(&path) {
                Ok(file) => break file,
                // In a world-writable directory, another user may own the name.
                Err(error) if stays && error.kind() == io::ErrorKind::AlreadyExists => {
                    path = directory_of(target).join(part_name(name, unique()?));
                    stays = false;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && tries < LOCK_TRIES => {
                    tries += 1;
                    tokio::time::sleep(LOCK_PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        };
        let length = file.metadata()?.len();
        let written = length.saturating_sub(1) / SYNC_INTERVAL * SYNC_INTERVAL;
        file.set_len(written)?;
        let mut file = tokio::fs::File::from_std(file);
        file.seek(SeekFrom::Start(written)).await?;
        Ok(Self { path, file: BufWriter::with_capacity(BLOCK, file), written, sure: written, stays })
    }

    /// Returns the number of bytes written.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Passes the content to `see`, from the beginning.
    pub(crate) async fn reread(&mut self, mut see: impl FnMut(&[u8])) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0)).await?;
        let mut block = vec![0; BLOCK];
        let mut left = self.written;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(BLOCK).min(BLOCK);
            let count = self.file.read(block.get_mut(..most).unwrap_or_default()).await?;
            if count == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
            see(block.get(..count).unwrap_or_default());
            left = left.saturating_sub(u64::try_from(count).unwrap_or(u64::MAX));
        }
        self.file.seek(SeekFrom::Start(self.written)).await.map(drop)
    }

    /// Appends bytes. Must not be called again after its future was dropped before the end.
    pub(crate) async fn write(&mut self, mut piece: &[u8]) -> io::Result<()> {
        while !piece.is_empty() {
            let room = self.sure.saturating_add(SYNC_INTERVAL).saturating_sub(self.written);
            let (now, later) = piece.split_at(piece.len().min(usize::try_from(room).unwrap_or(usize::MAX)));
            self.file.write_all(now).await?;
            self.written = self.written.saturating_add(u64::try_from(now.len()).unwrap_or(u64::MAX));
            piece = later;
            if self.written.saturating_sub(self.sure) >= SYNC_INTERVAL {
                self.file.flush().await?;
                self.file.get_ref().sync_data().await?;
                self.sure = self.written;
            }
        }
        Ok(())
    }

    /// Truncates the file.
    pub(crate) async fn empty(&mut self) -> io::Result<()> {
        self.file.flush().await?;
        self.file.seek(SeekFrom::Start(0)).await?;
        self.file.get_ref().set_len(0).await?;
        (self.written, self.sure) = (0, 0);
        Ok(())
    }

    /// Syncs the file and renames it to its target.
    pub(crate) async fn finish(&mut self, target: &Path) -> io::Result<()> {
        self.file.flush().await?;
        self.file.get_ref().sync_all().await?;
        tokio::fs::rename(&self.path, target).await?;
        self.stays = true;
        // The name is content of the directory.
        tokio::fs::File::open(directory_of(target)).await?.sync_all().await
    }

    /// Removes the file, even if it has a mark.
    pub(crate) fn discard(mut self) {
        self.stays = false;
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        if !self.stays
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::debug!(path = %self.path.display(), %error, "a partial file could not be removed");
        }
    }
}

/// Returns the temporary name: `.name.0123456789abcdef.part`.
fn part_name(name: &OsStr, mark: u64) -> OsString {
    let mut part = OsString::from(".");
    part.push(name);
    part.push(format!(".{mark:016x}.part"));
    part
}

/// Returns whether `part` is the name of a partial file of `name`.
fn is_part_of(part: &OsStr, name: &OsStr) -> bool {
    let rest = part
        .as_encoded_bytes()
        .strip_prefix(b".")
        .and_then(|rest| rest.strip_prefix(name.as_encoded_bytes()));
    let mark = rest.and_then(|rest| rest.strip_prefix(b".")?.strip_suffix(b".part"));
    mark.is_some_and(|mark| mark.len() == 16 && mark.iter().all(u8::is_ascii_hexdigit))
}

/// Removes partial files with other marks. Ignores failures.
fn remove_others(path: &Path, name: &OsStr) {
    let Ok(entries) = fs::read_dir(directory_of(path)) else { return };
    for other in
        entries.flatten().filter(|entry| is_part_of(&entry.file_name(), name)).map(|entry| entry.path())
    {
        // A locked file is being written.
        if other != path && claim(&other).is_ok() {
            let _ = fs::remove_file(&other);
        }
    }
}

/// Opens or creates a partial file and locks it, so that only one process writes it.
///
/// # Errors
/// `WouldBlock` if it is locked; `AlreadyExists` if another user's file, a link or a directory has the name.
fn claim(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(O_NOFOLLOW);
    let (file, is_new) = match options.open(path) {
        Ok(file) => (file, false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            (options.create_new(true).open(path).map_err(just_made)?, true)
        }
        // A link, a directory, or a file that this user may not open.
        Err(_) if fs::symlink_metadata(path).is_ok() => return Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) => return Err(error),
    };
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::WouldBlock.into()),
        // Writes without a lock if the file system has none.
        Ok(()) | Err(TryLockError::Error(_)) => {}
    }
    let ours = file.metadata()?;
    if !is_new && (!ours.is_file() || ours.nlink() > 1 || ours.uid() != Uid::effective().as_raw()) {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    // The previous holder of the lock may have renamed it to its target meanwhile.
    match fs::symlink_metadata(path) {
        Ok(there) if (there.dev(), there.ino()) == (ours.dev(), ours.ino()) => Ok(file),
        _ => Err(io::ErrorKind::WouldBlock.into()),
    }
}

/// Converts the error of a file that another process created at the same time.
fn just_made(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::AlreadyExists { io::ErrorKind::WouldBlock.into() } else { error }
}

//! A file that comes in pieces: beside its place under another name, and in its place when it is whole.

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

/// What has been written is made sure of every so many bytes. After a power cut nothing behind the last of
/// these places counts: a file may have its length and not its content.
const SURE_EVERY: u64 = 16 * 1024 * 1024;
/// Bytes that go to the disk at once.
const BLOCK: usize = 128 * 1024;
/// A write of a download that was given up may still be under way, with the lock that belongs to it.
const LOCK_TRIES: u32 = 40;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// The part of a file that is there. One with a mark stays when it is dropped, and is gone on with by whoever
/// gives the same mark; one without is removed.
#[derive(Debug)]
pub(crate) struct Part {
    path: PathBuf,
    file: BufWriter<tokio::fs::File>,
    written: u64,
    sure: u64,
    stays: bool,
}

impl Part {
    /// The part for `target`, with what a former one of the same mark has left; how much that is, is
    /// [`written`](Self::written). Parts with other marks are removed.
    ///
    /// # Errors
    /// `WouldBlock` when somebody else is writing it.
    pub(crate) async fn open(target: &Path, mark: Option<u64>) -> io::Result<Self> {
        let name = target.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidFilename))?;
        if target.is_dir() {
            return Err(io::Error::from(io::ErrorKind::IsADirectory));
        }
        // `name/` and `name/.`: it would be found out by the last step.
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
                // In a directory that all may write to, the name may be taken, and not by us.
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
        let written = length.saturating_sub(1) / SURE_EVERY * SURE_EVERY;
        file.set_len(written)?;
        let mut file = tokio::fs::File::from_std(file);
        file.seek(SeekFrom::Start(written)).await?;
        Ok(Self { path, file: BufWriter::with_capacity(BLOCK, file), written, sure: written, stays })
    }

    /// How many bytes are there.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Shows all that is there, from the beginning.
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

    /// The next bytes. Not to be called again after it was dropped in the middle.
    pub(crate) async fn write(&mut self, mut piece: &[u8]) -> io::Result<()> {
        while !piece.is_empty() {
            let room = self.sure.saturating_add(SURE_EVERY).saturating_sub(self.written);
            let (now, later) = piece.split_at(piece.len().min(usize::try_from(room).unwrap_or(usize::MAX)));
            self.file.write_all(now).await?;
            self.written = self.written.saturating_add(u64::try_from(now.len()).unwrap_or(u64::MAX));
            piece = later;
            if self.written.saturating_sub(self.sure) >= SURE_EVERY {
                self.file.flush().await?;
                self.file.get_ref().sync_data().await?;
                self.sure = self.written;
            }
        }
        Ok(())
    }

    /// Forgets what is there.
    pub(crate) async fn empty(&mut self) -> io::Result<()> {
        self.file.flush().await?;
        self.file.seek(SeekFrom::Start(0)).await?;
        self.file.get_ref().set_len(0).await?;
        (self.written, self.sure) = (0, 0);
        Ok(())
    }

    /// The file is whole and takes its place.
    pub(crate) async fn finish(&mut self, target: &Path) -> io::Result<()> {
        self.file.flush().await?;
        self.file.get_ref().sync_all().await?;
        tokio::fs::rename(&self.path, target).await?;
        self.stays = true;
        // The name itself is content of the directory.
        tokio::fs::File::open(directory_of(target)).await?.sync_all().await
    }

    /// Nobody is to go on with it.
    pub(crate) fn discard(mut self) {
        self.stays = false;
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.stays
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::debug!(path = %self.path.display(), %error, "a part of a file stays behind");
        }
    }
}

/// `.name.0123456789abcdef.part`
fn part_name(name: &OsStr, mark: u64) -> OsString {
    let mut part = OsString::from(".");
    part.push(name);
    part.push(format!(".{mark:016x}.part"));
    part
}

/// Whether a file of this name is a part of the file `name`.
fn is_part_of(part: &OsStr, name: &OsStr) -> bool {
    let rest = part
        .as_encoded_bytes()
        .strip_prefix(b".")
        .and_then(|rest| rest.strip_prefix(name.as_encoded_bytes()));
    let mark = rest.and_then(|rest| rest.strip_prefix(b".")?.strip_suffix(b".part"));
    mark.is_some_and(|mark| mark.len() == 16 && mark.iter().all(u8::is_ascii_hexdigit))
}

/// Removes parts that nobody will go on with. That one can't be removed is no reason to stop.
fn remove_others(path: &Path, name: &OsStr) {
    let Ok(entries) = fs::read_dir(directory_of(path)) else { return };
    for other in
        entries.flatten().filter(|entry| is_part_of(&entry.file_name(), name)).map(|entry| entry.path())
    {
        // Locked: somebody is writing it.
        if other != path && claim(&other).is_ok() {
            let _ = fs::remove_file(&other);
        }
    }
}

/// Opens or makes a part and locks it, so that no two write it.
///
/// # Errors
/// `WouldBlock` when it is locked, `AlreadyExists` when it is not of our making.
fn claim(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(O_NOFOLLOW);
    let (file, is_new) = match options.open(path) {
        Ok(file) => (file, false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            (options.create_new(true).open(path).map_err(just_made)?, true)
        }
        // Something is there, and not of our making: a link, a directory, a file that we may not open.
        Err(_) if fs::symlink_metadata(path).is_ok() => return Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) => return Err(error),
    };
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::WouldBlock.into()),
        // A file system without locks is no reason not to write to it.
        Ok(()) | Err(TryLockError::Error(_)) => {}
    }
    let ours = file.metadata()?;
    if !is_new && (!ours.is_file() || ours.nlink() > 1 || ours.uid() != Uid::effective().as_raw()) {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    // Whoever had it locked before may have put it in its place meanwhile: then it is a part no more.
    match fs::symlink_metadata(path) {
        Ok(there) if (there.dev(), there.ino()) == (ours.dev(), ours.ino()) => Ok(file),
        _ => Err(io::ErrorKind::WouldBlock.into()),
    }
}

/// Somebody else made it just now.
fn just_made(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::AlreadyExists { io::ErrorKind::WouldBlock.into() } else { error }
}

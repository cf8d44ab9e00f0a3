//! Writing a download to a file, and resuming a partial one.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::error::{Error, ErrorKind, Result};
use crate::fs::{self, PartialFile};

use super::{Download, DownloadEvent};

impl Download {
    /// Writes the download to a file and returns its length in bytes. An existing file is replaced when the new one is
    /// complete; a symlink is replaced, not followed.
    ///
    /// Until then, the bytes are in a hidden file in the same directory whose name ends with `.part`. If the download
    /// fails, its future is dropped or the process ends, the next call resumes this file if it belongs to the same
    /// download; otherwise it removes it.
    ///
    /// # Errors
    /// `is_unreachable`, `is_timeout`, `is_rate_limited` or `is_server` if too many attempts failed; `is_decode` if the
    /// checksum or the length is wrong; `is_io` if the file can't be written (no space left, no permission);
    /// `is_config` if its directory is missing; `is_conflict` if another download writes the same file.
    pub async fn to_file(mut self, path: impl Into<PathBuf>) -> Result<u64> {
        let path = path.into();
        let mark = self.mark();
        let mut part = part_of(&path, mark).await?;
        let Err(error) = self.fill(&mut part, mark, &path).await else { return Ok(self.done) };
        let passing = [ErrorKind::Unreachable, ErrorKind::Timeout, ErrorKind::RateLimited, ErrorKind::Server];
        if !passing.contains(&error.kind()) {
            part.discard();
            return Err(error);
        }
        let (done, length) = (self.done, self.head.length);
        let of = length.map_or_else(String::new, |length| format!(" of {length}"));
        Err(error.with_help(format!("{done}{of} bytes were received: download it again to resume")))
    }

    /// Returns a hash of name, validator and length. A partial file with the same mark can be resumed.
    fn mark(&self) -> Option<u64> {
        let mut hash = Sha256::new();
        let length = self.head.length.map(|length| length.to_string());
        for part in [self.source.name.as_bytes(), self.head.validator.as_ref()?.as_bytes()] {
            hash.update(part);
            hash.update([0]);
        }
        hash.update(length.unwrap_or_default());
        hash.finalize().first_chunk().map(|first| u64::from_be_bytes(*first))
    }

    async fn fill(&mut self, part: &mut PartialFile, mut mark: Option<u64>, path: &Path) -> Result<()> {
        let failed = |cause| fs::failed("write", path, cause);
        if part.written() > 0 {
            self.resume_from(part).await.map_err(failed)?;
        }
        while let Some(piece) = self.next().await {
            match piece? {
                DownloadEvent::Bytes(bytes) => part.write(&bytes).await.map_err(failed)?,
                DownloadEvent::Restart => {
                    if self.mark() != mark {
                        mark = self.mark();
                        std::mem::replace(part, part_of(path, mark).await?).discard();
                    }
                    part.empty().await.map_err(failed)?;
                }
            }
        }
        part.finish(path).await.map_err(failed)
    }

    /// Resumes with the bytes of a partial file.
    async fn resume_from(&mut self, part: &mut PartialFile) -> std::io::Result<()> {
        if self.head.length.is_some_and(|length| part.written() > length) {
            return part.empty().await;
        }
        let checksum = &mut self.checksum;
        part.reread(|piece| checksum.iter_mut().for_each(|checksum| checksum.update(piece))).await?;
        self.done = part.written();
        self.body = None;
        self.report_progress();
        Ok(())
    }
}

async fn part_of(path: &Path, mark: Option<u64>) -> Result<PartialFile> {
    PartialFile::open(path, mark).await.map_err(|cause| match cause.kind() {
        std::io::ErrorKind::WouldBlock => {
            Error::new(ErrorKind::Conflict, "another download is already writing this file")
                .with_operation(format!("write {}", path.display()))
                .with_help("wait for the other download, or give this one another name")
        }
        _ => fs::failed("write", path, cause),
    })
}

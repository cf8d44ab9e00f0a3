//! Into a file.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::error::{Error, ErrorKind, Result};
use crate::fs::{self, PartialFile};

use super::{Download, Piece};

impl Download {
    /// Writes it to a file, and returns how many bytes that are. A file that is there is replaced, once the new
    /// one is whole; a symlink is replaced, not followed.
    ///
    /// Until then it grows beside its place, under a hidden name that ends with `.part`. What was left there, by
    /// a connection that was given up, by a dropped future or a process that ended, is gone on with the next
    /// time, if it is still the same file; otherwise it is removed.
    ///
    /// # Errors
    /// `is_unreachable`, `is_timeout`, `is_server` when the connection broke too often; `is_decode` when the
    /// checksum is wrong; `is_io` when the file can't be written (no space left, no permission), `is_config`
    /// when its directory is missing; `is_conflict` when it is being downloaded already.
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
        Err(error.with_help(format!(
            "{done}{of} bytes had come: download it again, and it goes on from where it can"
        )))
    }

    /// By which a part is known as one of this very file.
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
            self.go_on_from(part).await.map_err(failed)?;
        }
        while let Some(piece) = self.next().await {
            match piece? {
                Piece::Bytes(bytes) => part.write(&bytes).await.map_err(failed)?,
                Piece::Anew => {
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

    /// Takes what is there for what has come.
    async fn go_on_from(&mut self, part: &mut PartialFile) -> std::io::Result<()> {
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
        std::io::ErrorKind::WouldBlock => Error::new(ErrorKind::Conflict, "it is being downloaded already")
            .with_operation(format!("write {}", path.display()))
            .with_help("wait for the other download, or give this one another name"),
        _ => fs::failed("write", path, cause),
    })
}

//! Atomic file writes. All files are created here: after a power cut a file is complete or absent.

mod partial_file;

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind};

pub(crate) use partial_file::PartialFile;

/// File mode for private files: readable and writable by the owner only.
pub(crate) const PRIVATE: u32 = 0o600;

/// Writes a file atomically: after a crash or a power cut it has the old or the new content.
///
/// The umask does not affect `mode`. A symlink at `path` is replaced, not followed.
///
/// # Errors
/// `is_io` if the write fails; `is_config` if the directory is missing. The file is then unchanged.
pub(crate) fn write_atomic(path: &Path, bytes: &[u8], mode: u32) -> crate::Result<()> {
    let write = || {
        let (draft, mut file) = TempFile::beside(path, mode)?;
        io::Write::write_all(&mut file, bytes)?;
        // Synced before the rename: otherwise a power cut may leave the new name without its content.
        file.sync_all()?;
        draft.replace(path)?;
        // The name is content of the directory.
        File::open(directory_of(path))?.sync_all()
    };
    write().map_err(|cause| failed("write", path, cause))
}

/// Builds the error of a failed `action` on `path`, with advice.
pub(crate) fn failed(action: &str, path: &Path, cause: io::Error) -> Error {
    let kind = match cause.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ErrorKind::Config,
        _ => ErrorKind::Io,
    };
    let advice = match cause.kind() {
        io::ErrorKind::NotFound if action.starts_with("read") => {
            Some("there is no such file: check the path, and that it is mounted")
        }
        io::ErrorKind::PermissionDenied if action.starts_with("read") => {
            Some("this user may not read it: run as another user, or change the file's owner or mode")
        }
        _ => advice_on(&cause),
    };
    let error = Error::new(kind, cause.to_string())
        .with_operation(format!("{action} {}", path.display()))
        .with_source(cause);
    match advice {
        Some(advice) => error.with_help(advice),
        None => error,
    }
}

/// Returns the advice on a failure that does not depend on the file.
pub(crate) fn advice_on(cause: &io::Error) -> Option<&'static str> {
    Some(match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "there is no space left on the file system: free some (`df` and `df -i` show the usage)"
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "that file system is mounted read-only: mount it writable (in the compose file: without `ro` and `read_only`)"
        }
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            "the directory does not exist: create or mount it"
        }
        io::ErrorKind::IsADirectory => "it is a directory: name a file in it",
        io::ErrorKind::PermissionDenied => {
            "this user may not write there: run as another user, or change the directory's owner or mode"
        }
        _ => return None,
    })
}

/// Returns the directory of a path.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A temporary file in the directory of its target. Removed on drop unless it was renamed to the target.
#[derive(Debug)]
pub(crate) struct TempFile {
    path: Option<PathBuf>,
}

impl TempFile {
    /// Creates a temporary file for `target`, open for reading and writing, with exactly this mode.
    pub(crate) fn beside(target: &Path, mode: u32) -> io::Result<(Self, File)> {
        let name = target
            .file_name()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not a file name"))?;
        // Random, because two containers may share the directory and both be process 1.
        let unique = getrandom::u64().map_err(io::Error::from)?;
        let mut draft = std::ffi::OsString::from(".");
        draft.push(name);
        draft.push(format!(".{unique:016x}.tmp"));
        let path = directory_of(target).join(draft);
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        let draft = Self { path: Some(path) };
        file.set_permissions(Permissions::from_mode(mode))?;
        Ok((draft, file))
    }

    /// Renames the file to `target`, replacing any existing one.
    pub(crate) fn replace(mut self, target: &Path) -> io::Result<()> {
        if let Some(path) = &self.path {
            fs::rename(path, target)?;
        }
        self.path = None;
        Ok(())
    }

    /// Renames the file to `target` only if nothing is there, otherwise fails with `AlreadyExists`. As exclusive as
    /// `O_CREAT|O_EXCL`, but the file appears with its content and locks.
    pub(crate) fn persist_noclobber(self, target: &Path) -> io::Result<()> {
        match &self.path {
            Some(path) => fs::hard_link(path, target),
            None => Ok(()),
        }
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if let Some(path) = &self.path
            && let Err(error) = fs::remove_file(path)
        {
            tracing::debug!(path = %path.display(), %error, "a temporary file could not be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory that is removed after the test.
    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("balena-agent-fs-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn names(&self) -> Vec<String> {
            fs::read_dir(&self.0)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect()
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn replaces_content_and_mode_and_leaves_nothing_beside_it() {
        let dir = Dir::new("write");
        let path = dir.0.join("state.json");
        write_atomic(&path, b"one", PRIVATE).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        write_atomic(&path, b"two", 0o666).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o666, "umask has no say");
        assert_eq!(dir.names(), ["state.json"]);
    }

    #[test]
    fn a_failure_leaves_the_old_content_and_no_draft() {
        let dir = Dir::new("fail");
        // A non-empty directory can't be renamed over, so the failure comes after the temporary file was written.
        let path = dir.0.join("state");
        fs::create_dir_all(path.join("inside")).unwrap();
        let error = write_atomic(&path, b"new", PRIVATE).unwrap_err();
        assert!(error.is_io(), "{error}");
        assert!(error.to_string().starts_with(&format!("write {}: ", path.display())), "{error}");
        assert_eq!(dir.names(), ["state"]);

        let error = write_atomic(&dir.0.join("none/state"), b"new", PRIVATE).unwrap_err();
        assert!(error.is_config() && error.advice().unwrap().contains("does not exist"), "{error}");
        assert!(write_atomic(Path::new("/"), b"", PRIVATE).is_err());
    }

    #[test]
    fn a_symlink_is_replaced_and_its_target_untouched() {
        let dir = Dir::new("symlink");
        let (target, link) = (dir.0.join("target"), dir.0.join("link"));
        write_atomic(&target, b"kept", PRIVATE).unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        write_atomic(&link, b"new", PRIVATE).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"kept");
        assert!(fs::symlink_metadata(&link).unwrap().is_file());
    }

    #[test]
    fn appearing_is_exclusive() {
        let dir = Dir::new("appear");
        let path = dir.0.join("lock");
        let (first, _file) = TempFile::beside(&path, 0o644).unwrap();
        let (second, _file) = TempFile::beside(&path, 0o644).unwrap();
        first.persist_noclobber(&path).unwrap();
        assert_eq!(second.persist_noclobber(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(dir.names(), ["lock"]);
    }
}

//! Binds the Unix socket of a client.
//!
//! The socket is bound beside its path and then renamed to it: whoever connects finds the old one or the new one. A
//! socket that an earlier run left is replaced; anything else at the path is left alone. Everyone who reaches the
//! directory may connect: the volume that the directory is on says who that is.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

use crate::error::{Error, ErrorKind, Result};
use crate::fs::directory_of;

/// Everyone may connect.
const MODE: u32 = 0o666;
/// Longest path of a socket, in bytes; the kernel's limit is 108 with the end mark.
const LONGEST: usize = 107;
/// Mode bits: others may write, and only owners may rename and remove.
const WRITABLE_FOR_ALL: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// A bound socket. Its file is removed when it is dropped.
#[derive(Debug)]
pub(crate) struct UnixSocket {
    pub(crate) listener: UnixListener,
    path: PathBuf,
    /// Device and inode of the file.
    identity: (u64, u64),
}

impl UnixSocket {
    /// Binds a socket at this path.
    ///
    /// # Errors
    /// `is_config`, with what is wrong with the path or its directory; `is_io` if the system refuses.
    pub(crate) fn bind(path: &Path) -> Result<Self> {
        check(path).map_err(|why| {
            Error::new(ErrorKind::Config, format!("can't listen on {}: {why}", path.display()))
        })?;
        Self::try_bind(path).map_err(|cause| {
            Error::new(ErrorKind::Io, format!("can't listen on {} ({cause})", path.display()))
                .with_source(cause)
                .with_help("check that the directory is a volume that this user may write to")
        })
    }

    fn try_bind(path: &Path) -> io::Result<Self> {
        let unique = getrandom::u32().map_err(io::Error::from)?;
        let draft = directory_of(path).join(format!(".{unique:08x}"));
        let bound = || {
            let listener = UnixListener::bind(&draft)?;
            fs::set_permissions(&draft, Permissions::from_mode(MODE))?;
            let found = fs::symlink_metadata(&draft)?;
            fs::rename(&draft, path)?;
            Ok(Self { listener, path: path.to_owned(), identity: (found.dev(), found.ino()) })
        };
        bound().inspect_err(|_: &io::Error| {
            // Best effort: the error that counts is the first one.
            let _ = fs::remove_file(&draft);
        })
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        let is_ours = |found: fs::Metadata| (found.dev(), found.ino()) == self.identity;
        if fs::symlink_metadata(&self.path).is_ok_and(is_ours)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::debug!(path = %self.path.display(), %error, "a socket could not be removed");
        }
    }
}

/// Returns why no socket can be at this path.
fn check(path: &Path) -> std::result::Result<(), String> {
    if path.as_os_str().len() > LONGEST || path.file_name().is_none() {
        return Err(format!("the path has to end in a name and have at most {LONGEST} bytes"));
    }
    let directory = fs::symlink_metadata(directory_of(path)).map_err(|cause| {
        format!("its directory is missing ({cause}): mount a volume there, one for each client")
    })?;
    if !directory.is_dir() {
        return Err("its directory is a symlink or no directory".into());
    }
    let mode = directory.mode();
    if mode & WRITABLE_FOR_ALL != 0 && mode & STICKY == 0 {
        return Err(format!("everyone may write to its directory (mode {:o}): set it to 755", mode & 0o7777));
    }
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => Err("something that is not a socket is there".into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let path =
                std::env::temp_dir().join(format!("balena-agent-socket-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
            Self(path)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn fault(path: &Path) -> String {
        let error = UnixSocket::bind(path).unwrap_err();
        assert!(error.is_config(), "{error}");
        error.to_string()
    }

    #[tokio::test]
    async fn a_left_socket_is_replaced_and_the_own_one_removed() {
        let place = Place::new("replace");
        let path = place.0.join("agent.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "left by a run that was killed");
        let first = UnixSocket::bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o666);
        std::os::unix::net::UnixStream::connect(&path).unwrap();
        let second = UnixSocket::bind(&path).unwrap();
        drop(first);
        std::os::unix::net::UnixStream::connect(&path).expect("the file of the second one stays");
        drop(second);
        assert_eq!(fs::read_dir(&place.0).unwrap().count(), 0, "nothing is left");
    }

    #[tokio::test]
    async fn nothing_else_is_replaced_or_followed() {
        let place = Place::new("others");
        let (file, link) = (place.0.join("file"), place.0.join("link"));
        crate::fs::write_atomic(&file, b"kept", 0o644).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(fault(&file).contains("not a socket"));
        assert!(fault(&link).contains("not a socket"));
        assert_eq!(fs::read_to_string(&file).unwrap(), "kept");
        std::os::unix::fs::symlink(&place.0, place.0.join("there")).unwrap();
        assert!(fault(&place.0.join("there/agent.sock")).contains("symlink"));
        assert!(fault(&place.0.join("none/agent.sock")).contains("mount a volume"));
        assert!(fault(&place.0.join("x".repeat(120))).contains("at most"));
        fs::set_permissions(&place.0, Permissions::from_mode(0o777)).unwrap();
        assert!(fault(&place.0.join("agent.sock")).contains("everyone may write"));
        fs::set_permissions(&place.0, Permissions::from_mode(0o1777)).unwrap();
        assert!(UnixSocket::bind(&place.0.join("agent.sock")).is_ok());
    }
}

//! The admin token: made at the first start, kept in a file that only this user can read.
//!
//! It is in the state directory. Without one it is in `/run/balena-agent`, or, if this user can't write there, in
//! `balena-agent-<uid>` of the directory for temporary files: then it is a new one after each recreation of the
//! container. The file is read for each request that presents an unknown token, so a new token counts at once.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

use super::token::TokenDigest;
use crate::error::{Error, ErrorKind, Result};
use crate::fs::{PRIVATE, failed, write_atomic};

/// Name of the file.
const NAME: &str = "admin-token";
/// Length of a token, in bytes; twice as many characters.
const LENGTH: usize = 32;
/// Longest file that is read, in bytes.
const LONGEST: u64 = 256;

/// The admin token's file.
#[derive(Debug, Clone)]
pub(crate) struct AdminToken {
    path: PathBuf,
}

impl AdminToken {
    /// Finds the file, or makes it with a new token.
    ///
    /// # Errors
    /// `is_io` or `is_config` if it can be neither read nor written.
    pub(crate) fn open(state_directory: Option<&Path>) -> Result<Self> {
        let directory = match state_directory {
            Some(directory) => directory.to_owned(),
            None => own_directory()?,
        };
        let token = Self { path: directory.join(NAME) };
        match token.read() {
            Ok(_) => Ok(token),
            Err(error) if error.is_config() => token.rotate().map(|_| token),
            Err(error) => Err(error),
        }
    }

    /// Finds the file that a service of this user made. Makes none.
    ///
    /// # Errors
    /// `is_not_found` if there is none; `is_io` if its directory can't be read.
    #[cfg(feature = "cli")]
    pub(crate) fn find(state_directory: Option<&Path>) -> Result<Self> {
        let user = nix::unistd::geteuid().as_raw();
        let directory = match state_directory {
            Some(directory) => Some(directory.to_owned()),
            None => own_places(user).into_iter().find(|place| check_private(place, user).is_ok()),
        };
        let path = directory.map(|directory| directory.join(NAME));
        match path.map(|path| (fs::symlink_metadata(&path), path)) {
            Some((Ok(_), path)) => Ok(Self { path }),
            Some((Err(cause), path)) if cause.kind() != io::ErrorKind::NotFound => {
                Err(failed("read", &path, cause))
            }
            _ => Err(Error::new(ErrorKind::NotFound, "there is no admin token in this container").with_help(
                "`balena-agent run` makes it at its first start: ask in its container, as its user, with its \
                 AGENT_STATE_DIRECTORY",
            )),
        }
    }

    /// Returns the file.
    #[cfg(feature = "cli")]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the token.
    ///
    /// # Errors
    /// `is_config` if there is none; `is_io` if it can't be read, or if others could read or write it.
    pub(crate) fn read(&self) -> Result<SecretString> {
        let read = || {
            let mut text = String::new();
            let file = fs::File::open(&self.path)?;
            let mode = file.metadata()?.mode();
            file.take(LONGEST).read_to_string(&mut text)?;
            Ok((text, mode))
        };
        let (text, mode) = read().map_err(|cause| failed("read", &self.path, cause))?;
        if mode & 0o077 != 0 {
            let text = format!("others may read {}: its mode is {:o}", self.path.display(), mode & 0o7777);
            return Err(Error::new(ErrorKind::Io, text)
                .with_help("make a new token with `balena-agent token rotate`"));
        }
        let token = text.trim();
        if token.len() < LENGTH {
            let text = format!("{} has no token", self.path.display());
            return Err(Error::new(ErrorKind::Config, text));
        }
        Ok(token.into())
    }

    /// Writes a new token and returns it. The old one is not accepted any more.
    ///
    /// # Errors
    /// `is_io` or `is_config` if it can't be written; the old one stays.
    pub(crate) fn rotate(&self) -> Result<SecretString> {
        let mut random = [0; LENGTH];
        getrandom::fill(&mut random)
            .map_err(|cause| Error::new(ErrorKind::Io, format!("no random numbers for a token ({cause})")))?;
        let mut token = String::with_capacity(2 * LENGTH);
        for byte in random {
            // Writing to a string can't fail.
            let _ = write!(token, "{byte:02x}");
        }
        let token = SecretString::from(token);
        write_atomic(&self.path, token.expose_secret().as_bytes(), PRIVATE)?;
        Ok(token)
    }

    /// Returns whether this is the digest of the token.
    pub(crate) fn is(&self, digest: &TokenDigest) -> bool {
        self.read().is_ok_and(|token| TokenDigest::of(&token).is_same(digest))
    }
}

/// Returns a directory that only this user can write to.
fn own_directory() -> Result<PathBuf> {
    let user = nix::unistd::geteuid().as_raw();
    let mut last = None;
    for place in own_places(user) {
        match private_directory(&place, user) {
            Ok(()) => return Ok(place),
            Err(cause) => last = Some(failed("make", &place, cause)),
        }
    }
    Err(last.unwrap_or_else(|| Error::new(ErrorKind::Io, "no directory for the admin token")))
}

fn own_places(user: u32) -> [PathBuf; 2] {
    ["/run/balena-agent".into(), std::env::temp_dir().join(format!("balena-agent-{user}"))]
}

fn private_directory(path: &Path, user: u32) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => return Err(cause),
        _ => {}
    }
    check_private(path, user)
}

/// Somebody else may have made it, or a symlink.
fn check_private(path: &Path, user: u32) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    if found.is_dir() && found.uid() == user && found.mode() & 0o022 == 0 {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is not a directory of this user alone"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("balena-agent-token-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn made_once_and_replaced_when_asked() {
        let place = directory("rotate");
        let first = AdminToken::open(Some(&place)).unwrap();
        let mode = fs::metadata(first.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        let token = first.read().unwrap();
        assert_eq!(token.expose_secret().len(), 2 * LENGTH);
        let again = AdminToken::open(Some(&place)).unwrap();
        #[cfg(feature = "cli")]
        {
            assert_eq!(AdminToken::find(Some(&place)).unwrap().path(), first.path());
            assert!(AdminToken::find(Some(&place.join("nothing"))).unwrap_err().is_not_found());
        }
        assert!(again.is(&TokenDigest::of(&token)));
        let newer = again.rotate().unwrap();
        assert!(!first.is(&TokenDigest::of(&token)) && first.is(&TokenDigest::of(&newer)), "read anew");
        fs::set_permissions(first.path(), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(first.read().is_err() && !first.is(&TokenDigest::of(&newer)), "others may read it");
        assert!(AdminToken::open(Some(&place)).is_err());
        fs::remove_dir_all(&place).unwrap();
        assert!(AdminToken::open(Some(&place)).unwrap_err().is_config());
    }

    #[test]
    fn a_directory_that_others_made_is_not_used() {
        let place = directory("others");
        let user = nix::unistd::geteuid().as_raw();
        assert!(private_directory(&place.join("own"), user).is_ok());
        assert!(private_directory(&place.join("own"), user + 1).is_err());
        std::os::unix::fs::symlink(place.join("own"), place.join("link")).unwrap();
        assert!(private_directory(&place.join("link"), user).is_err());
        fs::set_permissions(place.join("own"), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(private_directory(&place.join("own"), user).is_err());
        fs::remove_dir_all(&place).unwrap();
    }
}

//! The state directory: where it is, and whether it can be used.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::mounts::mount_of;
use crate::error::{Error, ErrorKind, Result};
use crate::fs::{PRIVATE, TempFile, advice_on};

/// Mount point of the volume that is used without a setting.
const DATA: &str = "/data";
/// The state directory on it.
pub(crate) const DEFAULT: &str = "/data/balena-agent";
/// Mode of the state directory.
const MODE: u32 = 0o700;

/// Where the state directory is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StateDirectory {
    /// `AGENT_STATE_DIRECTORY`.
    Configured {
        /// Its path.
        path: PathBuf,
        /// Why what is in it may be gone one day.
        warning: Option<String>,
    },
    /// `/data/balena-agent`, because `/data` is a volume.
    Default(PathBuf),
    /// There is none: memory only. The text says why, and what to add to the compose file.
    None(String),
}

impl StateDirectory {
    /// Decides from the setting and the content of `/proc/self/mountinfo`.
    pub(crate) fn choose(configured: Option<&Path>, mountinfo: &str) -> Self {
        if let Some(path) = configured {
            let mount = mount_of(mountinfo, path).filter(|mount| !mount.is_lasting());
            let warning = mount.map(|mount| {
                let (path, kind) = (path.display(), mount.file_system);
                format!("AGENT_STATE_DIRECTORY {path} is on {kind}: what is in it is gone when the container is recreated or the device reboots; use a directory on a volume")
            });
            return Self::Configured { path: path.to_owned(), warning };
        }
        match mount_of(mountinfo, Path::new(DATA)).filter(|mount| mount.point == Path::new(DATA)) {
            Some(mount) if mount.is_lasting() => Self::Default(PathBuf::from(DEFAULT)),
            Some(mount) => Self::None(format!(
                "the agent keeps its state in memory only: {DATA} is a {}, which is gone after a reboot. {ADVICE}",
                mount.file_system
            )),
            None => Self::None(format!(
                "the agent keeps its state in memory only: no volume is mounted at {DATA}. {ADVICE}"
            )),
        }
    }

    /// Decides from the setting and the mounts of this process.
    pub(crate) fn find(configured: Option<&Path>) -> Self {
        Self::choose(configured, &fs::read_to_string("/proc/self/mountinfo").unwrap_or_default())
    }

    /// Returns its path, if there is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Configured { path, .. } | Self::Default(path) => Some(path),
            Self::None(_) => None,
        }
    }

    /// Returns what to say about it in the log and in the list of faults.
    pub(crate) fn message(&self) -> Option<&str> {
        match self {
            Self::Configured { warning, .. } => warning.as_deref(),
            Self::Default(_) => None,
            Self::None(why) => Some(why),
        }
    }
}

const ADVICE: &str = "Leases, the ledger and what waits for the cloud are then lost when it restarts. Add to the agent's service in docker-compose.yml:
    volumes:
      - agent-data:/data
and at the top level:
volumes:
  agent-data:
or set AGENT_STATE_DIRECTORY to a directory on a volume";

/// Creates the state directory with mode 0700 if it is missing, and tries to write there. One that is there keeps its
/// mode: others may use it too. The journal's files have mode 0600.
///
/// # Errors
/// `is_config` if it is no directory or its parent is missing, `is_io` if this user may not write there. The
/// agent can go on in memory.
pub(crate) fn prepare(path: &Path) -> Result<()> {
    let fail = |cause: io::Error| unusable(path, &cause);
    match DirBuilder::new().mode(MODE).create(path) {
        Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => return Err(fail(cause)),
        _ => {}
    }
    if !fs::metadata(path).map_err(fail)?.is_dir() {
        return Err(fail(io::Error::from(io::ErrorKind::NotADirectory)));
    }
    // Dropped at once, which removes it.
    TempFile::beside(&path.join("write-test"), PRIVATE).map(drop).or_else(|cause| {
        // A disk that is full or can only be read is no reason to do without what is there.
        match cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::ReadOnlyFilesystem => {
                Ok(())
            }
            _ => Err(fail(cause)),
        }
    })
}

fn unusable(path: &Path, cause: &io::Error) -> Error {
    let (kind, help) = match cause.kind() {
        io::ErrorKind::NotADirectory => (
            ErrorKind::Config,
            "there is a file in its place: remove it, or set AGENT_STATE_DIRECTORY to a directory on a volume",
        ),
        io::ErrorKind::NotFound => (
            ErrorKind::Config,
            "the directory above it does not exist: mount the volume there, or set AGENT_STATE_DIRECTORY to a directory on a volume",
        ),
        io::ErrorKind::PermissionDenied => (
            ErrorKind::Io,
            "this user may not write there: run the agent as root, or give the directory to its user",
        ),
        _ => (ErrorKind::Io, advice_on(cause).unwrap_or("check the volume and the storage of the device")),
    };
    Error::new(kind, format!("{cause}; the agent keeps its state in memory only"))
        .with_operation(format!("use state directory {}", path.display()))
        .with_help(help)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mountinfo(point: &str, kind: &str) -> String {
        format!("1 0 0:1 / / rw - overlay overlay rw\n2 1 0:2 / {point} rw - {kind} x rw\n")
    }

    #[test]
    fn the_default_needs_a_volume_of_its_own() {
        let choose = |point, kind| StateDirectory::choose(None, &mountinfo(point, kind));
        assert_eq!(choose("/data", "ext4"), StateDirectory::Default(PathBuf::from(DEFAULT)));
        for (point, kind) in
            [("/data", "tmpfs"), ("/data", "overlay"), ("/data", "ramfs"), ("/data2", "ext4")]
        {
            let StateDirectory::None(why) = choose(point, kind) else { panic!("{point} {kind}") };
            assert!(why.contains("- agent-data:/data"), "{why}");
        }
        assert_eq!(StateDirectory::choose(None, "").path(), None);
    }

    #[test]
    fn a_configured_one_is_taken_and_a_short_lived_one_is_said() {
        let path = Path::new("/state/agent");
        let lasting = StateDirectory::choose(Some(path), &mountinfo("/state", "ext4"));
        assert_eq!((lasting.path(), lasting.message()), (Some(path), None));
        let gone = StateDirectory::choose(Some(path), &mountinfo("/other", "ext4"));
        assert!(gone.path() == Some(path) && gone.message().unwrap().contains("is on overlay"));
    }

    #[test]
    fn an_unusable_one_says_what_to_do() {
        let directory = std::env::temp_dir().join(format!("agent-state-{}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        let error = prepare(&directory.join("state")).unwrap_err();
        assert!(error.is_config() && error.advice().unwrap().contains("mount the volume"), "{error}");
        fs::create_dir(&directory).unwrap();
        prepare(&directory.join("state")).unwrap();
        assert_eq!(fs::metadata(directory.join("state")).unwrap().permissions().mode() & 0o777, MODE);
        assert_eq!(fs::read_dir(directory.join("state")).unwrap().count(), 0);

        fs::File::create(directory.join("file")).unwrap();
        let error = prepare(&directory.join("file")).unwrap_err();
        assert!(error.is_config() && error.to_string().contains("memory only"), "{error}");
        fs::remove_dir_all(&directory).unwrap();
    }
}

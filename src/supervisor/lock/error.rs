//! Error messages of update locks.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use nix::errno::Errno;

use crate::error::{Error, ErrorKind, Result};
use crate::fs::{advice_on, directory_of};

use super::status::{LockFile, LockState, PathKind};
use super::{LEGACY_NAME, NAME, SUPERVISOR_UID, UpdateLock};

const NO_DIRECTORY: &str = "the supervisor mounts /tmp/balena into every service of a balena device; elsewhere set \
     BALENA_APP_LOCK_PATH to a file updates.lock in a directory that exists";

/// Rejects a path at which a file would not lock.
pub(super) fn check_place(lock: &UpdateLock, verb: &str) -> Result<()> {
    let path = &lock.path;
    let refuse = |message: String, help: &'static str| {
        Err(Error::new(ErrorKind::Config, message).with_operation(operation(lock, verb)).with_help(help))
    };
    if !path.is_absolute() {
        return refuse(
            "BALENA_APP_LOCK_PATH is not an absolute path".to_owned(),
            "unset it: the supervisor sets it to /tmp/balena/updates.lock",
        );
    }
    if ![Some(OsStr::new(NAME)), Some(OsStr::new(LEGACY_NAME))].contains(&path.file_name()) {
        return refuse(
            format!("a file of this name locks nothing: the supervisor checks only {NAME} and {LEGACY_NAME}"),
            "unset BALENA_APP_LOCK_PATH: the supervisor sets it to /tmp/balena/updates.lock",
        );
    }
    Ok(())
}

/// Rejects a lock that could be created but would not lock.
pub(super) fn check(lock: &UpdateLock) -> Result<()> {
    check_place(lock, "take")?;
    if nix::unistd::geteuid().as_raw() == SUPERVISOR_UID {
        let message = format!(
            "user {SUPERVISOR_UID} (nobody) can't hold an update lock: the supervisor treats every lock of this user as a leftover of its own and deletes it"
        );
        return Err(Error::new(ErrorKind::Config, message)
            .with_operation(operation(lock, "take"))
            .with_help(
                "run the service as another user: `user:` in the compose file, or USER in the Dockerfile",
            ));
    }
    Ok(())
}

/// Returns the error for a held lock. `waited` if there was a wait.
pub(super) fn locked(lock: &UpdateLock, file: Option<&LockFile>, waited: Option<Duration>) -> Error {
    let mut message = match file {
        Some(file) if file.path == lock.path => file.to_string(),
        Some(file) => format!("{}: {file}", file.path.display()),
        None => "its holder changes all the time".to_owned(),
    };
    if let Some(waited) = waited {
        message = format!("{message} (waited {:.1} s)", waited.as_secs_f64());
    }
    Error::new(ErrorKind::Locked, message)
        .with_operation(operation(lock, "take"))
        .with_lock_holder(file.map(|file| file.holder(lock.app_id)))
        .with_help(advice(file))
}

fn advice(file: Option<&LockFile>) -> String {
    let Some(file) = file else { return "try again, or wait for it".to_owned() };
    let path = file.path.display();
    match (file.state, file.kind) {
        (LockState::ThisProcess, _) => {
            "this process has it already: share that one, or drop it first".to_owned()
        }
        (LockState::Supervisor, _) => {
            "the supervisor holds it during an operation and releases it by itself: wait longer (`.timeout()`)"
                .to_owned()
        }
        (LockState::Stale, _) => {
            "take it over with `.take_over_stale()` if the work that it guarded is complete or can be repeated".to_owned()
        }
        (_, PathKind::Directory) => {
            format!(
                "if it is not needed, `rm -r {path}`: it locks, and not even force removes it unless it is empty"
            )
        }
        _ if file.flock == Some(true) => {
            let who = match (&file.stale, file.owner_alive) {
                (Some(_), _) => "a program that it started is alive and has it",
                (None, Some(true)) => "its holder is alive",
                (None, _) => "a process that is alive has it in use",
            };
            format!(
                "{who}: wait longer (`.timeout()`), or end it; `balena-agent lock status` shows more"
            )
        }
        _ if file.stale.is_some() => {
            format!("its holder was of another service: if the work that it guarded is complete, `rm {path}`")
        }
        _ => format!(
            "it is unknown whether its creator is still running: if not, `rm {path}`, because a lock file stays until it is deleted or the device reboots"
        ),
    }
}

/// Returns the error for a directory, or a file in it, that can't be used.
pub(super) fn directory(lock: &UpdateLock, verb: &str, cause: io::Error) -> Error {
    let directory = directory_of(&lock.path);
    let shown = directory.display();
    let (kind, message, help) = match cause.kind() {
        io::ErrorKind::NotFound => {
            (ErrorKind::Config, format!("there is no directory {shown}"), Some(NO_DIRECTORY))
        }
        io::ErrorKind::NotADirectory => {
            (ErrorKind::Config, format!("{shown} is not a directory"), Some(NO_DIRECTORY))
        }
        io::ErrorKind::PermissionDenied if !is(&cause, Errno::EPERM) => {
            let user = nix::unistd::geteuid();
            let whose = match fs::metadata(directory) {
                Ok(meta) => {
                    format!(", it belongs to user {} with mode {:04o}", meta.uid(), meta.mode() & 0o7777)
                }
                Err(_) => String::new(),
            };
            (
                ErrorKind::Io,
                format!("user {user} may not use {shown}{whose} ({cause})"),
                Some(
                    "after a reboot of the device only root can write to the directory until the supervisor next takes its locks: let the service start as root and `chmod 1777` the directory before it changes its user, or run it as root",
                ),
            )
        }
        // The error of a file system without hard links.
        io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported => (
            ErrorKind::Io,
            format!("the file system of {shown} does not support it ({cause})"),
            Some("use a directory on tmpfs or on a file system with hard links, as it is on a device"),
        ),
        _ => (ErrorKind::Io, format!("{shown}: {cause}"), advice_on(&cause)),
    };
    let error = Error::new(kind, message).with_operation(operation(lock, verb)).with_source(cause);
    match help {
        Some(help) => error.with_help(help),
        None => error,
    }
}

/// Returns the error for a lock that was lost before its release.
pub(super) fn taken_away(lock: &std::path::Path) -> Error {
    Error::new(ErrorKind::Conflict, "the lock was taken away before it was released")
        .with_operation(format!("release update lock {}", lock.display()))
        .with_help("a forced call, BALENA_SUPERVISOR_OVERRIDE_LOCK or a program removed the lock file: the guarded work may have been interrupted")
}

fn operation(lock: &UpdateLock, verb: &str) -> String {
    format!("{verb} update lock {}", lock.path.display())
}

fn is(cause: &io::Error, errno: Errno) -> bool {
    cause.raw_os_error() == Some(errno as i32)
}

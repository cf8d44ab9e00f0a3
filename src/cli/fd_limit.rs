//! The limit of open files: names it in errors when it is too low.

use std::io;
use std::os::unix::net::UnixStream;

use nix::sys::resource::{Resource, getrlimit};

use crate::error::{Error, ErrorKind, Result};

/// Socket pairs opened as a check: as many descriptors as the runtime needs, which panics without them.
const PROBES: usize = 3;
/// The operating system's text for `EMFILE`, which may be inside any error.
const TOO_MANY: &str = "os error 24";

/// Returns an error if the runtime could not open the descriptors it needs.
pub(super) fn check() -> Result<()> {
    let opened: io::Result<Vec<_>> = (0..PROBES).map(|_| UnixStream::pair()).collect();
    match opened.map_err(|cause| cause.raw_os_error()) {
        Err(Some(24)) => Err(too_many()),
        _ => Ok(()),
    }
}

/// Returns the error with advice on the limit, if the limit is its cause.
pub(super) fn explained(error: Error) -> Error {
    if error.summary().to_string().contains(TOO_MANY) { error.with_help(advice()) } else { error }
}

fn too_many() -> Error {
    Error::new(ErrorKind::Io, "too many open files").with_help(advice())
}

fn advice() -> String {
    let limit = getrlimit(Resource::RLIMIT_NOFILE);
    let limit = limit.map_or_else(|_| "too few".to_owned(), |(soft, _)| soft.to_string());
    format!(
        "this process may open {limit} files at a time: raise the limit, by `ulimit -n 1024` or `ulimits: nofile` of \
         the service in docker-compose.yml"
    )
}

//! A temporary directory for update locks, removed with the device.

use std::io;
use std::path::PathBuf;

use tempfile::TempDir;

/// Candidate parents, after the environment's temporary directory. A container image with only a binary has none of
/// the usual ones.
const PLACES: [&str; 4] = ["/tmp", "/dev/shm", "/var/tmp", "/run"];

/// Creates a private directory in the first writable parent; the working directory is tried last.
///
/// # Errors
/// Lists the failure of each parent; the kind is that of the first one.
pub(crate) fn directory() -> io::Result<TempDir> {
    let named = std::env::temp_dir();
    let places = std::iter::once(named).chain(PLACES.map(PathBuf::from));
    let mut first_kind = None;
    let mut refusals: Vec<String> = Vec::new();
    // Locks are compared by their absolute path, so a relative one can't be used.
    for place in places.chain(std::env::current_dir()) {
        let made = tempfile::Builder::new().prefix("balena-simulator-").tempdir_in(&place);
        let cause = match made {
            Ok(directory) => return Ok(directory),
            Err(cause) => cause,
        };
        first_kind.get_or_insert(cause.kind());
        // The full cause contains the random name of the tried path.
        let reason = cause.kind();
        refusals.push(format!("{} ({reason})", place.display()));
    }
    refusals.dedup();
    let text = format!(
        "can't make a directory for the simulated device in any of {}; set TMPDIR to a directory that can be written to",
        refusals.join(", ")
    );
    Err(io::Error::new(first_kind.unwrap_or(io::ErrorKind::NotFound), text))
}

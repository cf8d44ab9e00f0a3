//! A directory that goes with the device: its update locks are in there.

use std::io;
use std::path::PathBuf;

use tempfile::TempDir;

/// Where such a directory can be, after the place for temporary files that the environment names. An image that
/// holds a binary and nothing else has none of the usual ones.
const PLACES: [&str; 4] = ["/tmp", "/dev/shm", "/var/tmp", "/run"];

/// Makes a private directory in the first place that lets us, the working directory last.
///
/// # Errors
/// What each place says, if none does; of the kind of the first one.
pub(crate) fn directory() -> io::Result<TempDir> {
    let named = std::env::temp_dir();
    let places = std::iter::once(named).chain(PLACES.map(PathBuf::from));
    let mut first_kind = None;
    let mut refusals: Vec<String> = Vec::new();
    // Locks are told by their whole path, so that a relative one is of no use.
    for place in places.chain(std::env::current_dir()) {
        let made = tempfile::Builder::new().prefix("balena-simulator-").tempdir_in(&place);
        let cause = match made {
            Ok(directory) => return Ok(directory),
            Err(cause) => cause,
        };
        first_kind.get_or_insert(cause.kind());
        // The cause names the path it tried, which has a name of chance in it.
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

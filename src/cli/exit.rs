//! Exit codes.

use crate::error::ErrorKind;

pub(super) const OK: u8 = 0;
pub(super) const FAILED: u8 = 1;
/// The exit code that a shell reports for a command that SIGPIPE ended.
pub(super) const READER_GONE: u8 = 141;
#[cfg(feature = "simulator")]
pub(super) const INTERRUPTED: u8 = 130;

/// The exit code table of `--help`.
pub(super) const TABLE: &str = "\
Exit codes:
  0    done
  1    failed: the supervisor, API or service rejected the request or failed, or its response is invalid
  2    wrong usage or argument; nothing was sent
  3    not found
  4    key or token rejected, or without permission for this
  5    an update lock is held, or a conflict
  6    can't reach the supervisor, API or service
  7    no response in time
  8    unknown outcome: sent, but no response came; check the state before you retry
  75   too many requests, try again later
  78   a variable, label or file is missing or wrong
  130  interrupted; by another signal, 128 and its number
  141  stdout was closed before everything was printed, e.g. by `| head`
lock run and simulate -- COMMAND end with the exit code of the command; lock run ends with 5 if the command succeeded but the lock was lost meanwhile.
run and simulate end with 0 after a stop signal.";

/// Returns the exit code for a kind of error.
pub(super) fn code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::InvalidArgument => 2,
        ErrorKind::NotFound | ErrorKind::Ambiguous => 3,
        ErrorKind::Unauthorized => 4,
        ErrorKind::Locked | ErrorKind::Conflict => 5,
        ErrorKind::Unreachable | ErrorKind::DeviceOffline => 6,
        ErrorKind::Timeout => 7,
        ErrorKind::UnknownOutcome => 8,
        ErrorKind::RateLimited => 75,
        ErrorKind::Config => 78,
        ErrorKind::Cancelled => 130,
        ErrorKind::Unsupported
        | ErrorKind::Rejected
        | ErrorKind::Server
        | ErrorKind::Decode
        | ErrorKind::Io => FAILED,
    }
}

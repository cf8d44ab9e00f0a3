//! One question for each kind.

use super::{Error, ErrorKind};

macro_rules! predicates {
    ($($(#[$doc:meta])* $name:ident = $kind:ident;)*) => {
        impl Error {
            $($(#[$doc])* pub fn $name(&self) -> bool { self.0.kind == ErrorKind::$kind })*

            /// The key is valid, yet its scope does not include the application that the call names.
            /// These are [`ErrorKind::Unauthorized`] too.
            pub fn is_out_of_scope(&self) -> bool {
                self.0.out_of_scope
            }
        }
    };
}

predicates! {
    /// An argument is wrong; nothing was sent.
    is_invalid_argument = InvalidArgument;
    /// A variable, label, file or setting is missing or wrong.
    is_config = Config;
    /// The key or token was refused or is missing.
    is_unauthorized = Unauthorized;
    /// The named thing does not exist.
    is_not_found = NotFound;
    /// Several things match.
    is_ambiguous = Ambiguous;
    /// Conflict (409).
    is_conflict = Conflict;
    /// An update lock is held; see [`Error::lock_holder`].
    is_locked = Locked;
    /// Too many requests; see [`Error::retry_after`].
    is_rate_limited = RateLimited;
    /// The cloud can't reach the device.
    is_device_offline = DeviceOffline;
    /// We can't reach the other side.
    is_unreachable = Unreachable;
    /// The deadline passed; see [`Error::was_sent`].
    is_timeout = Timeout;
    /// Shutting down.
    is_cancelled = Cancelled;
    /// It may have happened: look at the state before doing it again.
    is_unknown_outcome = UnknownOutcome;
    /// Not offered by the other side.
    is_unsupported = Unsupported;
    /// Refused for another reason.
    is_rejected = Rejected;
    /// The other side failed.
    is_server = Server;
    /// The answer is not what the contract says.
    is_decode = Decode;
    /// A file or socket of this machine failed.
    is_io = Io;
}

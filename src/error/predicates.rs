//! One predicate for each error kind.

use super::{Error, ErrorKind};

macro_rules! predicates {
    ($($(#[$doc:meta])* $name:ident = $kind:ident;)*) => {
        impl Error {
            $($(#[$doc])* pub fn $name(&self) -> bool { self.0.kind == ErrorKind::$kind })*

            /// The key is valid but its scope does not include the application of the call. Also
            /// [`ErrorKind::Unauthorized`].
            pub fn is_out_of_scope(&self) -> bool {
                self.0.out_of_scope
            }
        }
    };
}

predicates! {
    /// An argument is invalid; nothing was sent.
    is_invalid_argument = InvalidArgument;
    /// A variable, label, file or setting is missing or invalid.
    is_config = Config;
    /// The key or token is missing, was refused, or lacks the permission.
    is_unauthorized = Unauthorized;
    /// What the call names does not exist.
    is_not_found = NotFound;
    /// Several rows match the key of one.
    is_ambiguous = Ambiguous;
    /// The state of the server does not allow the call now (409).
    is_conflict = Conflict;
    /// An update lock is held. See [`Error::lock_holder`].
    is_locked = Locked;
    /// Too many requests (429). See [`Error::retry_after`].
    is_rate_limited = RateLimited;
    /// The API can't reach the device.
    is_device_offline = DeviceOffline;
    /// The server is unreachable.
    is_unreachable = Unreachable;
    /// The deadline passed. See [`Error::was_sent`].
    is_timeout = Timeout;
    /// The caller is shutting down.
    is_cancelled = Cancelled;
    /// The request may have had its effect: check the state before repeating it.
    is_unknown_outcome = UnknownOutcome;
    /// The server's version, mode or rules do not support the call.
    is_unsupported = Unsupported;
    /// The request was refused for another reason.
    is_rejected = Rejected;
    /// The server failed (5xx).
    is_server = Server;
    /// The response does not have the expected form.
    is_decode = Decode;
    /// An operation on a file or socket of this machine failed.
    is_io = Io;
}

//! The error for a connection that fails or breaks before the response is complete.

use crate::error::{Error, ErrorKind};

use super::TransportError;
use super::outcome::{CHECK_BEFORE_RESEND, RequestSemantics, connection_lost_kind};
use super::proxy::VIA_PROXY;

/// Returns the error for a request whose connection to this host failed or broke.
pub(super) fn connection_lost(host: &str, semantics: RequestSemantics, error: TransportError) -> Error {
    // An error of this crate (settings, certificates) is returned as it is.
    let TransportError { sent, reused, cause } = error;
    let error = match cause.downcast::<Error>() {
        Ok(own) => return *own,
        Err(cause) => TransportError { sent, reused, cause },
    };
    let kind = connection_lost_kind(semantics, error.sent);
    if kind == ErrorKind::UnknownOutcome {
        let text = format!("the connection closed before a response ({error})");
        return Error::new(kind, text).with_sent(true).with_source(error).with_help(CHECK_BEFORE_RESEND);
    }
    let message = if error.sent {
        format!("{host} closed the connection before a response ({error})")
    } else {
        format!("can't reach {host} ({error})")
    };
    let proxied = message.contains(VIA_PROXY);
    // The texts of the resolvers of glibc and musl.
    let is_unknown_host = message.contains("lookup address") || message.contains("name resolution");
    let lost = Error::new(kind, message).with_sent(error.sent).with_source(error);
    if proxied {
        return lost.with_help(
            "check the proxy's address, user and password: HTTPS_PROXY and HTTP_PROXY set it, NO_PROXY lists hosts to reach without it",
        );
    }
    if is_unknown_host {
        return lost.with_help(
            "is the device online? is BALENA_API_URL right? the name of the host is not known here",
        );
    }
    lost.with_help("is the device online, is its clock right, and is the host the right one?")
}

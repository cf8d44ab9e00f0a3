//! What became of a request that got no answer of whom it was for: the one place that decides whether it may
//! have happened.

use crate::error::{Error, ErrorKind};

use super::error_message::is_unknown_route;

/// What a request does, and so what it means that its answer is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Semantics {
    /// It changes nothing.
    Safe,
    /// It changes something, to the same end however often it arrives.
    Idempotent,
    /// It changes something, and must not arrive twice.
    NonIdempotent,
}

/// What the answer of a gateway says about the request that it should have passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GatewayError {
    /// There was no connection: the request did not get beyond the gateway.
    NotForwarded,
    /// It may have been passed on, and must not be sent again unseen.
    Unknown,
    /// It may have been passed on; it does no harm to send it again.
    NoResponse,
}

/// Whether the answer says only that there is none: a gateway's, Cloudflare's own statuses among them, and 408.
/// That is for a request that did not come whole, but gateways say so of a server that was too slow as well.
fn is_without_response(status: u16) -> bool {
    matches!(status, 408 | 502 | 504 | 520..=527 | 530)
}

/// What Cloudflare's own statuses mean, for the text of an error.
pub(super) fn cloudflare_description(status: u16) -> Option<&'static str> {
    match status {
        525 | 526 => {
            Some(": there is no TLS between Cloudflare and the server: its certificate is not accepted")
        }
        520..=524 | 527 | 530 => Some(": Cloudflare has no answer of the server behind it"),
        _ => None,
    }
}

/// Whether the next try may fare better, where a request may arrive twice. After 425 it was not taken up.
pub(super) fn is_transient(status: u16) -> bool {
    matches!(status, TOO_EARLY | 503) || is_without_response(status)
}

/// The server takes up nothing that came with the first bytes of a connection.
pub(super) const TOO_EARLY: u16 = 425;

/// What to do about an unknown outcome.
pub(super) const CHECK_BEFORE_RESEND: &str = "it may have taken effect: check before you send it again";

/// What a refusing status means that is no gateway's.
pub(crate) fn kind_of_status(status: u16, words: &str) -> ErrorKind {
    match status {
        401 | 403 => ErrorKind::Unauthorized,
        404 if is_unknown_route(words) => ErrorKind::Unsupported,
        404 => ErrorKind::NotFound,
        409 => ErrorKind::Conflict,
        423 => ErrorKind::Locked,
        429 => ErrorKind::RateLimited,
        500.. => ErrorKind::Server,
        _ => ErrorKind::Rejected,
    }
}

/// What a status means for such a request, if it is a gateway's.
pub(crate) fn gateway_error(effect: Semantics, status: u16, words: &str) -> Option<GatewayError> {
    if !is_without_response(status) {
        return None;
    }
    let words = words.to_ascii_lowercase();
    let has_no_connection = [
        // The cloud's, of a device's VPN.
        "tunneling socket could not be established",
        // hyper's, of the supervisor's socket.
        "error trying to connect",
        "client error (connect)",
        "connection refused",
        "econnrefused",
    ];
    Some(if has_no_connection.iter().any(|text| words.contains(text)) {
        GatewayError::NotForwarded
    } else {
        missing_response(effect)
    })
}

/// What it means that something in between answers instead of the server.
pub(super) fn missing_response(effect: Semantics) -> GatewayError {
    if effect == Semantics::NonIdempotent { GatewayError::Unknown } else { GatewayError::NoResponse }
}

/// The kind of error for a connection that closed before the answer was whole; `sent` if any of the request may
/// have left.
pub(crate) fn connection_lost_kind(effect: Semantics, sent: bool) -> ErrorKind {
    if sent && effect != Semantics::Safe { ErrorKind::UnknownOutcome } else { ErrorKind::Unreachable }
}

/// Whether what was asked for may have happened all the same, for whoever keeps a list of what is done.
pub(crate) fn may_have_happened(error: &Error) -> bool {
    let is_unanswered = match error.kind() {
        ErrorKind::UnknownOutcome => return true,
        // Of a write nothing is read but whether a page came instead of the answer.
        ErrorKind::Timeout | ErrorKind::Decode => true,
        ErrorKind::Server => error.status().is_some_and(is_without_response),
        _ => false,
    };
    is_unanswered && error.was_sent() && !error.is_of_a_read()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_leaves_a_change_unknown_unless_it_had_no_connection() {
        for status in [408, 502, 504, 520, 521, 522, 523, 524, 525, 526, 527, 530] {
            for words in ["", "Bad Gateway", "<html><title>x</title>", "socket hang up", "upstream timed out"]
            {
                for (effect, expected) in [
                    (Semantics::Safe, GatewayError::NoResponse),
                    (Semantics::Idempotent, GatewayError::NoResponse),
                    (Semantics::NonIdempotent, GatewayError::Unknown),
                ] {
                    assert_eq!(gateway_error(effect, status, words), Some(expected), "{status} {words}");
                }
            }
            for words in ["tunneling socket could not be established, statusCode=503", "connect ECONNREFUSED"]
            {
                assert_eq!(
                    gateway_error(Semantics::NonIdempotent, status, words),
                    Some(GatewayError::NotForwarded),
                    "{words}"
                );
            }
        }
        for status in [400, 425, 500, 501, 503, 505, 519, 528, 529, 531] {
            assert_eq!(gateway_error(Semantics::NonIdempotent, status, ""), None, "{status}");
        }
    }
}

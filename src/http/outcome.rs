//! The outcome of a request that got no response of the server itself: the one place that decides whether it may have
//! taken effect.

use crate::error::{Error, ErrorKind};

use super::error_message::is_unknown_route;

/// The effect of sending a request, as RFC 9110 (9.2) has it. It decides what a missing response means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestSemantics {
    /// It changes nothing.
    Safe,
    /// It changes something; sending it twice has the same effect as sending it once.
    Idempotent,
    /// It changes something, and sending it twice may change it twice.
    NonIdempotent,
}

/// What the error response of a gateway means for the request that it should have forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GatewayError {
    /// The gateway had no connection to the server: the request was not forwarded.
    NotForwarded,
    /// The request may have been forwarded, and sending it again may repeat its effect.
    Unknown,
    /// The request may have been forwarded; sending it again is safe.
    NoResponse,
}

/// Returns whether the status is that of a gateway that got no response: 502, 504, Cloudflare's own, and 408. A 408
/// means an incomplete request, but gateways also send it for a slow server.
fn is_without_response(status: u16) -> bool {
    matches!(status, 408 | 502 | 504 | 520..=527 | 530)
}

/// Returns what a status of Cloudflare's own means, for the text of an error.
pub(super) fn cloudflare_description(status: u16) -> Option<&'static str> {
    match status {
        525 | 526 => Some(": TLS between Cloudflare and the server failed: its certificate is not accepted"),
        520..=524 | 527 | 530 => Some(": Cloudflare got no response of the server behind it"),
        _ => None,
    }
}

/// Returns whether the next attempt may succeed.
pub(super) fn is_transient(status: u16) -> bool {
    matches!(status, TOO_EARLY | 503) || is_without_response(status)
}

/// 425 Too Early: the server did not process the request.
pub(super) const TOO_EARLY: u16 = 425;

/// Help text for an unknown outcome.
pub(super) const CHECK_BEFORE_RESEND: &str = "it may have taken effect: check before you send it again";

/// Returns the kind of error for a status that is not a gateway's. `words` is the message in the body.
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

/// Returns what a gateway's status means for a request with this effect; `None` for other statuses.
pub(crate) fn gateway_error(semantics: RequestSemantics, status: u16, words: &str) -> Option<GatewayError> {
    if !is_without_response(status) {
        return None;
    }
    let words = words.to_ascii_lowercase();
    let has_no_connection = [
        // The cloud, about the VPN of a device.
        "tunneling socket could not be established",
        // hyper, about the supervisor's socket.
        "error trying to connect",
        "client error (connect)",
        "connection refused",
        "econnrefused",
    ];
    Some(if has_no_connection.iter().any(|text| words.contains(text)) {
        GatewayError::NotForwarded
    } else {
        missing_response(semantics)
    })
}

/// Returns what it means if a gateway responds instead of the server.
pub(super) fn missing_response(semantics: RequestSemantics) -> GatewayError {
    if semantics == RequestSemantics::NonIdempotent {
        GatewayError::Unknown
    } else {
        GatewayError::NoResponse
    }
}

/// Returns the kind of error for a connection that closed before the response was complete. `sent`: whether any byte of
/// the request may have been sent.
pub(crate) fn connection_lost_kind(semantics: RequestSemantics, sent: bool) -> ErrorKind {
    if sent && semantics != RequestSemantics::Safe {
        ErrorKind::UnknownOutcome
    } else {
        ErrorKind::Unreachable
    }
}

/// Returns whether a failed write may have taken effect.
pub(crate) fn may_have_taken_effect(error: &Error) -> bool {
    let is_unanswered = match error.kind() {
        ErrorKind::UnknownOutcome => return true,
        // `Decode` on a write means that an HTML page came instead of the response.
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
                for (semantics, expected) in [
                    (RequestSemantics::Safe, GatewayError::NoResponse),
                    (RequestSemantics::Idempotent, GatewayError::NoResponse),
                    (RequestSemantics::NonIdempotent, GatewayError::Unknown),
                ] {
                    assert_eq!(gateway_error(semantics, status, words), Some(expected), "{status} {words}");
                }
            }
            for words in ["tunneling socket could not be established, statusCode=503", "connect ECONNREFUSED"]
            {
                assert_eq!(
                    gateway_error(RequestSemantics::NonIdempotent, status, words),
                    Some(GatewayError::NotForwarded),
                    "{words}"
                );
            }
        }
        for status in [400, 425, 500, 501, 503, 505, 519, 528, 529, 531] {
            assert_eq!(gateway_error(RequestSemantics::NonIdempotent, status, ""), None, "{status}");
        }
    }
}

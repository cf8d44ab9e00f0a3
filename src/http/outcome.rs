//! What became of a request that got no answer of whom it was for: the one place that decides whether it may
//! have happened.

use crate::error::{Error, ErrorKind};

use super::words::is_about_the_path;

/// What a request does, and so what it means that its answer is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It changes nothing.
    Read,
    /// It changes something, to the same end however often it arrives.
    Repeatable,
    /// It changes something, and must not arrive twice.
    Change,
}

/// What the answer of a gateway says about the request that it should have passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gateway {
    /// There was no connection: the request did not get beyond the gateway.
    NotPassedOn,
    /// It may have been passed on, and must not be sent again unseen.
    Unknown,
    /// It may have been passed on; it does no harm to send it again.
    NoAnswer,
}

/// Whether the answer says only that there is none: a gateway's, Cloudflare's own statuses among them, and 408.
/// That is for a request that did not come whole, but gateways say so of a server that was too slow as well.
fn has_no_answer(status: u16) -> bool {
    matches!(status, 408 | 502 | 504 | 520..=527 | 530)
}

/// What Cloudflare's own statuses mean, for the text of an error.
pub(super) fn of_cloudflare(status: u16) -> Option<&'static str> {
    match status {
        525 | 526 => {
            Some(": there is no TLS between Cloudflare and the server: its certificate is not accepted")
        }
        520..=524 | 527 | 530 => Some(": Cloudflare has no answer of the server behind it"),
        _ => None,
    }
}

/// Whether the next try may fare better, where a request may arrive twice. After 425 it was not taken up.
pub(super) fn is_passing(status: u16) -> bool {
    matches!(status, TOO_EARLY | 503) || has_no_answer(status)
}

/// The server takes up nothing that came with the first bytes of a connection.
pub(super) const TOO_EARLY: u16 = 425;

/// What a refusing status means that is no gateway's.
pub(crate) fn of_status(status: u16, words: &str) -> ErrorKind {
    match status {
        401 | 403 => ErrorKind::Unauthorized,
        404 if is_about_the_path(words) => ErrorKind::Unsupported,
        404 => ErrorKind::NotFound,
        409 => ErrorKind::Conflict,
        423 => ErrorKind::Locked,
        429 => ErrorKind::RateLimited,
        500.. => ErrorKind::Server,
        _ => ErrorKind::Rejected,
    }
}

/// What a status means for such a request, if it is a gateway's.
pub(crate) fn of_gateway(effect: Effect, status: u16, words: &str) -> Option<Gateway> {
    if !has_no_answer(status) {
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
        Gateway::NotPassedOn
    } else {
        without_answer(effect)
    })
}

/// What it means that something in between answers instead of the server.
pub(super) fn without_answer(effect: Effect) -> Gateway {
    if effect == Effect::Change { Gateway::Unknown } else { Gateway::NoAnswer }
}

/// The kind of error for a connection that closed before the answer was whole; `sent` if any of the request may
/// have left.
pub(crate) fn of_lost(effect: Effect, sent: bool) -> ErrorKind {
    if sent && effect != Effect::Read { ErrorKind::UnknownOutcome } else { ErrorKind::Unreachable }
}

/// Whether what was asked for may have happened all the same, for whoever keeps a list of what is done.
pub(crate) fn may_have_happened(error: &Error) -> bool {
    let is_unanswered = match error.kind() {
        ErrorKind::UnknownOutcome => return true,
        // Of a write nothing is read but whether a page came instead of the answer.
        ErrorKind::Timeout | ErrorKind::Decode => true,
        ErrorKind::Server => error.status().is_some_and(has_no_answer),
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
                    (Effect::Read, Gateway::NoAnswer),
                    (Effect::Repeatable, Gateway::NoAnswer),
                    (Effect::Change, Gateway::Unknown),
                ] {
                    assert_eq!(of_gateway(effect, status, words), Some(expected), "{status} {words}");
                }
            }
            for words in ["tunneling socket could not be established, statusCode=503", "connect ECONNREFUSED"]
            {
                assert_eq!(of_gateway(Effect::Change, status, words), Some(Gateway::NotPassedOn), "{words}");
            }
        }
        for status in [400, 425, 500, 501, 503, 505, 519, 528, 529, 531] {
            assert_eq!(of_gateway(Effect::Change, status, ""), None, "{status}");
        }
    }
}

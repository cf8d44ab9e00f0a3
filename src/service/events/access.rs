//! How a client of `/events` gets in. The gateway decides; the session only asks.

use std::fmt;

use secrecy::SecretString;
use serde::Deserialize;

/// What the gateway keeps for a client while its stream lives, e.g. its place among the client's streams.
pub(crate) type StreamGuard = Box<dyn Send + Sync>;

/// Checks the token of a first message. Returns why it is refused.
pub(crate) type VerifyToken =
    Box<dyn FnOnce(SecretString) -> Result<StreamGuard, &'static str> + Send + Sync>;

/// How a client gets in.
pub(crate) enum StreamAccess {
    /// It is known already.
    Granted(StreamGuard),
    /// It has to send `{"token": "…"}` as its first message: a browser can't set headers on a WebSocket, and a
    /// credential in an address would end in logs. Never for other streams.
    FirstMessage(VerifyToken),
}

impl fmt::Debug for StreamAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Granted(_) => "Granted",
            Self::FirstMessage(_) => "FirstMessage",
        })
    }
}

/// The first message of a client that is not known yet.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FirstMessage {
    token: SecretString,
}

/// Returns the token of a first message.
pub(super) fn token(message: &str) -> Option<SecretString> {
    // The error of serde would quote the message, and with it the token.
    serde_json::from_str::<FirstMessage>(message).ok().map(|first| first.token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    #[test]
    fn the_first_message_is_one_object_with_one_token() {
        assert_eq!(token(r#"{"token":"abc"}"#).unwrap().expose_secret(), "abc");
        for bad in
            ["", "abc", "{}", r#"{"token":1}"#, r#"{"token":"a","token":"b"}"#, r#"{"token":"a","x":1}"#]
        {
            assert!(token(bad).is_none(), "{bad}");
        }
    }
}

//! From what JS threw to the kind of our error.

use balena_agent::ErrorKind;

use crate::wire::cases::{Case, Exchange, Outcome, Raised};
use crate::wire::outcomes::{self, Expect};

/// Class → kind. `…NotFound` and `BalenaAmbiguous…` are told by their names.
const CLASSES: [(&str, ErrorKind); 8] = [
    ("BalenaInvalidParameterError", ErrorKind::InvalidArgument),
    ("BalenaInvalidDeviceType", ErrorKind::InvalidArgument),
    ("BalenaNotLoggedIn", ErrorKind::Unauthorized),
    ("BalenaExpiredToken", ErrorKind::Unauthorized),
    ("BalenaSupervisorLockedError", ErrorKind::Locked),
    ("HUPActionError", ErrorKind::Unsupported),
    ("OSImageNotFound", ErrorKind::NotFound),
    ("BalenaDeviceOffline", ErrorKind::DeviceOffline),
];

/// Plain errors (row J16): what the text says → kind.
const MESSAGES: [(&str, ErrorKind); 7] = [
    (" not found", ErrorKind::NotFound),
    ("Could not find ", ErrorKind::NotFound),
    ("already exists", ErrorKind::Conflict),
    ("must be non-null", ErrorKind::InvalidArgument),
    ("Invalid version", ErrorKind::InvalidArgument),
    ("Invalid semver version", ErrorKind::InvalidArgument),
    ("ENOENT", ErrorKind::Io),
];

/// The exchange that ended the call. Where requests went out together, it need not be the last.
pub(super) fn ended(case: &Case) -> Option<&Exchange> {
    let Outcome::Error(raised) = &case.outcome else { return case.exchange.last() };
    let broke = |exchange: &&Exchange| exchange.response.abort;
    let refused = |exchange: &&Exchange| Some(exchange.response.status) == raised.status;
    let ended = if raised.class == "TransportError" {
        case.exchange.iter().find(broke)
    } else {
        case.exchange.iter().find(refused)
    };
    ended.or(case.exchange.last())
}

/// As recorded; `last` is the exchange after which the call ended. A plain error whose text says nothing of its
/// kind is an error of whatever kind: the family tells which.
pub(crate) fn recorded(outcome: &Outcome, last: Option<&Exchange>) -> Expect {
    let raised = match outcome {
        Outcome::Ok(value) => return Expect::Value(value.clone()),
        Outcome::Error(raised) => raised,
    };
    let class = raised.class.as_str();
    let by_class = CLASSES.iter().find(|(name, _)| *name == class);
    let by_message = || MESSAGES.iter().find(|(text, _)| raised.message.contains(text));
    let kind = if let Some((_, kind)) = by_class {
        *kind
    } else if class == "BalenaRequestError" {
        let status = raised.status.unwrap_or_else(|| panic!("no status: {raised:?}"));
        outcomes::by_status(status, last)
    } else if class == "TransportError" {
        outcomes::broken(last)
    } else if class.ends_with("NotFound") {
        ErrorKind::NotFound
    } else if class.starts_with("BalenaAmbiguous") {
        ErrorKind::Ambiguous
    } else if let Some((_, kind)) = by_message() {
        *kind
    } else {
        return Expect::AnyError;
    };
    Expect::Error { kind, status: raised.status, says: named(raised) }
}

/// Which one it was; an object in the text need not be reproduced.
fn named(raised: &Raised) -> Option<String> {
    let by_key = raised.class.ends_with("NotFound") || raised.class.starts_with("BalenaAmbiguous");
    let key = raised.message.split_once(": ").filter(|_| by_key).map(|(_, key)| key);
    // "There are multiple releases matching the release hash '45c9000'".
    let quoted = |key: &str| Some(key.strip_suffix('\'')?.rsplit_once(" '")?.1.to_owned());
    let key = key.map(|key| quoted(key).unwrap_or_else(|| key.to_owned()));
    // "unique pair rawVersion & application: 1.2.3 & myorg/myapp".
    let pair = raised.message.rsplit_once("unique pair rawVersion & application: ");
    let key = pair.and_then(|(_, pair)| Some(pair.split_once(" & ")?.0.to_owned())).or(key);
    key.filter(|key| !key.contains('{') && !key.contains("[object"))
}

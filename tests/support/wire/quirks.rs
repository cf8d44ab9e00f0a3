//! Where a recorded case is not what is promised: row by row as in the decisions (`DECISIONS.md`).

use balena_agent::ErrorKind;
use serde_json::Value;

use super::cases::{Case, Exchange, Outcome, Raised};

/// What is promised of a call's outcome.
#[derive(Debug, Clone)]
pub(crate) enum Expect {
    Value(Value),
    AnyValue,
    Error { kind: ErrorKind, status: Option<u16> },
    AnyError,
    NoSuchType,
}

/// What is promised of a case.
#[derive(Debug)]
pub(crate) struct Expected {
    pub(crate) exchange: Vec<Exchange>,
    pub(crate) outcome: Expect,
}

#[derive(Debug)]
pub(crate) enum Ruling {
    Drop,
    Expect(Expected),
}

pub(crate) fn ruling(case: &Case) -> Ruling {
    Ruling::Expect(Expected { exchange: case.exchange.clone(), outcome: as_recorded(&case.outcome) })
}

pub(crate) fn as_recorded(outcome: &Outcome) -> Expect {
    match outcome {
        Outcome::Ok(value) => Expect::Value(value.clone()),
        Outcome::Error(raised) => raised_as(raised),
    }
}

fn raised_as(raised: &Raised) -> Expect {
    let kind = match raised.class.as_str() {
        "RequestError" => by_status(raised.status.unwrap_or_default()),
        class if class.ends_with("NotFound") => ErrorKind::NotFound,
        class if class.starts_with("Ambiguous") => ErrorKind::Ambiguous,
        "KeyError" | "TypeError" | "IndexError" | "AttributeError" => return Expect::AnyError,
        _ => ErrorKind::InvalidArgument,
    };
    Expect::Error { kind, status: raised.status }
}

pub(crate) fn by_status(status: u16) -> ErrorKind {
    match status {
        401 | 403 => ErrorKind::Unauthorized,
        404 => ErrorKind::NotFound,
        409 => ErrorKind::Conflict,
        423 => ErrorKind::Locked,
        429 => ErrorKind::RateLimited,
        500.. => ErrorKind::Server,
        _ => ErrorKind::Rejected,
    }
}

//! Rows about versions of the supervisor and the host OS that are none: Q69, Q70, Q83.

use balena_agent::ErrorKind;
use serde_json::{Value, json};

use super::cases::{Case, Exchange};
use super::outcomes::{self, Expect};
use super::quirks::{Expected, error};
use super::quirks_os as os;
use super::rulebook::{self, Rulebook};

/// Q69: the way of an old supervisor, which needs nothing but the device.
pub(super) fn no_version_is_an_old_one(_: &Case, _: &Rulebook, expected: &mut Expected) {
    if let (Expect::AnyError, [read]) = (&expected.outcome, expected.exchange.as_slice()) {
        let mut restart = read.clone();
        let id = read.response.json.as_ref().map(|answer| answer["d"][0]["id"].clone()).unwrap_or_default();
        restart.request.method = "POST".into();
        restart.request.path = format!("/device/{id}/restart");
        restart.request.canonical_query = None;
        restart.request.query.clear();
        restart.response.json = None;
        restart.response.text = Some("OK".into());
        expected.exchange.push(restart);
        expected.outcome = Expect::Value(Value::Null);
    }
}

/// Q70, Q83 of local mode, which no version, and none that is one, is new enough for; whether it is about that.
fn local_mode(case: &Case, book: &Rulebook, expected: &mut Expected) -> bool {
    let asks = case.function == "models.device.get_local_mode_support";
    if !asks && case.function != "models.device.enable_local_mode" {
        return false;
    }
    let row = expected.exchange.last().and_then(|last| last.response.json.as_ref()?["d"].get(0).cloned());
    let row = row.unwrap_or_default();
    let reason = if !os::is_major(&row["os_version"], 2) {
        Some("Device OS version does not support local mode")
    } else if !os::is_major(&row["supervisor_version"], 4) {
        Some("Device supervisor version does not support local mode")
    } else if row["os_variant"] != "dev" {
        Some("Local mode is only supported on development OS versions")
    } else {
        None
    };
    match (asks, reason) {
        (true, reason) => {
            let answer = json!({ "supported": reason.is_none(), "message": reason.unwrap_or("Supported") });
            expected.outcome = Expect::Value(answer);
        }
        (false, Some(_)) => expected.outcome = error(ErrorKind::Unsupported),
        (false, None) => on(case, book, expected),
    }
    true
}

/// Q70: no version passes, and the call goes on.
pub(super) fn goes_on(case: &Case, book: &Rulebook, expected: &mut Expected) {
    if !local_mode(case, book, expected) {
        on(case, book, expected);
    }
}

fn on(case: &Case, book: &Rulebook, expected: &mut Expected) {
    let done = expected.exchange.len();
    let like = book.like(case, |other| {
        let (Some(left), Some(right)) = (case.exchange.first(), other.exchange.first()) else { return false };
        left.request.path == right.request.path && other.exchange.len() > done
    });
    let application = |exchange: &[Exchange]| -> Option<Value> {
        Some(exchange.first()?.response.json.as_ref()?["d"][0]["belongs_to__application"][0]["id"].clone())
    };
    let mut rest = like.exchange;
    if let (Some(from), Some(to)) = (application(&rest), application(&expected.exchange)) {
        rulebook::in_exchanges(&mut rest, &from, &to);
    }
    expected.exchange.extend(rest.into_iter().skip(done));
    expected.outcome = like.outcome;
}

/// Q83: one that is no version is older than all, as in JS. One of two parts is completed for the calls for which
/// JS does not look at the version (row J01).
pub(super) fn unparsable(case: &Case, book: &Rulebook, expected: &mut Expected) {
    let message = outcomes::message(case);
    let Some(version) = message.strip_suffix(" is not valid SemVer string") else { return };
    if os::unparsable(case, book, expected) || local_mode(case, book, expected) {
        return;
    }
    let looked_at = case.function == "models.device.set_supervisor_release";
    if !looked_at
        && version.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
    {
        goes_on(case, book, expected);
    } else {
        expected.outcome = error(ErrorKind::Unsupported);
    }
}

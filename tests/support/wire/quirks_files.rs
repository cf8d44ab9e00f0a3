//! Rows about files and builds: Q08, Q77, Q80.

use balena_agent::ErrorKind;
use serde_json::Value;

use super::cases::Case;
use super::quirks::{Expected, error};
use super::rulebook::Rulebook;

/// Q08: what is sent again is what was sent before.
pub(super) fn sent_again(_: &Case, _: &Rulebook, expected: &mut Expected) {
    for second in 1..expected.exchange.len() {
        let first = expected.exchange[second - 1].clone();
        if first.response.status == 429 {
            expected.exchange[second].request.multipart = first.request.multipart;
        }
    }
}

/// Q77: the names as they are, whatever characters they have.
pub(super) fn encoded(_: &Case, _: &Rulebook, expected: &mut Expected) {
    let Some(at) = expected.exchange.iter().position(|exchange| exchange.request.host == "builder") else {
        return;
    };
    let row =
        expected.exchange[..at].last().and_then(|read| Some(read.response.json.as_ref()?["d"][0].clone()));
    let row = row.unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (owner, app) = (text(&row["organization"][0]["handle"]), text(&row["app_name"]));
    let query = [("headless", "true".to_owned()), ("owner", owner), ("app", app)];
    expected.exchange[at].request.query =
        query.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
}

/// Q80: yes and no as in JS; without a published version there is nothing to ask for.
pub(super) fn image(case: &Case, _: &Rulebook, expected: &mut Expected) {
    let options = case.arguments().options(2, "options");
    let Some(at) = expected.exchange.iter().position(|exchange| exchange.request.path == "/download") else {
        return;
    };
    let query = &mut expected.exchange[at].request.query;
    if query.iter().all(|(name, _)| name != "version") {
        expected.exchange.truncate(at);
        expected.outcome = error(ErrorKind::NotFound);
        return;
    }
    for (_, value) in query.iter_mut().filter(|(name, _)| options[&**name].is_boolean()) {
        value.make_ascii_lowercase();
    }
}

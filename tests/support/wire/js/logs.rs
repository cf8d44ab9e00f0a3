//! The family `logs`. Its calls are those of the Python SDK: `wire/logs.rs`.

use balena_agent::Balena;
use serde_json::Value;

use crate::wire::args::{Args, Outcome};
use crate::wire::cases::Case;
use crate::wire::logs;
use crate::wire::quirks::Expected;
use crate::wire::rulebook::Rulebook;

use super::patterns;

/// Makes the call; `None` if it is not one of these.
#[expect(clippy::unused_async, reason = "the families have one form")]
pub(super) async fn call(_: &Balena, _: &str, _: &Args) -> Option<Outcome> {
    None
}

/// What is promised instead of what was recorded.
///
/// # Errors
/// A row without an expectation.
pub(super) fn adjust(case: &Case, book: &Rulebook, expected: &mut Expected) -> Result<(), String> {
    let key = case.args.first().unwrap_or(&Value::Null);
    if key.is_array() || !patterns::are_keys(key) {
        patterns::no_such_type(expected);
    } else if patterns::names_nothing(key) {
        patterns::refused(expected);
    }
    // J05.
    if patterns::is_short_uuid(case.args.first()) && case.exchange.is_empty() {
        let like = patterns::sent_by(case, &book.recorded("logs.subscribe.not_found").exchange[0]);
        let uuid = case.args[0].as_str().unwrap_or_default();
        patterns::looked_up(
            expected,
            &like,
            "/v7/device",
            &format!("startswith(uuid,{})", patterns::quoted(uuid)),
        );
    }
    // JS tells a refusal as an event, and so does ours: the first one.
    logs::refused(expected);
    match case.quirks.iter().find(|row| *row != "J02") {
        Some(row) => Err(format!("no expectation for row {row}")),
        None => Ok(()),
    }
}

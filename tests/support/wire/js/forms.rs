//! The family `forms`.

use balena_agent::Balena;

use crate::wire::args::{Args, Outcome};
use crate::wire::cases::Case;
use crate::wire::quirks::Expected;
use crate::wire::rulebook::Rulebook;

/// Makes the call; `None` if it is not one of these.
#[expect(clippy::unused_async, reason = "the families have one form")]
pub(super) async fn call(_: &Balena, _: &str, _: &Args) -> Option<Outcome> {
    None
}

/// What is promised instead of what was recorded.
///
/// # Errors
/// A row without an expectation.
pub(super) fn adjust(case: &Case, _: &Rulebook, _: &mut Expected) -> Result<(), String> {
    case.quirks.first().map_or(Ok(()), |row| Err(format!("no expectation for row {row}")))
}

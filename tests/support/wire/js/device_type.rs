//! The family `device_type`: how an OS is installed.

use balena_agent::api::device_type::ContractKey;
use balena_agent::{Balena, ErrorKind};
use futures_util::FutureExt as _;
use serde_json::{Value, json as literal};

use super::patterns;
use crate::wire::args::{Args, Failure, Outcome, json};
use crate::wire::cases::{Case, Outcome as Recorded};
use crate::wire::outcomes::Expect;
use crate::wire::quirks::{Expected, error};
use crate::wire::rulebook::Rulebook;

const INSTRUCTIONS: &str = "models.deviceType.getInstructions";
const FILLED_IN: &str = "models.deviceType.getInterpolatedPartials";
const METHOD: &str = "models.deviceType.getInstallMethod";

/// The functions whose cases are judged here, whatever file they stand in.
pub(super) fn owns(function: &str) -> bool {
    [INSTRUCTIONS, FILLED_IN, METHOD].contains(&function)
}

/// Makes the call; `None` if it is not one of these.
pub(super) async fn call(balena: &Balena, function: &str, args: &Args) -> Option<Outcome> {
    if !owns(function) {
        return None;
    }
    let contract = match args.get(0, "deviceTypeSlugOrContract") {
        Some(Value::String(name)) => name.clone().into(),
        Some(contract) if function == INSTRUCTIONS && !contract.is_null() => contract.clone().into(),
        other => return Some(Err(Failure::NoSuchType(format!("{other:?}")))),
    };
    Some(told(balena, function, contract).await)
}

async fn told(balena: &Balena, function: &str, contract: ContractKey) -> Outcome {
    let types = balena.device_type();
    match function {
        INSTRUCTIONS => json(types.get_instructions(contract).await),
        FILLED_IN => json(types.get_interpolated_partials(contract).await),
        _ => json(types.get_install_method(contract).await),
    }
}

/// What is promised instead of what was recorded.
///
/// # Errors
/// A row without an expectation.
pub(super) fn adjust(case: &Case, _: &Rulebook, expected: &mut Expected) -> Result<(), String> {
    let first = case.args.first().unwrap_or(&Value::Null);
    if first.is_null() || (case.function != INSTRUCTIONS && !first.is_string()) {
        patterns::no_such_type(expected);
    } else if first.as_str().is_some_and(|name| name.trim().is_empty()) {
        patterns::refused(expected);
    }
    // Row J16.
    if let (Recorded::Error(raised), Expect::AnyError) = (&case.outcome, &expected.outcome) {
        if raised.message.starts_with("Unable to determine installation method") {
            let kind = if first.is_string() { ErrorKind::Unsupported } else { ErrorKind::InvalidArgument };
            expected.outcome = error(kind);
        } else if raised.message.starts_with("Instruction partials not defined") {
            expected.outcome = error(ErrorKind::NotFound);
        }
    }
    if case.has("J19") {
        text_is_a_list_of_one(case, expected);
    }
    match case.quirks.iter().find(|row| *row != "J19") {
        Some(row) => Err(format!("no expectation for row {row}")),
        None => Ok(()),
    }
}

/// Row J19: as if each text had been a list with it in. What comes of a list is shown by the other cases.
fn text_is_a_list_of_one(case: &Case, expected: &mut Expected) {
    let answered = expected.exchange.last().and_then(|last| last.response.json.as_ref());
    let answered = answered.map(|answer| answer["d"][0]["contract"].clone());
    let mut contract = answered.unwrap_or_else(|| case.args[0].clone());
    let mut texts = 0;
    in_lists(&mut contract["partials"], &mut texts);
    assert!(texts > 0, "{}: no text that is not in a list", case.id);
    let balena = Balena::builder().build();
    // Nothing is sent for a contract that is at hand, so there is nothing to wait for.
    let outcome = told(&balena, &case.function, contract.into()).now_or_never().expect("no request");
    expected.outcome = Expect::Value(outcome.expect("texts in lists are fine"));
}

fn in_lists(partials: &mut Value, texts: &mut usize) {
    for value in partials.as_object_mut().into_iter().flat_map(|table| table.values_mut()) {
        if value.is_string() {
            *value = literal!([value.clone()]);
            *texts += 1;
        } else {
            in_lists(value, texts);
        }
    }
}

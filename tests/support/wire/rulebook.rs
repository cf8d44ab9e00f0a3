//! The recorded cases as a source: what a call would have gone on with, where it ended too early in Python.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::cases::{self, Case, Exchange, Outcome};
use super::quirks::{self, Expected};
use super::quirks_options as options;

/// Rows that every call of a function is tagged with.
const OF_EVERY_CALL: [&str; 6] = ["Q03", "Q04", "Q45", "Q60", "Q68", "Q73"];

/// The project's own cases.
#[derive(Debug)]
pub(crate) struct Rulebook {
    cases: Vec<Case>,
    by_id: BTreeMap<String, usize>,
}

impl Rulebook {
    /// With those of a folder that is played.
    pub(crate) fn read(folder: &Path) -> Self {
        let mut cases = cases::read(&cases::home());
        if folder != cases::home() {
            cases.extend(cases::read(folder));
        }
        // The JS SDK has other rules.
        cases.retain(|case| !case.of_js);
        let by_id = cases.iter().enumerate().map(|(index, case)| (case.id.clone(), index)).collect();
        Self { cases, by_id }
    }

    /// A case by its id, as recorded.
    pub(crate) fn recorded(&self, id: &str) -> Case {
        let index = self.by_id.get(id).unwrap_or_else(|| panic!("no case {id}"));
        self.cases[*index].clone()
    }

    /// The same call with a token that has no age, as recorded; where there is none, one with a token that is not
    /// too old, and with other arguments of the same types.
    pub(crate) fn plain_call(&self, function: &str, args: &[Value]) -> Option<Case> {
        let plain = |case: &&Case| {
            (case.function.as_str(), case.args.as_slice()) == (function, args)
                && case.kwargs.is_empty()
                && case.before.is_empty()
                && case.quirks.is_empty()
                && case.after.is_none()
                && case.token.as_ref().is_some_and(|token| !token.contains('.'))
                && case.exchange.iter().all(|exchange| exchange.response.status == 200)
                && matches!(case.outcome, Outcome::Ok(_))
        };
        if let Some(plain) = self.cases.iter().find(plain) {
            return Some(plain.clone());
        }
        let sought = placed(args);
        let alike = self.cases.iter().filter(|case| {
            case.function == function
                && case.kwargs.is_empty()
                && case.before.is_empty()
                && case.quirks.is_empty()
                && case.exchange.iter().all(|one| one.response.status == 200 && one.request.path != "/whoami")
                && matches!(case.outcome, Outcome::Ok(_))
        });
        let mut alike = alike.map(|case| (case, given(case))).filter(|(_, given)| same_types(given, &sought));
        alike.next().map(|(case, given)| exchanged(case, &given, &sought))
    }

    /// What is promised of a case that is the same call on the same client, without these rows, and that fits.
    /// Where none has the same arguments, one with others of the same types will do: they are exchanged.
    pub(crate) fn like(&self, case: &Case, fits: impl Fn(&Case) -> bool) -> Expected {
        let arguments = given(case);
        let same = |other: &&Case| {
            other.function == case.function
                && (&other.token, &other.settings) == (&case.token, &case.settings)
                && other.before.is_empty()
                && !other.quirks.iter().any(|row| case.has(row) && !OF_EVERY_CALL.contains(&&**row))
        };
        let others = || self.cases.iter().filter(same).map(|other| (other, given(other)));
        let exact = others().find(|(other, given)| *given == arguments && fits(other));
        let alike = || {
            let alike = others().filter(|(_, given)| same_types(given, &arguments));
            alike.map(|(other, given)| exchanged(other, &given, &arguments)).find(|other| fits(other))
        };
        let Some(found) = exact.map(|(other, _)| other.clone()).or_else(alike) else {
            panic!("{}: no case to go by with {arguments:?}", case.id)
        };
        quirks::expected(&found, self).ok().flatten().unwrap_or_else(|| panic!("{} has no rows", found.id))
    }
}

type Arguments = Vec<(String, Value)>;

fn same_types(left: &Arguments, right: &Arguments) -> bool {
    let alike = |(left, right): (&(String, Value), &(String, Value))| {
        let plain = |value: &Value| value.is_string() || value.is_number();
        left == right
            || (left.0 == right.0
                && plain(&left.1)
                && std::mem::discriminant(&left.1) == std::mem::discriminant(&right.1))
    };
    left.len() == right.len() && left.iter().zip(right).all(alike)
}

/// The case with other arguments, wherever they stand in it.
fn exchanged(case: &Case, from: &Arguments, to: &Arguments) -> Case {
    let mut case = case.clone();
    for ((_, from), (_, to)) in from.iter().zip(to) {
        for argument in case.args.iter_mut().chain(case.kwargs.values_mut()) {
            replace(argument, from, to);
        }
        if let Outcome::Ok(value) = &mut case.outcome {
            replace(value, from, to);
        }
        in_exchanges(&mut case.exchange, from, to);
    }
    case
}

/// Puts another value into requests and answers, wherever this one stands.
pub(super) fn in_exchanges(exchange: &mut [Exchange], from: &Value, to: &Value) {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let (old, new) = (text(from), text(to));
    if from == to {
        return;
    }
    for Exchange { request, response, .. } in exchange {
        response.json.iter_mut().for_each(|answer| replace(answer, from, to));
        request.path = request.path.replace(&old, &new);
        for value in request.json.iter_mut().chain(&mut request.canonical_query) {
            replace(value, from, to);
            options::leaves(value, &|leaf| leaf.replace(&old, &new));
        }
    }
}

fn replace(value: &mut Value, from: &Value, to: &Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, from, to)),
        Value::Object(map) => map.values_mut().for_each(|item| replace(item, from, to)),
        _ if value == from => value.clone_from(to),
        _ => {}
    }
}

/// The arguments without what counts as not given: `null`, and empty options.
fn given(case: &Case) -> Arguments {
    let named = case.kwargs.iter().map(|(name, value)| (name.clone(), significant(value)));
    let mut given: Arguments = placed(&case.args).into_iter().chain(named).filter(counts).collect();
    // There, no date is something else than the date by default.
    if case.function.starts_with("models.device.history.") {
        let dates = case.args.iter().enumerate().filter(|(_, value)| value.is_null());
        given.extend(dates.map(|(place, _)| (place.to_string(), Value::Null)));
    }
    given
}

fn placed(args: &[Value]) -> Arguments {
    let placed = args.iter().enumerate().map(|(place, value)| (place.to_string(), significant(value)));
    placed.filter(counts).collect()
}

fn counts((_, value): &(String, Value)) -> bool {
    !value.is_null() && *value != Value::Object(serde_json::Map::new())
}

fn significant(value: &Value) -> Value {
    let Value::Object(options) = value else { return value.clone() };
    let empty = |value: &Value| {
        value.is_null() || value == "" || value.as_object().is_some_and(serde_json::Map::is_empty)
    };
    let options = options.iter().filter(|(name, value)| {
        // A number is asked for without any options.
        *name == "$count" || !(name.starts_with('$') && empty(value))
    });
    Value::Object(options.map(|(name, value)| (name.clone(), value.clone())).collect())
}

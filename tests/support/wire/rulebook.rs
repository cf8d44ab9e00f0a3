//! The recorded cases as a source: what a call would have gone on with, where it ended too early in Python.

use std::collections::BTreeMap;

use serde_json::Value;

use super::cases::{self, Case};
use super::later;
use super::quirks::{self, Expected};

/// The project's own cases.
#[derive(Debug)]
pub(crate) struct Rulebook {
    cases: Vec<Case>,
    by_id: BTreeMap<String, usize>,
}

impl Rulebook {
    pub(crate) fn read() -> Self {
        let cases = cases::read(&cases::home());
        let by_id = cases.iter().enumerate().map(|(index, case)| (case.id.clone(), index)).collect();
        Self { cases, by_id }
    }

    /// A case by its id, as recorded.
    pub(crate) fn recorded(&self, id: &str) -> Case {
        let index = self.by_id.get(id).unwrap_or_else(|| panic!("no case {id}"));
        self.cases[*index].clone()
    }

    /// What is promised of a case that is the same call on the same client, without these rows, and that fits.
    pub(crate) fn like(&self, case: &Case, fits: impl Fn(&Case) -> bool) -> Expected {
        let arguments = given(case);
        let same = |other: &&Case| {
            other.function == case.function
                && given(other) == arguments
                && (&other.token, &other.settings) == (&case.token, &case.settings)
                && other.before.is_empty()
                && later::reason(other).is_none()
                && !other.quirks.iter().any(|row| case.has(row))
                && fits(other)
        };
        let Some(found) = self.cases.iter().find(same) else {
            panic!("{}: no case to go by with {arguments:?}", case.id)
        };
        quirks::expected(found, self).ok().flatten().unwrap_or_else(|| panic!("{} has no rows", found.id))
    }
}

/// The arguments without what counts as not given: `null`, and empty options.
fn given(case: &Case) -> Vec<(String, Value)> {
    let placed = case.args.iter().enumerate().map(|(place, value)| (place.to_string(), value));
    let named = case.kwargs.iter().map(|(name, value)| (name.clone(), value));
    placed
        .chain(named)
        .map(|(name, value)| (name, significant(value)))
        .filter(|(_, value)| !value.is_null() && *value != Value::Object(serde_json::Map::new()))
        .collect()
}

fn significant(value: &Value) -> Value {
    let Value::Object(options) = value else { return value.clone() };
    let empty = |value: &Value| {
        value.is_null() || value == "" || value.as_object().is_some_and(serde_json::Map::is_empty)
    };
    let options = options.iter().filter(|(name, value)| !(name.starts_with('$') && empty(value)));
    Value::Object(options.map(|(name, value)| (name.clone(), value.clone())).collect())
}

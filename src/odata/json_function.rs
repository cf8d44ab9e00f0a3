//! Functions and arithmetic operators in filters given as JSON.

use super::error::{QueryResult, refuse};
use super::expr::Expr;
use super::literal::Kind;

/// Name of a function, its lowest and highest number of arguments, and whether its literal arguments must be text.
pub(super) type Function = (&'static str, usize, usize, bool);

const FUNCTIONS: &[Function] = &[
    ("contains", 2, 2, true),
    ("endswith", 2, 2, true),
    ("startswith", 2, 2, true),
    ("indexof", 2, 2, true),
    ("concat", 2, 2, true),
    ("length", 1, 1, true),
    ("tolower", 1, 1, true),
    ("toupper", 1, 1, true),
    ("trim", 1, 1, true),
    ("substring", 2, 3, false),
    ("year", 1, 1, false),
    ("month", 1, 1, false),
    ("day", 1, 1, false),
    ("hour", 1, 1, false),
    ("minute", 1, 1, false),
    ("second", 1, 1, false),
    ("fractionalseconds", 1, 1, false),
    ("date", 1, 1, false),
    ("time", 1, 1, false),
    ("totaloffsetminutes", 1, 1, false),
    ("totalseconds", 1, 1, false),
    ("round", 1, 1, false),
    ("floor", 1, 1, false),
    ("ceiling", 1, 1, false),
    ("isof", 1, 2, false),
    ("cast", 1, 2, false),
    ("now", 0, 0, false),
    ("maxdatetime", 0, 0, false),
    ("mindatetime", 0, 0, false),
];

/// Returns whether `word` is the name of a function.
pub(super) fn is_function(word: &str) -> bool {
    FUNCTIONS.iter().any(|(name, ..)| *name == word)
}

pub(super) fn arithmetic(name: &str) -> Option<&'static str> {
    ["add", "sub", "mul", "div", "mod"].into_iter().find(|known| *known == name)
}

/// Finds the function with this name.
pub(super) fn find(name: &str) -> QueryResult<Function> {
    match FUNCTIONS.iter().find(|known| known.0 == name) {
        Some(function) => Ok(*function),
        None => refuse!("unknown operator `${}`", name.escape_debug()),
    }
}

/// Builds the call of a function: of its arguments alone, or with the path around the function as the first.
///
/// `is_complete`: the arguments were written as a list, so the path is added only if one is missing.
pub(super) fn call(
    (name, least, most, text): Function,
    mut arguments: Vec<Expr>,
    is_complete: bool,
    key: Option<&str>,
) -> QueryResult<Expr> {
    for argument in &arguments {
        if text && matches!(argument, Expr::Value(value) if !matches!(value.0, Kind::Text(_))) {
            return refuse!("`${name}` takes a string");
        }
    }
    let takes = |count: usize| (least..=most).contains(&count);
    let (alone, with_key) = (takes(arguments.len()), takes(arguments.len() + 1));
    match key {
        Some(key) if with_key && !(alone && is_complete) => {
            arguments.insert(0, Expr::path(key));
            Ok(Expr::Call(name, arguments))
        }
        _ if alone => Ok(Expr::Call(name, arguments).compared_with(key)),
        _ => refuse!("`${name}` with the wrong number of arguments"),
    }
}

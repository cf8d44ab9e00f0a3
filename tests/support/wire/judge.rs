//! Holds an outcome against what is promised.

use serde_json::Value;

use super::args::{Failure, Outcome};
use super::outcomes::Expect;
use crate::rows::same_time;

/// What is wrong with it, if anything.
pub(crate) fn outcome(expected: &Expect, found: &Outcome) -> Option<String> {
    let fits = match (expected, found) {
        (Expect::Value(expected), Ok(found)) => match unequal(expected, found, "") {
            None => return None,
            Some(place) => return Some(format!("outcome: {place}")),
        },
        (Expect::NoSuchType, Err(Failure::NoSuchType(_))) | (Expect::AnyError, Err(_)) => true,
        (Expect::Error { kind, status, says }, Err(Failure::Error(error))) => {
            error.kind() == *kind
                && status.is_none_or(|status| error.status() == Some(status))
                && says.as_ref().is_none_or(|words| error.to_string().contains(&escaped(words)))
        }
        _ => false,
    };
    if fits {
        return None;
    }
    let found = match found {
        Ok(value) => format!("ok {value}"),
        Err(Failure::Error(error)) => format!("{:?} {:?}: {error}", error.kind(), error.status()),
        Err(Failure::NoSuchType(what)) => format!("no such type: {what}"),
    };
    Some(format!("outcome:\n      expected {expected:?}\n      found    {found}"))
}

/// No character that a terminal obeys is in the text of an error.
fn escaped(words: &str) -> String {
    let mut out = String::new();
    for c in words.chars() {
        if c.is_control() {
            out.extend(c.escape_debug());
        } else {
            out.push(c);
        }
    }
    out
}

/// Where two values differ. A column that is `null` and one that is not there are the same in a row of ours,
/// and so are an id and a reference to it; `{"$matches": …}` stands for a random value of that form, and
/// `{"$any": true}` for any value.
pub(super) fn unequal(expected: &Value, found: &Value, place: &str) -> Option<String> {
    let differ = || Some(format!("at {place:?}:\n      expected {expected}\n      found    {found}"));
    match (expected, found) {
        (Value::Object(one), _) if one.contains_key("$any") => None,
        (Value::Object(one), _) if one.contains_key("$matches") => {
            let pattern = one["$matches"].as_str().unwrap_or_default();
            let fits = found.as_str().is_some_and(|text| matches(pattern, text));
            if fits { None } else { differ() }
        }
        (Value::Object(left), Value::Object(right)) => {
            let mut names: Vec<&String> = left.keys().chain(right.keys()).collect();
            names.sort();
            names.dedup();
            names.into_iter().find_map(|name| {
                let (left, right) = (left.get(name), right.get(name));
                let (left, right) = (left.unwrap_or(&Value::Null), right.unwrap_or(&Value::Null));
                unequal(left, right, &format!("{place}.{name}"))
            })
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            let mut pairs = left.iter().zip(right).enumerate();
            pairs.find_map(|(index, (left, right))| unequal(left, right, &format!("{place}[{index}]")))
        }
        (Value::Number(left), Value::Object(right)) if right.len() == 1 => {
            if right.get("__id") == Some(&Value::Number(left.clone())) { None } else { differ() }
        }
        (Value::Number(left), Value::Number(right)) if left.as_f64() == right.as_f64() => None,
        (Value::String(left), Value::String(right)) if same_time(left, right) => None,
        _ if expected == found => None,
        _ => differ(),
    }
}

/// The one form of pattern that is recorded: `^[set]{n}$`.
fn matches(pattern: &str, text: &str) -> bool {
    let parts = pattern.strip_prefix("^[").and_then(|rest| rest.strip_suffix("}$")?.split_once("]{"));
    let Some((set, count)) = parts else { panic!("a pattern of another form: {pattern}") };
    let set: Vec<char> = set.chars().collect();
    let within = |c: char| match set[..] {
        [from, '-', to, from2, '-', to2] => (from..=to).contains(&c) || (from2..=to2).contains(&c),
        _ => panic!("a set of another form: {pattern}"),
    };
    count.parse() == Ok(text.chars().count()) && text.chars().all(within)
}

//! Values given as JSON: literals, dates and durations.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value as Json;

use super::error::{QueryResult, refuse};
use super::literal::{Kind, Value, decimal};

/// Returns the name of a JSON type with its article, for messages.
pub(super) fn kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a string",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}

/// Parses a literal: a JSON scalar, `{"$datetime": …}`, or the `{"__id": …}` of a navigation. Returns `None` for any
/// other JSON.
pub(super) fn literal(value: &Json) -> QueryResult<Option<Value>> {
    Ok(Some(match value {
        Json::Null => Value::NULL,
        Json::Bool(value) => Value::from(*value),
        Json::String(text) => Value::from(text.as_str()),
        Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), _, _) => Value::from(number),
            (None, Some(number), _) => Value(Kind::Integer(number.into())),
            (None, None, Some(number)) => Value::from(number),
            (None, None, None) => return refuse!("{number} is not a number that can be sent"),
        },
        Json::Object(map) => match (map.get("$datetime"), map.get("__id")) {
            (Some(time), _) if map.len() == 1 => datetime(time)?,
            // The form in which a row holds a navigation: the query compares with its id.
            (_, Some(id @ (Json::Number(_) | Json::Null))) => return literal(id),
            _ => return Ok(None),
        },
        Json::Array(_) => return Ok(None),
    }))
}

/// Parses the string of `$datetime`: ISO 8601, in UTC if it has no offset.
fn datetime(value: &Json) -> QueryResult<Value> {
    let Json::String(text) = value else {
        return refuse!("`$datetime` takes a string, not {}", kind(value));
    };
    let time = text
        .parse::<Timestamp>()
        .or_else(|_| text.parse::<DateTime>().and_then(|time| TimeZone::UTC.to_timestamp(time)));
    match time {
        Ok(time) => Ok(Value::from(time)),
        Err(_) => refuse!("`{}` is not a date and time", text.escape_debug()),
    }
}

/// Parses the object of `$duration`: `{"days": 1, "hours": 2, "negative": true}` → `-P1DT2H`.
pub(super) fn duration(value: &Json) -> QueryResult<Value> {
    let Json::Object(map) = value else {
        return refuse!("`$duration` takes an object, not {}", kind(value));
    };
    let mut text = String::from("P");
    if let Some(days) = map.get("days") {
        text.push_str(&amount(days)?);
        text.push('D');
    }
    let clock = [("hours", 'H'), ("minutes", 'M'), ("seconds", 'S')];
    let mut parts = 0;
    for (name, letter) in clock {
        if let Some(value) = map.get(name) {
            text.push_str(if parts == 0 { "T" } else { "" });
            text.push_str(&amount(value)?);
            text.push(letter);
            parts += 1;
        }
    }
    for (name, value) in map {
        match (name.as_str(), value) {
            ("negative", Json::Bool(true)) => text.insert(0, '-'),
            ("negative", Json::Bool(false)) | ("days" | "hours" | "minutes" | "seconds", _) => {}
            _ => return refuse!("`$duration` has no `{}` of this type", name.escape_debug()),
        }
    }
    if !text.ends_with(|last: char| last.is_ascii_uppercase() && last != 'P') {
        return refuse!("`$duration` without a length");
    }
    Ok(Value(Kind::Duration(text)))
}

fn amount(value: &Json) -> QueryResult<String> {
    match (value.as_u64(), value.as_f64()) {
        (Some(whole), _) => Ok(whole.to_string()),
        (None, Some(number)) if number >= 0.0 => decimal(number),
        _ => refuse!("a part of `$duration` is a number from 0"),
    }
}

//! Functions, durations, dates and raw text in filters given as JSON.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value as Json;

use super::expr::{Expr, Part};
use super::fault::{Check, refuse};
use super::json::kind;
use super::json_expr::{keyed, operand, path};
use super::literal::{Kind, Value, decimal};

/// What a function takes: least and most arguments, and whether a literal has to be a text.
type Function = (&'static str, usize, usize, bool);

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

/// Whether a word before a bracket is a function's name.
pub(super) fn is_function(word: &str) -> bool {
    FUNCTIONS.iter().any(|(name, ..)| *name == word)
}

pub(super) fn arithmetic(name: &str) -> Option<&'static str> {
    ["add", "sub", "mul", "div", "mod"].into_iter().find(|known| *known == name)
}

/// `{"uuid": {"$startswith": "8d"}}`, `{"$length": {"$": "uuid"}}`, `{"$substring": [{"$": "uuid"}, 0, 4]}`.
pub(super) fn call(name: &str, value: &Json, key: Option<&str>) -> Check<Expr> {
    let Some((name, least, most, text)) = FUNCTIONS.iter().copied().find(|known| known.0 == name) else {
        return refuse!("unknown operator `${}`", name.escape_debug());
    };
    let (mut arguments, listed) = arguments(name, value)?;
    for argument in &arguments {
        if text && matches!(argument, Expr::Value(value) if !matches!(value.0, Kind::Text(_))) {
            return refuse!("`${name}` takes a text");
        }
    }
    let takes = |count: usize| (least..=most).contains(&count);
    let (alone, with_key) = (takes(arguments.len()), takes(arguments.len() + 1));
    match key {
        // A list has all arguments in it; otherwise the name around the function is the first.
        Some(key) if with_key && !(alone && listed) => {
            arguments.insert(0, path(key));
            Ok(Expr::Call(name, arguments))
        }
        _ if alone => Ok(keyed(key, Expr::Call(name, arguments))),
        _ => refuse!("`${name}` with the wrong number of arguments"),
    }
}

fn arguments(name: &str, value: &Json) -> Check<(Vec<Expr>, bool)> {
    match value {
        Json::Null => refuse!("`${name}` of null"),
        Json::Array(list) if list.is_empty() => {
            refuse!("`${name}` with an empty list; without arguments it takes {{}}")
        }
        Json::Array(list) => Ok((list.iter().map(operand).collect::<Check<_>>()?, true)),
        Json::Object(map) if map.is_empty() => Ok((Vec::new(), true)),
        _ => Ok((vec![operand(value)?], false)),
    }
}

/// Without an offset it is UTC.
pub(super) fn datetime(value: &Json) -> Check<Value> {
    let Json::String(text) = value else {
        return refuse!("`$datetime` takes a text, not {}", kind(value));
    };
    let time = text
        .parse::<Timestamp>()
        .or_else(|_| text.parse::<DateTime>().and_then(|time| TimeZone::UTC.to_timestamp(time)));
    match time {
        Ok(time) => Ok(Value::from(time)),
        Err(_) => refuse!("`{}` is not a date and time", text.escape_debug()),
    }
}

/// `{"days": 1, "hours": 2, "negative": true}` → `-P1DT2H`.
pub(super) fn duration(value: &Json) -> Check<Value> {
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

fn amount(value: &Json) -> Check<String> {
    match (value.as_u64(), value.as_f64()) {
        (Some(whole), _) => Ok(whole.to_string()),
        (None, Some(number)) if number >= 0.0 => decimal(number),
        _ => refuse!("a part of `$duration` is a number from 0"),
    }
}

/// `"…"`, `["… $1 …", value]`, `{"$string": "… $name …", "name": value}`.
pub(super) fn raw(value: &Json) -> Check<Expr> {
    let (text, binds): (&Json, Vec<(String, &Json)>) = match value {
        Json::Array(list) => match list.split_first() {
            Some((text, rest)) => {
                (text, rest.iter().enumerate().map(|(at, bind)| ((at + 1).to_string(), bind)).collect())
            }
            None => return refuse!("`$raw` with an empty list"),
        },
        Json::Object(map) => match map.get("$string") {
            Some(text) => (
                text,
                map.iter()
                    .filter(|(name, _)| *name != "$string")
                    .map(|(name, bind)| (name.clone(), bind))
                    .collect(),
            ),
            None => return refuse!("`$raw` without `$string`"),
        },
        _ => (value, Vec::new()),
    };
    let Json::String(text) = text else {
        return refuse!("`$raw` takes a text, not {}", kind(text));
    };
    let mut known = Vec::new();
    for (name, bind) in binds {
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric()) {
            return refuse!(
                "a name bound in `$raw` has letters and digits only, unlike `{}`",
                name.escape_debug()
            );
        }
        known.push((name, operand(bind)?));
    }
    Ok(Expr::Raw(bind(text, &known)))
}

/// Puts the values where `$name` stands, outside of quotes: inside, a `$1` is a text like any other.
fn bind(text: &str, known: &[(String, Expr)]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    for (index, piece) in text.split('\'').enumerate() {
        if index > 0 {
            plain.push('\'');
        }
        if index % 2 == 1 {
            plain.push_str(piece);
            continue;
        }
        for (at, word) in piece.split('$').enumerate() {
            if at == 0 {
                plain.push_str(word);
                continue;
            }
            let end = word.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(word.len());
            let (name, rest) = word.split_at(end);
            if let Some((_, value)) = known.iter().find(|(known, _)| known == name) {
                parts.push(Part::Text(std::mem::take(&mut plain)));
                parts.push(Part::Bind(value.clone()));
            } else {
                plain.push('$');
                plain.push_str(name);
            }
            plain.push_str(rest);
        }
    }
    parts.push(Part::Text(plain));
    parts
}

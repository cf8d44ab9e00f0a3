//! One form for all queries that mean the same: order of options, of names and of operands does not count.
//!
//! It reads the text as it is on the wire: what separates is looked for before anything is decoded.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

/// The canonical form of a raw query, e.g. `$select=b,a&$filter=x%20eq%201`.
pub(crate) fn canonical_query(raw: &str) -> Value {
    options(split(raw, &["&"]))
}

/// The text without percent-encoding; `+` stays.
pub(crate) fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8().expect("the wire carries UTF-8").into_owned()
}

/// Splits at any of the separators, outside of quotes and brackets.
fn split<'a>(text: &'a str, separators: &[&str]) -> Vec<&'a str> {
    let mut parts = Vec::new();
    let (mut start, mut at, mut depth, mut quoted) = (0, 0, 0_i32, false);
    while at < text.len() {
        let rest = &text[at..];
        let step = match rest.as_bytes()[0] {
            b'\'' => {
                quoted = !quoted;
                1
            }
            b'%' if rest.starts_with("%27") => {
                quoted = !quoted;
                3
            }
            _ if quoted => 1,
            b'(' => {
                depth += 1;
                1
            }
            b')' => {
                depth -= 1;
                1
            }
            _ if depth > 0 => 1,
            _ => match separators.iter().find(|separator| rest.starts_with(**separator)) {
                Some(separator) => {
                    parts.push(&text[start..at]);
                    start = at + separator.len();
                    separator.len()
                }
                None => 1,
            },
        };
        at += step;
        while !text.is_char_boundary(at) {
            at += 1;
        }
    }
    assert!(depth == 0 && !quoted, "open bracket or quote: {text}");
    if !text.is_empty() {
        parts.push(&text[start..]);
    }
    parts
}

fn options(parts: Vec<&str>) -> Value {
    let mut out = Map::new();
    for part in parts {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let key = decode(key);
        let value = match key.as_str() {
            "$select" => {
                let mut names: Vec<String> = value.split(',').map(decode).collect();
                names.sort();
                json!(names)
            }
            "$expand" => Value::Object(split(value, &[","]).into_iter().map(expand).collect()),
            "$orderby" => json!(split(value, &[","]).into_iter().map(decode).collect::<Vec<_>>()),
            "$top" | "$skip" => {
                value.parse::<u64>().map_or_else(|_| json!(decode(value)), |number| json!(number))
            }
            "$filter" => filter(value),
            _ => json!(decode(value)),
        };
        assert!(out.insert(key, value).is_none(), "an option twice: {part}");
    }
    Value::Object(out)
}

fn expand(text: &str) -> (String, Value) {
    match text.split_once('(') {
        Some((name, inner)) => {
            let inner = inner.strip_suffix(')').expect("options end with a bracket");
            (decode(name), options(split(inner, &[";"])))
        }
        None => (decode(text), json!({})),
    }
}

/// The tree of a filter.
fn filter(text: &str) -> Value {
    let text = strip(text);
    for (word, separator) in [("or", "%20or%20"), ("and", "%20and%20")] {
        let parts = split(text, &[separator]);
        if parts.len() > 1 {
            return json!({ word: operands(word, parts) });
        }
    }
    if let Some(inner) = enclosed(text, "not(") {
        return json!({ "not": filter(inner) });
    }
    for quantifier in ["any", "all"] {
        let opening = format!("/{quantifier}(");
        if let Some(at) = text.find(&opening)
            && let Some(inner) = enclosed(&text[at..], &opening)
            && !text[..at].contains(['(', '\''])
        {
            let (alias, body) = inner.split_once(':').expect("a lambda has a variable");
            let lambda = json!({ "path": decode(&text[..at]), "alias": decode(alias), "expr": filter(body) });
            return json!({ quantifier: lambda });
        }
    }
    json!(decode(text))
}

fn operands(word: &str, parts: Vec<&str>) -> Vec<Value> {
    let mut out = Vec::new();
    for part in parts {
        match filter(part) {
            Value::Object(mut map) if map.contains_key(word) => {
                let Some(Value::Array(inner)) = map.remove(word) else { unreachable!("operands are a list") };
                out.extend(inner);
            }
            other => out.push(other),
        }
    }
    out.sort_by_key(dumps);
    out
}

fn strip(mut text: &str) -> &str {
    while let Some(inner) = enclosed(text, "(") {
        text = inner;
    }
    text
}

/// What is between the opening and its bracket, when that is the last character.
fn enclosed<'a>(text: &'a str, opening: &str) -> Option<&'a str> {
    let inner = text.strip_prefix(opening)?.strip_suffix(')')?;
    let (mut depth, mut quoted) = (0_i32, false);
    for c in inner.replace("%27", "'").chars() {
        match c {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return None;
        }
    }
    Some(inner)
}

/// The text by which operands are sorted: JSON with sorted keys, spaces after `,` and `:`, ASCII only.
fn dumps(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(dumps).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| key.as_str());
            let entries: Vec<String> = entries
                .into_iter()
                .map(|(key, value)| format!("{}: {}", ascii(&json!(key)), dumps(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        other => ascii(other),
    }
}

fn ascii(value: &Value) -> String {
    let mut out = String::new();
    let mut units = [0; 2];
    for c in value.to_string().chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            out.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    out
}

//! Query strings and form bodies, including nested names (`network[hostname]=…`).

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// Maximum nesting of brackets; deeper ones remain part of the name.
const DEPTH: usize = 5;
/// Highest index of a list; a higher one makes an object.
const LIST_LIMIT: usize = 20;
/// Maximum number of fields of a form.
const FIELD_LIMIT: usize = 1000;

/// Returns the decoded pairs of a query string. A name with an invalid escape is kept unchanged.
pub(super) fn pairs(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (decode(name), decode(value))
        })
        .collect()
}

fn decode(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().map_or_else(|_| spaced.clone(), std::borrow::Cow::into_owned)
}

/// Converts a form body to a JSON object. Returns the reason if the body is rejected.
pub(super) fn parse(text: &str) -> Result<Value, &'static str> {
    if text.split('&').count() > FIELD_LIMIT {
        return Err("too many parameters");
    }
    let mut root = Value::Object(Map::new());
    for (name, value) in pairs(text) {
        insert(&mut root, &path(&name), Value::String(value));
    }
    Ok(root)
}

/// Splits a name: `a[b][]` → `["a", "b", ""]`.
fn path(name: &str) -> Vec<String> {
    let Some((head, mut rest)) = name.split_once('[').filter(|(head, _)| !head.is_empty()) else {
        return vec![name.to_owned()];
    };
    let mut path = vec![head.to_owned()];
    loop {
        let Some((part, after)) = rest.split_once(']') else { return vec![name.to_owned()] };
        path.push(part.to_owned());
        match after.strip_prefix('[') {
            Some(next) if path.len() <= DEPTH => rest = next,
            _ => return path,
        }
    }
}

fn insert(place: &mut Value, path: &[String], value: Value) {
    let Some((name, rest)) = path.split_first() else {
        *place = match place.take() {
            Value::Null => value,
            // A repeated name makes a list.
            Value::Array(mut items) => {
                items.push(value);
                Value::Array(items)
            }
            before => Value::Array(vec![before, value]),
        };
        return;
    };
    let index = name.parse::<usize>().ok().filter(|index| *index <= LIST_LIMIT);
    if place.is_null() {
        let list = name.is_empty() || index.is_some();
        *place = if list { Value::Array(Vec::new()) } else { Value::Object(Map::new()) };
    }
    match place {
        Value::Object(fields) => {
            insert(fields.entry(name.clone()).or_insert(Value::Null), rest, value);
        }
        Value::Array(items) => {
            let mut item = Value::Null;
            insert(&mut item, rest, value);
            items.push(item);
        }
        _ => insert(place, &[], value),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::parse;

    #[test]
    fn nested_names_make_objects_and_lists() {
        assert_eq!(
            parse("network[hostname]=a+b&network[proxy][noProxy][]=1.1.1.1&network[proxy][noProxy][]=x%2Fy"),
            Ok(json!({"network": {"hostname": "a b", "proxy": {"noProxy": ["1.1.1.1", "x/y"]}}}))
        );
        assert_eq!(parse("a=1&a=2&b"), Ok(json!({"a": ["1", "2"], "b": ""})));
        assert_eq!(parse(""), Ok(json!({})));
    }
}

//! Raw filter text given as JSON, with values bound into it.

use serde_json::Value as Json;

use super::error::{QueryResult, refuse};
use super::expr::{Expr, RawPart};
use super::json_literal::kind;

/// Splits the argument of `$raw` into its text and the values to bind, each with its name:
/// `"…"`, `["… $1 …", value]`, `{"$string": "… $name …", "name": value}`.
pub(super) fn split(value: &Json) -> QueryResult<(&str, Vec<(String, &Json)>)> {
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
        return refuse!("`$raw` takes a string, not {}", kind(text));
    };
    for (name, _) in &binds {
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric()) {
            return refuse!(
                "a name bound in `$raw` has letters and digits only, unlike `{}`",
                name.escape_debug()
            );
        }
    }
    Ok((text, binds))
}

/// Replaces each `$name` outside quotes by its value. Inside quotes, `$1` is plain text.
pub(super) fn bind(text: &str, known: &[(String, Expr)]) -> Vec<RawPart> {
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
                parts.push(RawPart::Text(std::mem::take(&mut plain)));
                parts.push(RawPart::Bind(value.clone()));
            } else {
                plain.push('$');
                plain.push_str(name);
            }
            plain.push_str(rest);
        }
    }
    parts.push(RawPart::Text(plain));
    parts
}

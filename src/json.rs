//! Decodes JSON into types. An error has the path of the value that does not fit.
//!
//! One function for all types finds the path in the text after the error. A deserializer that tracks the path would
//! be compiled for every type, about 5 KiB each.

use std::fmt::Write as _;

use serde::de::DeserializeOwned;

/// A decoding error: the path of the value and the reason.
#[derive(Debug)]
pub(crate) struct DecodeError {
    /// Path of the value, e.g. `containers[0].imageId`; empty for the whole text.
    pub(crate) path: String,
    /// serde's message. It can quote a value.
    pub(crate) reason: String,
}

/// Decodes the whole text as a `T`.
pub(crate) fn decode<T: DeserializeOwned>(text: &[u8]) -> Result<T, DecodeError> {
    serde_json::from_slice(text).map_err(|cause| decode_error(text, &cause))
}

fn decode_error(text: &[u8], cause: &serde_json::Error) -> DecodeError {
    if !cause.is_data() {
        // Invalid or truncated JSON: a path in it would mislead.
        return DecodeError { path: String::new(), reason: cause.to_string() };
    }
    let line_start = text
        .split_inclusive(|byte| *byte == b'\n')
        .take(cause.line().saturating_sub(1))
        .map(<[u8]>::len)
        .sum::<usize>();
    let why = cause.to_string();
    let why = why.rsplit_once(" at line ").map_or(&*why, |(why, _)| why);
    DecodeError { path: path_at(text, line_start + cause.column()), reason: why.to_owned() }
}

enum Level {
    /// The key of the current value; `None` before the key.
    Object(Option<String>),
    /// The index of the current element.
    Array(usize),
}

/// Returns the path of the last value that begins before `offset`.
fn path_at(text: &[u8], offset: usize) -> String {
    let mut levels: Vec<Level> = Vec::new();
    let mut at = 0;
    while at < offset
        && let Some(first) = text.get(at)
    {
        at += 1;
        match first {
            b'{' => levels.push(Level::Object(None)),
            b'[' => levels.push(Level::Array(0)),
            b'}' | b']' => drop(levels.pop()),
            b',' => match levels.last_mut() {
                Some(Level::Object(key)) => *key = None,
                Some(Level::Array(index)) => *index += 1,
                None => {}
            },
            b'"' => {
                // Reads the string to its end, even beyond the offset, so that a key is complete.
                let after = text.get(at..).unwrap_or_default();
                let end = string_end(after);
                if let Some(Level::Object(key @ None)) = levels.last_mut() {
                    *key = Some(name(after.get(..end).unwrap_or(after)));
                }
                at += end + 1;
            }
            _ => {}
        }
    }
    let mut path = String::new();
    for level in levels {
        match level {
            Level::Object(Some(key)) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(&key);
            }
            Level::Object(None) => {}
            Level::Array(index) => {
                // Writing to a `String` cannot fail.
                let _ = write!(path, "[{index}]");
            }
        }
    }
    path
}

/// Decodes the escapes of a key; returns the raw text if they are invalid.
fn name(written: &[u8]) -> String {
    serde_json::from_slice(&[b"\"", written, b"\""].concat())
        .unwrap_or_else(|_| String::from_utf8_lossy(written).into_owned())
}

/// Returns the index of the closing quote, for a text that begins after the opening quote.
fn string_end(text: &[u8]) -> usize {
    let mut escaped = false;
    text.iter()
        .position(|byte| {
            let end = *byte == b'"' && !escaped;
            escaped = *byte == b'\\' && !escaped;
            end
        })
        .unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    #[derive(Debug, Deserialize)]
    struct Row {
        #[serde(rename = "id")]
        _id: u32,
        #[serde(default, rename = "tags")]
        _tags: Vec<BTreeMap<String, bool>>,
    }

    #[track_caller]
    fn path(text: &str) -> String {
        decode::<BTreeMap<String, Vec<Row>>>(text.as_bytes()).unwrap_err().path
    }

    #[test]
    fn paths_lead_to_what_does_not_fit() {
        assert_eq!(path(r#"{"a": [{"id": 1}, {"id": "x"}]}"#), "a[1].id");
        assert_eq!(path("{\n\"a\": [\n{\"id\": 1},\n {\"id\": -7}]}"), "a[1].id");
        assert_eq!(
            path(r#"{"a,\"{": [{"id": 1, "tags": [{}, {"k": true, "l": 3}]}]}"#),
            r#"a,"{[0].tags[1].l"#
        );
        assert_eq!(path(r#"{"a": [{"tags": []}]}"#), "a[0]", "a missing field is a fault of its object");
        assert_eq!(path(r#"{"a": 5}"#), "a");
        assert_eq!(path("[]"), "");
        assert_eq!(path(""), "");
        assert_eq!(path(r#"{"a": [{"id": 1"#), "", "broken JSON has no places");
    }
}

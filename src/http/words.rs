//! What the other side says in an error, whatever form it has.

use serde_json::Value;

/// The words in an error body: a JSON string, an object's `message`, `error` or `Error`, else the text.
pub(crate) fn words(body: &[u8]) -> String {
    let text = || String::from_utf8_lossy(body).trim().to_owned();
    match serde_json::from_slice(body) {
        Ok(Value::String(words)) => words,
        Ok(Value::Object(fields)) => {
            let words = ["message", "Error", "error"].into_iter().filter_map(|name| fields.get(name));
            words.filter_map(Value::as_str).find(|words| !words.is_empty()).map_or_else(text, str::to_owned)
        }
        _ => text(),
    }
}

/// The first line that says anything: an error is one line.
pub(crate) fn first_line(text: &str) -> &str {
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_understood() {
        for (body, expected) in [
            (r#""\"a\" and \"b\" must be unique.""#, r#""a" and "b" must be unique."#),
            (r#"{"message":"m"}"#, "m"),
            (r#"{"Data":"","Error":"locked"}"#, "locked"),
            (r#"{"error":"x"}"#, "x"),
            (r#"{"message":"","error":"x"}"#, "x"),
            (r#"{"other":1}"#, r#"{"other":1}"#),
            ("  plain \n", "plain"),
            ("", ""),
            ("<html>", "<html>"),
        ] {
            assert_eq!(words(body.as_bytes()), expected, "{body}");
        }
    }
}

//! The message in an error response: extracted, and shortened for error texts.

use serde_json::Value;

use crate::error::escaped;

use super::html_page::html_page_description;

/// Maximum length of a message in an error text, in characters. The whole message is in
/// [`Error::body`](crate::Error::body).
const MAX_CHARACTERS: usize = 300;

/// Returns the message in an error body: a JSON string, the first non-empty of an object's `message`, `Error` and
/// `error`, else the body as text.
pub(crate) fn error_message(body: &[u8]) -> String {
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

/// Returns the first non-empty line, shortened and with control characters escaped; for an HTML page its description.
pub(crate) fn single_line(words: &str) -> String {
    if let Some(page) = html_page_description(words.as_bytes()) {
        return page;
    }
    let line = words.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let mut cut: String = line.chars().take(MAX_CHARACTERS).collect();
    if cut.len() < line.len() {
        cut.push('…');
    }
    escaped(&cut).to_string()
}

/// Returns `status 404: Not Found`, or only the status if there is no message.
pub(crate) fn status_and_message(status: u16, words: &str) -> String {
    match single_line(words) {
        said if said.is_empty() => format!("status {status}"),
        said => format!("status {status}: {said}"),
    }
}

/// Returns the beginning of a body that can't be decoded; for an HTML page its description.
pub(crate) fn body_excerpt(body: &[u8]) -> String {
    html_page_description(body).map_or_else(
        || {
            let text = String::from_utf8_lossy(body.get(..256).unwrap_or(body));
            let head: String = text.chars().take(60).collect();
            format!("it begins with \"{}\"", head.escape_debug())
        },
        |page| format!("it is {page}"),
    )
}

/// Returns whether the message of a 404 means that the path does not exist: it is empty, an HTML page or the default
/// text of a router or web server. If the path exists and the object does not, the API sends a message of its own.
pub(crate) fn is_unknown_route(words: &str) -> bool {
    let words = words.trim().trim_matches(['"', '.']).to_ascii_lowercase();
    // The API sends this for a missing object; both SDKs' recordings contain it.
    if words == "not found" {
        return false;
    }
    let is_text_of_a_router = [
        "404 page not found",
        "404 not found",
        "404: not found",
        "404: page not found",
        "page not found",
        "default backend - 404",
        "no route matched",
        "no such route",
        "route not found",
        // Object stores send XML; the last one is Apache's.
        "<?xml",
        "the requested url ",
    ]
    .iter()
    .any(|text| words.starts_with(text));
    // Express's and Fastify's defaults: `Cannot GET /x`, `Route GET:/x not found`.
    let names_a_route = |before: &str| {
        let rest = words.strip_prefix(before).unwrap_or_default();
        ["get", "post", "put", "patch", "delete", "head"]
            .iter()
            .filter_map(|method| rest.strip_prefix(method))
            .any(|rest| rest.starts_with(" /") || rest.starts_with(":/"))
    };
    words.is_empty()
        || html_page_description(words.as_bytes()).is_some()
        || is_text_of_a_router
        || names_a_route("cannot ")
        || names_a_route("route ")
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
            assert_eq!(error_message(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn a_line_harms_no_terminal_and_is_not_long() {
        for (words, expected) in [
            ("\n  one \r\ntwo", "one"),
            ("\u{1b}[31mred\u{7}\u{202e}", "\\u{1b}[31mred\\u{7}\\u{202e}"),
            ("\"a\" must be unique.", "\"a\" must be unique."),
            ("<html><title>x</title>", "x (an HTML page)"),
            ("", ""),
        ] {
            assert_eq!(single_line(words), expected, "{words}");
        }
        assert_eq!(single_line(&"é".repeat(400)), "é".repeat(300) + "…");
    }

    #[test]
    fn a_path_that_is_not_there_is_told_from_a_thing_that_is_not() {
        for words in [
            "",
            " ",
            "404 page not found\n",
            "404 Not Found",
            "Page not found",
            "default backend - 404",
            "no Route matched with those values",
            "Cannot GET /config",
            "Cannot POST /application/1/restart",
            "Route GET:/v6/device not found",
            "<!DOCTYPE html><title>Error</title><pre>Cannot GET /whoami</pre>",
            "<html><head><title>404 Not Found</title></head>",
            "<?xml version=\"1.0\"?><Error><Code>NoSuchBucket</Code></Error>",
            "The requested URL /v6/device was not found on this server.",
        ] {
            assert!(is_unknown_route(words), "{words}");
        }
        for words in [
            "Not Found",
            "No online device(s) found",
            "No device with uuid 0000",
            "Unknown device type nope",
            "Device raspberrypi3 not found for 2.50.0 version",
            "Application doesn't exist or you have no access to it.",
            "Cannot get the device",
            "NoSuchKey",
            "Service not found, a container must exist for this endpoint to work.",
        ] {
            assert!(!is_unknown_route(words), "{words}");
        }
    }
}

//! What an exchange has to become, by status, body and endpoint: so that lines that nobody has seen are judged too.

use balena_agent::{Error, ErrorKind};
use serde_json::Value;

use super::Exchange;

/// The words in a body.
pub(crate) fn words(body: &str) -> String {
    let text = || body.trim().to_owned();
    match serde_json::from_str(body) {
        Ok(Value::String(words)) => words,
        Ok(Value::Object(fields)) => {
            let words = ["message", "Error", "error"].iter().filter_map(|name| fields.get(*name)?.as_str());
            words.into_iter().find(|words| !words.is_empty()).map_or_else(text, str::to_owned)
        }
        _ => text(),
    }
}

/// Whether it is an HTML page.
fn is_page(words: &str) -> bool {
    let lower = words.to_ascii_lowercase();
    words.starts_with('<') && ["<!doctype html", "<html", "<title"].iter().any(|mark| lower.contains(mark))
}

/// What has to be in the text of an error with these words.
pub(crate) fn line(words: &str) -> String {
    if !is_page(words) {
        return words.lines().next().unwrap_or_default().chars().take(300).collect();
    }
    let between =
        |open: &str, close: &str| Some(words.split_once(open)?.1.split_once(close)?.0.trim().to_owned());
    let title = between("<title>", "</title>").filter(|title| !title.is_empty());
    match (title, between("<pre>", "</pre>")) {
        (Some(title), Some(pre)) if title == "Error" => {
            pre.split(['<', '\n']).next().unwrap_or_default().to_owned()
        }
        (Some(title), _) => title,
        (None, _) => "an HTML page, from something in front of the API".to_owned(),
    }
}

/// Whether the call that plays it changes something and must not arrive twice.
fn is_change(exchange: &Exchange) -> bool {
    exchange.request.method == "POST"
}

/// The kind that a refusal has to be.
pub(crate) fn kind(exchange: &Exchange) -> ErrorKind {
    let words = words(&exchange.body);
    let lower = words.to_ascii_lowercase();
    let is_proxied = exchange.request.target.starts_with("/supervisor/") && is_change(exchange);
    let is_about_the_path = words.is_empty()
        || is_page(&words)
        || lower.starts_with("404 page not found")
        || ["get", "post", "patch", "put", "delete"]
            .iter()
            .any(|method| lower.starts_with(&format!("cannot {method} /")));
    // Version 7 may refuse to change a row without a word, where version 6 says `Not Found`.
    let is_bare_write =
        words.is_empty() && exchange.request.target.starts_with("/v7/") && exchange.request.method != "GET";
    match exchange.status {
        401 | 403 => ErrorKind::Unauthorized,
        404 if is_bare_write => ErrorKind::NotFound,
        404 if is_about_the_path => ErrorKind::Unsupported,
        404 if is_proxied => ErrorKind::DeviceOffline,
        404 => ErrorKind::NotFound,
        409 => ErrorKind::Conflict,
        423 => ErrorKind::Locked,
        429 => ErrorKind::RateLimited,
        502 | 504 | 520..=524
            if is_proxied && lower.contains("tunneling socket could not be established") =>
        {
            ErrorKind::DeviceOffline
        }
        502 | 504 | 520..=524 if is_change(exchange) => ErrorKind::UnknownOutcome,
        500.. => ErrorKind::Server,
        _ => ErrorKind::Rejected,
    }
}

/// What is wrong with the error of a refusal, if anything.
pub(crate) fn check(exchange: &Exchange, error: &Error) -> Result<(), String> {
    let (words, expected) = (words(&exchange.body), kind(exchange));
    let text = error.to_string();
    let advice = error.advice().unwrap_or_default();
    let is_bare_resource = exchange.resource().is_some() && words.is_empty();
    let mut needed = vec![(exchange.status.to_string(), &text), (line(&words), &text)];
    match exchange.status {
        404 if expected == ErrorKind::Unsupported => {
            needed.extend(
                ["is the address", "`api_version`", "does this server have it"]
                    .map(|part| (part.to_owned(), &text)),
            );
        }
        401 if is_bare_resource => needed.push(("or the server does not have it".to_owned(), &text)),
        401 if words.to_lowercase().contains("fresh authentication") => {
            needed.push(("log in again".to_owned(), &text));
        }
        500 if is_bare_resource => needed.push(("may not know one of these names: ".to_owned(), &text)),
        _ => {}
    }
    let wait = exchange.retry_after.as_ref().and_then(|seconds| seconds.parse::<u64>().ok());
    if error.kind() != expected {
        return Err(format!("expected {expected}, found {}: {text}", error.kind()));
    }
    if error.status() != Some(exchange.status) || error.body() != Some(words.as_str()) {
        return Err(format!("status {:?}, words {:?}: {text}", error.status(), error.body()));
    }
    if error.retry_after().map(|wait| wait.as_secs()) != wait {
        return Err(format!("to wait {:?}: {text}", error.retry_after()));
    }
    if expected == ErrorKind::UnknownOutcome && !advice.contains("may have taken effect") {
        return Err(format!("no advice: {text}"));
    }
    match needed.iter().find(|(part, text)| !text.contains(part.as_str())) {
        Some((part, text)) => Err(format!("{text:?} lacks {part:?}")),
        None => Ok(()),
    }
}

//! HTML pages in place of an expected response: a short description for error texts.

use crate::error::escaped;

/// Number of bytes that are searched for the title.
const SEARCH_LIMIT: usize = 16 * 1024;
/// Maximum length of the shown title, in characters.
const MAX_TITLE_LENGTH: usize = 120;

/// Description of a page without a title.
const UNTITLED_PAGE: &str = "an HTML page, from something in front of the API";

/// Tags that make a text beginning with `<` HTML.
const HTML_TAGS: [&str; 7] = ["<!doctype html", "<html", "<head", "<title", "<body", "<h1", "<pre"];

/// Returns a description of the body if it is an HTML page: its title, else the first line in `<pre>`. Express gives
/// every error page the title `Error`, so the line in `<pre>` is preferred to it.
pub(crate) fn html_page_description(body: &[u8]) -> Option<String> {
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body).trim_ascii_start();
    if body.first() != Some(&b'<') {
        return None;
    }
    let text = &*String::from_utf8_lossy(body.get(..SEARCH_LIMIT).unwrap_or(body));
    // Same length as `text`, so offsets are valid in both.
    let lower = text.to_ascii_lowercase();
    if !HTML_TAGS.iter().any(|mark| lower.contains(mark)) {
        return None;
    }
    let title = within(text, &lower, "title").filter(|title| title != "Error");
    let said = title.or_else(|| within(text, &lower, "pre")).or_else(|| within(text, &lower, "title"));
    Some(said.map_or(UNTITLED_PAGE.to_owned(), |said| format!("{} (an HTML page)", escaped(&said))))
}

/// Returns a description of the body if it is an HTML page, with the remark that a proxy or gateway sent it.
pub(crate) fn unexpected_html_page(body: &[u8]) -> Option<String> {
    html_page_description(body).map(of_something_in_front)
}

/// As [`unexpected_html_page`], for a body that is known to be a page.
pub(super) fn foreign(body: &[u8]) -> String {
    unexpected_html_page(body).unwrap_or_else(|| UNTITLED_PAGE.to_owned())
}

fn of_something_in_front(said: String) -> String {
    if said == UNTITLED_PAGE { said } else { format!("{said}, from something in front of the API") }
}

/// Returns the text in the first element of this name, on one line; `None` if it is empty.
fn within(text: &str, lower: &str, tag: &str) -> Option<String> {
    let begin = lower.find(&format!("<{tag}"))? + 1 + tag.len();
    let open = lower.get(begin..)?;
    // `<title>` or `<title lang="en">`, not `<titles>`.
    if !open.starts_with(['>', ' ', '\t', '\r', '\n']) {
        return None;
    }
    let start = begin + open.find('>')? + 1;
    let end = lower.get(start..)?.find(&format!("</{tag}")).map(|length| start + length)?;
    let inner = text.get(start..end)?;
    // Outside titles, a line break or a tag ends the text.
    let line = inner.trim_start().split(['\n', '<']).next().unwrap_or_default();
    let line = if tag == "title" { inner } else { line };
    let said = decoded(line).split_whitespace().collect::<Vec<_>>().join(" ");
    let mut cut: String = said.chars().take(MAX_TITLE_LENGTH).collect();
    if cut.len() < said.len() {
        cut.push('…');
    }
    (!cut.is_empty()).then_some(cut)
}

/// Decodes character references (`&amp;`, `&#38;`). Unknown ones stay unchanged.
fn decoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let known = after.split_once(';').and_then(|(name, tail)| Some((character(name)?, tail)));
        let (c, tail) = known.unwrap_or(('&', after));
        out.push(c);
        rest = tail;
    }
    out.push_str(rest);
    out
}

/// Returns the character of a reference without `&` and `;`.
fn character(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let number = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(number);
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        "ndash" => '–',
        "mdash" => '—',
        "middot" => '·',
        "bull" => '•',
        "hellip" => '…',
        "laquo" => '«',
        "raquo" => '»',
        "copy" => '©',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_told_by_their_title() {
        let long = format!("<title>{}</title>", "é".repeat(500));
        for (body, expected) in [
            ("<html>\r\n<head><title>502 Bad Gateway</title></head>", "502 Bad Gateway (an HTML page)"),
            ("\u{feff} <!DOCTYPE html><TITLE lang=\"en\">\n a  b\n</TITLE>", "a b (an HTML page)"),
            (
                "<title>A &amp; B &#8211; &#x43; &lt;x&gt; &quot;q&quot; &nope; &</title>",
                "A & B – C <x> \"q\" &nope; & (an HTML page)",
            ),
            (
                "<title>a\u{1b}[2Jb\u{202e}c&#27;&#0;</title>",
                "a\\u{1b}[2Jb\\u{202e}c\\u{1b}\\0 (an HTML page)",
            ),
            (
                "<!DOCTYPE html><title>Error</title><pre>Cannot GET /v6/device</pre>",
                "Cannot GET /v6/device (an HTML page)",
            ),
            (
                "<title>Error</title><pre>SyntaxError: x<br> &nbsp; at y</pre>",
                "SyntaxError: x (an HTML page)",
            ),
            ("<title>Error</title>", "Error (an HTML page)"),
            (
                "<?xml version=\"1.0\"?><!DOCTYPE html PUBLIC \"x\"><html><head><title>Portal</title>",
                "Portal (an HTML page)",
            ),
            ("<!-- x --><html><body>no", UNTITLED_PAGE),
            ("<html><title> </title>", UNTITLED_PAGE),
            ("<html><title>cut off", UNTITLED_PAGE),
            ("<html><titles>x</titles>", UNTITLED_PAGE),
            (&long, &format!("{}… (an HTML page)", "é".repeat(MAX_TITLE_LENGTH))),
        ] {
            assert_eq!(html_page_description(body.as_bytes()).as_deref(), Some(expected), "{body}");
        }
    }

    #[test]
    fn other_text_is_no_page() {
        for body in
            ["", "<", "<5 devices", "a <html>", "{\"a\":\"<html>\"}", "<Error><Code>NoSuchKey</Code></Error>"]
        {
            assert_eq!(html_page_description(body.as_bytes()), None, "{body}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_body_is_too_odd(parts in proptest::collection::vec("<title>|</title|<pre>|&#?x?[0-9a-f]{0,9};?|<html|é|\u{130}|.", 0..40)) {
            let body = format!("<{}", parts.concat());
            if let Some(said) = html_page_description(body.as_bytes()) {
                proptest::prop_assert!(said.chars().count() <= 10 * MAX_TITLE_LENGTH + 40 && !said.contains(char::is_control), "{said}");
            }
        }
    }
}

//! Removes the key from the text of a response, in case the server echoes the URL or the request.

use std::borrow::Cow;

const REDACTED: &str = "[REDACTED]";

/// Factor between the longest spelling of a key and the key: a character may be `\u0041`.
pub(super) const SPELLING: usize = 6;

/// Returns the text without the secret, in any spelling: as it is, percent-encoded, form-encoded, or escaped as in
/// JSON, Rust's `Debug` or HTML, or mixed.
pub(crate) fn redact<'a>(text: Cow<'a, str>, secret: &str) -> Cow<'a, str> {
    if secret.is_empty() {
        return text;
    }
    let mut clean: Option<String> = None;
    let mut rest = &*text;
    let mut kept = 0;
    while let Some(next) = rest.chars().next() {
        match spelled(rest, secret) {
            Some(length) => {
                let clean = clean.get_or_insert_with(String::new);
                clean.push_str(text.get(kept..text.len() - rest.len()).unwrap_or_default());
                clean.push_str(REDACTED);
                rest = rest.get(length..).unwrap_or_default();
                kept = text.len() - rest.len();
            }
            None => rest = rest.get(next.len_utf8()..).unwrap_or_default(),
        }
    }
    match clean {
        Some(mut clean) => {
            clean.push_str(text.get(kept..).unwrap_or_default());
            clean.into()
        }
        None => text,
    }
}

/// Returns how many bytes at the start of the text spell the secret.
fn spelled(text: &str, secret: &str) -> Option<usize> {
    let mut rest = text;
    for c in secret.chars() {
        rest = after(rest, c)?;
    }
    Some(text.len() - rest.len())
}

/// Returns the text after one character of the secret. Escapes first: `&amp;` starts with `&`.
fn after(text: &str, c: char) -> Option<&str> {
    after_spelling(text, c).or_else(|| text.strip_prefix(c))
}

fn after_spelling(text: &str, c: char) -> Option<&str> {
    match (text.as_bytes().first()?, c) {
        (b'+', ' ') => text.get(1..),
        (b'%', _) => {
            let mut bytes = [0; 4];
            c.encode_utf8(&mut bytes).bytes().try_fold(text, |text, byte| {
                let digits = text.strip_prefix('%')?.get(..2)?;
                (u8::from_str_radix(digits, 16).ok()? == byte).then(|| text.get(3..))?
            })
        }
        (b'\\', _) => {
            let text = text.get(1..)?;
            let code = text.strip_prefix('u').and_then(|text| text.get(..4));
            match code.and_then(|code| u32::from_str_radix(code, 16).ok()) {
                Some(code) if code == u32::from(c) => text.get(5..),
                _ => text.strip_prefix(c),
            }
        }
        (b'&', _) => {
            let (entity, rest) = text.strip_prefix('&')?.split_once(';')?;
            let named = match entity {
                "amp" => '&',
                "lt" => '<',
                "gt" => '>',
                "quot" => '"',
                "apos" => '\'',
                _ => {
                    let code = entity.strip_prefix('#')?;
                    let code = match code.strip_prefix(['x', 'X']) {
                        Some(hex) => u32::from_str_radix(hex, 16),
                        None => code.parse(),
                    };
                    char::from_u32(code.ok()?)?
                }
            };
            (named == c).then_some(rest)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_found() {
        let secret = "a b&c=d/+é\"'";
        for spelling in [
            secret,
            "a%20b%26c%3Dd%2F%2B%C3%A9%22%27",
            "a%20b%26c%3dd%2f%2b%c3%a9%22%27",
            "a+b%26c%3Dd%2F%2B%C3%A9%22'",
            "a b&c=d/+é\\\"\\'",
            "a b&c=d\\/+\\u00e9\\\"'",
            "a b&amp;c=d/+é&quot;&#39;",
            "a b&#x26;c=d/+é&#34;&apos;",
        ] {
            let text = format!("GET /x?apikey={spelling}&y é {spelling}");
            assert_eq!(redact(text.into(), secret), "GET /x?apikey=[REDACTED]&y é [REDACTED]", "{spelling}");
        }
    }

    #[test]
    fn other_text_stays_as_it_is() {
        for text in ["", "%", "a%2", "a%é", "\\u00", "a & b; c", "&#99999999;", "ab ab", "é"] {
            assert_eq!(redact(text.into(), "abé"), text);
            assert_eq!(redact(text.into(), ""), text);
        }
    }
}

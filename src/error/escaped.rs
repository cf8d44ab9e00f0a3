//! Escaping of untrusted text for display: characters that deceive a reader or control a terminal become visible.

use std::fmt::{self, Write as _};

/// Displays untrusted text: control characters, bidirectional marks and zero-width characters are escaped as in Rust
/// (`\n`, `\u{202e}`). All else stays, including quotes and backslashes.
pub(crate) fn escaped(text: &str) -> impl fmt::Display + '_ {
    Escaped(text)
}

/// Characters of a part of an error's text that are shown; a longer one was made of somebody's input.
const LONGEST: usize = 2000;
/// Characters of such a part that stand before and behind what is left out.
const HEAD: usize = 1200;
const TAIL: usize = 600;

/// Returns a part of an error's text as [`escaped`] does, and cuts the middle of one that is too long.
pub(crate) fn excerpt(text: &str) -> impl fmt::Display + '_ {
    let at = |(at, _): (usize, char)| at;
    let tail =
        text.char_indices().rev().nth(TAIL - 1).map(at).filter(|_| text.chars().nth(LONGEST).is_some());
    let cut =
        tail.and_then(|tail| Some((text.get(..text.char_indices().nth(HEAD).map(at)?)?, text.get(tail..)?)));
    Excerpt { text, cut }
}

/// Truncates at a character boundary, to at most `limit` bytes.
pub(crate) fn truncate(text: &mut String, limit: usize) {
    if text.len() > limit {
        let cut = (0..=limit).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(cut.unwrap_or_default());
    }
}

/// Returns whether a reader can't see the character.
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

struct Excerpt<'a> {
    text: &'a str,
    cut: Option<(&'a str, &'a str)>,
}

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cut {
            Some((head, tail)) => write!(f, "{} … {}", escaped(head), escaped(tail)),
            None => escaped(self.text).fmt(f),
        }
    }
}

struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\0' | '\n' | '\r' | '\t' => write!(f, "{}", c.escape_debug()),
            c if is_hidden(c) => write!(f, "{}", c.escape_unicode()),
            c => f.write_char(c),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_seen_is_shown_as_it_is_written() {
        for text in ["O'Brien \"x\" é", "e\u{301} ☃ \\ 温度 हिन्दी", "👍🏽", ""] {
            assert_eq!(escaped(text).to_string(), text);
        }
    }

    #[test]
    fn what_is_too_long_for_an_error_is_cut_in_its_middle() {
        for length in [0, 1, LONGEST - 1, LONGEST] {
            let text = "é".repeat(length);
            assert_eq!(excerpt(&text).to_string(), text);
        }
        for length in [LONGEST + 1, 100_000] {
            let text = format!("begin{}\u{1b}end", "é".repeat(length));
            let shown = excerpt(&text).to_string();
            assert!(shown.starts_with("beginé") && shown.contains("é … é") && shown.ends_with("é\\u{1b}end"));
            assert!(shown.chars().count() <= LONGEST, "{}", shown.chars().count());
        }
    }

    #[test]
    fn what_can_not_be_seen_is_made_visible() {
        for (text, visible) in [
            ("a\u{1b}[2J\n\u{202e} \\ ☃", "a\\u{1b}[2J\\n\\u{202e} \\ ☃"),
            ("\0\r\t\u{7f}\u{9b}", "\\0\\r\\t\\u{7f}\\u{9b}"),
            ("\u{2066}\u{2067}\u{2068}\u{2069}", "\\u{2066}\\u{2067}\\u{2068}\\u{2069}"),
            ("\u{200b}\u{200d}\u{feff}\u{2060}", "\\u{200b}\\u{200d}\\u{feff}\\u{2060}"),
            ("\u{2028}\u{2029}\u{61c}\u{e0041}", "\\u{2028}\\u{2029}\\u{61c}\\u{e0041}"),
        ] {
            assert_eq!(escaped(text).to_string(), visible);
        }
    }
}

//! Percent-encoding of names, literals and raw filters.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::error::{QueryResult, refuse};

/// The characters that `encodeURIComponent` encodes, as both SDKs use it. They include all that separate parts of a
/// query (`&`, `=`, `;`, `,`, `/`, `+`, `#`, `?`); [`push_quoted`] doubles `'` before.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'!')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// The characters encoded in raw filter text outside quotes. Punctuation of the filter grammar stays.
const RAW: &AsciiSet =
    &COMPONENT.remove(b'$').remove(b',').remove(b':').remove(b'=').remove(b'@').remove(b'/');

/// Characters refused in names: they end a name or start another token.
const NOT_IN_NAMES: &[char] = &['\'', '"', '(', ')', ',', ';', '&', '=', '?', '#', '$', '@', ':', '*'];

fn push(out: &mut String, text: &str, set: &'static AsciiSet) {
    out.extend(utf8_percent_encode(text, set));
}

/// Refuses text with a NUL: no database column holds one, and the API answers with an empty 500.
pub(super) fn check_text(text: &str) -> QueryResult {
    if text.contains('\0') {
        return refuse!("text with a NUL character");
    }
    Ok(())
}

/// Appends text as a literal: in quotes, with quotes inside doubled.
pub(super) fn push_quoted(out: &mut String, text: &str) -> QueryResult {
    check_text(text)?;
    out.push('\'');
    push(out, &text.replace('\'', "''"), COMPONENT);
    out.push('\'');
    Ok(())
}

/// Appends the name of a column, a navigation or a resource.
pub(super) fn push_name(out: &mut String, name: &str) -> QueryResult {
    if name.is_empty() {
        return refuse!("an empty name");
    }
    if let Some(found) = name.chars().find(|c| c.is_control() || NOT_IN_NAMES.contains(c)) {
        return refuse!("`{}` is not a name: it contains {found:?}", name.escape_debug());
    }
    push(out, name, COMPONENT);
    Ok(())
}

/// Appends names joined by `/`, such as a column of a navigation's row.
pub(super) fn push_path(out: &mut String, path: &str) -> QueryResult {
    for (index, segment) in path.split('/').enumerate() {
        if index > 0 {
            out.push('/');
        }
        push_name(out, segment)?;
    }
    Ok(())
}

/// State of scanning raw filter text for quotes and brackets, kept across several pieces.
#[derive(Default)]
pub(super) struct RawText {
    depth: usize,
    quoted: bool,
}

impl RawText {
    pub(super) fn push(&mut self, out: &mut String, text: &str) -> QueryResult {
        check_text(text)?;
        for (index, piece) in text.split('\'').enumerate() {
            if index > 0 {
                out.push('\'');
                self.quoted = !self.quoted;
            }
            if self.quoted {
                push(out, piece, COMPONENT);
            } else {
                self.count_brackets(piece)?;
                push(out, piece, RAW);
            }
        }
        Ok(())
    }

    fn count_brackets(&mut self, piece: &str) -> QueryResult {
        for c in piece.chars() {
            match c {
                '(' => self.depth += 1,
                ')' if self.depth == 0 => return refuse!("raw text closes a bracket that it did not open"),
                ')' => self.depth -= 1,
                _ => {}
            }
        }
        Ok(())
    }

    /// Checks that all quotes and brackets are closed, so that the text can't end the bracket written around it.
    pub(super) fn finish(self) -> QueryResult {
        match self {
            Self { quoted: true, .. } => refuse!("raw text with an open quote"),
            Self { depth: 1.., .. } => refuse!("raw text with an open bracket"),
            Self { .. } => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> QueryResult<String> {
        let mut out = String::new();
        let mut walk = RawText::default();
        walk.push(&mut out, text)?;
        walk.finish().map(|()| out)
    }

    #[test]
    fn every_separator_inside_quotes_is_encoded() {
        let mut out = String::new();
        push_quoted(&mut out, "O'Brien & a/b;c+d#e%25=ü,()").unwrap();
        assert_eq!(out, "'O''Brien%20%26%20a%2Fb%3Bc%2Bd%23e%2525%3D%C3%BC%2C()'");
        assert!(push_quoted(&mut out, "a\0b").is_err());
    }

    #[test]
    fn names_that_would_change_the_query_are_refused() {
        for name in ["", "a/", "/", "a&b", "a,b", "a'b", "a\nb", "$count", "a(b)", "a;b", "a#b", "a=b", "a?b"]
        {
            assert!(push_path(&mut String::new(), name).is_err(), "{name:?}");
        }
        let mut out = String::new();
        push_path(&mut out, "a b/é").unwrap();
        assert_eq!(out, "a%20b/%C3%A9");
    }

    #[test]
    fn raw_text_keeps_its_punctuation_and_encodes_its_literals() {
        assert_eq!(
            raw("a/$count eq 1 and b eq 'x/(&'''").unwrap(),
            "a/$count%20eq%201%20and%20b%20eq%20'x%2F(%26'''"
        );
        for text in ["a eq 'b", "(a", "a)", "a) or (b", "a\0"] {
            assert!(raw(text).is_err(), "{text:?}");
        }
    }
}

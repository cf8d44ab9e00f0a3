//! Format of the SDK's settings file, as Python's `configparser` reads and writes it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::maps::collect_unsorted;

/// Total length of the values of one file in bytes, as a limit on values that refer to each other.
const MOST: usize = 1024 * 1024;

/// The section whose values apply to all sections.
const SHARED: &str = "DEFAULT";

/// The names and values of one section, in the order of the file. Names are in lower case.
pub(super) type Pairs = Vec<(String, String)>;

/// A settings file: the pairs of our section, and the text of the others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Document {
    pub(super) pairs: Pairs,
    others: String,
}

/// Converts a name to the form of the file.
pub(super) fn name(name: &str) -> String {
    name.trim().to_lowercase()
}

impl Document {
    /// Parses a file. Returns `None` if Python could not read it either, or if it lacks the section.
    pub(super) fn parse(text: &str, section: &str) -> Option<Self> {
        let mut lines = Lines::default();
        // Some editors write a byte order mark. Python treats a lone CR as the end of a line.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for line in text.lines().flat_map(|line| line.split('\r')) {
            lines.take(line)?;
        }
        lines.finish();
        let mut document = Self::default();
        let (mut found, mut shared) = (None, Vec::new());
        for part in lines.sections {
            if part.name == section {
                found = Some((part.pairs, part.names));
                continue;
            }
            if part.name == SHARED {
                shared.clone_from(&part.pairs);
            }
            document.others.push_str(&written(&part.name, &part.pairs));
        }
        let (pairs, own) = found?;
        document.pairs = pairs;
        document.pairs.extend(shared.into_iter().filter(|(name, _)| !own.contains(name)));
        let plain = document.pairs.clone();
        let plain = collect_unsorted(plain.iter().map(|(name, text)| (name.as_str(), text.as_str())));
        let mut left = MOST;
        for (_, text) in &mut document.pairs {
            // A reference to a missing value is literal text.
            if let Some(whole) = interpolated(text, &plain, 0, &mut left) {
                *text = whole;
            }
        }
        Some(document)
    }

    /// Returns the text of the file.
    pub(super) fn text(&self, section: &str) -> String {
        let pairs: Pairs = self.pairs.iter().map(|(name, text)| (name.clone(), escaped(text))).collect();
        format!("{}{}", written(section, &pairs), self.others)
    }
}

fn written(section: &str, pairs: &Pairs) -> String {
    let mut text = format!("[{section}]\n");
    for (name, value) in pairs {
        // Writing to a string can't fail.
        let _ = writeln!(text, "{name} = {}", value.replace('\n', "\n\t"));
    }
    text.push('\n');
    text
}

/// Escapes `%`, which starts a reference to another value.
fn escaped(text: &str) -> String {
    text.replace('%', "%%")
}

/// Replaces each `%(name)s` by its value. `left` is the length that may still be processed.
fn interpolated(text: &str, pairs: &BTreeMap<&str, &str>, depth: usize, left: &mut usize) -> Option<String> {
    /// Highest depth of references, as in Python.
    const DEEPEST: usize = 10;
    *left = left.checked_sub(text.len())?;
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let (reference, after) = after.strip_prefix('(')?.split_once(")s")?;
        let value = pairs.get(name(reference).as_str())?;
        if depth == DEEPEST {
            return None;
        }
        out.push_str(&interpolated(value, pairs, depth + 1, left)?);
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

#[derive(Debug)]
struct Section {
    name: String,
    pairs: Pairs,
    /// Names of the pairs, for a fast check of duplicates.
    names: BTreeSet<String>,
}

/// State of the line parser.
#[derive(Debug, Default)]
struct Lines {
    sections: Vec<Section>,
    /// Indentation of the last name's line, while its value may continue.
    indent: Option<usize>,
}

impl Lines {
    fn take(&mut self, line: &str) -> Option<()> {
        let text = line.trim();
        if text.starts_with(['#', ';']) {
            return Some(());
        }
        let indent = line.len() - line.trim_start().len();
        if text.is_empty() || self.indent.is_some_and(|own| indent > own) {
            // A value may contain an empty line; trailing ones are removed below.
            if let (Some(_), Some((_, value))) = (self.indent, self.last()) {
                value.push('\n');
                value.push_str(text);
            }
            return Some(());
        }
        self.finish();
        if let Some(name) = text.strip_prefix('[').and_then(|rest| rest.rsplit_once(']')) {
            let known = self.sections.iter().position(|section| section.name == name.0);
            let section = match known {
                // Only this section may occur several times.
                Some(at) if name.0 == SHARED => self.sections.remove(at),
                None if !name.0.is_empty() => {
                    Section { name: name.0.to_owned(), pairs: Pairs::new(), names: BTreeSet::new() }
                }
                _ => return None,
            };
            self.sections.push(section);
            return Some(());
        }
        let (key, value) = text.split_once(['=', ':'])?;
        let section = self.sections.last_mut()?;
        let key = name(key);
        if key.is_empty() || !section.names.insert(key.clone()) {
            return None;
        }
        section.pairs.push((key, value.trim().to_owned()));
        self.indent = Some(indent);
        Some(())
    }

    fn last(&mut self) -> Option<&mut (String, String)> {
        self.sections.last_mut()?.pairs.last_mut()
    }

    /// Ends the last value.
    fn finish(&mut self) {
        if self.indent.take().is_some()
            && let Some((_, value)) = self.last()
        {
            value.truncate(value.trim_end().len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<Vec<(String, String)>> {
        Document::parse(text, "Settings").map(|document| document.pairs)
    }

    fn pairs(of: &[(&str, &str)]) -> Pairs {
        of.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn what_python_reads_is_read() {
        let text = "# mine\n[Settings]\nA = 1\nb: two = 2\n;no\nlong = x\n  y\n\n  z\nempty =\n\nquoted = 50%%\n\
                    ref = %(a)s/%(Quoted)s\n";
        let expected = [
            ("a", "1"),
            ("b", "two = 2"),
            ("long", "x\ny\n\nz"),
            ("empty", ""),
            ("quoted", "50%"),
            ("ref", "1/50%"),
        ];
        assert_eq!(parse(text).unwrap(), pairs(&expected));
        assert_eq!(
            parse("[DEFAULT]\na = 1\nb = 2\n[Settings]\nb = 3\n").unwrap(),
            pairs(&[("b", "3"), ("a", "1")])
        );
        let in_parts = "[DEFAULT]\na = 1\n[Settings]\n[DEFAULT]\nb = 2\n";
        assert_eq!(parse(in_parts).unwrap(), pairs(&[("a", "1"), ("b", "2")]));
        assert_eq!(parse("[Settings]").unwrap(), []);
        for odd in ["50%", "%(a)s", "%(none)s", "%x"] {
            assert_eq!(parse(&format!("[Settings]\na = {odd}\n")).unwrap(), pairs(&[("a", odd)]));
        }
    }

    #[test]
    fn what_python_refuses_is_refused() {
        for text in [
            "",
            "this is not\nan ini file",
            "a = 1\n[Settings]\n",
            "[Settings]\na = 1\nA = 2\n",
            "[Settings]\n[Settings]\n",
            "[Settings]\nno delimiter\n",
            "[Other]\na = 1\n",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn written_and_read_again_it_is_the_same() {
        let mut document = Document::parse("[Other]\nx = 1\n[Settings]\na = 1\n", "Settings").unwrap();
        document.pairs = pairs(&[("a", "100% of %(b)s"), ("b", "one\ntwo"), ("c", "")]);
        let text = document.text("Settings");
        assert_eq!(text, "[Settings]\na = 100%% of %%(b)s\nb = one\n\ttwo\nc = \n\n[Other]\nx = 1\n\n");
        assert_eq!(Document::parse(&text, "Settings").unwrap(), document);
    }
}

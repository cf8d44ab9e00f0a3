//! The device's variables as shell lines, for a file and for the terminal.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::error::Result;
use crate::fs;

/// Returns one `NAME=value` line per variable, in POSIX shell syntax.
pub(super) fn lines(variables: &BTreeMap<String, String>, before: &str) -> String {
    let line = |(name, value): (&String, &String)| format!("{before}{name}={}\n", quoted(value));
    variables.iter().map(line).collect::<Vec<_>>().concat()
}

/// Quotes a value for a shell. A value that needs no quotes gets none, for readers that are no shell.
fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+:,./-".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', r"'\''"))
}

/// A file with the variables; dropping it removes the file.
#[derive(Debug)]
pub(super) struct EnvFile {
    path: PathBuf,
    text: String,
}

impl EnvFile {
    /// Writes the file atomically. Only this user can read it, because it contains a key.
    pub(super) fn write(path: PathBuf, variables: &BTreeMap<String, String>) -> Result<Self> {
        let text = lines(variables, "");
        fs::write_atomic(&path, text.as_bytes(), fs::PRIVATE)?;
        Ok(Self { path, text })
    }
}

impl Drop for EnvFile {
    fn drop(&mut self) {
        // A file with other content, e.g. of a device started later, is not removed.
        if std::fs::read_to_string(&self.path).is_ok_and(|text| text == self.text) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn values_are_one_word_of_a_shell() {
        for (value, expected) in [
            ("http://127.0.0.1:48484", "http://127.0.0.1:48484"),
            ("balenaOS 6.5.24", "'balenaOS 6.5.24'"),
            ("", "''"),
            ("it's $HOME", r"'it'\''s $HOME'"),
            ("a=b", "'a=b'"),
            ("~", "'~'"),
            ("a\nb", "'a\nb'"),
            ("`id`", "'`id`'"),
        ] {
            assert_eq!(quoted(value), expected);
        }
    }
}

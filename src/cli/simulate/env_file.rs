//! The device's variables as shell lines, for a file and for the terminal.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io;
use std::path::PathBuf;

use crate::error::{Error, ErrorKind, Result};
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
    /// Locked while this device runs.
    _held: Option<File>,
}

impl EnvFile {
    /// Writes the file atomically. Only this user can read it, because it contains a key.
    ///
    /// # Errors
    /// `is_conflict` if a running simulated device uses the file, or an error of writing it.
    pub(super) fn write(path: PathBuf, variables: &BTreeMap<String, String>) -> Result<Self> {
        // The directory is locked so that two devices that start at once do not check at the same time.
        let directory =
            File::open(fs::directory_of(&path)).and_then(|directory| directory.lock().map(|()| directory));
        if is_held(&path) {
            let message = format!("{} is in use by another simulated device that is running", path.display());
            let help = "use another --env-file, or end the other device";
            return Err(Error::new(ErrorKind::Conflict, message).with_help(help));
        }
        let text = lines(variables, "");
        fs::write_atomic(&path, text.as_bytes(), fs::PRIVATE)?;
        // On a file system without locks the file is not protected.
        let held = File::open(&path).and_then(|file| file.lock().map(|()| file)).ok();
        drop(directory);
        Ok(Self { path, text, _held: held })
    }
}

/// Whether the device that wrote this file is running.
fn is_held(path: &PathBuf) -> bool {
    let tried: io::Result<_> = File::open(path).map(|file| file.try_lock());
    matches!(tried, Ok(Err(TryLockError::WouldBlock)))
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

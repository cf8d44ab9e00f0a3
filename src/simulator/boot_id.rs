//! The id of the current boot, as a file in the form of `/proc/sys/kernel/random/boot_id`.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::lock;
use crate::fs;

/// Positions of the hyphens in a uuid of 32 digits.
const HYPHENS: [usize; 4] = [8, 12, 16, 20];

/// Mode of the file: all read it.
const READABLE: u32 = 0o444;

/// The boot id of the device, and the file that holds it.
#[derive(Debug)]
pub(super) struct BootId {
    file: PathBuf,
    current: Mutex<String>,
}

impl BootId {
    /// Writes the id of the first boot, 32 hexadecimal digits, into a file of this directory.
    pub(super) fn create(directory: &Path, digits: &str) -> std::io::Result<Self> {
        let boot_id = Self { file: directory.join("boot_id"), current: Mutex::default() };
        boot_id.replace(digits)?;
        Ok(boot_id)
    }

    /// Replaces the id. A reader sees the old or the new one.
    pub(super) fn replace(&self, digits: &str) -> std::io::Result<()> {
        let uuid = hyphenated(digits);
        fs::write_atomic(&self.file, format!("{uuid}\n").as_bytes(), READABLE)
            .map_err(std::io::Error::other)?;
        *lock(&self.current) = uuid;
        Ok(())
    }

    pub(super) fn current(&self) -> String {
        lock(&self.current).clone()
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }
}

fn hyphenated(digits: &str) -> String {
    let mut uuid = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if HYPHENS.contains(&position) {
            uuid.push('-');
        }
        uuid.push(digit);
    }
    uuid
}

#[cfg(test)]
mod tests {
    use super::BootId;

    #[test]
    fn the_file_has_the_kernels_form() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let boot_id = BootId::create(directory.path(), &"0123456789abcdef".repeat(2)).expect("written");
        assert_eq!(boot_id.current(), "01234567-89ab-cdef-0123-456789abcdef");
        assert_eq!(
            std::fs::read_to_string(boot_id.file()).expect("a file"),
            format!("{}\n", boot_id.current())
        );
        boot_id.replace(&"f".repeat(32)).expect("written");
        assert!(std::fs::read_to_string(boot_id.file()).expect("a file").starts_with("ffffffff-ffff-"));
    }
}

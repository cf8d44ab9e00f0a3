//! Mounts of this process, from `/proc/self/mountinfo`. Pure.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

/// File systems whose content is gone when the container is recreated or the device reboots.
const SHORT_LIVED: [&str; 6] = ["tmpfs", "ramfs", "devtmpfs", "overlay", "aufs", "rootfs"];

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    /// Where it is mounted.
    pub(super) point: PathBuf,
    /// Type of the file system, e.g. `ext4`.
    pub(super) file_system: String,
}

impl Mount {
    /// Returns whether its content outlives the container and a reboot.
    pub(super) fn is_lasting(&self) -> bool {
        !SHORT_LIVED.contains(&self.file_system.as_str())
    }
}

/// Returns the mount that `path` is on: the one with the longest mount point, of several the last.
pub(super) fn mount_of(mountinfo: &str, path: &Path) -> Option<Mount> {
    let mounts = mountinfo.lines().filter_map(parse_line);
    mounts.filter(|mount| path.starts_with(&mount.point)).max_by_key(|mount| mount.point.components().count())
}

/// Parses `36 35 98:0 /root /point rw,noatime master:1 - ext4 /dev/sda1 rw`: any number of fields before the `-`.
fn parse_line(line: &str) -> Option<Mount> {
    let (before, after) = line.split_once(" - ")?;
    let point = before.split(' ').nth(4)?;
    let file_system = after.split(' ').next()?.to_owned();
    Some(Mount { point: PathBuf::from(OsString::from_vec(unescape(point))), file_system })
}

/// Replaces `\040` and other escapes of three octal digits.
fn unescape(text: &str) -> Vec<u8> {
    let mut rest = text.as_bytes();
    let mut bytes = Vec::with_capacity(rest.len());
    while let Some((first, after)) = rest.split_first() {
        let escaped = after.first_chunk::<3>().filter(|_| *first == b'\\').and_then(|digits| octal(*digits));
        bytes.push(escaped.unwrap_or(*first));
        rest = after.get(if escaped.is_some() { 3.. } else { 0.. }).unwrap_or_default();
    }
    bytes
}

fn octal(digits: [u8; 3]) -> Option<u8> {
    let text = std::str::from_utf8(&digits).ok()?;
    u8::from_str_radix(text, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 21 0:41 / / rw,relatime master:8 - overlay overlay rw,lowerdir=/a - b
23 22 179:6 /docker/volumes/1_agent-data/_data /data rw,relatime shared:3 master:9 - ext4 /dev/mmcblk0p6 rw
24 22 0:50 / /tmp/my\\040dir rw - tmpfs tmpfs rw
25 22 0:51 / /stacked rw - ext4 /dev/sda rw
26 25 0:52 / /stacked rw - tmpfs tmpfs rw
27 22 0:53 / /back\\134slash\\011tab rw - ext4 x rw
broken line
28 22";

    #[test]
    fn a_path_is_on_the_longest_and_last_mount() {
        let of = |path: &str| mount_of(MOUNTS, Path::new(path)).map(|mount| mount.file_system);
        assert_eq!(of("/data/balena-agent").as_deref(), Some("ext4"));
        assert_eq!(of("/data2").as_deref(), Some("overlay"));
        assert_eq!(of("/tmp/my dir/x").as_deref(), Some("tmpfs"));
        assert_eq!(of("/stacked/x").as_deref(), Some("tmpfs"));
        assert_eq!(of("/back\\slash\ttab").as_deref(), Some("ext4"));
        assert_eq!(mount_of("", Path::new("/")), None);
        assert!(mount_of(MOUNTS, Path::new("/data")).unwrap().is_lasting());
        assert!(!mount_of(MOUNTS, Path::new("/")).unwrap().is_lasting());
        assert!(
            mount_of(&std::fs::read_to_string("/proc/self/mountinfo").unwrap(), Path::new("/proc")).is_some()
        );
    }
}

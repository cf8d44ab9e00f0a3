//! The agent's own container, from the mounts that the engine makes for it.

use std::path::Path;

/// Number of digits of a container id that are kept. The supervisor and the engine show as many.
pub(crate) const SHORT: usize = 12;
/// Digits of a full id.
const WHOLE: usize = 64;
/// Longest table that is read, in bytes.
const TABLE_LIMIT: u64 = 256 * 1024;

/// Returns the first 12 digits of the id of the container in which this process runs; `None` outside of one.
pub(crate) fn own() -> Option<String> {
    use std::io::Read as _;
    let mut table = String::new();
    let file = std::fs::File::open(Path::new("/proc/self/mountinfo")).ok()?;
    file.take(TABLE_LIMIT).read_to_string(&mut table).ok()?;
    own_in(&table).map(short)
}

/// Returns the first 12 digits of an id.
pub(crate) fn short(id: &str) -> String {
    id.chars().take(SHORT).collect()
}

/// The engine mounts `…/containers/<id>/hostname` over `/etc/hostname`.
fn own_in(mountinfo: &str) -> Option<&str> {
    mountinfo.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(3);
        let (root, mount_point) = (fields.next()?, fields.next()?);
        let is_ours = matches!(mount_point, "/etc/hostname" | "/etc/hosts" | "/etc/resolv.conf");
        let (_, rest) = root.split_once("/containers/").filter(|_| is_ours)?;
        let id = rest.split('/').next()?;
        let is_id = id.len() == WHOLE && id.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_id.then_some(id)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "f00dfeedbeef0123456789abcdef0123456789abcdef0123456789abcdef0123";

    #[test]
    fn the_id_is_in_the_root_of_a_mount() {
        let table = format!(
            "622 618 0:60 / / rw,relatime - overlay overlay rw\n\
             640 622 179:6 /docker/containers/{ID}/resolv.conf /etc/resolv.conf rw - ext4 /dev/mmcblk0p6 rw\n\
             641 622 179:6 /docker/containers/{ID}/hostname /etc/hostname rw - ext4 /dev/mmcblk0p6 rw\n"
        );
        assert_eq!(own_in(&table).map(short).as_deref(), Some("f00dfeedbeef"));
    }

    #[test]
    fn other_mounts_are_not_taken_for_it() {
        for line in [
            format!("1 2 8:1 /docker/containers/{ID}/x /data rw - ext4 /dev/sda1 rw"),
            "1 2 8:1 /docker/containers/main/hostname /etc/hostname rw - ext4 /dev/sda1 rw".to_owned(),
            "1 2 8:1 /etc/hostname /etc/hostname rw - ext4 /dev/sda1 rw".to_owned(),
            String::new(),
            "1 2".to_owned(),
        ] {
            assert_eq!(own_in(&line), None, "{line}");
        }
    }
}

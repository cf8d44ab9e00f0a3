//! Checks of minimum supervisor versions, by the version in the API.

use crate::error::{Error, ErrorKind, Result};
use crate::version::Version;

/// A minimum version.
#[derive(Debug, Clone, Copy)]
pub(super) struct MinimumVersion {
    version: [u64; 3],
    /// Whether pre-releases of that version suffice.
    pre_releases: bool,
}

impl MinimumVersion {
    /// For endpoints of single services.
    pub(super) const V7: Self = Self { version: [7, 0, 0], pre_releases: false };
    /// For endpoints of the only service.
    pub(super) const V1_8: Self = Self { version: [1, 8, 0], pre_releases: true };

    /// Checks a version. An unknown version passes, so that the device decides; a malformed one counts as the
    /// oldest, as in the SDKs.
    ///
    /// # Errors
    /// `is_unsupported` if the version is too old.
    pub(super) fn check(self, version: Option<&str>) -> Result<()> {
        match version {
            Some(text) if !text.trim().is_empty() && !self.is_met(version) => {
                let [major, minor, patch] = self.version;
                Err(Error::new(
                    ErrorKind::Unsupported,
                    format!(
                        "the device's supervisor is {}, and this needs {major}.{minor}.{patch}",
                        text.escape_debug()
                    ),
                )
                .with_help("update the device's supervisor"))
            }
            _ => Ok(()),
        }
    }

    /// As [`is_met`](Self::is_met), but only for a version of the exact form `12.11.0`.
    pub(super) fn is_met_as_written(self, version: Option<&str>) -> bool {
        let in_its_form =
            |text: &str| Version::parse_full(text).is_some_and(|known| known.to_string() == text);
        version.is_some_and(in_its_form) && self.is_met(version)
    }

    /// Returns whether the version is known and not too old.
    pub(super) fn is_met(self, version: Option<&str>) -> bool {
        version.and_then(Version::parse).is_some_and(|version| {
            version.numbers() > self.version
                || version.numbers() == self.version && (self.pre_releases || !version.is_prerelease())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_is_refused_and_unknown_is_not() {
        for new in ["7.0.0", "v8.1.0", "12.11.0", "7.1", "7", "14.0.0+rev1", "7.0.1-beta"] {
            assert!(
                MinimumVersion::V7.is_met(Some(new)) && MinimumVersion::V7.check(Some(new)).is_ok(),
                "{new}"
            );
        }
        for old in ["6.9.9", "7.0.0-alpha.1", "v1.8.0", "unknown", "7.0.0.0", "7..1"] {
            assert!(MinimumVersion::V7.check(Some(old)).unwrap_err().is_unsupported(), "{old}");
        }
        for unknown in [None, Some("")] {
            assert!(
                !MinimumVersion::V7.is_met(unknown) && MinimumVersion::V7.check(unknown).is_ok(),
                "{unknown:?}"
            );
        }
        for new in ["7.0.0", "12.11.0-beta.1", "14.0.0+rev1"] {
            assert!(MinimumVersion::V7.is_met_as_written(Some(new)), "{new}");
        }
        for old in [None, Some(""), Some("v8.1.0"), Some("7.1"), Some("7.0.0-rc1"), Some("08.1.0")] {
            assert!(!MinimumVersion::V7.is_met_as_written(old), "{old:?}");
        }
        assert!(
            MinimumVersion::V1_8.is_met(Some("1.8.0-alpha.0"))
                && MinimumVersion::V1_8.check(Some("1.7.9")).is_err()
        );
    }
}

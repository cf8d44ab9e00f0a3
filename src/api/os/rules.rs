//! Rules of host OS updates: which updates the platform supports, and the order of versions.
//!
//! There are two generations of rules: those of version 6 of the API, as in the Python SDK 14, and those of version
//! 7, as in the JS SDK 23. Each version keeps its own.

use std::cmp::Ordering;

use crate::error::{Error, ErrorKind, Result};
use crate::open_enum::open_enum;
use crate::settings::ApiVersion;
use crate::version::{Precedence, Version};

use super::range::VersionRange;

open_enum! {
    /// Method of a host OS update.
    OsUpdateType {
        /// From 1.x to 1.x. Version 6 of the API only.
        Resinhup11 = "resinhup11",
        /// From 1.x to 2.x or later. Version 6 of the API only.
        Resinhup12 = "resinhup12",
        /// Into the inactive partition, beside the running OS.
        Balenahup = "balenahup",
        /// The disk is rewritten, because its partition layout changed.
        Takeover = "takeover",
    }
}

/// Lowest target version with version 6, from 2.x on.
const V6_TARGET: &str = "2.2.0";
/// Lowest current version with version 7.
const V7_SOURCE: &str = "2.14.0+rev1";
/// Lowest target version with version 7.
const V7_TARGET: &str = "2.16.0+rev1";

/// First version with another partition layout, by device type.
const TAKEOVERS: [(&str, &str); 3] = [
    ("jetson-xavier", "6.0.50"),
    ("jetson-xavier-nx-devkit", "6.0.50+rev1"),
    ("jetson-xavier-nx-devkit-emmc", "6.0.39"),
];

/// Returns the method of updating a device of this type from one version to another.
///
/// # Errors
/// `is_unsupported`, with the reason, if the platform can't.
pub(crate) fn update_type(
    api: ApiVersion,
    device_type: &str,
    current: &str,
    target: &str,
) -> Result<OsUpdateType> {
    let refuse = |why: &str| {
        let (from, to) = (current.escape_debug(), target.escape_debug());
        Err(Error::new(
            ErrorKind::Unsupported,
            format!("no update of the host OS from \"{from}\" to \"{to}\": {why}"),
        ))
    };
    let Some(from) = Version::parse_full(current) else { return refuse("the current version is malformed") };
    let Some(to) = Version::parse_full(target) else { return refuse("the target version is malformed") };
    if api == ApiVersion::V6 && (from.is_prerelease() || to.is_prerelease()) {
        return refuse("pre-releases can be neither the current nor the target version");
    }
    if to.variant().is_some_and(|variant| (variant == "dev") != (from.variant() == Some("dev"))) {
        return refuse("one is a development variant and the other is not");
    }
    match api {
        ApiVersion::V6 => {
            if to.precedence() < from.precedence() {
                return refuse("the target is older");
            }
            if to.major() > 1 && Some(to.precedence()) < Precedence::of(V6_TARGET).as_ref() {
                return refuse(&format!("the target must be {V6_TARGET} or newer"));
            }
            Ok(match (from.major(), to.major()) {
                (0..=1, 0..=1) => OsUpdateType::Resinhup11,
                (0..=1, _) => OsUpdateType::Resinhup12,
                _ => OsUpdateType::Balenahup,
            })
        }
        ApiVersion::V7 => {
            match to.cmp(&from) {
                Ordering::Less => return refuse("the target is older"),
                Ordering::Equal => return refuse("the target is the current version"),
                Ordering::Greater => {}
            }
            if Some(&from) < Version::parse(V7_SOURCE).as_ref() {
                return refuse(&format!("the current version must be {V7_SOURCE} or newer"));
            }
            if Some(&to) < Version::parse(V7_TARGET).as_ref() {
                return refuse(&format!("the target must be {V7_TARGET} or newer"));
            }
            Ok(if is_takeover(device_type, from, &to) {
                OsUpdateType::Takeover
            } else {
                OsUpdateType::Balenahup
            })
        }
    }
}

fn is_takeover(device_type: &str, from: Version, to: &Version) -> bool {
    let first = TAKEOVERS.iter().find(|(slug, _)| *slug == device_type);
    first.and_then(|(_, first)| Version::parse(first)).is_some_and(|first| {
        // A development variant sorts before its version.
        from.without_build("dev").without_build("prod") < first && *to >= first
    })
}

/// Orders versions, newest first. The SDKs differ in the position of a development variant within its revision.
pub(crate) fn newest_first(api: ApiVersion, left: &Version, right: &Version) -> Ordering {
    match api {
        ApiVersion::V6 => right.cmp_with_dev_last(left),
        ApiVersion::V7 => right.cmp(left),
    }
}

/// Returns a version without its variant, and for version 6 without its pre-release part.
pub(super) fn stripped(api: ApiVersion, version: Version, variant: &str) -> Version {
    let version = version.without_build(variant);
    match api {
        ApiVersion::V6 => version.released(),
        ApiVersion::V7 => version,
    }
}

/// Returns whether a version belongs to an extended support line, given by its tag: `2021.4.x`.
pub(super) fn is_of_line(api: ApiVersion, version: &Version, line: &str) -> bool {
    if api == ApiVersion::V7 {
        return VersionRange::line_contains(line, version);
    }
    if let Some(first) = Version::parse_full(line) {
        return version.precedence() >= first.precedence();
    }
    let first =
        line.strip_suffix(['x', 'X', '*']).and_then(|start| Version::parse_full(&format!("{start}0")));
    first.is_some_and(|first| {
        let ([major, minor, _], [first_major, first_minor, _]) = (version.numbers(), first.numbers());
        (major, minor) == (first_major, first_minor) && version.precedence() >= first.precedence()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v7(device_type: &str, from: &str, to: &str) -> Option<OsUpdateType> {
        update_type(ApiVersion::V7, device_type, from, to).ok()
    }

    fn v6(from: &str, to: &str) -> Option<OsUpdateType> {
        update_type(ApiVersion::V6, "raspberrypi3", from, to).ok()
    }

    #[test]
    fn in_place_from_2_14_on() {
        for (from, to) in [
            ("2.14.0+rev1.prod", "2.16.0+rev1.prod"),
            ("2.80.3+rev1", "2.98.33"),
            ("balenaOS 2.80.3+rev1", "2.80.3+rev2"),
            ("2.83.10+rev1.dev", "2.84.7-1628000000000"),
            ("2.83.10+rev1.dev", "2.98.33+rev1.dev"),
            ("2.98.33", "2021.1.1"),
        ] {
            assert_eq!(v7("raspberrypi3", from, to), Some(OsUpdateType::Balenahup), "{from} {to}");
        }
        for (from, to) in [
            ("2.14.0", "2.98.33"),
            ("2.14.0+rev1", "2.15.0"),
            ("2.14.0+rev1", "2.16.0"),
            ("2.98.33", "2.98.33"),
            ("2.98.33+rev2", "2.98.33+rev1"),
            ("2.98.33", "2.99.0.dev"),
            ("2.98.33.dev", "2.99.0.prod"),
            ("", "2.98.33"),
            ("2.98.33", "latest"),
            ("2.98", "2.99.0"),
        ] {
            let refused = update_type(ApiVersion::V7, "raspberrypi3", from, to).unwrap_err();
            assert!(refused.is_unsupported(), "{from} {to}: {refused}");
        }
    }

    #[test]
    fn a_new_layout_of_the_disk_takes_a_takeover() {
        let takeover = Some(OsUpdateType::Takeover);
        assert_eq!(v7("jetson-xavier", "5.1.20", "6.0.50"), takeover);
        assert_eq!(v7("jetson-xavier", "5.1.20+rev1.prod", "6.1.0"), takeover);
        assert_eq!(v7("jetson-xavier-nx-devkit-emmc", "6.0.38", "6.0.39"), takeover);
        let in_place = Some(OsUpdateType::Balenahup);
        assert_eq!(v7("jetson-xavier", "5.1.20", "6.0.49"), in_place);
        assert_eq!(v7("jetson-xavier", "6.0.50.dev", "6.1.0.dev"), in_place);
        assert_eq!(v7("jetson-xavier-nx-devkit", "6.0.50", "6.0.50+rev1"), takeover);
        assert_eq!(v7("jetson-tx2", "5.1.20", "6.0.50"), in_place);
    }

    #[test]
    fn version_6_updates_older_ones_too_and_no_pre_releases() {
        assert_eq!(v6("1.26.0", "1.30.1"), Some(OsUpdateType::Resinhup11));
        assert_eq!(v6("Resin OS 1.26.0", "2.98.33"), Some(OsUpdateType::Resinhup12));
        assert_eq!(v6("2.0.0", "2.2.0+rev1"), Some(OsUpdateType::Balenahup));
        assert_eq!(v6("2.80.3+rev1", "2.80.3+rev1"), Some(OsUpdateType::Balenahup));
        for (from, to) in
            [("2.0.0", "2.0.0"), ("2.84.7-1", "2.98.33"), ("2.80.0", "2.84.7-1"), ("2.98.33", "2.80.3")]
        {
            assert_eq!(v6(from, to), None, "{from} {to}");
        }
    }

    #[test]
    fn lines() {
        let version = |text: &str| Version::parse(text).unwrap();
        for api in [ApiVersion::V6, ApiVersion::V7] {
            assert!(is_of_line(api, &version("2021.4.0+rev1"), "2021.4.x"));
            assert!(is_of_line(api, &version("2023.1.5"), "2023.1.0"));
            for odd in ["", "weird", "x", "2021.x"] {
                assert!(!is_of_line(api, &version("2.98.33"), odd), "{odd}");
            }
        }
        assert!(!is_of_line(ApiVersion::V6, &version("2021.7.0"), "2021.4.x"));
        assert!(is_of_line(ApiVersion::V7, &version("2021.7.0"), "2021.4.x"));
    }
}

//! Version ranges in npm's syntax.

use nodejs_semver::Range as NpmRange;

use crate::error::{Error, Result};
use crate::version::{Precedence, Version, strip_os_name};

/// A range: `^2.80.0`, `~2.80`, `2.x`, `>=2.80.0 <3 || 2021.1.x`, and the Python SDK's `==2.98.33` and `!=2.98.33`.
#[derive(Debug)]
pub(super) enum VersionRange {
    Npm(NpmRange),
    AllBut(Precedence),
}

impl VersionRange {
    /// # Errors
    /// `is_invalid_argument` if the text is not a range.
    pub(super) fn parse(argument: &'static str, text: &str) -> Result<Self> {
        let known = match text.trim().strip_prefix("!=") {
            Some(version) => {
                Version::parse_full(version).map(|version| Self::AllBut(version.precedence().clone()))
            }
            None => npm(text).map(Self::Npm),
        };
        known.ok_or_else(|| {
            let shown = text.escape_debug();
            Error::argument(argument, format_args!("\"{shown}\" is neither a version nor a range of versions"))
                .with_help("give one as 2.98.33, ^2.80.0 or >=2.80.0 <3, or one of the words latest, recommended, default")
        })
    }

    /// Returns whether the range contains a version. Ignores build metadata. Contains a pre-release only if the
    /// range names one of the same version.
    pub(super) fn contains(&self, version: &Version) -> bool {
        match self {
            Self::AllBut(other) => version.precedence() != other,
            Self::Npm(range) => {
                let version = nodejs_semver::Version::parse(version.precedence().to_string());
                version.is_ok_and(|version| range.satisfies(&version))
            }
        }
    }

    /// Returns whether a version belongs to a line, given as in the tags of a host OS: `2021.4.x`.
    pub(super) fn line_contains(line: &str, version: &Version) -> bool {
        npm(&format!("^{line}")).is_some_and(|range| Self::Npm(range).contains(version))
    }
}

fn npm(text: &str) -> Option<NpmRange> {
    let text = strip_os_name(text);
    let text = text.strip_prefix('=').filter(|rest| rest.starts_with('=')).unwrap_or(text);
    let mut versions = 0;
    for part in text.split(|c: char| c.is_whitespace() || c == '|') {
        let part = part.trim_start_matches(['<', '>', '=', '^', '~', 'v']);
        if part.is_empty() || part == "-" {
            continue;
        }
        // The crate accepts words that are not versions.
        if !is_partial(part) {
            return None;
        }
        versions += 1;
    }
    (versions > 0).then(|| NpmRange::parse(text).ok())?
}

/// Returns whether the text is a version or the start of one: `2`, `2.x`, `2.80.*`.
fn is_partial(text: &str) -> bool {
    let (numbers, rest) = text.split_at(text.find(['-', '+']).unwrap_or(text.len()));
    let mut parts = numbers.split('.');
    let known = |part: &str| {
        matches!(part, "x" | "X" | "*") || !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    numbers.split('.').count() <= 3
        && parts.all(known)
        && (rest.is_empty() || Version::parse_full(text).is_some())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn contains(range: &str, version: &str) -> bool {
        let version = Version::parse(version).unwrap();
        VersionRange::parse("range", range).unwrap_or_else(|error| panic!("{error}")).contains(&version)
    }

    #[test]
    fn ranges_are_those_of_npm() {
        let table: [(&str, &[&str], &[&str]); 20] = [
            ("2.98.33", &["2.98.33", "2.98.33+rev1", "2.98.33+rev2.prod"], &["2.98.34", "2.98.33-1"]),
            ("=2.98.33", &["2.98.33"], &["2.98.32"]),
            ("==2.98.33", &["2.98.33+rev1"], &["2.98.32"]),
            ("!=2.98.33", &["2.98.32", "2.98.33-1"], &["2.98.33", "2.98.33+rev1"]),
            ("v2.98.33", &["2.98.33"], &["2.98.34"]),
            ("balenaOS 2.98.33", &["2.98.33"], &["2.98.34"]),
            ("^2.80.0", &["2.80.0", "2.113.12"], &["2.79.9", "3.0.0", "2021.1.1", "2.84.7-1628000000000"]),
            ("^0.2.3", &["0.2.9"], &["0.3.0"]),
            ("~2.80.1", &["2.80.5+rev1"], &["2.81.0", "2.80.0"]),
            ("2.80.x", &["2.80.0", "2.80.5+rev1"], &["2.81.0"]),
            ("2.x", &["2.0.0", "2.113.0"], &["3.0.0"]),
            ("2", &["2.5.1"], &["1.26.0"]),
            ("*", &["1.0.0", "2021.1.1"], &["2.0.0-beta.1"]),
            (">2021.1.0", &["2021.1.1"], &["2021.1.0", "2021.1.0+rev1"]),
            ("<= 2.90.0", &["2.90.0"], &["2.90.1"]),
            (">=2.80.0 <2.90.0", &["2.85.2+rev4.prod"], &["2.90.0", "2.79.0"]),
            ("2.80.0 - 2.90.0", &["2.80.0", "2.90.0"], &["2.90.1"]),
            ("1.x || >=2021.4.0", &["1.26.0", "2021.4.0"], &["2.98.33"]),
            (">=3.0.0-1", &["3.0.0-1690000000000", "3.0.1"], &["3.0.1-5"]),
            ("~2.84.7-1", &["2.84.7-1628000000000", "2.84.9"], &["2.84.8-1"]),
        ];
        for (range, within, without) in table {
            for version in within {
                assert!(contains(range, version), "{version} is in {range}");
            }
            for version in without {
                assert!(!contains(range, version), "{version} is not in {range}");
            }
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in [
            "",
            " ",
            "newest",
            ">=",
            "!=",
            "!=2",
            "^",
            "foo || bar",
            "2.0.0 or newer",
            "2.98.33.1",
            "1.2.3.4.5",
            "^1.2.3.4",
            "2.0.0-",
            "01.2.3x",
            "2.80.3foo",
            "a.b.c",
            "||",
            ">=two",
            "$2",
        ] {
            let refused = VersionRange::parse("version_or_range", text);
            let error = refused.err().unwrap_or_else(|| panic!("{text:?} is no range"));
            assert!(error.is_invalid_argument() && error.to_string().contains("version_or_range"), "{error}");
        }
    }

    #[test]
    fn lines_of_a_host_os_are_told_by_their_beginning() {
        let within =
            |line: &str, version: &str| VersionRange::line_contains(line, &Version::parse(version).unwrap());
        assert!(within("2021.4.x", "2021.4.0+rev1") && !within("2021.4.x", "2021.1.1"));
        assert!(within("2023.1.0", "2023.1.5") && !within("", "2023.1.5") && !within("weird", "2023.1.5"));
    }

    proptest! {
        #[test]
        fn comparisons_agree_with_the_order(
            (a, b) in ((0..3u64, 0..3u64, 0..3u64), (0..3u64, 0..3u64, 0..3u64)),
        ) {
            let text = |(major, minor, patch): (u64, u64, u64)| format!("{major}.{minor}.{patch}");
            let (range, version) = (text(a), text(b));
            for (operator, holds) in
                [("<", b < a), ("<=", b <= a), (">", b > a), (">=", b >= a), ("=", b == a), ("!=", b != a)]
            {
                prop_assert_eq!(contains(&format!("{operator}{range}"), &version), holds);
            }
            prop_assert_eq!(contains(&format!("^{range}"), &version), b >= a && caret(a, b));
            prop_assert_eq!(contains(&format!("~{range}"), &version), b >= a && (a.0, a.1) == (b.0, b.1));
        }

        #[test]
        fn nothing_makes_it_panic(text in "[0-9a-zx*.<>=!^~| +-]{0,20}") {
            let _ = VersionRange::parse("range", &text);
        }
    }

    /// `^` allows changes to the right of the first number that is not 0.
    fn caret(a: (u64, u64, u64), b: (u64, u64, u64)) -> bool {
        match a {
            (0, 0, _) => a == b,
            (0, minor, _) => (b.0, b.1) == (0, minor),
            (major, ..) => b.0 == major,
        }
    }
}

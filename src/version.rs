//! Versions of the host OS and the supervisor, in all the forms in which devices report them.

use std::cmp::Ordering;

/// A version as balena writes it: `balenaOS 2.80.3+rev1`, `Resin OS 2.0.0.rev1 (prod)`, `v12.11.0`.
///
/// The build part (`rev1`, `dev`, `prod`) says nothing about which is newer, so it is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    numbers: [u64; 3],
    /// `beta.1`; empty for a release.
    prerelease: Vec<Part>,
}

/// Numbers come before words, and are compared as numbers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Number(u64),
    Word(String),
}

impl Version {
    /// `None` for what is no version.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = ["balena", "resin"].into_iter().find_map(|brand| after(text, brand)).unwrap_or(text);
        let text = after(text, "os").unwrap_or(text);
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        // ` (prod)` and what follows `+` is build.
        let text = text.split([' ', '+']).next().unwrap_or_default();
        let (numbers, prerelease) = text.split_once('-').unwrap_or((text, ""));
        // A fourth part, as in `2.0.0.rev1` or `2.0.0.dev`, is build too; more of them are no version. Missing
        // ones are 0: `2.1` is `2.1.0`.
        let parts: Vec<&str> = numbers.split('.').collect();
        if parts.len() > 4 || (parts.len() == 4 && !prerelease.is_empty()) {
            return None;
        }
        let mut numbers = [0; 3];
        for (number, digits) in numbers.iter_mut().zip(parts) {
            if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            *number = digits.parse().ok()?;
        }
        let mut prerelease: Vec<Part> =
            prerelease.split('.').filter(|part| !part.is_empty()).map(Part::new).collect();
        // `beta.1.rev2`: the same after a number.
        if let [.., Part::Number(_), Part::Word(word)] = &*prerelease
            && word.starts_with("rev")
        {
            prerelease.pop();
        }
        Some(Self { numbers, prerelease })
    }
}

impl Part {
    fn new(text: &str) -> Self {
        match text.parse() {
            Ok(number) if text.bytes().all(|byte| byte.is_ascii_digit()) => Self::Number(number),
            _ => Self::Word(text.to_owned()),
        }
    }
}

/// The text behind a word, whatever its case, and the blanks behind that.
fn after<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (head, tail) = text.split_at_checked(word.len())?;
    head.eq_ignore_ascii_case(word).then(|| tail.trim_start())
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| {
            // A release comes after its own prereleases.
            match (self.prerelease.is_empty(), other.prerelease.is_empty()) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => self.prerelease.cmp(&other.prerelease),
            }
        })
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap_or_else(|| panic!("{text} is a version"))
    }

    #[test]
    fn all_forms_of_one_version_are_the_same() {
        for text in [
            "2.12.7",
            "v2.12.7",
            "balenaOS 2.12.7+rev1",
            "Resin OS 2.12.7.rev1",
            "Balena OS 2.12.7 (prod)",
            "2.12.7+rev1.prod",
            "2.12.7.dev",
            "balenaos 2.12.7+rev1 (dev)",
            " 2.12.7 ",
        ] {
            assert_eq!(version(text), version("2.12.7"), "{text}");
        }
        assert_eq!(version("2.12"), version("2.12.0"));
        assert_eq!(version("2.0.0-beta.1.rev2"), version("2.0.0-beta.1"));
    }

    #[test]
    fn they_are_in_order() {
        let order = [
            "1.8.0-alpha.0",
            "1.8.0",
            "1.26.0",
            "2.0.0-beta.1",
            "2.0.0-beta.2",
            "2.0.0-beta.10",
            "2.0.0-rc5.rev1",
            "balenaOS 2.0.0.rev1",
            "2.9.0",
            "2.11.9",
            "2.12.0",
            "2022.7.0",
        ];
        for pair in order.windows(2) {
            assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
        }
        assert!(version("2.84.7-1628000000000") < version("2.84.7"));
    }

    #[test]
    fn what_is_no_version_is_told() {
        for text in ["", "weird", "v", "balenaOS", "2.x.1", "1.2.3.4.5", "+1.2.3", "-1.0.0", "1..2"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }
}

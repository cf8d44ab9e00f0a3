//! Versions of the host OS and the supervisor, in all the forms in which devices and releases tell them.

use std::cmp::Ordering;
use std::fmt;

/// A version as balena writes it: `balenaOS 2.80.3+rev1`, `Resin OS 2.0.0.rev1 (prod)`, `v12.11.0`.
///
/// All forms of one version are equal. In order, the revision (`rev2`) decides between versions of the same
/// [`Precedence`], a development variant comes before the others, and what else the build says comes last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    precedence: Precedence,
    /// `rev1`, `dev`, `prod`.
    build: Vec<String>,
    /// How many of the three numbers were told.
    told: usize,
}

/// What of a version says how new it is: numbers and pre-release. The build says nothing of that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Precedence {
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
    /// `None` for what is no version. Missing numbers are 0: `2.1` is `2.1.0`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = bare(text);
        let (text, variant) = match text.split_once(char::is_whitespace) {
            Some((text, rest)) => {
                (text, Some(rest.trim_start().strip_prefix('(')?.strip_suffix(')')?.to_owned()))
            }
            None => (text, None),
        };
        let (text, build) =
            text.split_once(['+', '_']).map_or((text, None), |(text, build)| (text, Some(build)));
        let (numbers, prerelease) =
            text.split_once('-').map_or((text, None), |(numbers, rest)| (numbers, Some(rest)));
        let mut parts: Vec<&str> = numbers.split('.').collect();
        let told = parts.len().min(3);
        // Words behind the third number, as in `2.0.0.rev1`, are build.
        let words = parts.split_off(told);
        if words.first().is_some_and(|word| is_number(word)) || (!words.is_empty() && prerelease.is_some()) {
            return None;
        }
        let mut numbers = [0; 3];
        for (place, (number, digits)) in numbers.iter_mut().zip(parts).enumerate() {
            let padded = place == 0 && digits.len() > 1 && digits.starts_with('0');
            *number = (is_number(digits) && !padded).then(|| digits.parse().ok())??;
        }
        let mut prerelease: Vec<&str> = prerelease.map_or_else(Vec::new, |text| text.split('.').collect());
        let mut all: Vec<&str> = Vec::new();
        // `beta.1.rev2`: the same behind a number.
        if let [.., number, word] = *prerelease
            && is_number(number)
            && word.starts_with("rev")
        {
            all.extend(prerelease.pop());
        }
        all.extend(words);
        all.extend(build.into_iter().flat_map(|build| build.split('.')));
        all.extend(variant.as_deref());
        if !all.iter().chain(&prerelease).all(|part| is_word(part)) {
            return None;
        }
        let precedence = Precedence { numbers, prerelease: prerelease.into_iter().map(Part::new).collect() };
        Some(Self { precedence, build: all.into_iter().map(str::to_owned).collect(), told })
    }

    /// As [`parse`](Self::parse), with all three numbers: what a release of the host OS has.
    pub(crate) fn whole(text: &str) -> Option<Self> {
        Self::parse(text).filter(|version| version.told == 3)
    }

    pub(crate) fn precedence(&self) -> &Precedence {
        &self.precedence
    }

    pub(crate) fn numbers(&self) -> [u64; 3] {
        self.precedence.numbers
    }

    pub(crate) fn major(&self) -> u64 {
        let [major, ..] = self.numbers();
        major
    }

    pub(crate) fn is_prerelease(&self) -> bool {
        !self.precedence.prerelease.is_empty()
    }

    /// `dev` or `prod`, where it says so.
    pub(crate) fn variant(&self) -> Option<&'static str> {
        let words = || self.precedence.prerelease.iter().filter_map(Part::word);
        ["dev", "prod"]
            .into_iter()
            .find(|variant| self.has_build(variant) || words().any(|word| word == *variant))
    }

    pub(crate) fn has_build(&self, part: &str) -> bool {
        self.build.iter().any(|known| known == part)
    }

    /// With this variant, unless it says that already.
    pub(crate) fn with_variant(mut self, variant: &str) -> Self {
        let words = || self.precedence.prerelease.iter().filter_map(Part::word);
        if is_word(variant) && !self.has_build(variant) && words().all(|word| word != variant) {
            self.build.push(variant.to_owned());
        }
        self
    }

    /// Without this part of the build.
    pub(crate) fn without_build(mut self, part: &str) -> Self {
        self.build.retain(|known| known != part);
        self
    }

    /// The release that a pre-release leads to.
    pub(crate) fn released(mut self) -> Self {
        self.precedence.prerelease.clear();
        self
    }

    /// Whether this is a way to write that one: the same numbers and pre-release, the same revision if this tells one,
    /// and a development variant only if this is one.
    pub(crate) fn is_a_form_of(&self, published: &Self) -> bool {
        let is_dev = |version: &Self| version.variant() == Some("dev");
        self.precedence == published.precedence
            && is_dev(self) == is_dev(published)
            && (!self.tells_revision() || self.revision() == published.revision())
    }

    pub(crate) fn tells_revision(&self) -> bool {
        self.build.iter().any(|part| part.strip_prefix("rev").is_some_and(is_number))
    }

    /// `rev2` is 2; 0 without one.
    fn revision(&self) -> u64 {
        let revisions = self.build.iter().filter_map(|part| part.strip_prefix("rev"));
        revisions.filter(|digits| is_number(digits)).find_map(|digits| digits.parse().ok()).unwrap_or(0)
    }

    /// As [`Ord`], with development variants behind the others.
    pub(crate) fn cmp_with_dev_last(&self, other: &Self) -> Ordering {
        self.cmp_by(other, |left, right| left.cmp(&right))
    }

    /// `dev` says which of two is first when one is a development variant.
    fn cmp_by(&self, other: &Self, dev: impl Fn(bool, bool) -> Ordering) -> Ordering {
        self.precedence
            .cmp(&other.precedence)
            .then_with(|| self.revision().cmp(&other.revision()))
            .then_with(|| dev(self.has_build("dev"), other.has_build("dev")))
            .then_with(|| {
                // In alphabetical order, as a person reads them; their case only where nothing else differs.
                let (left, right) = (self.to_string(), other.to_string());
                left.to_ascii_lowercase().cmp(&right.to_ascii_lowercase()).then_with(|| right.cmp(&left))
            })
    }
}

/// In one form: `2.80.3-beta.1+rev1.prod`.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.precedence.fmt(f)?;
        if !self.build.is_empty() {
            write!(f, "+{}", self.build.join("."))?;
        }
        Ok(())
    }
}

impl fmt::Display for Precedence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.numbers;
        write!(f, "{major}.{minor}.{patch}")?;
        for (index, part) in self.prerelease.iter().enumerate() {
            f.write_str(if index == 0 { "-" } else { "." })?;
            match part {
                Part::Number(number) => number.fmt(f)?,
                Part::Word(word) => word.fmt(f)?,
            }
        }
        Ok(())
    }
}

impl Precedence {
    /// Of a version with all three numbers, in any form; `None` for what is none.
    pub(crate) fn of(text: &str) -> Option<Self> {
        Version::whole(text).map(|version| version.precedence)
    }
}

impl Part {
    fn new(text: &str) -> Self {
        match text.parse() {
            Ok(number) if is_number(text) => Self::Number(number),
            _ => Self::Word(text.to_owned()),
        }
    }

    fn word(&self) -> Option<&str> {
        match self {
            Self::Number(_) => None,
            Self::Word(word) => Some(word),
        }
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Without the name of the OS and the `v` before the numbers.
pub(crate) fn bare(text: &str) -> &str {
    let text = text.trim();
    let text = ["balena", "resin"].into_iter().find_map(|brand| after(text, brand)).unwrap_or(text);
    let text = after(text, "os").unwrap_or(text);
    text.strip_prefix(['v', 'V']).unwrap_or(text)
}

/// The text behind a word, whatever its case, and the blanks behind that.
fn after<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (head, tail) = text.split_at_checked(word.len())?;
    head.eq_ignore_ascii_case(word).then(|| tail.trim_start())
}

impl Ord for Precedence {
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

impl PartialOrd for Precedence {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.cmp_by(other, |left, right| right.cmp(&left))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap_or_else(|| panic!("{text} is a version"))
    }

    #[test]
    fn all_forms_of_one_version_are_the_same() {
        for text in [
            "2.12.7+rev1",
            "v2.12.7+rev1",
            "balenaOS 2.12.7+rev1",
            "Resin OS 2.12.7.rev1",
            "Balena OS 2.12.7 (rev1)",
            "balenaos 2.12.7_rev1",
            " 2.12.7+rev1 ",
            "2.012.7+rev1",
        ] {
            assert_eq!(version(text).to_string(), "2.12.7+rev1", "{text}");
        }
        for text in ["2.12.7.rev1 (prod)", "2.12.7+rev1.prod", "Resin OS 2.12.7.rev1.prod"] {
            assert_eq!(version(text), version("2.12.7+rev1.prod"), "{text}");
            assert_eq!(version(text).precedence(), version("2.12.7").precedence(), "{text}");
            assert_eq!((version(text).variant(), version(text).major()), (Some("prod"), 2), "{text}");
        }
        assert_eq!(version("2.12").to_string(), "2.12.0");
        assert_eq!(version("2.0.0-beta.1.rev2"), version("2.0.0-beta.1+rev2"));
        assert_eq!(version("2.0.1-dev").variant(), Some("dev"));
        assert!(Version::whole("2.12").is_none() && Version::whole("2.12.0.dev").is_some());
    }

    #[test]
    fn a_form_of_a_published_version() {
        let cases = [
            ("v2.98.33", "2.98.33", true),
            ("2.98.33", "2.98.33+rev1", true),
            ("2.98.33.prod", "2.98.33+rev2.prod", true),
            ("2.98.33.prod", "2.98.33", true),
            ("2.98.33+rev1", "2.98.33+rev1.prod", true),
            ("balenaOS 2021.10.0", "2021.10.0+rev1", true),
            ("2.98.33.dev", "2.98.33+rev1.dev", true),
            ("2.98.33", "2.98.33+rev1.dev", false),
            ("2.98.33.dev", "2.98.33+rev1.prod", false),
            ("2.98.33+rev1", "2.98.33+rev2", false),
            ("2.98.33", "2.98.34", false),
            ("2.98.33", "2.98.33-1628000000000", false),
        ];
        for (text, published, is) in cases {
            assert_eq!(version(text).is_a_form_of(&version(published)), is, "{text} {published}");
        }
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
            "balenaOS 2.0.0",
            "2.0.0+rev1.dev",
            "2.0.0.rev1",
            "2.0.0+rev1.prod",
            "2.0.0+rev2.dev",
            "2.0.0+rev10",
            "2.9.0",
            "2.11.9",
            "2.12.0.dev",
            "2.12.0",
            "2.84.7-1628000000000",
            "2.84.7",
            "2022.7.0",
        ];
        for (place, left) in order.iter().enumerate() {
            for (other, right) in order.iter().enumerate() {
                assert_eq!(version(left).cmp(&version(right)), place.cmp(&other), "{left} {right}");
            }
        }
        let (dev, plain) = (version("2.0.0+rev1.dev"), version("2.0.0+rev1"));
        assert!(dev < plain && dev.cmp_with_dev_last(&plain).is_gt());
        assert_eq!(dev.precedence(), plain.precedence());
    }

    #[test]
    fn what_is_no_version_is_told() {
        for text in [
            "",
            "weird",
            "v",
            "balenaOS",
            "2.x.1",
            "1.2.3.4.5",
            "2.98.33.1",
            "+1.2.3",
            "-1.0.0",
            "1..2",
            "2.0.0-",
            "2.0.0+",
            "2.0.0 prod",
            "2.0.0 (",
            "2.0.0+a..b",
            "1.2.3-é",
            "2.0.0 (a b)",
            "99999999999999999999.0.0",
        ] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }

    fn any_version() -> impl Strategy<Value = Version> {
        // Few values each, so that many are nearly equal.
        let part =
            prop_oneof!["[01]{1,2}", "[aAb]", Just("dev".to_owned()), "rev[0-9]", Just("prod".to_owned())];
        let parts = || proptest::collection::vec(part.clone(), 0..3);
        (0..3u64, 0..2u64, 0..2u64, parts(), parts()).prop_map(|(major, minor, patch, before, behind)| {
            let mut text = format!("{major}.{minor}.{patch}");
            for (mark, parts) in [('-', before), ('+', behind)] {
                if !parts.is_empty() {
                    text.push(mark);
                    text.push_str(&parts.join("."));
                }
            }
            version(&text)
        })
    }

    proptest! {
        #[test]
        fn the_order_is_total(a in any_version(), b in any_version(), c in any_version()) {
            for order in [Version::cmp, Version::cmp_with_dev_last] {
                prop_assert_eq!(order(&a, &b), order(&b, &a).reverse());
                prop_assert_eq!(order(&a, &b).is_eq(), a == b);
                if order(&a, &b).is_le() && order(&b, &c).is_le() {
                    prop_assert!(order(&a, &c).is_le());
                }
                if a.precedence() != b.precedence() {
                    prop_assert_eq!(order(&a, &b), a.precedence().cmp(b.precedence()));
                }
            }
        }

        #[test]
        fn its_own_text_is_the_same_version(version in any_version()) {
            prop_assert_eq!(Version::parse(&version.to_string()), Some(version));
        }

        #[test]
        fn nothing_makes_it_panic(text in ".{0,24}") {
            let _ = Version::parse(&text);
        }
    }
}

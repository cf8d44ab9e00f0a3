//! Versions of the host OS and the supervisor, in all forms that devices and releases use.

#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::fmt;

/// A version as balena writes it: `balenaOS 2.80.3+rev1`, `Resin OS 2.0.0.rev1 (prod)`, `v12.11.0`.
///
/// All forms of one version are equal. The order compares, in turn: the [`Precedence`], the revision (`rev2`), the
/// development variant (before the others), and the text of the other build parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    precedence: Precedence,
    /// Build parts, e.g. `rev1`, `dev`, `prod`.
    build: Vec<String>,
    /// Count of the numbers in the text, 1 to 3.
    told: usize,
}

/// The part of a version that determines semver precedence: numbers and pre-release, without the build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Precedence {
    numbers: [u64; 3],
    /// Parts of the pre-release, e.g. `beta`, `1`; empty for a release.
    prerelease: Vec<Part>,
}

/// A part of a pre-release. Numbers order before words and compare by value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Number(u64),
    Word(String),
}

impl Version {
    /// Parses a version in any form; `None` if the text is not a version. Missing numbers are 0: `2.1` is `2.1.0`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = strip_os_name(text);
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
        // Words after the third number belong to the build: `2.0.0.rev1`.
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
        // So does a revision after a number of the pre-release: `beta.1.rev2`.
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

    /// Like [`parse`](Self::parse), but `None` unless the text has all three numbers, as host OS releases have.
    pub(crate) fn parse_full(text: &str) -> Option<Self> {
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

    /// Returns the variant, `dev` or `prod`, from the build or the pre-release.
    pub(crate) fn variant(&self) -> Option<&'static str> {
        let words = || self.precedence.prerelease.iter().filter_map(Part::word);
        ["dev", "prod"]
            .into_iter()
            .find(|variant| self.has_build(variant) || words().any(|word| word == *variant))
    }

    pub(crate) fn has_build(&self, part: &str) -> bool {
        self.build.iter().any(|known| known == part)
    }

    /// Adds the variant to the build, unless the version has it already.
    pub(crate) fn with_variant(mut self, variant: &str) -> Self {
        let words = || self.precedence.prerelease.iter().filter_map(Part::word);
        if is_word(variant) && !self.has_build(variant) && words().all(|word| word != variant) {
            self.build.push(variant.to_owned());
        }
        self
    }

    /// Removes the part from the build.
    pub(crate) fn without_build(mut self, part: &str) -> Self {
        self.build.retain(|known| known != part);
        self
    }

    /// Removes the pre-release: `2.0.0-beta.1` becomes `2.0.0`.
    pub(crate) fn released(mut self) -> Self {
        self.precedence.prerelease.clear();
        self
    }

    /// Whether a user who writes this version can mean the published one: same precedence, same revision if this one
    /// has a revision, and both or neither are development variants.
    pub(crate) fn matches_published(&self, published: &Self) -> bool {
        let is_dev = |version: &Self| version.variant() == Some("dev");
        self.precedence == published.precedence
            && is_dev(self) == is_dev(published)
            && (!self.has_revision() || self.revision() == published.revision())
    }

    pub(crate) fn has_revision(&self) -> bool {
        self.build.iter().any(|part| part.strip_prefix("rev").is_some_and(is_number))
    }

    /// Returns the number of the revision: 2 for `rev2`, 0 without a revision.
    fn revision(&self) -> u64 {
        let revisions = self.build.iter().filter_map(|part| part.strip_prefix("rev"));
        revisions.filter(|digits| is_number(digits)).find_map(|digits| digits.parse().ok()).unwrap_or(0)
    }

    /// Like [`Ord`], but development variants order after the others.
    pub(crate) fn cmp_with_dev_last(&self, other: &Self) -> Ordering {
        self.cmp_by(other, |left, right| left.cmp(&right))
    }

    /// Compares two versions; `dev` compares whether each is a development variant.
    fn cmp_by(&self, other: &Self, dev: impl Fn(bool, bool) -> Ordering) -> Ordering {
        self.precedence
            .cmp(&other.precedence)
            .then_with(|| self.revision().cmp(&other.revision()))
            .then_with(|| dev(self.has_build("dev"), other.has_build("dev")))
            .then_with(|| {
                // Case decides only if nothing else differs, so that the order agrees with equality.
                let (left, right) = (self.to_string(), other.to_string());
                left.to_ascii_lowercase().cmp(&right.to_ascii_lowercase()).then_with(|| right.cmp(&left))
            })
    }
}

/// Writes the canonical form: `2.80.3-beta.1+rev1.prod`.
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
    /// Parses the precedence of a version in any form; `None` unless the text is a version with all three numbers.
    pub(crate) fn of(text: &str) -> Option<Self> {
        Version::parse_full(text).map(|version| version.precedence)
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

/// Strips the name of the OS and a leading `v`: `balenaOS v2.80.3` becomes `2.80.3`.
pub(crate) fn strip_os_name(text: &str) -> &str {
    let text = text.trim();
    let text = ["balena", "resin"].into_iter().find_map(|brand| after(text, brand)).unwrap_or(text);
    let text = after(text, "os").unwrap_or(text);
    text.strip_prefix(['v', 'V']).unwrap_or(text)
}

/// Strips a leading word, in any case, and the white space after it; `None` if the text does not begin with the word.
fn after<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (head, tail) = text.split_at_checked(word.len())?;
    head.eq_ignore_ascii_case(word).then(|| tail.trim_start())
}

impl Ord for Precedence {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| {
            // A release orders after its pre-releases.
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

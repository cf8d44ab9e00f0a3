//! The host OS of a device, as its row tells it.

use crate::api::rows::Device;

use super::Devices;

impl Devices {
    /// The version of the host OS that a device has, with its variant: `2.80.3+rev1.prod`. Asks nobody: it is
    /// made of `os_version` and `os_variant` of the row. `None` where it says no version, or one of a form that
    /// no host OS has.
    #[doc(alias = "getOsVersion")]
    pub fn get_os_version(&self, device: &Device) -> Option<String> {
        with_variant(device.os_version.as_deref()?, device.os_variant.as_deref())
    }
}

/// The three parts of a version.
#[derive(Debug)]
struct Parts<'a> {
    numbers: &'a str,
    prerelease: Vec<&'a str>,
    build: Vec<&'a str>,
}

fn with_variant(version: &str, variant: Option<&str>) -> Option<String> {
    let Parts { numbers, prerelease, mut build } = parts(version)?;
    if let Some(variant) = variant.filter(|variant| !variant.is_empty())
        && !build.contains(&variant)
        && !prerelease.contains(&variant)
    {
        build.push(variant);
    }
    let behind = |mark: &str, words: &[&str]| match words {
        [] => String::new(),
        words => format!("{mark}{}", words.join(".")),
    };
    Some(format!("{numbers}{}{}", behind("-", &prerelease), behind("+", &build)))
}

/// Of `balenaOS 2.80.3+rev1`, `Resin OS 1.2.1.rev2`, `Resin OS 2.0.0-rc5.rev1 (prod)`, `2.12.7.dev`.
fn parts(text: &str) -> Option<Parts<'_>> {
    let text = text.trim();
    let text = ["balena", "resin"].into_iter().find_map(|brand| after(text, brand)).unwrap_or(text);
    let text = after(text, "os").unwrap_or(text);
    let text = text.strip_prefix('v').unwrap_or(text);
    let (text, in_brackets) = match text.split_once(' ') {
        Some((text, rest)) => (text, Some(rest.trim().strip_prefix('(')?.strip_suffix(')')?)),
        None => (text, None),
    };
    let (version, build) =
        text.split_once('+').map_or((text, None), |(version, build)| (version, Some(build)));
    // Old ones have the build behind one more dot.
    let (version, old_build) = split_at_build(version);
    let (numbers, prerelease) =
        version.split_once('-').map_or((version, None), |(numbers, rest)| (numbers, Some(rest)));
    let number = |text: &str| {
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'))
    };
    let count = numbers.split('.').filter(|text| !text.is_empty() && number(text)).count();
    if count != 3 || numbers.split('.').count() != 3 {
        return None;
    }
    let mut all_build = words(old_build)?;
    all_build.extend(words(build)?);
    all_build.extend(words(in_brackets)?);
    Some(Parts { numbers, prerelease: words(prerelease)?, build: all_build })
}

/// The words between the dots; none without a text.
fn words(text: Option<&str>) -> Option<Vec<&str>> {
    let words: Vec<&str> = text.into_iter().flat_map(|text| text.split('.')).collect();
    let fits = |word: &&str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    words.iter().all(fits).then_some(words)
}

/// `1.2.1.rev2` → `1.2.1` and `rev2`: behind a number, `rev…`, `dev` and `prod` are build.
fn split_at_build(version: &str) -> (&str, Option<&str>) {
    let mut earlier = "";
    let mut at = 0;
    for part in version.split('.') {
        let numeric = earlier.bytes().last().is_some_and(|byte| byte.is_ascii_digit());
        if numeric && (part.starts_with("rev") || part == "dev" || part == "prod") {
            let (version, build) = version.split_at(at);
            return (version.trim_end_matches('.'), Some(build));
        }
        earlier = part;
        at += part.len() + 1;
    }
    (version, None)
}

/// The text behind a word, whatever its case, and the blanks behind that.
fn after<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (head, tail) = text.split_at_checked(word.len())?;
    head.eq_ignore_ascii_case(word).then(|| tail.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_version_comes_out_as_one() {
        for (version, variant, expected) in [
            ("balenaOS 2.80.3+rev1", "prod", "2.80.3+rev1.prod"),
            ("balenaOS 2.80.3+rev1.prod", "prod", "2.80.3+rev1.prod"),
            ("Resin OS 2.0.2-beta.1", "dev", "2.0.2-beta.1+dev"),
            ("balenaOS 2.0.0-dev", "dev", "2.0.0-dev"),
            ("Resin OS 1.2.1.rev2", "", "1.2.1+rev2"),
            ("Resin OS 2.0.0-beta.1.rev2", "", "2.0.0-beta.1+rev2"),
            ("Resin OS 2.0.0-rc5.rev1 (prod)", "prod", "2.0.0-rc5+rev1.prod"),
            ("Resin OS 2.0.0+rev4 (prod)", "prod", "2.0.0+rev4.prod"),
            ("2.12.7.dev", "dev", "2.12.7+dev"),
            ("balenaOS 2021.4.0", "prod", "2021.4.0+prod"),
            ("v2.84.7-1628000000000", "dev", "2.84.7-1628000000000+dev"),
        ] {
            assert_eq!(with_variant(version, Some(variant)).as_deref(), Some(expected), "{version}");
        }
        assert_eq!(with_variant("balenaOS 2.80.3", None).as_deref(), Some("2.80.3"));
    }

    #[test]
    fn what_is_no_version_is_none() {
        for text in
            ["", "weird", "balenaOS", "2.80", "2.80.3.4", "2.x.1", "02.1.0", "2.1.0 prod", "2.1.0+", "1.2.3-"]
        {
            assert_eq!(with_variant(text, Some("prod")), None, "{text}");
        }
    }
}

//! Rows about versions of the host OS: Q81, Q83.

use balena_agent::ErrorKind;
use nodejs_semver::{Range, Version};
use serde_json::{Value, json};

use super::cases::Case;
use super::outcomes::Expect;
use super::quirks::{Expected, error, refuse};
use super::rulebook::Rulebook;

/// Q81: ranges are those of npm, and the newest version within is the one with the highest revision.
pub(super) fn ranges(case: &Case, _: &Rulebook, expected: &mut Expected) {
    let arguments = case.arguments();
    let sought = arguments.get(1, "version_or_range").and_then(Value::as_str).unwrap_or("latest");
    let said = sought.starts_with(|c: char| c.is_ascii_digit() || "<>=^~*xX".contains(c));
    let Some(range) = said.then(|| Range::parse(sought).ok()).flatten() else {
        return refuse(expected, Some("version_or_range".into()));
    };
    let os_type = arguments.some(2, "os_type").and_then(Value::as_str);
    let apps = expected.exchange.last().and_then(|last| last.response.json.clone()).unwrap_or_default();
    let versions = apps["d"].as_array().into_iter().flatten();
    let versions =
        versions.filter(|app| os_type.is_none_or(|os_type| policy(app) == os_type)).flat_map(published);
    let within = versions.filter_map(|raw| Some((parsed(&raw)?, raw)));
    let within = within.filter(|(version, _)| version.satisfies(&range));
    let newest = within.max_by(|(left, a), (right, b)| {
        left.partial_cmp(right).expect("versions have an order").then_with(|| last(a).cmp(&last(b)))
    });
    expected.outcome = Expect::Value(newest.map_or(Value::Null, |(_, raw)| raw.into()));
}

/// What decides between versions that are as new as each other: revision, development variant, text.
fn last(raw: &str) -> (u64, bool, &str) {
    let parts = || raw.split(['+', '.']);
    let revision = parts().find_map(|part| part.strip_prefix("rev")?.parse().ok());
    (revision.unwrap_or(0), parts().any(|part| part == "dev"), raw)
}

/// The crate takes more for a version than that.
fn parsed(text: &str) -> Option<Version> {
    let numbers = text.split(['-', '+']).next()?.split('.');
    (numbers.count() == 3).then(|| Version::parse(text).ok())?
}

fn policy(app: &Value) -> &str {
    let mut tags = app["application_tag"].as_array().into_iter().flatten();
    let policy = tags.rfind(|tag| tag["tag_key"] == "release-policy");
    policy.and_then(|tag| tag["value"].as_str()).unwrap_or("default")
}

/// The versions of an application, those that only tags tell among them.
fn published(app: &Value) -> Vec<String> {
    let releases = app["owns__release"].as_array().into_iter().flatten();
    releases.filter_map(published_as).collect()
}

fn published_as(release: &Value) -> Option<String> {
    let raw = release["raw_version"].as_str()?;
    if !raw.starts_with("0.0.0") {
        return parsed(raw).is_some().then(|| raw.to_owned());
    }
    let tags = release["release_tag"].as_array()?;
    let tag = |key: &str| tags.iter().find(|tag| tag["tag_key"] == key)?["value"].as_str();
    let variant = match tag("variant") {
        Some("production") => ".prod".to_owned(),
        Some("development") => ".dev".to_owned(),
        Some(other) => format!(".{other}"),
        None => String::new(),
    };
    Some(format!("{}{variant}", tag("version")?))
}

/// Q83 of the functions that are about the host OS; whether it is one of them.
pub(super) fn unparsable(case: &Case, book: &Rulebook, expected: &mut Expected) -> bool {
    match case.function.as_str() {
        // What is no version of the host OS is not updated.
        "models.device.start_os_update" => expected.outcome = error(ErrorKind::Unsupported),
        "models.os.get_supported_os_update_versions" => with_bare_version(case, book, expected),
        "models.os.get_available_os_versions" | "models.os.get_all_os_versions" => {
            let answer = expected.exchange.last().and_then(|last| last.response.json.as_ref());
            let apps = answer.and_then(|answer| answer["d"].as_array()).into_iter().flatten();
            let good: Vec<String> = apps.flat_map(published).collect();
            assert!(good.is_empty(), "{}: what follows from {good:?} is not known here", case.id);
            let several = case.arguments().get(0, "").and_then(Value::as_array).cloned();
            let none = several.map_or(json!([]), |slugs| {
                slugs.iter().filter_map(Value::as_str).map(|slug| (slug.to_owned(), json!([]))).collect()
            });
            expected.outcome = Expect::Value(none);
        }
        _ => return false,
    }
    true
}

/// Whether it is a version, which has three numbers, and not older than the first of these.
pub(super) fn is_major(version: &Value, first: u64) -> bool {
    let text = version.as_str().unwrap_or_default().to_lowercase();
    let bare = ["balenaos ", "resin os ", "v"].iter().find_map(|name| text.strip_prefix(name));
    let numbers = bare.unwrap_or(&text).split(['.', '-', '+']);
    let numbers: Vec<u64> = numbers.map_while(|number| number.parse().ok()).take(3).collect();
    matches!(numbers[..], [major, _, _] if major >= first)
}

/// The name of the OS before a version says nothing; what is no version is refused.
fn with_bare_version(case: &Case, book: &Rulebook, expected: &mut Expected) {
    let mut plain = case.clone();
    let named = plain.kwargs.get_mut("current_version");
    let Some(current) = plain.args.get_mut(1).or(named) else { panic!("{}: no version", case.id) };
    let text = current.as_str().unwrap_or_default().to_lowercase();
    let bare = ["balenaos ", "balena os ", "resin os ", "v"].iter().find_map(|name| text.strip_prefix(name));
    let bare = bare.unwrap_or(&text).trim().to_owned();
    if parsed(&bare).is_none() {
        return refuse(expected, Some("current_version".into()));
    }
    *current = bare.into();
    *expected = book.like(&plain, |_| true);
}

//! Which version of the host OS is newer, and which is updated to which: where the two SDKs differ. The requests
//! are the seed's.

use std::cmp::Ordering;

use serde_json::{Value, json};

use crate::wire::cases::Case;
use crate::wire::outcomes::Expect;

/// What the JS SDK makes of the rows that the seed got.
pub(super) fn rules(case: &Case, outcome: &mut Expect) {
    let Expect::Value(value) = outcome else { return };
    match case.function.as_str() {
        "models.os.get_all_os_versions" | "models.os.get_available_os_versions" => match value {
            Value::Array(rows) => listed(rows),
            Value::Object(by_type) => {
                by_type.values_mut().filter_map(Value::as_array_mut).for_each(|rows| listed(rows));
            }
            _ => {}
        },
        "models.os.get_supported_os_update_versions" => supported(case, value),
        "models.os.is_supported_os_update" => {
            let arguments = case.arguments();
            let text = |place, name| arguments.text(place, name).expect("a version is text");
            *value = json!(is_supported(&text(1, "current_version"), &text(2, "target_version")));
        }
        _ => {}
    }
}

/// A pre-release stays one when the variant is taken off; of one revision, the development variant is the last.
fn listed(rows: &mut [Value]) {
    for row in rows.iter_mut() {
        let raw = row["raw_version"].as_str().unwrap_or_default().to_owned();
        if !is_prerelease(&raw) {
            continue;
        }
        for column in ["stripped_version", "based_on_version"] {
            let released = row[column].as_str().map(str::to_owned);
            let Some(released) = released else { continue };
            let (numbers, build) = released.split_at(released.find('+').unwrap_or(released.len()));
            if let Some(rest) = raw.strip_prefix(numbers).filter(|rest| rest.starts_with('-')) {
                let prerelease = rest.split('+').next().unwrap_or_default();
                row[column] = json!(format!("{numbers}{prerelease}{build}"));
            }
        }
    }
    let is_dev = |row: &Value| {
        row["raw_version"]
            .as_str()
            .is_some_and(|raw| raw.rsplit_once('.').is_some_and(|(_, last)| last == "dev"))
    };
    let revision = |row: &Value| {
        let raw = row["raw_version"].as_str().unwrap_or_default();
        raw.trim_end_matches(".dev").trim_end_matches(".prod").to_owned()
    };
    let mut start = 0;
    while start < rows.len() {
        let length = rows[start..].iter().take_while(|row| revision(row) == revision(&rows[start])).count();
        rows[start..start + length].sort_by_key(is_dev);
        start += length;
    }
}

/// To what is newer, of the same variant, and neither from nor to what is too old.
fn is_supported(from: &str, to: &str) -> bool {
    let (Some(old), Some(new)) = (parsed(from), parsed(to)) else { return false };
    let is = |version: &str, variant: &str| version.split(['-', '+', '.']).any(|part| part == variant);
    let has_variant = is(to, "dev") || is(to, "prod");
    let order = |version: &nodejs_semver::Version, text: &str| {
        // Of one revision, a development variant comes first.
        (version.clone(), revision(text), !is(text, "dev"))
    };
    let is_newer = match order(&new, to).partial_cmp(&order(&old, from)) {
        // What else the build says.
        Some(Ordering::Equal) => build(to) > build(from),
        order => order == Some(Ordering::Greater),
    };
    let reaches = |(version, text): (&nodejs_semver::Version, &str), minor: u64| {
        let first = (2, minor, 0);
        let numbers = (version.major(), version.minor(), version.patch());
        numbers > first || numbers == first && version.pre_release().is_empty() && revision(text) >= 1
    };
    (!has_variant || is(from, "dev") == is(to, "dev"))
        && is_newer
        && reaches((&old, from), 14)
        && reaches((&new, to), 16)
}

/// As npm has it, without its build, which the crate compares too.
fn parsed(text: &str) -> Option<nodejs_semver::Version> {
    let plain = text.split('+').next()?;
    (plain.split('-').next()?.split('.').count() == 3).then(|| nodejs_semver::Version::parse(plain).ok())?
}

fn build(version: &str) -> &str {
    version.split_once('+').map_or("", |(_, build)| build)
}

fn supported(case: &Case, told: &mut Value) {
    let current = case.arguments().text(1, "current_version").expect("a version is text");
    let current = current.trim_start_matches("balenaOS ");
    let answer = case.exchange.last().and_then(|last| last.response.json.clone()).unwrap_or_default();
    let releases = answer["d"][0]["owns__release"].as_array().cloned().unwrap_or_default();
    let all = releases.iter().filter_map(|release| release["raw_version"].as_str());
    let mut versions: Vec<Value> = told["versions"].as_array().cloned().unwrap_or_default();
    if is_prerelease(current) {
        // The seed updates no pre-release at all: nothing is told that could be held against ours.
        *told = json!({ "versions": { "$any": true }, "recommended": { "$any": true }, "current": current });
        return;
    }
    versions.retain(|version| version.as_str().is_some_and(|to| is_supported(current, to)));
    // Pre-releases come in where they belong by their numbers.
    for version in all.filter(|to| is_prerelease(to) && is_supported(current, to)) {
        let older = |other: &Value| numbers(other.as_str().unwrap_or_default()) <= numbers(version);
        let at = versions.iter().position(older).unwrap_or(versions.len());
        versions.insert(at, json!(version));
    }
    if versions.is_empty() {
        told["recommended"] = Value::Null;
    }
    told["versions"] = json!(versions);
    if told["recommended"] == current {
        told["recommended"] = versions.first().cloned().unwrap_or_default();
    }
}

fn is_prerelease(version: &str) -> bool {
    version.split('+').next().is_some_and(|numbers| numbers.contains('-'))
}

fn revision(version: &str) -> u64 {
    let build = version.split_once("+rev").map_or("", |(_, build)| build);
    build.split('.').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn numbers(version: &str) -> [u64; 3] {
    let mut parts = version.split(['.', '-', '+']).map(|part| part.parse().unwrap_or(0));
    std::array::from_fn(|_| parts.next().unwrap_or(0))
}

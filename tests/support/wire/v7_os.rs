//! Which version of the host OS is newer, and which is updated to which: where the two SDKs differ. The requests
//! are the seed's.

use serde_json::{Value, json};

use crate::wire::cases::Case;
use crate::wire::outcomes::Expect;

/// The oldest that is updated.
const OLDEST: [u64; 3] = [2, 14, 0];

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
            let seed = value == &json!(true);
            *value = json!(is_supported(&text(1, "current_version"), &text(2, "target_version"), seed));
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
            if let Some(released) = released.filter(|released| raw.starts_with(&format!("{released}-"))) {
                let (_, rest) = raw.split_at(released.len());
                row[column] = json!(format!("{released}{}", rest.split('+').next().unwrap_or_default()));
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

/// Not to the same or an older revision of it, not from what is too old, and from and to a pre-release too.
fn is_supported(from: &str, to: &str, seed: bool) -> bool {
    let same_or_older = numbers(from) == numbers(to) && revision(from) >= revision(to);
    if (same_or_older && !is_prerelease(from)) || numbers(from) < OLDEST {
        return false;
    }
    if is_prerelease(from) || is_prerelease(to) {
        return numbers(to) > numbers(from);
    }
    seed
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
    versions.retain(|version| version.as_str().is_some_and(|to| is_supported(current, to, true)));
    // Pre-releases come in where they belong by their numbers.
    for version in all.filter(|to| is_prerelease(to) && is_supported(current, to, true)) {
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

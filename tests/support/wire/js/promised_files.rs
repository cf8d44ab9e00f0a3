//! What is promised of the family `files`.

use balena_agent::ErrorKind;
use serde_json::{Value, json};

use super::patterns;
use crate::wire::cases::{Case, Exchange};
use crate::wire::outcomes::{self, Expect};
use crate::wire::quirks::{Expected, error};
use crate::wire::rulebook::Rulebook;

/// What is promised instead of what was recorded.
///
/// # Errors
/// A row without an expectation.
pub(super) fn adjust(case: &Case, book: &Rulebook, expected: &mut Expected) -> Result<(), String> {
    if let Some(row) = case.quirks.iter().find(|row| *row != "J02") {
        return Err(format!("no expectation for row {row}"));
    }
    expected.exchange.iter_mut().for_each(same_key);
    for exchange in &mut expected.exchange {
        by_beginning(exchange);
    }
    match case.function.as_str() {
        "models.release.asset.upload" => uploaded(case, book, expected),
        "models.os.download" => downloaded(case, expected),
        "models.release.createFromUrl" => built(expected),
        function if function.starts_with("models.release.asset.") => of_asset(case, expected),
        _ => {}
    }
    Ok(())
}

/// The parts of a key may stand in any order.
fn same_key(exchange: &mut Exchange) {
    let path = &mut exchange.request.path;
    let Some((before, key)) = path.split_once("(release=") else { return };
    let Some((release, name)) = key.strip_suffix(')').and_then(|key| key.split_once(",asset_key=")) else {
        return;
    };
    *path = format!("{before}(asset_key={name},release={release})");
}

/// J05: a commit may be the beginning of one.
fn by_beginning(exchange: &mut Exchange) {
    let filter = exchange.request.canonical_query.as_mut().and_then(|query| query.get_mut("$filter"));
    if let Some(filter) = filter
        && let Some(commit) = filter.as_str().and_then(|filter| filter.strip_prefix("commit eq "))
    {
        *filter = json!(format!("startswith(commit,{commit})"));
    }
}

/// None is no key; a row without a file is "not there" (J16).
fn of_asset(case: &Case, expected: &mut Expected) {
    let key = case.args.first().unwrap_or(&Value::Null);
    if key.is_null() || key.get("release").is_some_and(Value::is_null) {
        patterns::no_such_type(expected);
    } else if patterns::names_nothing(key) {
        patterns::refused(expected);
    } else if outcomes::message(case).contains("does not contain any uploaded file") {
        expected.outcome = error(ErrorKind::NotFound);
    }
}

/// J02: a refusal is what it says. What is no version is refused before anything is asked.
fn downloaded(case: &Case, expected: &mut Expected) {
    if case.has("J02")
        && let Some(last) = expected.exchange.last()
    {
        expected.outcome = outcomes::refused(last);
    }
    let options = case.args.first().unwrap_or(&Value::Null);
    if !options["deviceType"].is_string() {
        return patterns::no_such_type(expected);
    } else if patterns::names_nothing(&options["deviceType"]) {
        return patterns::refused(expected);
    } else if options["version"] == "" || outcomes::message(case).starts_with("Invalid semver version") {
        otherwise_written(case, expected);
    }
    // §3, `os.download`: by its slug, also where it was named otherwise.
    let slug = expected.exchange.first().and_then(|first| first.response.json.as_ref());
    let slug = slug.and_then(|answer| answer["d"][0]["slug"].as_str()).map(str::to_owned);
    for exchange in &mut expected.exchange {
        let named = exchange.request.query.iter_mut().find(|(name, _)| name == "deviceType");
        if let (Some(slug), Some((_, value))) = (&slug, named) {
            value.clone_from(slug);
        }
    }
}

/// Row Q80: `balenaOS 2.12.7+rev1` is a version too; what is none is refused before anything is asked.
fn otherwise_written(case: &Case, expected: &mut Expected) {
    let version = case.args.first().and_then(|options| options["version"].as_str()).unwrap_or_default();
    let bare = version.trim_start_matches("balenaOS ").trim_start_matches("Resin OS ");
    let Some(mut download) = expected.exchange.first().cloned().filter(|_| bare != version) else {
        return expected.exchange.clear();
    };
    download.request.path = "/download".into();
    download.request.canonical_query = None;
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    download.request.query = vec![pair("deviceType", ""), pair("version", bare)];
    (download.response.status, download.response.json, download.response.text) =
        (404, None, Some(String::new()));
    expected.outcome = outcomes::refused(&download);
    expected.exchange.push(download);
}

/// Row J15: the parts of a slug are values, whatever is in them.
fn built(expected: &mut Expected) {
    let row = expected.exchange.first().and_then(|first| first.response.json.as_ref());
    let row = row.map(|answer| answer["d"][0].clone()).unwrap_or_default();
    let (owner, app) = (row["organization"][0]["handle"].as_str(), row["app_name"].as_str());
    let (Some(owner), Some(app)) = (owner, app) else { return };
    for exchange in expected.exchange.iter_mut().filter(|exchange| exchange.request.host == "builder") {
        exchange.request.query.retain(|(name, _)| name == "headless");
        exchange.request.query.push(("owner".into(), owner.to_owned()));
        exchange.request.query.push(("app".into(), app.to_owned()));
    }
}

/// J03: a part that is refused ends it; the release may have any form. What was told of the progress belongs to
/// the outcome.
fn uploaded(case: &Case, book: &Rulebook, expected: &mut Expected) {
    let params = case.args.first().cloned().unwrap_or_default();
    let release = &params["release"];
    if release.is_null() {
        return patterns::no_such_type(expected);
    } else if patterns::names_nothing(release) {
        return patterns::refused(expected);
    }
    if release.is_object() && expected.exchange.is_empty() {
        // JS takes no such pair; ours looks it up.
        let mut any = patterns::sent_by(case, &book.recorded("errors.pine.http_400").exchange[0]);
        any.check.any_request = true;
        expected.outcome = outcomes::refused(&any);
        return expected.exchange.push(any);
    }
    let is_part = |exchange: &Exchange| exchange.request.host == "uploads";
    let refused = |exchange: &Exchange| is_part(exchange) && exchange.response.status >= 400;
    let broke = |exchange: &Exchange| is_part(exchange) && exchange.response.abort;
    if let Some(at) = expected.exchange.iter().position(broke) {
        expected.exchange.truncate(at + 1);
        expected.outcome = error(outcomes::broken(expected.exchange.last()));
    } else if let Some(at) = expected.exchange.iter().position(refused) {
        expected.exchange.truncate(at + 1);
        expected.outcome = outcomes::refused(&expected.exchange[at]);
    } else if let Some(last) = expected.exchange.last()
        && is_part(last)
        && !last.response.headers.contains_key("etag")
    {
        expected.outcome = error(ErrorKind::Decode);
    }
    if !params["release"].is_number() {
        found_first(&params["release"], expected);
    }
    if let (Expect::Value(row), Some(events)) = (&mut expected.outcome, &case.events) {
        *row = json!({ "row": row.take(), "events": events });
    }
}

/// The release is looked up, and everything else goes by its id.
fn found_first(release: &Value, expected: &mut Expected) {
    let Some(first) = expected.exchange.first().cloned() else { return };
    let id = 465_307;
    for exchange in &mut expected.exchange {
        let path = &mut exchange.request.path;
        if let Some((before, _)) = path.split_once(",release=") {
            *path = format!("{before},release={id})");
        }
        if let Some(body) = exchange.request.json.as_mut().and_then(Value::as_object_mut)
            && body.contains_key("release")
        {
            body.insert("release".into(), json!(id));
        }
        for part in exchange.request.multipart.iter_mut().filter_map(Value::as_array_mut).flatten() {
            if part["name"] == "release" {
                part["text"] = json!(id.to_string());
            }
        }
    }
    let read = |resource: &str, filter: Value, id: i64| {
        let mut read = first.clone();
        read.request.path = format!("/v7/{resource}");
        read.request.canonical_query = Some(json!({ "$select": ["id"], "$filter": filter }));
        read.response.json = Some(json!({ "d": [{ "id": id }] }));
        read
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().replace('\'', "''");
    let reads = if release.is_string() {
        vec![read("release", json!(format!("startswith(commit,'{}')", text(release))), id)]
    } else {
        let (version, application) = (text(&release["rawVersion"]), &release["application"]);
        let of = application.as_i64().unwrap_or(1_681_618);
        let mut fleet = read("application", Value::Null, of);
        if application.is_number() {
            fleet.request.path = format!("/v7/application({of})");
            fleet.request.canonical_query = Some(json!({ "$select": ["id"] }));
        } else {
            let name = text(application).to_lowercase();
            let by_name = json!({ "or": [format!("slug eq '{name}'"), format!("uuid eq '{name}'")] });
            fleet = read("application", by_name, of);
        }
        let conditions = [format!("belongs_to__application eq {of}"), format!("raw_version eq '{version}'")];
        vec![fleet, read("release", json!({ "and": conditions }), id)]
    };
    expected.exchange.splice(0..0, reads);
}

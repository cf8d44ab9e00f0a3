//! Where a recorded case is not what is promised: row by row as in `tests/cases/wire/DECISIONS.md`.
//!
//! A case without rows is a promise as it stands. With rows, each of them changes what was recorded to what is
//! promised, in the order of [`ROWS`].

use balena_agent::ErrorKind;
use serde_json::{Value, json};

use super::cases::{Case, Exchange};
use super::logs;
use super::outcomes::{self, Expect};
use super::quirks_auth as auth;
use super::quirks_files as files;
use super::quirks_options as options;
use super::quirks_os as os;
use super::quirks_versions as versions;
use super::rulebook::Rulebook;

/// What is promised of a case.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    pub(crate) exchange: Vec<Exchange>,
    pub(crate) outcome: Expect,
    /// What changed besides, as recorded.
    pub(crate) after: Option<Value>,
}

/// What a row does to a recorded case.
pub(super) enum Row {
    Change(fn(&Case, &Rulebook, &mut Expected)),
    /// Reproduce what was recorded.
    Copy,
    /// It has no meaning here: the case is not run.
    Drop,
}

use Row::{Change, Copy, Drop};

/// The rows, in the order in which they are applied.
const ROWS: [(&str, Row); 58] = [
    // Requests.
    ("Q03", Change(|_, _, expected| in_paths(expected, "/supervisor//", "/supervisor/"))),
    ("Q08", Change(files::sent_again)),
    ("Q77", Change(files::encoded)),
    ("Q80", Change(files::image)),
    ("Q04", Change(|_, _, expected| in_paths(expected, "/applcation/", "/application/"))),
    ("Q07", Change(auth::no_key)),
    ("Q37", Change(auth::follows)),
    ("Q40", Change(options::merged)),
    ("Q41", Copy),
    ("Q42", Change(options::not_given)),
    ("Q43", Change(options::not_given)),
    ("Q44", Drop),
    ("Q45", Change(options::times)),
    ("Q46", Change(options::odd)),
    ("Q47", Change(options::refused)),
    ("Q48", Change(options::refused)),
    ("Q49", Copy),
    ("Q50", Change(found_first)),
    ("Q54", Copy),
    (
        "Q60",
        Change(|_, _, expected| {
            options::in_filters(
                expected,
                "is_member_of__organization/id eq",
                "is_member_of__organization eq",
            );
        }),
    ),
    ("Q61", Change(the_other_way_round)),
    ("Q63", Change(only_what_was_given)),
    ("Q64", Copy),
    ("Q65", Copy),
    ("Q66", Change(role_by_its_documented_name)),
    ("Q69", Change(versions::no_version_is_an_old_one)),
    ("Q73", Copy),
    ("Q74", Copy),
    ("Q75", Copy),
    ("Q76", Copy),
    ("Q79", Change(options::order_of_the_caller)),
    ("Q81", Change(os::ranges)),
    ("Q82", Drop),
    ("Q84", Copy),
    ("Q85", Copy),
    // Outcomes.
    ("Q02", Change(broken)),
    ("Q11", Change(broken)),
    ("Q12", Change(not_redirected)),
    ("Q14", Change(unreadable)),
    ("Q21", Change(auth::setup_key)),
    ("Q22", Change(auth::with_the_old_token)),
    // A renewal at another path counts as this row, tagged or not: see `expected`.
    ("Q23", Copy),
    ("Q25", Change(auth::not_logged_in)),
    ("Q26", Change(|_, _, expected| expected.outcome = error(ErrorKind::Unsupported))),
    ("Q30", Change(auth::constructor_wins)),
    ("Q31", Change(auth::completed)),
    ("Q32", Change(auth::percent)),
    ("Q34", Change(auth::any_case)),
    ("Q36", Change(auth::removed)),
    ("Q38", Copy),
    ("Q24", Copy),
    ("Q62", Change(nothing_there)),
    ("Q67", Change(|_, _, expected| expected.outcome = Expect::AnyError)),
    ("Q68", Change(nothing_to_tell)),
    ("Q71", Change(absent)),
    ("Q72", Change(only_the_label)),
    // Where the recorded call ended too early.
    ("Q52", Change(without_application)),
    ("Q70", Change(versions::goes_on)),
];

/// Those that come last: they overrule what the others made of the outcome.
const LAST_ROWS: [(&str, Row); 11] = [
    ("Q83", Change(versions::unparsable)),
    ("Q01", Change(refused_by_status)),
    ("Q05", Change(refused_by_status)),
    ("Q20", Change(auth::no_token)),
    ("Q27", Change(auth::unknown)),
    // Nothing is sent.
    ("Q51", Change(|_, _, expected| refuse(expected, None))),
    ("Q78", Change(|_, _, expected| refuse(expected, None))),
    ("Q33", Change(a_flag)),
    ("Q35", Change(no_such_type)),
    ("Q55", Change(no_such_type)),
    ("Q99", Change(an_accident)),
];

/// What is promised of the case; `None` if it is not run.
///
/// # Errors
/// A row that is not in the table.
pub(crate) fn expected(case: &Case, book: &Rulebook) -> Result<Option<Expected>, String> {
    let rows = || ROWS.iter().chain(&logs::ROWS).chain(&LAST_ROWS);
    if let Some(unknown) = case.quirks.iter().find(|name| rows().all(|(row, _)| row != name)) {
        return Err(format!("no expectation for row {unknown}"));
    }
    if rows().any(|(row, change)| case.has(row) && matches!(change, Drop)) {
        return Ok(None);
    }
    let outcome = outcomes::recorded(&case.outcome, case.exchange.last());
    let mut expected = Expected { exchange: case.exchange.clone(), outcome, after: case.after.clone() };
    auth::renewed(case, book, &mut expected);
    for (_, row) in rows().filter(|(row, _)| case.has(row)) {
        match row {
            Change(change) => change(case, book, &mut expected),
            Copy | Drop => {}
        }
    }
    auth::short_lived_key(case, &mut expected);
    auth::of_version_7(case, &mut expected);
    Ok(Some(expected))
}

pub(super) fn error(kind: ErrorKind) -> Expect {
    Expect::Error { kind, status: None, says: None }
}

/// Refused before anything is sent.
pub(super) fn refuse(expected: &mut Expected, says: Option<String>) {
    expected.exchange.clear();
    expected.outcome = Expect::Error { kind: ErrorKind::InvalidArgument, status: None, says };
}

/// Q33: set at run time it is a flag; in the constructor, text is no flag.
fn a_flag(case: &Case, book: &Rulebook, expected: &mut Expected) {
    if case.function.starts_with("settings.") {
        auth::flag(case, book, expected);
    } else {
        no_such_type(case, book, expected);
    }
}

/// Q99.
fn an_accident(case: &Case, book: &Rulebook, expected: &mut Expected) {
    if case.function.starts_with("auth.") {
        auth::no_email(case, book, expected);
    } else {
        no_such_type(case, book, expected);
    }
}

/// Q33, Q35, Q55, Q99: the argument, or the setting, has no typed form.
fn no_such_type(_: &Case, _: &Rulebook, expected: &mut Expected) {
    expected.exchange.clear();
    expected.outcome = Expect::NoSuchType;
}

/// Q03, Q04: the path as it should be.
fn in_paths(expected: &mut Expected, wrong: &str, right: &str) {
    for exchange in &mut expected.exchange {
        exchange.request.path = exchange.request.path.replace(wrong, right);
    }
}

/// Q01, Q05: the first answer that refuses is the last; Python goes on where it needs nothing of it.
fn refused_by_status(case: &Case, _: &Rulebook, expected: &mut Expected) {
    let refuses = |one: &Exchange| {
        let plain = one.request.canonical_query.is_none() && one.request.path != auth::RENEWAL;
        plain && one.response.status >= 400
    };
    if case.before.is_empty()
        && let Some(first) = expected.exchange.iter().position(refuses)
    {
        expected.exchange.truncate(first + 1);
    }
    if let Some(last) = expected.exchange.last().filter(|last| last.response.status >= 400) {
        expected.outcome = outcomes::refused(last);
    }
}

/// Q02, Q11: a connection that breaks is neither "not logged in" nor an accident.
fn broken(_: &Case, _: &Rulebook, expected: &mut Expected) {
    expected.outcome = error(outcomes::broken(expected.exchange.last()));
}

/// Q12: a write is not sent on; the error names where it should have gone.
fn not_redirected(_: &Case, _: &Rulebook, expected: &mut Expected) {
    let Some(first) = expected.exchange.first().filter(|first| first.request.method != "GET") else { return };
    let location = first.response.headers.get("location").map_or("", String::as_str);
    let host = match location.split_once("://") {
        Some((_, rest)) => rest.split('/').next().unwrap_or_default(),
        None => &first.request.authority,
    };
    let says = Some(host.to_owned());
    expected.outcome = Expect::Error { kind: ErrorKind::Rejected, status: Some(first.response.status), says };
    expected.exchange.truncate(1);
}

/// Q14: two rows for one are ambiguous, anything else is an answer that can't be read.
fn unreadable(_: &Case, _: &Rulebook, expected: &mut Expected) {
    let answer = expected.exchange.last().and_then(|last| last.response.json.as_ref());
    let rows = answer.and_then(|answer| answer.get("d")?.as_array()).map_or(0, Vec::len);
    expected.outcome = error(if rows > 1 { ErrorKind::Ambiguous } else { ErrorKind::Decode });
}

/// Q50: a write with the beginning of a uuid asks first which device that is.
fn found_first(case: &Case, _: &Rulebook, expected: &mut Expected) {
    let Some(at) = expected.exchange.iter().position(|exchange| {
        let filter = exchange.request.canonical_query.as_ref().and_then(|query| query.get("$filter"));
        exchange.request.method != "GET"
            && filter.and_then(Value::as_str).is_some_and(|filter| filter.starts_with("startswith(uuid,"))
    }) else {
        return;
    };
    let write = &mut expected.exchange[at];
    let mut read = write.clone();
    read.request.method = "GET".into();
    read.request.json = None;
    read.request.content_type = None;
    if let Some(query) = read.request.canonical_query.as_mut().and_then(Value::as_object_mut) {
        query.insert("$select".into(), json!(["id"]));
        query.insert("$top".into(), json!(2));
    }
    read.response.text = None;
    read.response.status = 200;
    read.response.json = Some(json!({ "d": [{ "id": 7_654_321 }] }));
    write.request.path = "/v6/device(7654321)".into();
    write.request.canonical_query = Some(json!({}));
    expected.exchange.insert(at, read);
    let arguments = case.arguments();
    let key = arguments.get(0, "uuid_or_id_or_ids").or_else(|| arguments.get(0, "uuid_or_id"));
    if key.and_then(Value::as_str).is_some_and(|uuid| uuid.chars().count() < 6) {
        refuse(expected, None);
    }
}

/// Q61: the device's architecture decides what it runs, not the application's.
fn the_other_way_round(_: &Case, book: &Rulebook, expected: &mut Expected) {
    if let Expect::Value(_) = expected.outcome {
        expected.exchange.pop();
        expected.outcome = error(ErrorKind::Unsupported);
    } else {
        let mut write = book.recorded("device.move.app_aarch64_device_armv7hf").exchange.pop();
        if let (Some(write), [fleet, device]) = (&mut write, expected.exchange.as_slice()) {
            let fleet = fleet.response.json.as_ref().map(|answer| &answer["d"][0]["id"]);
            write.request.json = Some(json!({ "belongs_to__application": fleet }));
            write.request.path.clone_from(&device.request.path);
        }
        expected.exchange.extend(write);
        expected.outcome = Expect::Value(Value::Null);
    }
}

/// Q62: an expanded list without rows means "none".
fn nothing_there(case: &Case, book: &Rulebook, expected: &mut Expected) {
    let row = expected.exchange.last().and_then(|last| last.response.json.as_ref()?["d"].get(0)).cloned();
    let row = row.unwrap_or_default();
    expected.outcome = match case.function.as_str() {
        "models.application.is_tracking_latest_release" => {
            let latest = row["owns__release"].get(0);
            let follows =
                latest.is_none_or(|latest| row["should_be_running__release"].get(0) == Some(latest));
            Expect::Value(json!(row["should_track_latest_release"] == true && follows))
        }
        "models.application.get_target_release_hash" => Expect::Value(Value::Null),
        "models.application.track_latest_release" => {
            let mut write = book.recorded("application.track_latest_release.by_id").exchange.pop();
            if let Some(write) = &mut write {
                write.request.json = Some(json!({ "should_track_latest_release": true }));
                write.request.path = format!("/v6/application({})", row["id"]);
            }
            expected.exchange.extend(write);
            Expect::Value(Value::Null)
        }
        _ => error(ErrorKind::NotFound),
    };
}

/// Q63: what was not given is not sent.
fn only_what_was_given(case: &Case, _: &Rulebook, expected: &mut Expected) {
    let arguments = case.arguments();
    let given = arguments.get(1, "api_key_info").and_then(Value::as_object);
    for exchange in &mut expected.exchange {
        if let Some(body) = exchange.request.json.as_mut().and_then(Value::as_object_mut) {
            body.retain(|name, value| {
                !value.is_null() || given.is_some_and(|given| given.contains_key(name))
            });
        }
    }
}

/// Q66: the role by the name that the page documents.
fn role_by_its_documented_name(case: &Case, _: &Rulebook, expected: &mut Expected) {
    let arguments = case.arguments();
    let options = arguments.get(1, "options");
    if let Some(role) = options.and_then(|options| options["role_name"].as_str()) {
        options::in_filters(expected, "name eq 'developer'", &format!("name eq '{role}'"));
    }
}

/// Q68: what succeeds has nothing to tell.
fn nothing_to_tell(_: &Case, _: &Rulebook, expected: &mut Expected) {
    if let Expect::Value(value) = &mut expected.outcome {
        *value = Value::Null;
    }
}

/// Q71: what was not measured is absent.
fn absent(_: &Case, _: &Rulebook, expected: &mut Expected) {
    if let Expect::Value(Value::Object(metrics)) = &mut expected.outcome {
        metrics.retain(|_, value| value != "");
    }
}

/// Q72: `api` is replaced where it is the label, and nowhere else.
fn only_the_label(case: &Case, _: &Rulebook, expected: &mut Expected) {
    let host = case.settings.as_ref().and_then(|settings| settings["balena_host"].as_str());
    if let (Expect::Value(Value::String(url)), Some(host)) = (&mut expected.outcome, host) {
        let path = url.trim_start_matches("https://").split_once('/').map_or("", |(_, path)| path);
        *url = format!("https://dashboard.{host}/{path}");
    }
}

/// Q52: only what names the application needs its id.
fn without_application(case: &Case, book: &Rulebook, expected: &mut Expected) {
    let names_it = ["restart_application", "purge", "start_service", "stop_service", "restart_service"];
    if names_it.iter().all(|name| case.function != format!("models.device.{name}")) {
        let like = book.like(case, |other| {
            other.exchange.first().is_some_and(|first| first.request.host == "supervisor")
        });
        expected.exchange = like.exchange;
        expected.outcome = like.outcome;
    }
}

//! Every recorded call of the Python SDK, and of the JS SDK what that lacks: the same requests, the same outcome.
//!
//! `WIRE_CASES=<folder>` plays another folder of the same format, `WIRE_ONLY=<text>` only the cases with the
//! text in their id (`^` before it: at its beginning, `$` behind it: at its end). `SDK_MAP=write` renews the
//! page `docs/sdk-map.md`. A case of the JS SDK is told by its member `seed` and played by the rules for these,
//! wherever it stands; `WIRE_JS_CASES=<folder>` is another folder instead of the project's own of that SDK.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test stops at the first surprise"
)]

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;

use serde_json::{Value, json};
use wire::cases::{self, Case, Outcome};
use wire::replay::{Verdict, play, play_as};
use wire::rulebook::Rulebook;
use wire::{js, sdk_map, v7};

#[path = "support/canonical.rs"]
mod canonical;
#[path = "support/rows.rs"]
mod rows;
#[path = "support/wire/mod.rs"]
mod wire;

#[derive(Debug, Default)]
struct Tally {
    passed: usize,
    failed: usize,
    not_translated: usize,
    dropped: usize,
}

fn chosen(case: &Case) -> bool {
    let only = env::var("WIRE_ONLY").unwrap_or_default();
    let (start, rest) = only.strip_prefix('^').map_or((false, &*only), |rest| (true, rest));
    let (end, text) = rest.strip_suffix('$').map_or((false, rest), |rest| (true, rest));
    case.id.contains(text) && (!start || case.id.starts_with(text)) && (!end || case.id.ends_with(text))
}

/// Plays a case; a panic in it is its own.
fn verdict(case: &Case, book: &Rulebook) -> Verdict {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let played = panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(as_its_sdk(case, book))));
    played.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Verdict::Failed(text.unwrap_or_else(|| "it panicked".to_owned()))
    })
}

async fn as_its_sdk(case: &Case, book: &Rulebook) -> Verdict {
    if case.under_v7 {
        return v7::play(case, book).await;
    }
    if !case.of_js {
        return play(case, book).await;
    }
    let case = &js::not_retried(case);
    match js::expected(case, book) {
        Ok(Some(expected)) => play_as(case, &expected).await,
        Ok(None) => Verdict::Dropped,
        Err(why) => Verdict::Failed(why),
    }
}

/// Plays the chosen ones of the cases and prints what came of them; how many failed.
fn play_all(all: &[Case], book: &Rulebook) -> usize {
    let mut areas: BTreeMap<&str, Tally> = BTreeMap::new();
    let mut without: BTreeMap<&str, usize> = BTreeMap::new();
    let mut others: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    // Not through `println!`, which the test runner keeps to itself when all goes well.
    let mut out = String::new();
    for case in all.iter().filter(|case| chosen(case)) {
        let tally = areas.entry(&case.area).or_default();
        match verdict(case, book) {
            Verdict::Passed => tally.passed += 1,
            Verdict::Dropped => tally.dropped += 1,
            Verdict::NotTranslated(reason) => {
                tally.not_translated += 1;
                *others.entry((&case.function, reason)).or_default() += 1;
            }
            Verdict::NoCall => {
                tally.failed += 1;
                *without.entry(&case.function).or_default() += 1;
            }
            Verdict::Failed(why) => {
                tally.failed += 1;
                writeln!(out, "{} {} {:?}\n    {why}", case.area, case.id, case.quirks).unwrap();
            }
        }
    }
    for ((function, reason), count) in &others {
        writeln!(out, "not translated: {function} ({count} cases): {reason}").unwrap();
    }
    for (function, count) in &without {
        writeln!(out, "no call yet: {function} ({count} cases)").unwrap();
    }
    for (area, tally) in &areas {
        let Tally { passed, failed, not_translated, dropped } = tally;
        let other =
            if *not_translated > 0 { format!(", {not_translated} not translated") } else { String::new() };
        writeln!(out, "{area}: {passed} passed, {failed} failed{other}, {dropped} dropped").unwrap();
    }
    let passed: usize = areas.values().map(|tally| tally.passed).sum();
    let failed: usize = areas.values().map(|tally| tally.failed).sum();
    writeln!(out, "{passed} passed, {failed} failed").unwrap();
    io::stdout().lock().write_all(out.as_bytes()).unwrap();
    failed
}

fn folder(variable: &str, home: PathBuf) -> PathBuf {
    env::var_os(variable).map_or(home, PathBuf::from)
}

#[test]
fn every_recorded_call_is_reproduced() {
    let folder = folder("WIRE_CASES", cases::home());
    let all = cases::read(&folder);
    assert!(!all.is_empty(), "no cases in {}", folder.display());
    assert_eq!(play_all(&all, &Rulebook::read(&folder)), 0, "recorded calls that are not reproduced");
}

#[test]
fn every_recorded_call_is_reproduced_under_version_7() {
    let folder = folder("WIRE_CASES", cases::home());
    let mut all = cases::read(&folder);
    // These are of version 7 anyhow.
    all.retain(|case| !case.of_js);
    for case in &mut all {
        case.under_v7 = true;
    }
    assert_eq!(play_all(&all, &Rulebook::read(&folder)), 0, "recorded calls that are not reproduced");
}

#[test]
fn every_recorded_call_of_the_js_sdk_is_reproduced() {
    let folder = folder("WIRE_JS_CASES", js::home());
    let all = cases::read(&folder);
    assert!(!all.is_empty(), "no cases in {}", folder.display());
    assert_eq!(play_all(&all, &Rulebook::read(&cases::home())), 0, "recorded calls that are not reproduced");
}

#[test]
fn every_function_has_its_call_on_the_page() {
    let page = sdk_map::page().unwrap_or_else(|missing| panic!("no call stands for:\n{missing}"));
    if env::var("SDK_MAP").as_deref() == Ok("write") {
        fs::create_dir_all(sdk_map::file().parent().unwrap()).unwrap();
        fs::File::create(sdk_map::file()).and_then(|mut file| file.write_all(page.as_bytes())).unwrap();
    }
    let found = fs::read_to_string(sdk_map::file()).unwrap_or_default();
    assert!(found == page, "{} is not true: SDK_MAP=write renews it", sdk_map::file().display());
}

/// A change to a case that must not go unnoticed.
type Change = fn(&mut Case);

#[test]
fn a_deviation_does_not_go_unnoticed() {
    let changes: [(&str, &str, Change); 23] = [
        ("device.rename.by_id", "method", |case| case.exchange[0].request.method = "PUT".into()),
        ("device.rename.by_id", "path", |case| case.exchange[0].request.path.push('/')),
        ("device.rename.by_id", "host", |case| case.exchange[0].request.authority = "api.x.com".into()),
        ("device.rename.by_id", "role", |case| case.exchange[0].request.host = "builder".into()),
        ("device.rename.by_id", "body", |case| {
            case.exchange[0].request.json.as_mut().unwrap()["device_name"] = Value::Null;
        }),
        ("device.rename.by_id", "no body", |case| case.exchange[0].request.json = None),
        ("device.rename.by_id", "content type", |case| {
            case.exchange[0].request.content_type = Some("text/plain".into());
        }),
        ("device.rename.by_id", "credential", |case| {
            case.exchange[0].request.auth.as_mut().unwrap().credential.push('x');
        }),
        ("device.rename.by_id", "one request more", |case| case.exchange.push(case.exchange[0].clone())),
        ("device.rename.by_id", "one request less", |case| drop(case.exchange.pop())),
        ("device.rename.by_id", "outcome", |case| case.outcome = Outcome::Ok(json!(1))),
        ("device.get.with_options_by_short_uuid", "query", |case| {
            case.exchange[0].request.canonical_query.as_mut().unwrap()["$top"] = json!(1);
        }),
        ("device.get.by_id", "column", |case| {
            let Outcome::Ok(row) = &mut case.outcome else { panic!("a row") };
            row["device_name"] = json!("another");
        }),
        ("logs.subscribe.by_id", "event", |case| {
            case.events.as_mut().unwrap()[1]["value"]["message"] = json!("another");
        }),
        ("logs.subscribe.by_id", "one event more", |case| {
            let events = case.events.as_mut().unwrap().as_array_mut().unwrap();
            events.push(events[0].clone());
        }),
        ("logs.unsubscribe_all.one", "closed stream", |case| case.client_closed_stream = Some(Vec::new())),
        ("logs.unsubscribe.no_subscription", "open stream", |case| {
            case.client_closed_stream = Some(vec![true]);
        }),
        ("errors.rate_limit.retry_on", "sleeps", |case| case.sleeps = vec![3.0]),
        ("auth.login.default", "token", |case| case.after = Some(json!({ "token": "another" }))),
        ("auth.authenticate.default", "no token", |case| case.after = Some(json!({ "token": "another" }))),
        ("auth.logout.logged_in", "token stays", |case| case.after = None),
        ("settings.set.in_memory", "setting", |case| {
            case.after.as_mut().unwrap()["settings"]["tmp"] = Value::Null;
        }),
        ("settings.remove.file", "file", |case| {
            let file = &mut case.after.as_mut().unwrap()["files"][".balena/balena.cfg"];
            *file = json!(format!("{}timeout = 30000\n", file.as_str().unwrap().trim_end_matches('\n')));
        }),
    ];
    let book = Rulebook::read(&cases::home());
    for (id, what, change) in changes {
        noticed(book.recorded(id), &book, what, change);
    }
    let mut case = book.recorded("errors.pine.http_400");
    case.exchange[0].response.status = 404;
    assert!(matches!(verdict(&case, &book), Verdict::Failed(_)), "kind and status");
}

/// The case passes, and does not when it is changed.
fn noticed(mut case: Case, book: &Rulebook, what: &str, change: Change) {
    let before = verdict(&case, book);
    assert!(matches!(before, Verdict::Passed), "{}: {before:?}", case.id);
    change(&mut case);
    assert!(matches!(verdict(&case, book), Verdict::Failed(_)), "{}: {what}", case.id);
}

#[test]
fn a_deviation_does_not_go_unnoticed_in_cases_of_the_js_sdk() {
    let changes: [(&str, &str, Change); 16] = [
        ("team.rename.default", "method", |case| case.exchange[1].request.method = "PUT".into()),
        ("team.rename.default", "path", |case| case.exchange[1].request.path.push('/')),
        ("team.rename.default", "body", |case| case.exchange[1].request.json = Some(json!({ "name": 1 }))),
        ("team.rename.default", "one request more", |case| case.exchange.push(case.exchange[1].clone())),
        ("team.rename.default", "one request less", |case| drop(case.exchange.pop())),
        ("team.rename.default", "outcome", |case| case.outcome = Outcome::Ok(json!(1))),
        ("team.get.not_found", "kind of the error", |case| raised(case, "BalenaAmbiguousApplication")),
        ("team.get.http_401", "status of the error", |case| case.exchange[0].response.status = 500),
        ("team.applicationAccess.add.by_id", "a read that is no id check", |case| {
            case.exchange[0].request.canonical_query = Some(json!({ "$select": ["slug"] }));
        }),
        ("team.applicationAccess.add.by_id", "a read that is for a name", |case| {
            drop(case.exchange.remove(1));
        }),
        ("device.deactivate.by_uuids", "filter", |case| {
            let filter = &mut case.exchange[1].request.canonical_query.as_mut().unwrap()["$filter"];
            *filter = json!(filter.as_str().unwrap().replacen("5000", "6000", 1));
        }),
        ("device.deactivate.by_uuids", "read", |case| drop(case.exchange.remove(0))),
        ("device.deactivate.by_uuids_120", "one request less", |case| drop(case.exchange.remove(1))),
        ("release.asset.upload.multipart_two_parts", "host", |case| {
            case.exchange[3].request.host = "api".into();
        }),
        ("release.asset.upload.multipart_two_parts", "part", |case| {
            case.exchange[3].request.blob = Some(json!({ "length": 1, "sha256": "00" }));
        }),
        ("os.getOsUpdateType.2_80_3_rev1_prod__to__2_98_33", "outcome", |case| {
            case.outcome = Outcome::Ok(json!("odd"));
        }),
    ];
    let (all, book) = (cases::read(&js::home()), Rulebook::read(&cases::home()));
    for (id, what, change) in changes {
        let case = all.iter().find(|case| case.id == id).unwrap_or_else(|| panic!("no case {id}"));
        noticed(case.clone(), &book, what, change);
    }
}

/// Another class of error in its outcome.
fn raised(case: &mut Case, class: &str) {
    let Outcome::Error(error) = &mut case.outcome else { panic!("{}: no error", case.id) };
    class.clone_into(&mut error.class);
}

/// Cases are recorded anew with other values; the rows are not about these.
#[test]
fn rows_do_not_depend_on_the_values_of_a_case() {
    let book = Rulebook::read(&cases::home());
    let cases = [
        "device.start_service.supervisor_null",
        "device.stop_service.supervisor_two_parts",
        "device.get_with_service_details.expand_dict",
        "pine.merge.image_expand_object",
        "device.move.app_armv7hf_device_aarch64",
        "application.track_latest_release.no_releases",
        "pine.merge.string_filter_with_default",
    ];
    for id in cases {
        let mut case = book.recorded(id);
        let other =
            |text: &str| text.replace("7654321", "4711").replace("1681618", "815").replace("465307", "12");
        let all = |value: &Value| -> Value { serde_json::from_str(&other(&value.to_string())).unwrap() };
        case.args = case.args.iter().map(all).collect();
        for exchange in &mut case.exchange {
            exchange.request.path = other(&exchange.request.path);
            exchange.request.json = exchange.request.json.as_ref().map(all);
            exchange.request.canonical_query = exchange.request.canonical_query.as_ref().map(all);
            exchange.response.json = exchange.response.json.as_ref().map(all);
        }
        let verdict = verdict(&case, &book);
        assert!(matches!(verdict, Verdict::Passed), "{id}: {verdict:?}");
    }
}

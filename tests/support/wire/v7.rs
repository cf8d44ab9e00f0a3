//! The recorded calls of the Python SDK under version 7 of the API: the same calls with the one setting changed,
//! and what `tests/cases/wire-js/v6-v7.md` §1 says that changes with it.
//!
//! A case is first brought to what is promised of it, as recorded (`quirks`), then each rule of [`RULES`] that
//! finds what it is about changes that. A case whose own settings, or the file that has them, name a version is
//! played as it is.

use serde_json::{Map, Value, json};

use super::cases::{Before, Case, Exchange, Outcome, Request};
use super::outcomes::Expect;
use super::quirks::{self, Expected};
use super::replay::{Verdict, play_as};
use super::rulebook::Rulebook;

#[path = "v7_os.rs"]
mod os;

/// What a rule does to a case.
enum Rule {
    /// To a request.
    Request(fn(&Case, &mut Request)),
    /// To an answer.
    Answer(fn(&Case, &mut Exchange)),
    /// To an object in an answer, and to the same in the outcome.
    Row(fn(&Case, &mut Map<String, Value>)),
    /// To the requests as a whole.
    Requests(fn(&Case, &mut Vec<Exchange>)),
    /// To the outcome.
    Outcome(fn(&Case, &mut Expect)),
}

/// Section of `v6-v7.md`, what it says, and what that means for a case.
const RULES: [(&str, &str, Rule); 16] = [
    ("", "resources are below the version", Rule::Request(path)),
    ("", "… and so a server that sends on knows them", Rule::Answer(location)),
    ("", "… and so do the settings, where they are told", Rule::Row(told)),
    ("", "… and where one of them is asked for", Rule::Outcome(told_alone)),
    ("1a", "a device's pin is is_pinned_on__release, to write and to read", Rule::Request(pin)),
    ("1a", "… and so the answer calls it", Rule::Row(pin_in_rows)),
    ("1b", "an actor is a reference", Rule::Answer(actors)),
    ("1b", "overall_status has other words", Rule::Row(status)),
    ("1b", "… and so the one that is asked for", Rule::Outcome(status_alone)),
    ("1b", "writes are answered with nothing, and so may refusals be", Rule::Answer(empty)),
    ("1c", "columns that are gone", Rule::Row(gone)),
    ("1d", "provisioning keys are made at /api-key/v2/", Rule::Request(provisioning_key)),
    ("1d", "OS updates start by v2", Rule::Request(os_update)),
    ("1d", "plans are changed at …/plan, without the word for the cycle", Rule::Request(plan)),
    ("2", "batch: a uuid is looked up, and its id written to (row J06)", Rule::Requests(looked_up)),
    (
        "5",
        "which version of the host OS is newer, and what is updated to it: as the JS SDK has it",
        Rule::Outcome(os::rules),
    ),
];

type Concerns = fn(&Case) -> bool;

/// Cases that ask for other things under version 7; cases of the JS SDK cover that.
const OTHER_REQUESTS: [(&str, Concerns); 3] = [
    ("1a: supervisors are releases, found by the architecture of the CPU", |case| {
        case.function == "models.device.set_supervisor_release"
    }),
    ("3: an update of the host OS asks for other columns of the device", |case| {
        case.function == "models.device.start_os_update"
    }),
    ("2: a device that is named by its uuid is read with its group", |case| {
        let grouped = ["models.device.move", "models.device.pin_to_release"];
        let key = case.arguments().get(0, "uuid_or_id").and_then(Value::as_str).map(str::to_owned);
        grouped.contains(&&*case.function) && key.is_some_and(|key| matches!(key.chars().count(), 32 | 62))
    }),
];

/// Plays the case under version 7.
pub(crate) async fn play(case: &Case, book: &Rulebook) -> Verdict {
    if let Some((reason, _)) = OTHER_REQUESTS.iter().find(|(_, concerns)| concerns(case)) {
        return Verdict::NotTranslated(reason);
    }
    let mut case = case.clone();
    let translated = set_version(&mut case);
    let mut expected = match quirks::expected(&case, book) {
        Ok(Some(expected)) => expected,
        Ok(None) => return Verdict::Dropped,
        Err(why) => return Verdict::Failed(why),
    };
    if translated {
        let settings = case.settings.get_or_insert_default();
        settings.insert("api_version".into(), json!("v7"));
        translate(&case, &mut expected);
        // Rows that calls before it returned.
        for index in 0..case.before.len() {
            let Outcome::Ok(mut value) = case.before[index].outcome.clone() else { continue };
            translate_value(&case, &mut value);
            case.before[index].outcome = Outcome::Ok(value);
        }
    }
    play_as(&case, &expected).await
}

/// Whether the version is the test's to set: its settings, or the file that has them, may name one themselves.
/// What is told of the settings afterwards follows it.
fn set_version(case: &mut Case) -> bool {
    let free = case.settings.as_ref().is_some_and(|settings| !settings.contains_key("api_version"));
    let known = case.clone();
    for after in case.after.iter_mut().filter(|_| free) {
        objects(after, &mut |settings| told(&known, settings));
    }
    free
}

fn translate(case: &Case, expected: &mut Expected) {
    let Expected { exchange, outcome, .. } = expected;
    for (_, _, rule) in &RULES {
        match rule {
            Rule::Request(change) => exchange.iter_mut().for_each(|one| change(case, &mut one.request)),
            Rule::Answer(change) => exchange.iter_mut().for_each(|one| change(case, one)),
            Rule::Requests(change) => change(case, exchange),
            Rule::Outcome(change) => change(case, outcome),
            Rule::Row(change) => {
                let of_resources = exchange.iter_mut().filter(|one| one.request.canonical_query.is_some());
                for answer in of_resources.filter_map(|one| one.response.json.as_mut()) {
                    objects(answer, &mut |row| change(case, row));
                }
            }
        }
    }
    if let Expect::Value(value) = outcome {
        translate_value(case, value);
    }
}

fn translate_value(case: &Case, value: &mut Value) {
    for (_, _, rule) in &RULES {
        if let Rule::Row(change) = rule {
            objects(value, &mut |row| change(case, row));
        }
    }
}

/// Every object within.
fn objects(value: &mut Value, change: &mut dyn FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(map) => {
            change(map);
            map.values_mut().for_each(|value| objects(value, change));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| objects(item, change)),
        _ => {}
    }
}

fn path(_: &Case, request: &mut Request) {
    if let Some(rest) = request.path.strip_prefix("/v6/") {
        request.path = format!("/v7/{rest}");
    }
}

fn location(_: &Case, exchange: &mut Exchange) {
    if let Some(location) = exchange.response.headers.get_mut("location") {
        *location = location.replacen("/v6/", "/v7/", 1);
    }
}

fn told(_: &Case, settings: &mut Map<String, Value>) {
    for (name, from, to) in [
        ("api_version", "v6", "v7"),
        ("pine_endpoint", "/v6/", "/v7/"),
        ("device_actions_endpoint_version", "v1", "v2"),
    ] {
        if let Some(Value::String(value)) = settings.get_mut(name) {
            *value = value.replacen(from, to, 1);
        }
    }
}

fn told_alone(case: &Case, outcome: &mut Expect) {
    let (Expect::Value(value), "settings.get") = (outcome, &*case.function) else { return };
    let Ok(name) = case.arguments().text(0, "key") else { return };
    // Set by the case itself, it is what it was set to.
    let set = |call: &Before| call.function == "settings.set" && call.args.first() == Some(&json!(name));
    if case.before.iter().any(set) {
        return;
    }
    let mut alone = Map::from_iter([(name.clone(), value.clone())]);
    told(case, &mut alone);
    *value = alone.remove(&name).unwrap_or_default();
}

/// §1a, the first three rows: by their functions, since elsewhere the name of version 6 stands for what the
/// release of an application, or of a device, is in version 7 too.
fn is_about_a_pin(case: &Case) -> bool {
    let functions = ["pin_to_release", "track_application_release", "is_tracking_application_release"];
    functions.iter().any(|name| case.function == format!("models.device.{name}"))
}

const PIN: (&str, &str) = ("should_be_running__release", "is_pinned_on__release");

fn pin(case: &Case, request: &mut Request) {
    if !is_about_a_pin(case) {
        return;
    }
    if let Some(body) = request.json.as_mut().and_then(Value::as_object_mut) {
        rename(body, PIN);
    }
    let selected =
        request.canonical_query.as_mut().and_then(|query| query.get_mut("$select")?.as_array_mut());
    for name in selected.into_iter().flatten().filter(|name| *name == PIN.0) {
        *name = json!(PIN.1);
    }
}

fn pin_in_rows(case: &Case, row: &mut Map<String, Value>) {
    if is_about_a_pin(case) {
        rename(row, PIN);
    }
}

fn rename(map: &mut Map<String, Value>, (from, to): (&str, &str)) {
    if let Some(value) = map.remove(from) {
        map.insert(to.into(), value);
    }
}

fn actors(_: &Case, exchange: &mut Exchange) {
    let rows = exchange.response.json.as_mut().filter(|_| exchange.request.canonical_query.is_some());
    let Some(rows) = rows else { return };
    objects(rows, &mut |row| {
        if let Some(actor) = row.get_mut("actor").filter(|actor| actor.is_i64()) {
            *actor = json!({ "__id": actor });
        }
    });
}

fn word_for(word: &str) -> String {
    match word {
        "idle" => "operational",
        "offline" => "disconnected",
        other => other,
    }
    .to_owned()
}

fn status(_: &Case, row: &mut Map<String, Value>) {
    if let Some(Value::String(word)) = row.get_mut("overall_status") {
        *word = word_for(word);
    }
}

fn status_alone(case: &Case, outcome: &mut Expect) {
    if let (Expect::Value(Value::String(word)), "models.device.get_status") = (outcome, &*case.function) {
        *word = word_for(word);
    }
}

fn empty(_: &Case, exchange: &mut Exchange) {
    let (request, response) = (&exchange.request, &mut exchange.response);
    let filled = match response.status {
        200 => request.method != "GET" && response.text.as_deref() == Some("OK"),
        401 => response.text.as_deref() == Some("Unauthorized"),
        404 => response.text.as_deref() == Some("Not Found"),
        _ => false,
    };
    if request.canonical_query.is_some() && filled {
        response.text = None;
    }
}

fn gone(_: &Case, row: &mut Map<String, Value>) {
    const GONE: [&str; 7] = [
        "depends_on__application",
        "is_depended_on_by__application",
        "is_managed_by__device",
        "logs_channel",
        "release_type",
        "status_sort_index",
        "vpn_address",
    ];
    row.retain(|column, _| !GONE.contains(&column.as_str()));
}

fn provisioning_key(_: &Case, request: &mut Request) {
    if request.host == "api" && request.path == "/api-key/v1/" {
        request.path = "/api-key/v2/".into();
        let body = request.json.as_mut().and_then(Value::as_object_mut);
        body.expect("a key is asked for with a body").entry("expiryDate").or_insert(Value::Null);
    }
}

fn os_update(case: &Case, request: &mut Request) {
    let named = "device_actions_endpoint_version";
    let named = case.settings.as_ref().is_some_and(|settings| settings.contains_key(named));
    if request.host == "actions" && request.path.ends_with("/resinhup") && !named {
        request.path = request.path.replacen("/v1/", "/v2/", 1);
    }
}

fn plan(case: &Case, request: &mut Request) {
    if case.function == "models.billing.change_plan" && request.method == "PATCH" {
        request.path.push_str("/plan");
        request.json.as_mut().and_then(Value::as_object_mut).expect("a plan is a body").remove("cycle");
    }
}

/// A write to `device(uuid='…')`: first which device that is, then to what was found.
fn looked_up(_: &Case, exchange: &mut Vec<Exchange>) {
    let by_uuid = |request: &Request| -> Option<String> {
        let uuid = request.path.strip_prefix("/v7/device(uuid='")?.strip_suffix("')")?;
        (request.method != "GET").then(|| uuid.to_owned())
    };
    let Some((at, uuid)) =
        exchange.iter().enumerate().find_map(|(at, one)| Some((at, by_uuid(&one.request)?)))
    else {
        return;
    };
    let write = &mut exchange[at];
    let mut read = write.clone();
    write.request.path = "/v7/device".into();
    write.request.canonical_query = Some(json!({ "$filter": "id in (7654321)" }));
    read.request.method = "GET".into();
    read.request.path = "/v7/device".into();
    read.request.json = None;
    read.request.content_type = None;
    read.request.canonical_query = Some(json!({
        "$select": ["id"],
        "$filter": format!("uuid eq '{uuid}'"),
        "$orderby": ["device_name asc"],
    }));
    read.response.abort = false;
    read.response.status = 200;
    read.response.text = None;
    read.response.json = Some(json!({ "d": [{ "id": 7_654_321 }] }));
    exchange.insert(at, read);
}

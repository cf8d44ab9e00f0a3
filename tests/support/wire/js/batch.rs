//! The family `batch`: one call for many devices or applications.

use balena_agent::jiff::Timestamp;
use balena_agent::{Balena, BatchKey, DeviceKeys, Devices, Keys, ReleaseKey};
use serde_json::{Value, json};

use super::patterns;
use crate::wire::args::{Args, Failure, Outcome, unit};
use crate::wire::cases::{Case, Exchange};
use crate::wire::outcomes::Expect;
use crate::wire::quirks::{Expected, error};
use crate::wire::quirks_options::leaves;
use crate::wire::rulebook::Rulebook;

/// The functions whose cases are judged here, whatever file they stand in.
pub(super) fn owns(function: &str) -> bool {
    function == "models.application.remove"
        || function.strip_prefix("models.device.").is_some_and(|name| {
            body(name, &[]).is_some() || matches!(name, "remove" | "pinToRelease" | "move")
        })
}

/// Makes the call; `None` if it is not one of these.
pub(super) async fn call(balena: &Balena, function: &str, args: &Args) -> Option<Outcome> {
    if function == "models.application.remove" {
        return Some(match keys(args) {
            Ok(keys) => unit(balena.application().remove(keys).await),
            Err(refused) => Err(refused),
        });
    }
    let name = function.strip_prefix("models.device.").filter(|_| owns(function))?;
    Some(change(&balena.device(), name, args).await)
}

async fn change(devices: &Devices, name: &str, args: &Args) -> Outcome {
    let keys: DeviceKeys = keys(args)?;
    let done = match name {
        "remove" => devices.remove(keys),
        "deactivate" => devices.deactivate(keys),
        "setNote" => devices.set_note(keys, args.text(1, "note")?),
        "setCustomLocation" => {
            let location = args.get(1, "location").cloned().unwrap_or_default();
            devices.set_custom_location(keys, (text(&location["latitude"]), text(&location["longitude"])))
        }
        "unsetCustomLocation" => devices.unset_custom_location(keys),
        "enableDeviceUrl" => devices.enable_device_url(keys),
        "disableDeviceUrl" => devices.disable_device_url(keys),
        "grantSupportAccess" => {
            let expiry = Timestamp::from_millisecond(args.number(1, "expiry")?);
            devices.grant_support_access(keys, expiry.map_err(|why| Failure::NoSuchType(why.to_string()))?)
        }
        "revokeSupportAccess" => devices.revoke_support_access(keys),
        "trackApplicationRelease" => devices.track_application_release(keys),
        "pinToRelease" => devices.pin_to_release(keys, args.key::<ReleaseKey>(1, "release")?),
        "move" => devices.move_to(keys, args.application(1, "application")?),
        other => panic!("models.device.{other} is listed here, and nothing calls it"),
    };
    unit(done.await)
}

fn keys<K: BatchKey + From<i64> + From<String>>(args: &Args) -> Result<Keys<K>, Failure> {
    let one =
        |key: &Value| Args { positional: vec![key.clone()], named: args.named.clone() }.key::<K>(0, "keys");
    match args.get(0, "keys") {
        Some(Value::Array(list)) => Ok(Keys::Several(list.iter().map(one).collect::<Result<_, _>>()?)),
        other => Ok(Keys::One(one(other.unwrap_or(&Value::Null))?)),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What a change sends for devices that are all changed alike.
fn body(name: &str, args: &[Value]) -> Option<Value> {
    let argument = args.get(1).cloned().unwrap_or_default();
    Some(match name {
        "deactivate" => json!({ "is_active": false }),
        "setNote" => json!({ "note": argument }),
        "setCustomLocation" => {
            let (latitude, longitude) = (text(&argument["latitude"]), text(&argument["longitude"]));
            json!({ "custom_latitude": latitude, "custom_longitude": longitude })
        }
        "unsetCustomLocation" => json!({ "custom_latitude": "", "custom_longitude": "" }),
        "enableDeviceUrl" => json!({ "is_web_accessible": true }),
        "disableDeviceUrl" => json!({ "is_web_accessible": false }),
        "grantSupportAccess" => json!({ "is_accessible_by_support_until__date": argument }),
        "revokeSupportAccess" => json!({ "is_accessible_by_support_until__date": null }),
        "trackApplicationRelease" => json!({ "is_pinned_on__release": null }),
        _ => return None,
    })
}

/// What is promised instead of what was recorded.
///
/// # Errors
/// A row without an expectation.
pub(super) fn adjust(case: &Case, book: &Rulebook, expected: &mut Expected) -> Result<(), String> {
    let name = case.function.rsplit('.').next().unwrap_or_default();
    if let Some(row) = case.quirks.iter().find(|row| !matches!(row.as_str(), "J06" | "J09" | "J20")) {
        return Err(format!("no expectation for row {row}"));
    }
    let keys = case.args.first().cloned().unwrap_or_default();
    if case.has("J20") || !patterns::are_keys(&keys) {
        patterns::no_such_type(expected);
    } else if keys == json!([]) {
        expected.exchange.clear();
        expected.outcome = Expect::Value(Value::Null);
    } else if patterns::names_nothing(&keys) {
        patterns::refused(expected);
    } else if case.function == "models.application.remove" {
        of_applications(case, &keys, book, expected);
    } else if patterns::is_short_uuid(Some(&keys))
        || matches!(expected.outcome, Expect::Error { kind: balena_agent::ErrorKind::InvalidArgument, .. })
            && !case_says(case, "Incompatible")
    {
        // Ours looks at the arguments before it asks for anything.
        refused(case, &keys, book, expected);
    } else if name == "move" {
        of_move(case, &keys, expected);
    } else if name == "pinToRelease" {
        of_pin(&keys, expected);
    } else if ids(&keys).is_some() {
        directly(case, "device", body(name, &case.args).as_ref(), &keys, expected);
    }
    Ok(())
}

fn case_says(case: &Case, words: &str) -> bool {
    crate::wire::outcomes::message(case).contains(words)
}

/// J05: the beginning of a uuid is looked up; in a list it is refused, in both.
fn refused(case: &Case, keys: &Value, book: &Rulebook, expected: &mut Expected) {
    if patterns::is_short_uuid(Some(keys)) && keys.as_str().is_some_and(|start| start.chars().count() >= 6) {
        let like = patterns::sent_by(case, &book.recorded("device.rename.by_id").exchange[0]);
        let filter = format!("startswith(uuid,{})", patterns::quoted(keys.as_str().unwrap_or_default()));
        // Where they are moved to is asked for first.
        let before = expected.exchange.iter().find(|exchange| exchange.request.path == "/v7/application");
        let before = before.filter(|_| case.function == "models.device.move").cloned();
        patterns::looked_up(expected, &like, "/v7/device", &filter);
        expected.exchange.splice(0..0, before.map(|exchange| patterns::anyhow(&exchange)));
    } else {
        patterns::refused(expected);
    }
}

/// The ids, if there is nothing else.
fn ids(keys: &Value) -> Option<Vec<i64>> {
    match keys {
        Value::Array(list) => list.iter().map(Value::as_i64).collect(),
        one => one.as_i64().map(|id| vec![id]),
    }
}

/// How many ids go into one request.
fn ids_at_a_time(case: &Case) -> usize {
    let setting = case.settings.as_ref().and_then(|settings| settings.get("requestBatchingChunkSize"));
    let number = setting.and_then(|size| size.as_u64().or_else(|| size["numericId"].as_u64()));
    number.map_or(200, |size| usize::try_from(size).unwrap_or(200))
}

/// J06: ids are written to as they are, as the Python SDK does: nothing is asked before, and of one that is not
/// there the server says nothing.
fn directly(case: &Case, resource: &str, body: Option<&Value>, keys: &Value, expected: &mut Expected) {
    let Some(ids) = ids(keys) else { return };
    let (reads, writes): (Vec<Exchange>, Vec<Exchange>) =
        expected.exchange.drain(..).partition(|exchange| exchange.request.method == "GET");
    let Some(like) = reads.first() else { return };
    let unread = writes.is_empty();
    let mut answers = writes.into_iter().map(|write| write.response);
    for ids in ids.chunks(ids_at_a_time(case)) {
        let mut write = like.clone();
        write.request.method = if body.is_some() { "PATCH" } else { "DELETE" }.into();
        write.request.json = body.cloned();
        write.request.content_type = body.is_some().then(|| "application/json".into());
        let list: Vec<String> = ids.iter().map(ToString::to_string).collect();
        (write.request.path, write.request.canonical_query) = match keys {
            Value::Array(_) => {
                let filter = format!("id in ({})", list.join(", "));
                (format!("/v7/{resource}"), Some(json!({ "$filter": filter })))
            }
            _ => (format!("/v7/{resource}({})", list.concat()), Some(json!({}))),
        };
        write.response = answers.next().unwrap_or_else(|| done(&write));
        write.check.optional = false;
        let failed = write.response.abort || write.response.status >= 400;
        expected.exchange.push(write);
        if failed {
            break;
        }
    }
    // What the read failed of.
    if unread {
        expected.outcome = Expect::Value(Value::Null);
    }
}

fn done(exchange: &Exchange) -> crate::wire::cases::Response {
    let mut response = exchange.response.clone();
    (response.status, response.json, response.text) = (200, None, Some(String::new()));
    response.abort = false;
    response
}

/// J10: ids, uuids and slugs, alone or in lists.
fn of_applications(case: &Case, keys: &Value, book: &Rulebook, expected: &mut Expected) {
    if ids(keys).is_some() {
        return directly(case, "application", None, keys, expected);
    }
    let names: Option<Vec<&str>> = match keys {
        Value::Array(list) => list.iter().map(Value::as_str).collect(),
        one => one.as_str().map(|name| vec![name]),
    };
    let Some(names) = names.filter(|names| names.iter().all(|name| !name.is_empty())) else { return };
    if expected.exchange.is_empty() {
        // JS takes no slugs; ours looks them up as it does uuids.
        by_names(case, &names, keys.is_array(), book, expected);
    } else if let Some(name) = keys.as_str() {
        by_either_name(name, expected);
    } else {
        // Row Q49: their case does not count.
        expected.exchange.iter_mut().for_each(lower_case);
    }
}

fn lower_case(exchange: &mut Exchange) {
    let Some(query) = exchange.request.canonical_query.as_mut() else { return };
    leaves(&mut query["$filter"], &str::to_lowercase);
    let rows = exchange.response.json.as_mut().and_then(|json| json.get_mut("d")?.as_array_mut());
    for uuid in rows.into_iter().flatten().filter_map(|row| row.get_mut("uuid")) {
        *uuid = uuid.as_str().unwrap_or_default().to_lowercase().into();
    }
}

/// What JS refuses: a read for each kind of name, and the deletion of what they found.
fn by_names(case: &Case, names: &[&str], listed: bool, book: &Rulebook, expected: &mut Expected) {
    let like = patterns::sent_by(case, &book.recorded("application.remove.by_id").exchange[0]);
    let mut columns: Vec<(&str, Vec<Value>)> = Vec::new();
    for (name, id) in names.iter().zip(50_001..) {
        let whole = matches!(name.chars().count(), 32 | 62) && !name.contains('/');
        let column = if whole { "uuid" } else { "slug" };
        let row = json!({ "id": id, column: name.to_lowercase() });
        match columns.iter_mut().find(|(known, _)| *known == column) {
            Some((_, rows)) => rows.push(row),
            None => columns.push((column, vec![row])),
        }
    }
    let found: Vec<String> =
        columns.iter().flat_map(|(_, rows)| rows.iter().map(|row| row["id"].to_string())).collect();
    expected.exchange.clear();
    for (column, rows) in columns {
        let mut read = like.clone();
        read.request.method = "GET".into();
        read.request.path = "/v7/application".into();
        let values: Vec<String> =
            rows.iter().filter_map(|row| row[column].as_str()).map(patterns::quoted).collect();
        let filter = format!("{column} in ({})", values.join(", "));
        let select = json!(["id", column]);
        read.request.canonical_query =
            Some(json!({ "$select": select, "$filter": filter, "$orderby": ["app_name asc"] }));
        read.response.status = 200;
        read.response.json = Some(json!({ "d": rows }));
        expected.exchange.push(read);
    }
    let Some(mut write) = expected.exchange.first().cloned() else { return };
    write.request.method = "DELETE".into();
    write.request.canonical_query = Some(json!({ "$filter": format!("id in ({})", found.join(", ")) }));
    write.response = done(&write);
    expected.exchange.push(write);
    expected.outcome = Expect::Value(Value::Null);
    if !listed {
        by_either_name(names[0], expected);
    }
}

/// One application by the filter that finds it by either name.
fn by_either_name(name: &str, expected: &mut Expected) {
    let name = name.to_lowercase();
    let name = patterns::quoted(&name);
    let filter = json!({ "or": [format!("slug eq {name}"), format!("uuid eq {name}")] });
    let row = expected.exchange.first().and_then(|read| read.response.json.clone()).unwrap_or_default();
    for exchange in &mut expected.exchange {
        let request = &mut exchange.request;
        if request.method == "GET" {
            request.canonical_query = Some(json!({ "$select": ["id"], "$filter": filter }));
        } else {
            request.canonical_query = Some(json!({}));
            request.path = format!("/v7/application({})", row["d"][0]["id"]);
        }
    }
}

/// A list is as in JS; one device by its id is as in the Python SDK (row `device.move` of `v6-v7.md`). Where a
/// device can't run the code, none is moved.
fn of_move(case: &Case, keys: &Value, expected: &mut Expected) {
    if case_says(case, "Incompatible") {
        expected.exchange.retain(|exchange| exchange.request.method == "GET");
        expected.outcome = error(balena_agent::ErrorKind::Unsupported);
    }
    let Some(id) = keys.as_i64() else { return };
    let architecture = json!({
        "$select": ["is_of__cpu_architecture"],
        "$expand": { "is_of__cpu_architecture": { "$select": ["slug"] } },
    });
    for exchange in &mut expected.exchange {
        let request = &mut exchange.request;
        match request.path.as_str() {
            "/v7/device" if request.method == "GET" => {
                request.path = format!("/v7/device({id})");
                request.canonical_query = Some(json!({
                    "$select": ["is_of__device_type"],
                    "$expand": { "is_of__device_type": architecture },
                }));
            }
            "/v7/device" => {
                request.path = format!("/v7/device({id})");
                request.canonical_query = Some(json!({}));
            }
            _ => {
                if let Some(query) = &mut request.canonical_query {
                    query["$expand"]["is_for__device_type"] = architecture.clone();
                }
            }
        }
    }
}

/// A list is as in JS, but for the beginning of a commit (`commit-prefix`); one device by its id is as in the
/// Python SDK.
fn of_pin(keys: &Value, expected: &mut Expected) {
    let id = keys.as_i64();
    for exchange in &mut expected.exchange {
        let request = &mut exchange.request;
        let conditions = request.canonical_query.as_mut().and_then(|query| query.pointer_mut("/$filter/and"));
        if let (Some(Value::Array(all)), "/v7/release") = (conditions, &*request.path) {
            begins(all);
        }
        let Some(id) = id.filter(|_| request.path == "/v7/device") else { continue };
        request.path = format!("/v7/device({id})");
        if request.method != "GET" {
            request.canonical_query = Some(json!({}));
            continue;
        }
        let expand = json!({ "belongs_to__application": { "$select": ["id"] } });
        request.canonical_query = Some(json!({ "$select": ["id"], "$expand": expand }));
        if let Some(Value::Array(rows)) = exchange.response.json.as_mut().map(|json| &mut json["d"]) {
            for row in rows {
                let application = row["belongs_to__application"]["__id"].clone();
                row["belongs_to__application"] = json!([{ "id": application }]);
            }
        }
    }
}

/// One of two equal conditions on the commit is about its beginning.
fn begins(conditions: &mut [Value]) {
    let commit = |condition: &Value| condition.as_str().is_some_and(|text| text.starts_with("commit eq "));
    let twice = conditions.iter().filter(|condition| commit(condition)).count() == 2;
    if let Some(condition) = conditions.iter_mut().find(|condition| commit(condition)).filter(|_| twice) {
        leaves(condition, &|leaf| format!("startswith(commit,{})", leaf.trim_start_matches("commit eq ")));
    }
    conditions.sort_by_key(ToString::to_string);
}

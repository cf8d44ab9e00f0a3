//! The family `os`: versions of the host OS, updates to them, and pins of devices to them and to supervisors.

use balena_agent::api::os::OsVersion;
use balena_agent::{
    Balena, CpuArchitectureKey, DeviceKeys, DeviceTypeKey, ErrorKind, OsReleaseKey, SupervisorReleaseKey,
};
use serde_json::{Map, Value, json};

use super::patterns::{self, are_keys, is_short_uuid, names_nothing, no_such_type, quoted};
use crate::wire::args::{Args, Failure, Outcome, json as to_json, unit};
use crate::wire::cases::{self, Case, Exchange};
use crate::wire::os::{of_one, of_several, os_type};
use crate::wire::outcomes::Expect;
use crate::wire::quirks::{Expected, error};
use crate::wire::quirks_options::leaves;
use crate::wire::rulebook::Rulebook;

/// The columns of a row as they came.
type Columns = Map<String, Value>;

/// The functions of devices that belong here.
const OF_DEVICES: [&str; 3] =
    ["models.device.startOsUpdate", "models.device.pinToOsRelease", "models.device.pinToSupervisorRelease"];

/// The functions whose cases are judged here, whatever file they stand in.
pub(super) fn owns(function: &str) -> bool {
    OF_DEVICES.contains(&function) || function.starts_with("models.os.")
}

/// Makes the call; `None` if it is not one of these.
pub(super) async fn call(balena: &Balena, function: &str, args: &Args) -> Option<Outcome> {
    Some(match function {
        "models.device.startOsUpdate" => start(balena, args).await,
        "models.device.pinToOsRelease" => pin(balena, args).await,
        "models.device.pinToSupervisorRelease" => pin_supervisor(balena, args).await,
        "models.os.getAvailableOsVersions" => versions(balena, args).await,
        "models.os.getSupportedOsUpdateVersions" => update_versions(balena, args).await,
        "models.os.getOsUpdateType" => update_type(balena, args).await,
        "models.os.getSupervisorReleasesForCpuArchitecture" => supervisor_releases(balena, args).await,
        _ => return None,
    })
}

fn devices(args: &Args) -> Result<DeviceKeys, Failure> {
    let Some(Value::Array(list)) = args.get(0, "") else { return Ok(args.device(0, "device")?.into()) };
    let one = |key: &Value| Args { positional: vec![key.clone()], named: Map::new() }.device(0, "device");
    list.iter().map(one).collect()
}

async fn start(balena: &Balena, args: &Args) -> Outcome {
    let mut request = balena.device().start_os_update(devices(args)?, args.text(1, "version")?);
    if args.options(2, "options")["runDetached"] == false {
        request = request.not_detached();
    }
    let started = request.await?;
    if args.get(0, "").is_some_and(Value::is_array) {
        return to_json(Ok(started));
    }
    to_json(Ok(started.into_values().next()))
}

async fn pin(balena: &Balena, args: &Args) -> Outcome {
    let release = args.key::<OsReleaseKey>(1, "release")?;
    unit(balena.device().pin_to_os_release(devices(args)?, release).await)
}

async fn pin_supervisor(balena: &Balena, args: &Args) -> Outcome {
    let release = args.key::<SupervisorReleaseKey>(1, "release")?;
    unit(balena.device().set_supervisor_release(devices(args)?, release).await)
}

async fn versions(balena: &Balena, args: &Args) -> Outcome {
    let options = args.options(1, "options");
    let drafts = args.options(2, "options")["includeDraft"] == true;
    if let Some(Value::Array(slugs)) = args.get(0, "") {
        let slugs: Vec<&str> = slugs.iter().filter_map(Value::as_str).collect();
        let mut request = balena.os().get_available_os_versions(slugs).options(&options);
        if drafts {
            request = request.include_draft();
        }
        let mut all = of_several(request.rows::<Columns>().await?);
        all.as_object_mut().into_iter().flat_map(Map::values_mut).for_each(as_js_calls_it);
        return Ok(all);
    }
    let mut request = balena.os().get_available_os_versions(args.text(0, "slug")?).options(&options);
    if drafts {
        request = request.include_draft();
    }
    let found: Vec<OsVersion<Columns>> = request.rows::<Columns>().await?;
    let mut found = Value::from(of_one(found));
    as_js_calls_it(&mut found);
    Ok(found)
}

/// Names of JS, which lacks what is recommended and writes no variant as an empty one.
fn as_js_calls_it(versions: &mut Value) {
    for version in versions.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        version.remove("is_recommended");
        version.remove("formatted_version");
        for (ours, theirs) in [
            ("os_type", "osType"),
            ("stripped_version", "strippedVersion"),
            ("based_on_version", "basedOnVersion"),
        ] {
            let value = version.remove(ours).unwrap_or_default();
            version.insert(theirs.to_owned(), value);
        }
        if version.get("variant").is_some_and(Value::is_null) {
            version.insert("variant".to_owned(), json!(""));
        }
    }
}

async fn update_versions(balena: &Balena, args: &Args) -> Outcome {
    let options = args.options(2, "options");
    let device_type: DeviceTypeKey = args.key(0, "device_type")?;
    let mut request = balena.os().get_supported_os_update_versions(device_type, args.text(1, "version")?);
    request = match os_type(options["osType"].as_str().map(str::to_owned)) {
        Some(os_type) => request.os_type(os_type),
        None => request.all_os_types(),
    };
    if options["includeDraft"] == true {
        request = request.include_draft();
    }
    to_json(request.await)
}

async fn update_type(balena: &Balena, args: &Args) -> Outcome {
    let device_type: DeviceTypeKey = args.key(0, "device_type")?;
    // None is no version.
    let version = |place| args.text_if_any(place, "version").map(Option::unwrap_or_default);
    to_json(balena.os().get_os_update_type(device_type, version(1)?, version(2)?).await)
}

async fn supervisor_releases(balena: &Balena, args: &Args) -> Outcome {
    let architecture: CpuArchitectureKey = args.key(0, "architecture")?;
    let list = balena.os().get_supervisor_releases_for_cpu_architecture(architecture);
    Ok(list.options(&args.options(1, "options")).rows::<Value>().await?.into())
}

/// What is promised instead of what was recorded.
///
/// # Errors
/// A row without an expectation.
pub(super) fn adjust(case: &Case, _: &Rulebook, expected: &mut Expected) -> Result<(), String> {
    let known = |row: &str| matches!(row, "J02" | "J06" | "J07" | "J09" | "J20");
    if let Some(row) = case.quirks.iter().find(|row| !known(row)) {
        return Err(format!("no expectation for row {row}"));
    }
    match case.function.as_str() {
        "models.device.startOsUpdate" => started(case, expected),
        function if OF_DEVICES.contains(&function) => of_devices(case, expected),
        "models.os.getAvailableOsVersions" => {
            in_order(case, expected);
            asked_again(case, expected);
        }
        "models.os.getSupervisorReleasesForCpuArchitecture" => {
            match case.args.first() {
                Some(key) if names_nothing(key) => patterns::refused(expected),
                Some(key) if are_keys(key) => {}
                _ => no_such_type(expected),
            }
            replaced_select(case, expected);
        }
        _ => {}
    }
    Ok(())
}

/// Nothing is kept of an earlier answer, as in the Python SDK: each call asks anew.
fn asked_again(case: &Case, expected: &mut Expected) {
    let calls = case.before.iter().filter(|before| before.function == case.function).count() + 1;
    while let Some(first) = expected.exchange.first().filter(|_| expected.exchange.len() < calls).cloned() {
        expected.exchange.push(first);
    }
}

/// §3, `os.get_available_os_versions`: JS sorts the device types where there are no options.
fn in_order(case: &Case, expected: &mut Expected) {
    let Some(Value::Array(slugs)) = case.args.first() else { return };
    let slugs: Vec<String> = slugs.iter().filter_map(Value::as_str).map(quoted).collect();
    let (mut sorted, given) = (slugs.clone(), slugs.join(", "));
    sorted.sort();
    let sorted = sorted.join(", ");
    for query in expected.exchange.iter_mut().filter_map(|exchange| exchange.request.canonical_query.as_mut())
    {
        leaves(query, &|leaf| leaf.replace(&sorted, &given));
    }
}

/// Q41: the caller's columns replace those of the function.
fn replaced_select(case: &Case, expected: &mut Expected) {
    let select = case.args.get(1).and_then(|options| options.get("$select")).cloned();
    let names = select.map(|select| if select.is_array() { select } else { json!([select]) });
    for exchange in &mut expected.exchange {
        if let (Some(names), Some(query)) = (&names, exchange.request.canonical_query.as_mut()) {
            query["$select"] = names.clone();
        }
    }
}

/// What holds for all of these functions of devices.
fn of_devices(case: &Case, expected: &mut Expected) {
    let keys = case.args.first().cloned().unwrap_or_default();
    if !are_keys(&keys) || case.args.get(1).is_none_or(|key| !are_keys(key)) {
        // J20.
        return no_such_type(expected);
    } else if keys == json!([]) {
        // J09.
        expected.exchange.clear();
        expected.outcome = Expect::Value(Value::Null);
        return;
    } else if case.args.iter().take(2).any(names_nothing) {
        return patterns::refused(expected);
    }
    as_one(case, expected);
    expected.exchange.iter_mut().for_each(without_v);
    // J16, and the first of several that are not there.
    let message = match &case.outcome {
        cases::Outcome::Error(raised) => raised.message.as_str(),
        cases::Outcome::Ok(_) => "",
    };
    if message.starts_with("The device is offline") {
        expected.outcome = error(ErrorKind::DeviceOffline);
    } else if message.contains(" is not available") || message.starts_with("Incompatible ") {
        expected.outcome = error(ErrorKind::Unsupported);
    } else if let Expect::Error { says: Some(says), .. } = &mut expected.outcome {
        *says = says.split(',').next().unwrap_or_default().to_owned();
    }
}

/// §1a, `device.set_supervisor_release`: the version of a release has no `v` before it.
fn without_v(exchange: &mut Exchange) {
    if let Some(query) = exchange.request.canonical_query.as_mut() {
        leaves(query, &|leaf| leaf.replace("raw_version eq 'v", "raw_version eq '"));
    }
}

/// `batch`, J05, J06: one device by its id, or by the beginning of its uuid, is asked for and changed as in the
/// Python SDK.
fn as_one(case: &Case, expected: &mut Expected) {
    let key = case.args.first().cloned().unwrap_or_default();
    let start = key.as_str().filter(|_| is_short_uuid(Some(&key)));
    if start.is_none() && !key.is_number() {
        return;
    }
    let row = expected.exchange.iter().find(|exchange| exchange.request.path == "/v7/device");
    let row = row.and_then(|read| read.response.json.as_ref()).map(|answer| answer["d"][0]["id"].clone());
    let row = row.unwrap_or_default();
    for Exchange { request, .. } in &mut expected.exchange {
        let Some(query) = request.canonical_query.as_mut().filter(|_| request.path == "/v7/device") else {
            continue;
        };
        if let Some(options) = query.as_object_mut() {
            options.remove("$orderby");
            options.remove("$filter");
        }
        // §3, `device.start_os_update`.
        if case.function == "models.device.startOsUpdate"
            && let Some(names) = query["$select"].as_array_mut()
        {
            names.retain(|name| *name != "id");
        }
        match start {
            Some(start) if request.method == "GET" => {
                query["$filter"] = json!(format!("startswith(uuid,{})", quoted(start)));
            }
            Some(_) => request.path = format!("/v7/device({row})"),
            None => request.path = format!("/v7/device({key})"),
        }
    }
}

/// J07, J08, Q84: the domain of the devices is asked for last, and with the token; the endpoint follows from
/// whether the caller wants the update detached; the answer is the device's.
fn started(case: &Case, expected: &mut Expected) {
    of_devices(case, expected);
    // All of them are checked before the first one is updated.
    expected.exchange.sort_by_key(|exchange| exchange.request.method != "GET");
    expected.exchange.iter_mut().for_each(|exchange| exchange.issued_after = None);
    let is_config = |exchange: &Exchange| exchange.request.path == "/config";
    if let [config] = expected.exchange.as_mut_slice()
        && is_config(config)
        && (config.response.abort || config.response.status >= 400)
    {
        // JS asks for it first: what ours asks for first fails in the same way.
        config.check.any_request = true;
        return;
    }
    let config = expected.exchange.iter().position(is_config).map(|at| expected.exchange.remove(at));
    let detached = case.args.get(2).is_none_or(|options| options["runDetached"] != false);
    let version = if detached { "/v2/" } else { "/v1/" };
    let mut answers = Map::new();
    for exchange in &mut expected.exchange {
        let request = &mut exchange.request;
        if request.host == "actions" {
            request.path = request.path.replace("/v1/", version).replace("/v2/", version);
            let uuid = request.path.split('/').nth(2).unwrap_or_default().to_owned();
            answers.insert(uuid, exchange.response.json.clone().unwrap_or_default());
        }
    }
    if let (Some(mut config), Some(first)) =
        (config, expected.exchange.iter().position(|exchange| exchange.request.host == "actions"))
    {
        config.issued_after = None;
        config.request.auth.clone_from(&expected.exchange[first].request.auth);
        expected.exchange.insert(first, config);
        let reads = first + 1;
        expected.exchange.iter_mut().skip(reads).for_each(|exchange| exchange.issued_after = Some(reads));
    }
    if let Expect::Value(value) = &mut expected.outcome {
        let several = case.args.first().is_some_and(Value::is_array);
        *value = if several {
            answers.into()
        } else {
            answers.into_iter().next().map_or(Value::Null, |(_, answer)| answer)
        };
    }
}

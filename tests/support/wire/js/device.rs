//! The family `device`: what one device is asked, and told to do.

use balena_agent::Balena;
use balena_agent::api::device::LocalModeSupport;
use balena_agent::rows::Device;
use serde_json::{Value, json};

use super::patterns::{self, is_short_uuid, no_such_type};
use crate::wire;
use crate::wire::args::{Args, Failure, Outcome, json as to_json};
use crate::wire::cases::{Case, Exchange};
use crate::wire::outcomes::Expect;
use crate::wire::quirks::{Expected, error};
use crate::wire::rulebook::Rulebook;

/// JS name → the name of the Python SDK, which has the same arguments.
const SAME: [(&str, &str); 8] = [
    ("hasLockOverride", "has_lock_override"),
    ("restartApplication", "restart_application"),
    ("reboot", "reboot"),
    ("purge", "purge"),
    ("ping", "ping"),
    ("identify", "identify"),
    ("startService", "start_service"),
    ("stopService", "stop_service"),
];

/// The functions whose cases are judged here, whatever file they stand in.
pub(super) fn owns(function: &str) -> bool {
    let own = [
        "getProgress",
        "getTargetReleaseHash",
        "getOsVersion",
        "getLocalModeSupport",
        "getSupervisorTargetState",
        "getDashboardUrl",
    ];
    let name = function.strip_prefix("models.device.");
    name.is_some_and(|name| own.contains(&name) || SAME.iter().any(|(known, _)| *known == name))
}

/// Makes the call; `None` if it is not one of these.
pub(super) async fn call(balena: &Balena, function: &str, args: &Args) -> Option<Outcome> {
    let name = function.strip_prefix("models.device.")?;
    if let Some((_, seed)) = SAME.iter().find(|(known, _)| *known == name) {
        return Box::pin(wire::call(balena, &format!("models.device.{seed}"), &with_force(args))).await;
    }
    Some(match name {
        "getProgress" => progress(balena, args).await,
        "getTargetReleaseHash" => target(balena, args).await,
        "getOsVersion" => row(args).map(|device| json!(balena.device().get_os_version(&device))),
        "getLocalModeSupport" => {
            row(args).map(|device| serde_json::to_value(LocalModeSupport::of(&device)).expect("JSON"))
        }
        "getSupervisorTargetState" => target_state(balena, args).await,
        "getDashboardUrl" => {
            args.text(0, "uuid").and_then(|uuid| to_json(balena.device().get_dashboard_url(&uuid)))
        }
        _ => return None,
    })
}

/// JS has `{ force: true }` where Python has the bare flag.
fn with_force(args: &Args) -> Args {
    let mut args = args.clone();
    for value in args.positional.iter_mut().skip(1) {
        if let Some(force) = value.get("force") {
            *value = force.clone();
        }
    }
    args
}

async fn progress(balena: &Balena, args: &Args) -> Outcome {
    to_json(balena.device().get_progress(args.device(0, "uuidOrId")?).await)
}

async fn target(balena: &Balena, args: &Args) -> Outcome {
    to_json(balena.device().get_target_release_hash(args.device(0, "uuidOrId")?).await)
}

async fn target_state(balena: &Balena, args: &Args) -> Outcome {
    let request = balena.device().get_supervisor_target_state(args.device(0, "uuidOrId")?);
    to_json(match args.some(1, "version") {
        Some(version) if *version == json!(3) => request.version_3().await,
        _ => request.await,
    })
}

/// A row that the caller has already.
fn row(args: &Args) -> Result<Device, Failure> {
    let row = args.get(0, "device").cloned().unwrap_or_default();
    serde_json::from_value(row).map_err(|why| Failure::NoSuchType(why.to_string()))
}

/// What is promised instead of what was recorded.
///
/// # Errors
/// A row without an expectation.
pub(super) fn adjust(case: &Case, _: &Rulebook, expected: &mut Expected) -> Result<(), String> {
    if let Some(row) = case.quirks.first() {
        return Err(format!("no expectation for row {row}"));
    }
    let of_a_row = ["models.device.getOsVersion", "models.device.getLocalModeSupport"];
    match case.args.first() {
        _ if of_a_row.contains(&&*case.function) => {}
        Some(Value::String(_) | Value::Number(_)) => {}
        // Ours is not called with anything else.
        _ => no_such_type(expected),
    }
    if is_short_uuid(case.args.first()) && expected.exchange.is_empty() {
        by_beginning(case, expected)?;
    }
    expected.exchange.iter_mut().for_each(not_forced);
    Ok(())
}

/// `short-uuid` (row J05): as the same call by the whole uuid, but for the filter.
fn by_beginning(case: &Case, expected: &mut Expected) -> Result<(), String> {
    let cases = super::own();
    let by_id = |other: &&Case| {
        other.function == case.function
            && other.args.first().is_some_and(Value::is_number)
            && other.exchange.first().is_some_and(|first| first.request.method == "GET")
    };
    let like = cases.iter().find(by_id).ok_or_else(|| format!("no call of {} by id", case.function))?;
    let mut read = patterns::sent_by(case, &like.exchange[0]);
    let start = case.args[0].as_str().unwrap_or_default();
    read.request.path = "/v7/device".into();
    read.request.canonical_query.get_or_insert_default()["$filter"] =
        json!(format!("startswith(uuid,{})", patterns::quoted(start)));
    read.response.status = 200;
    read.response.text = None;
    read.response.json = Some(super::no_rows());
    expected.exchange = vec![read];
    expected.outcome = error(balena_agent::ErrorKind::NotFound);
    if let Expect::Error { says, .. } = &mut expected.outcome {
        *says = Some(start.to_owned());
    }
    Ok(())
}

/// §3, reboot and its like: what is not forced does not say so.
fn not_forced(exchange: &mut Exchange) {
    let data = exchange.request.json.as_mut().and_then(|body| body.get_mut("data")?.as_object_mut());
    if let Some(data) = data.filter(|data| data.get("force") == Some(&json!(false))) {
        data.remove("force");
    }
}

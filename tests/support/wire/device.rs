//! Calls of the recorded functions: device (but for its tags, variables and history).

use balena_agent::api::device::{DeviceWithServices, Devices};
use balena_agent::jiff::Timestamp;
use balena_agent::rows::Device;
use balena_agent::secrecy::ExposeSecret as _;
use balena_agent::{Balena, DeviceKeys, Get, List, ReleaseKey, SupervisorReleaseKey};
use serde_json::{Map, Value, json};

use super::args::{Args, Failure, Outcome, json as to_json, unit};
use super::typed::{fits, fits_without};

/// The columns of a row as they came.
type Columns = Map<String, Value>;

const FUNCTIONS: [&str; 44] = [
    "get",
    "get_all",
    "get_all_by_application",
    "get_all_by_organization",
    "get_by_name",
    "get_with_service_details",
    "get_name",
    "get_application_name",
    "has",
    "is_online",
    "get_local_ip_address",
    "get_mac_address",
    "get_metrics",
    "get_status",
    "remove",
    "deactivate",
    "rename",
    "set_note",
    "set_custom_location",
    "unset_custom_location",
    "move",
    "has_device_url",
    "get_device_url",
    "enable_device_url",
    "disable_device_url",
    "get_dashboard_url",
    "grant_support_access",
    "revoke_support_access",
    "is_in_local_mode",
    "get_local_mode_support",
    "enable_local_mode",
    "disable_local_mode",
    "enable_lock_override",
    "disable_lock_override",
    "has_lock_override",
    "is_tracking_application_release",
    "pin_to_release",
    "track_application_release",
    "set_supervisor_release",
    "generate_uuid",
    "register",
    "generate_device_key",
    "get_supervisor_target_state",
    "get_supervisor_target_state_for_app",
];

/// Makes the call; `None` if it is not one of these.
pub(crate) async fn call(balena: &Balena, function: &str, args: &Args) -> Option<Outcome> {
    let name = function.strip_prefix("models.device.").filter(|name| FUNCTIONS.contains(name))?;
    Some(named(&balena.device(), name, args).await)
}

async fn named(devices: &Devices, function: &str, args: &Args) -> Outcome {
    let key = || args.device(0, "uuid_or_id");
    match function {
        "get" => one(devices.get(key()?), args, 1).await,
        "get_all" => several(devices.get_all(), args, 0).await,
        "get_all_by_application" => {
            let application = args.application(0, "slug_or_uuid_or_id")?;
            several(devices.get_all_by_application(application), args, 1).await
        }
        "get_all_by_organization" => {
            let organization = args.organization(0, "handle_or_id")?;
            several(devices.get_all_by_organization(organization), args, 1).await
        }
        "get_by_name" => several(devices.get_by_name(args.text(0, "name")?), args, 1).await,
        "get_with_service_details" => with_services(devices, args).await,
        "get_dashboard_url" => to_json(devices.get_dashboard_url(&args.text(0, "uuid")?)),
        "generate_uuid" => to_json(devices.generate_uuid()),
        "register" | "generate_device_key" | "get_supervisor_target_state_for_app" => {
            made(devices, function, args).await
        }
        "rename" => unit(devices.rename(key()?, args.text(1, "new_name")?).await),
        "move" => unit(devices.move_to(key()?, args.application(1, "app_slug_or_uuid_or_id")?).await),
        "pin_to_release" => {
            unit(devices.pin_to_release(key()?, args.key::<ReleaseKey>(1, "full_release_hash_or_id")?).await)
        }
        "set_supervisor_release" => unit(
            devices
                .set_supervisor_release(
                    key()?,
                    args.key::<SupervisorReleaseKey>(1, "supervisor_version_or_id")?,
                )
                .await,
        ),
        "enable_local_mode" => unit(devices.enable_local_mode(key()?).await),
        "disable_local_mode" => unit(devices.disable_local_mode(key()?).await),
        "enable_lock_override" => unit(devices.enable_lock_override(key()?).await),
        "disable_lock_override" => unit(devices.disable_lock_override(key()?).await),
        "remove"
        | "deactivate"
        | "set_note"
        | "set_custom_location"
        | "unset_custom_location"
        | "enable_device_url"
        | "disable_device_url"
        | "grant_support_access"
        | "revoke_support_access"
        | "track_application_release" => change(devices, function, args).await,
        _ => asked(devices, function, args).await,
    }
}

/// What one device is asked.
async fn asked(devices: &Devices, function: &str, args: &Args) -> Outcome {
    let key = args.device(0, "uuid_or_id")?;
    match function {
        "get_name" => to_json(devices.get_name(key).await),
        "get_application_name" => to_json(devices.get_application_name(key).await),
        "has" => to_json(devices.has(key).await),
        "is_online" => to_json(devices.is_online(key).await),
        "get_local_ip_address" => to_json(devices.get_local_ip_address(key).await),
        "get_mac_address" => to_json(devices.get_mac_address(key).await),
        "get_metrics" => to_json(devices.get_metrics(key).await),
        "get_status" => to_json(devices.get_status(key).await),
        "has_device_url" => to_json(devices.has_device_url(key).await),
        "get_device_url" => to_json(devices.get_device_url(key).await),
        "is_in_local_mode" => to_json(devices.is_in_local_mode(key).await),
        "get_local_mode_support" => to_json(devices.get_local_mode_support(key).await),
        "has_lock_override" => to_json(devices.has_lock_override(key).await),
        "is_tracking_application_release" => to_json(devices.is_tracking_application_release(key).await),
        "get_supervisor_target_state" => to_json(devices.get_supervisor_target_state(key).await),
        other => panic!("models.device.{other} is listed here, and nothing calls it"),
    }
}

/// A change for one or several.
async fn change(devices: &Devices, function: &str, args: &Args) -> Outcome {
    let keys = keys(args)?;
    let done = match function {
        "remove" => devices.remove(keys),
        "deactivate" => devices.deactivate(keys),
        "set_note" => devices.set_note(keys, args.text(1, "note")?),
        "set_custom_location" => {
            let location = args.get(1, "location").cloned().unwrap_or_default();
            let degrees = |name: &str| match &location[name] {
                Value::String(text) => Ok(text.clone()),
                Value::Number(number) => Ok(number.to_string()),
                other => Err(Failure::NoSuchType(format!("{name}: {other}"))),
            };
            devices.set_custom_location(keys, (degrees("latitude")?, degrees("longitude")?))
        }
        "unset_custom_location" => devices.unset_custom_location(keys),
        "enable_device_url" => devices.enable_device_url(keys),
        "disable_device_url" => devices.disable_device_url(keys),
        "grant_support_access" => {
            let milliseconds = args.number(1, "expiry_timestamp")?;
            let expiry = Timestamp::from_millisecond(milliseconds);
            devices
                .grant_support_access(keys, expiry.map_err(|error| Failure::NoSuchType(error.to_string()))?)
        }
        "revoke_support_access" => devices.revoke_support_access(keys),
        _ => devices.track_application_release(keys),
    };
    unit(done.await)
}

fn keys(args: &Args) -> Result<DeviceKeys, Failure> {
    let list = args.get(0, "uuid_or_id_or_ids").or_else(|| args.get(0, "uuid_or_id"));
    let Some(Value::Array(list)) = list else { return Ok(args.device(0, "uuid_or_id_or_ids")?.into()) };
    let several = list
        .iter()
        .map(|key| Args { positional: vec![key.clone()], named: Map::new() }.device(0, "uuid_or_id_or_ids"));
    several.collect()
}

/// What has options of its own.
async fn made(devices: &Devices, function: &str, args: &Args) -> Outcome {
    match function {
        "register" => {
            let application = args.application(0, "application_slug_or_uuid_or_id")?;
            let mut request = devices.register(application, args.text(1, "uuid")?);
            if let Some(slug) = args.text_if_any(2, "device_type_slug")? {
                request = request.device_type(slug);
            }
            let device = request.await?;
            let key = device.api_key.expose_secret();
            Ok(json!({ "id": device.id, "uuid": device.uuid, "api_key": key }))
        }
        "generate_device_key" => {
            let mut request = devices.generate_device_key(args.device(0, "uuid_or_id")?);
            if let Some(name) = args.text_if_any(1, "name")? {
                request = request.name(name);
            }
            if let Some(description) = args.text_if_any(2, "description")? {
                request = request.description(description);
            }
            if let Some(expiry) = args.text_if_any(3, "expiry_date")? {
                let expiry = expiry.parse::<Timestamp>();
                request =
                    request.expiry_date(expiry.map_err(|error| Failure::NoSuchType(error.to_string()))?);
            }
            Ok(request.await?.expose_secret().into())
        }
        _ => {
            let application = args.application(0, "slug_or_uuid_or_id")?;
            let mut request = devices.get_supervisor_target_state_for_app(application);
            match args.some(1, "release") {
                None => {}
                Some(Value::String(release)) => request = request.release(release),
                // As programs have it that keep everything in one kind of number.
                Some(release) => request = request.release(release.to_string()),
            }
            to_json(request.await)
        }
    }
}

async fn with_services(devices: &Devices, args: &Args) -> Outcome {
    let request = devices.get_with_service_details(args.device(0, "uuid_or_id")?);
    let request = request.options(&args.options(1, "options"));
    let mut row = to_json(request.rows::<DeviceWithServices<Columns>>().await)?;
    // Always empty: gateways with devices behind them are gone.
    row["current_gateway_downloads"] = json!([]);
    fits_without::<Device>(&row, &["current_services", "current_gateway_downloads"]);
    Ok(row)
}

async fn one(request: Get<Device>, args: &Args, place: usize) -> Outcome {
    let row = request.options(&args.options(place, "options")).rows::<Value>().await?;
    fits::<Device>(&row);
    Ok(row)
}

async fn several(request: List<Device>, args: &Args, place: usize) -> Outcome {
    let rows = request.options(&args.options(place, "options")).rows::<Value>().await?;
    rows.iter().for_each(fits::<Device>);
    Ok(rows.into())
}

//! Calls of the recorded functions: actions on devices; their tags, variables and history.

use balena_agent::api::device::{DeviceHistories, DeviceServiceVariables, DeviceValue};
use balena_agent::jiff::Timestamp;
use balena_agent::supervisor::ServiceSelector;
use balena_agent::{Balena, DeviceKey, DeviceServiceKey, DeviceTarget, KeyValue, List, ParentKey, Resource};
use serde_json::{Value, json};

use super::args::{Args, Failure, Outcome};
use super::typed::fits;

/// The value of a call, `None` if the function is not one of these.
type Called = Result<Option<Value>, Failure>;

/// Makes the call; `None` if it is not one of these.
pub(crate) async fn call(balena: &Balena, function: &str, args: &Args) -> Option<Outcome> {
    let name = function.strip_prefix("models.device.")?;
    let devices = balena.device();
    let called = match name.split_once('.') {
        None => match action(balena, name, args).await {
            Ok(None) => service_action(balena, name, args).await,
            called => called,
        },
        Some(("tags", "get_all")) => listed(devices.tags().get_all(), args, 0).await,
        Some(("tags", "get_all_by_device")) => match args.device(0, "uuid_or_id") {
            Ok(device) => listed(devices.tags().get_all_by_device(device), args, 1).await,
            Err(failure) => Err(failure),
        },
        Some(("config_var", "get_all_by_device")) => match args.device(0, "uuid_or_id") {
            Ok(device) => listed(devices.config_var().get_all_by_device(device), args, 1).await,
            Err(failure) => Err(failure),
        },
        Some(("env_var", "get_all_by_device")) => match args.device(0, "uuid_or_id") {
            Ok(device) => listed(devices.env_var().get_all_by_device(device), args, 1).await,
            Err(failure) => Err(failure),
        },
        Some(("tags", name)) => value(devices.tags(), "tag_key", name, args).await,
        Some(("config_var", name)) => value(devices.config_var(), "env_var_name", name, args).await,
        Some(("env_var", name)) => value(devices.env_var(), "env_var_name", name, args).await,
        Some(("service_var", name)) => service_value(&devices.service_var(), name, args).await,
        Some(("history", name)) => history(devices.history(), name, args).await,
        Some(_) => Ok(None),
    };
    called.transpose()
}

fn target(args: &Args) -> Result<DeviceTarget, Failure> {
    let device = args.some(0, "uuid_or_id").map(|_| args.device(0, "uuid_or_id")).transpose()?;
    Ok(DeviceTarget::from_option(device))
}

async fn action(balena: &Balena, name: &str, args: &Args) -> Called {
    let devices = balena.device();
    let force = || args.flag(1, "force");
    match name {
        "ping" => devices.ping(target(args)?).await?,
        "identify" => devices.identify(target(args)?).await?,
        "restart_application" => devices.restart_application(target(args)?).await?,
        "purge" => devices.purge(target(args)?).await?,
        "reboot" if force()? => devices.reboot(target(args)?).force().await?,
        "reboot" => devices.reboot(target(args)?).await?,
        "shutdown" if force()? => devices.shutdown(target(args)?).force().await?,
        "shutdown" => devices.shutdown(target(args)?).await?,
        "update" if force()? => drop(devices.update(target(args)?).force().await?),
        "update" => drop(devices.update(target(args)?).await?),
        "start_application" => devices.start_application(args.device(0, "uuid_or_id")?).await?,
        "stop_application" => devices.stop_application(args.device(0, "uuid_or_id")?).await?,
        "get_application_info" => {
            let info = devices.get_application_info(args.device(0, "uuid_or_id")?).await?;
            return Ok(Some(serde_json::to_value(info).expect("JSON")));
        }
        "get_supervisor_state" => {
            let state = devices.get_supervisor_state(target(args)?).await?;
            let mut row = serde_json::to_value(&state).expect("JSON");
            // The recorded supervisor is one of those that send the port as text.
            row["api_port"] = json!(state.api_port.map(|port| port.to_string()));
            return Ok(Some(row));
        }
        _ => return Ok(None),
    }
    Ok(Some(Value::Null))
}

async fn service_action(balena: &Balena, name: &str, args: &Args) -> Called {
    let devices = balena.device();
    let service = || args.number(1, "image_id").map(ServiceSelector::image);
    match name {
        "start_service" => devices.start_service(target(args)?, service()?).await?,
        "stop_service" => devices.stop_service(target(args)?, service()?).await?,
        "restart_service" => devices.restart_service(target(args)?, service()?).await?,
        _ => return Ok(None),
    }
    Ok(Some(Value::Null))
}

/// The rows as they came; each has to fit the row type too.
async fn listed<R: Resource>(list: List<R>, args: &Args, options: usize) -> Called {
    let rows: Vec<Value> = list.options(&args.options(options, "options")).rows().await?;
    rows.iter().for_each(fits::<R>);
    Ok(Some(Value::Array(rows)))
}

async fn value<P: ParentKey + From<DeviceKey>, R: DeviceValue>(
    values: KeyValue<P, R>,
    key: &str,
    name: &str,
    args: &Args,
) -> Called {
    let device = || args.device(0, "uuid_or_id");
    // `remove` calls its argument otherwise than `get` and `set`.
    let key = || args.text(1, key).or_else(|_| args.text(1, "key"));
    Ok(Some(match name {
        "get" => json!(values.get(device()?, key()?).await?),
        "set" => json!(values.set(device()?, key()?, args.text(2, "value")?).await?),
        "remove" => json!(values.remove(device()?, key()?).await?),
        "get_all_by_application" => {
            let application = args.application(0, "slug_or_uuid_or_id")?;
            return listed(values.get_all_by_application(application), args, 1).await;
        }
        _ => return Ok(None),
    }))
}

async fn service_value(values: &DeviceServiceVariables, name: &str, args: &Args) -> Called {
    let device = || args.device(0, "uuid_or_id");
    let service = || args.key::<DeviceServiceKey>(1, "service_name_or_id");
    let key = || args.text(2, "key");
    Ok(Some(match name {
        "get" => json!(values.get(device()?, service()?, key()?).await?),
        "set" => json!(values.set(device()?, service()?, key()?, args.text(3, "value")?).await?),
        "remove" => json!(values.remove(device()?, service()?, key()?).await?),
        "get_all_by_device" => return listed(values.get_all_by_device(device()?), args, 1).await,
        "get_all_by_application" => {
            let application = args.application(0, "slug_or_uuid_or_id")?;
            return listed(values.get_all_by_application(application), args, 1).await;
        }
        _ => return Ok(None),
    }))
}

async fn history(mut history: DeviceHistories, name: &str, args: &Args) -> Called {
    match args.get(1, "from_date") {
        None => {}
        Some(Value::Null) => history = history.from_the_beginning(),
        Some(from) => history = history.from_date(date(from)?),
    }
    if let Some(to) = args.some(2, "to_date") {
        history = history.to_date(date(to)?);
    }
    match name {
        "get_all_by_device" => {
            listed(history.get_all_by_device(args.device(0, "uuid_or_id")?), args, 3).await
        }
        "get_all_by_application" => {
            let application = args.application(0, "slug_or_uuid_or_id")?;
            listed(history.get_all_by_application(application), args, 3).await
        }
        _ => Ok(None),
    }
}

/// `{"$datetime": …}`; without an offset it is UTC.
fn date(value: &Value) -> Result<Timestamp, Failure> {
    let no_date = || Failure::NoSuchType(format!("a date: {value}"));
    let text = value.get("$datetime").and_then(Value::as_str).ok_or_else(no_date)?;
    text.parse().or_else(|_| format!("{text}Z").parse()).map_err(|_| no_date())
}

//! Calls of the recorded functions: versions of the host OS, and updates to them.

use std::collections::BTreeMap;

use balena_agent::api::os::{
    DeviceOs, DeviceTypeSlugs, Network, One, OsType, OsVersion, OsVersions, Several,
};
use balena_agent::jiff::Timestamp;
use balena_agent::rows::Release;
use balena_agent::secrecy::SecretString;
use balena_agent::{Balena, DeviceTypeKey};
use serde_json::{Map, Value};

use super::args::{Args, Failure, Outcome, json, streamed};
use super::typed::fits_without;

/// The columns of a row as they came.
type Columns = Map<String, Value>;

/// Makes the call; `None` if it is not one of these.
pub(crate) async fn call(balena: &Balena, function: &str, args: &Args) -> Option<Outcome> {
    match function {
        "models.device.start_os_update" => return Some(start(balena, args).await),
        "models.device.get_os_update_status" => return Some(status(balena, args).await),
        _ => {}
    }
    let os = balena.os();
    Some(match function.strip_prefix("models.os.")? {
        "get_available_os_versions" => versions(&os, "available", args).await,
        "get_all_os_versions" => versions(&os, "all", args).await,
        "get_download_size" => size(&os, args).await,
        "get_max_satisfying_version" => max_satisfying(&os, args).await,
        "is_supported_os_update" => is_supported(&os, args),
        "get_supported_os_update_versions" => update_versions(&os, args).await,
        "is_architecture_compatible_with" => architecture(&os, args),
        "get_config" => config(&os, args).await,
        "download" => download(&os, args).await,
        _ => return None,
    })
}

async fn download(os: &DeviceOs, args: &Args) -> Outcome {
    let device_type: DeviceTypeKey = args.key(0, "device_type")?;
    let mut request = os.download(device_type).options(&args.options(2, "options"));
    if let Some(version) = args.text_if_any(1, "version")? {
        request = request.version(version);
    }
    streamed(request.await?).await
}

async fn start(balena: &Balena, args: &Args) -> Outcome {
    let request =
        balena.device().start_os_update(args.device(0, "uuid_or_id")?, args.text(1, "target_os_version")?);
    // The SDK answers for its one device.
    json(request.await.map(|started| started.into_values().next()))
}

async fn status(balena: &Balena, args: &Args) -> Outcome {
    json(balena.device().get_os_update_status(args.device(0, "uuid_or_id")?).await)
}

async fn versions(os: &DeviceOs, which: &str, args: &Args) -> Outcome {
    let options = args.options(1, "options");
    match args.get(0, "device_type") {
        Some(Value::String(slug)) => {
            let versions = asked(os, which, slug.as_str(), &options).await?;
            Ok(of_one(versions).into())
        }
        Some(Value::Array(slugs)) => {
            let slugs: Option<Vec<&str>> = slugs.iter().map(Value::as_str).collect();
            let slugs = slugs.ok_or_else(|| Failure::NoSuchType("device types".into()))?;
            Ok(of_several(several(os, which, slugs, &options).await?))
        }
        other => Err(Failure::NoSuchType(format!("device_type: {other:?}"))),
    }
}

async fn asked<D: DeviceTypeSlugs<Form = One>>(
    os: &DeviceOs,
    which: &str,
    device_type: D,
    options: &Value,
) -> balena_agent::Result<Vec<OsVersion<Columns>>> {
    let request: OsVersions<One> = match which {
        "all" => os.get_all_os_versions(device_type),
        _ => os.get_available_os_versions(device_type),
    };
    request.options(options).rows::<Columns>().await
}

async fn several(
    os: &DeviceOs,
    which: &str,
    device_types: Vec<&str>,
    options: &Value,
) -> balena_agent::Result<BTreeMap<String, Vec<OsVersion<Columns>>>> {
    let request: OsVersions<Several> = match which {
        "all" => os.get_all_os_versions(device_types),
        _ => os.get_available_os_versions(device_types),
    };
    request.options(options).rows::<Columns>().await
}

/// As JSON; the typed rows have to be able to hold them too.
pub(crate) fn of_one(versions: Vec<OsVersion<Columns>>) -> Vec<Value> {
    let rows = versions.into_iter().map(|version| serde_json::to_value(version).unwrap_or_default());
    let rows: Vec<Value> = rows.collect();
    for row in &rows {
        fits_without::<Release>(
            row,
            &[
                "os_type",
                "line",
                "stripped_version",
                "based_on_version",
                "is_recommended",
                "formatted_version",
            ],
        );
    }
    rows
}

pub(crate) fn of_several(versions: BTreeMap<String, Vec<OsVersion<Columns>>>) -> Value {
    let all = versions.into_iter().map(|(slug, versions)| (slug, Value::from(of_one(versions))));
    Value::Object(all.collect())
}

fn device_type(args: &Args) -> Result<DeviceTypeKey, Failure> {
    args.key(0, "device_type")
}

async fn size(os: &DeviceOs, args: &Args) -> Outcome {
    let mut request = os.get_download_size(device_type(args)?);
    if let Some(version) = args.text_if_any(1, "version")? {
        request = request.version(version);
    }
    json(request.await)
}

pub(crate) fn os_type(given: Option<String>) -> Option<OsType> {
    given.map(OsType::from)
}

async fn max_satisfying(os: &DeviceOs, args: &Args) -> Outcome {
    let mut request = os.get_max_satisfying_version(device_type(args)?);
    if let Some(sought) = args.text_if_any(1, "version_or_range")? {
        request = request.version_or_range(sought);
    }
    if let Some(os_type) = os_type(args.text_if_any(2, "os_type")?) {
        request = request.os_type(os_type);
    }
    json(request.await)
}

fn is_supported(os: &DeviceOs, args: &Args) -> Outcome {
    let (device_type, current) = (args.text(0, "device_type")?, args.text(1, "current_version")?);
    Ok(os.is_supported_os_update(&device_type, &current, &args.text(2, "target_version")?).into())
}

async fn update_versions(os: &DeviceOs, args: &Args) -> Outcome {
    json(os.get_supported_os_update_versions(device_type(args)?, args.text(1, "current_version")?).await)
}

fn architecture(os: &DeviceOs, args: &Args) -> Outcome {
    let (host, application) = (args.text(0, "os_architecture")?, args.text(1, "application_architecture")?);
    Ok(os.is_architecture_compatible_with(&host, &application).into())
}

async fn config(os: &DeviceOs, args: &Args) -> Outcome {
    let application = args.application(0, "slug_or_uuid_or_id")?;
    let options = args.options(1, "options");
    let text = |name: &str| options[name].as_str().map(str::to_owned);
    let mut request = os.get_config(application, text("version").unwrap_or_default());
    for (name, value) in options.as_object().into_iter().flatten() {
        let no_such_type = || Failure::NoSuchType(format!("{name}: {value}"));
        let words = || value.as_str().map(str::to_owned).ok_or_else(no_such_type);
        request = match name.as_str() {
            "version" => request,
            "network" if value.is_null() => request.network(None),
            "network" => request.network(Network::from(words()?)),
            "appUpdatePollInterval" => {
                let minutes = value.as_u64().and_then(|minutes| u32::try_from(minutes).ok());
                request.app_update_poll_interval(minutes.ok_or_else(no_such_type)?)
            }
            "provisioningKeyName" => request.provisioning_key_name(words()?),
            "provisioningKeyDescription" => request.provisioning_key_description(words()?),
            "provisioningKeyExpiryDate" => {
                let date: Timestamp = words()?.parse().map_err(|_| no_such_type())?;
                request.provisioning_key_expiry_date(date)
            }
            "wifiKey" => request.wifi_key(&SecretString::from(words()?)),
            "wifiSsid" => request.wifi_ssid(words()?),
            "ip" => request.ip(words()?),
            "gateway" => request.gateway(words()?),
            "netmask" => request.netmask(words()?),
            "deviceType" => request.device_type(words()?),
            "developmentMode" => request.development_mode(value.as_bool().ok_or_else(no_such_type)?),
            other => request.option(other, value.clone()),
        };
    }
    json(request.await)
}

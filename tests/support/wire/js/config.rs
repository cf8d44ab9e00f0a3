//! The family `config`.

use balena_agent::api::config::{ApiConfig, DeviceTypeManifest};
use balena_agent::{Balena, ErrorKind};
use serde_json::Value;

use super::patterns;
use crate::wire::args::{Args, Failure, Outcome, json};
use crate::wire::cases::{Auth, Case};
use crate::wire::outcomes::Expect;
use crate::wire::quirks::{Expected, error};
use crate::wire::rulebook::Rulebook;
use crate::wire::typed::fits;

type Found = Result<Option<Value>, Failure>;

/// Makes the call; `None` if it is not one of these.
pub(super) async fn call(balena: &Balena, function: &str, args: &Args) -> Option<Outcome> {
    let function = function.strip_prefix("models.config.")?;
    told(balena, function, args).await.transpose()
}

async fn told(balena: &Balena, function: &str, args: &Args) -> Found {
    let config = balena.config();
    Ok(Some(match function {
        "getAll" => {
            let all = config.get_all().decode::<Value>().await?;
            fits::<ApiConfig>(&all);
            all
        }
        "getDeviceTypes" => {
            let all = config.get_device_types().decode::<Vec<Value>>().await?;
            all.iter().for_each(fits::<DeviceTypeManifest>);
            json(Ok(all))?
        }
        "getDeviceTypeManifestBySlug" => {
            json(config.get_device_type_manifest_by_slug(args.text(0, "slugOrName")?).await)?
        }
        "getDeviceOptions" => json(config.get_device_options(args.text(0, "deviceType")?).await)?,
        "getConfigVarSchema" => {
            let schema = config.get_config_var_schema();
            // What is no text counts as not given.
            match args.get(0, "deviceType").and_then(Value::as_str) {
                Some(slug) => json(schema.device_type(slug).await)?,
                None => json(schema.await)?,
            }
        }
        _ => return Ok(None),
    }))
}

/// What is promised instead of what was recorded.
///
/// # Errors
/// A row without an expectation.
pub(super) fn adjust(case: &Case, _: &Rulebook, expected: &mut Expected) -> Result<(), String> {
    let device_type = case.args.first().and_then(Value::as_str);
    let function = case.function.trim_start_matches("models.config.");
    match function {
        // Class S: JS tells nobody's name here; ours does, as the Python SDK.
        "getAll" => {
            for exchange in &mut expected.exchange {
                let credential = case.token.clone().unwrap_or_default();
                exchange.request.auth = Some(Auth { scheme: "Bearer".into(), credential });
            }
        }
        // No token is sent even if there is one: there is nobody who is not logged in.
        "getConfigVarSchema" if device_type.is_none() => recorded(case, expected),
        "getDeviceTypeManifestBySlug" | "getDeviceOptions" if device_type.is_none() => {
            patterns::no_such_type(expected);
        }
        _ if case.args.iter().any(patterns::names_nothing) => patterns::refused(expected),
        _ => {}
    }
    // Row J15: as one value, whatever is in it.
    if let (Some(name), [exchange]) = (device_type, expected.exchange.as_mut_slice())
        && function == "getConfigVarSchema"
    {
        exchange.request.query = vec![("deviceType".to_owned(), name.to_owned())];
    }
    // "No device types" (row J16).
    if let (Expect::AnyError, Some(last)) = (&expected.outcome, expected.exchange.last())
        && last.response.json == Some(Value::Null)
    {
        expected.outcome = error(ErrorKind::Decode);
    }
    case.quirks.first().map_or(Ok(()), |row| Err(format!("no expectation for row {row}")))
}

fn recorded(case: &Case, expected: &mut Expected) {
    expected.exchange.clone_from(&case.exchange);
    expected.outcome = super::recorded(&case.outcome, case.exchange.last());
}

//! Services, their variables, images.

use balena_agent::{Balena, ServiceKey};
use serde_json::Value;

use super::{many, one};
use crate::wire::args::{Args, Failure, Outcome, json, unit};

type Found = Result<Option<Value>, Failure>;

pub(super) async fn service(balena: &Balena, function: &str, args: &Args) -> Option<Outcome> {
    services(balena, function, args).await.transpose()
}

async fn services(balena: &Balena, function: &str, args: &Args) -> Found {
    let services = balena.service();
    let options = args.options(1, "options");
    let application = || args.application(0, "slug_or_uuid_or_id");
    let name = || args.text(1, "key");
    Ok(Some(match function {
        "get_all_by_application" => many(services.get_all_by_application(application()?), &options).await?,
        "var.get_all_by_application" => {
            many(services.var().get_all_by_application(application()?), &options).await?
        }
        "var.get_all_by_service" => many(services.var().get_all_by_service(key(args)?), &options).await?,
        "var.get" => json(services.var().get(key(args)?, name()?).await)?,
        "var.set" => unit(services.var().set(key(args)?, name()?, args.text(2, "value")?).await)?,
        "var.remove" => unit(services.var().remove(key(args)?, name()?).await)?,
        _ => return Ok(None),
    }))
}

pub(super) async fn image(balena: &Balena, function: &str, args: &Args) -> Option<Outcome> {
    let id = match args.number(0, "id") {
        Ok(id) => id,
        Err(failure) => return Some(Err(failure)),
    };
    match function {
        "get" => Some(one(balena.image().get(id), &args.options(1, "options")).await),
        "get_logs" => Some(json(balena.image().get_logs(id).await)),
        _ => None,
    }
}

/// An id, or an application and a name; a name alone is no key.
fn key(args: &Args) -> Result<ServiceKey, Failure> {
    let name = "service_id_or_natural_key";
    let Some(Value::Object(pair)) = args.get(0, name) else { return Ok(args.number(0, name)?.into()) };
    let no_such_type = || Failure::NoSuchType(format!("{name}: {pair:?}"));
    let service = pair.get("service_name").and_then(Value::as_str).ok_or_else(no_such_type)?;
    match pair.get("application") {
        _ if pair.len() != 2 => Err(no_such_type()),
        Some(Value::String(application)) => Ok((application.as_str(), service).into()),
        Some(Value::Number(id)) => Ok((id.as_i64().ok_or_else(no_such_type)?, service).into()),
        _ => Err(no_such_type()),
    }
}

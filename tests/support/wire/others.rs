//! Calls of the recorded functions: organization, keys, device types, config, releases, services, images, billing.

mod billing;
mod keys;
mod organization;
mod release;
mod service;

use balena_agent::{Balena, Get, List, Resource};
use serde_json::Value;

use super::args::{Args, Outcome, json};
use super::typed::fits;

/// Makes the call; `None` if it is not one of these.
pub(crate) async fn call(balena: &Balena, function: &str, args: &Args) -> Option<Outcome> {
    let (noun, function) = function.strip_prefix("models.")?.split_once('.')?;
    match noun {
        "organization" => Box::pin(organization::call(balena, function, args)).await,
        "api_key" => Box::pin(keys::api_key(balena, function, args)).await,
        "key" => Box::pin(keys::key(balena, function, args)).await,
        "device_type" => Box::pin(keys::device_type(balena, function, args)).await,
        "config" if function == "get_all" => Some(json(balena.config().get_all().decode::<Value>().await)),
        "release" => Box::pin(release::call(balena, function, args)).await,
        "service" => Box::pin(service::service(balena, function, args)).await,
        "image" => Box::pin(service::image(balena, function, args)).await,
        "billing" => Box::pin(billing::billing(balena, function, args)).await,
        "credit_bundle" => Box::pin(billing::credit_bundle(balena, function, args)).await,
        _ => None,
    }
}

/// One row as it came, which the row type has to be able to read too.
pub(super) async fn one<R: Resource>(get: Get<R>, options: &Value) -> Outcome {
    let row = get.options(options).rows::<Value>().await?;
    fits::<R>(&row);
    Ok(row)
}

/// A list as it came, or its number where that is asked for.
pub(super) async fn many<R: Resource>(list: List<R>, options: &Value) -> Outcome {
    let list = list.options(options);
    if options.get("$count").is_some_and(Value::is_object) {
        return json(list.count().await);
    }
    let rows = list.rows::<Value>().await?;
    rows.iter().for_each(fits::<R>);
    Ok(Value::Array(rows))
}

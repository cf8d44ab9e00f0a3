//! The family `forms`: arguments in forms that only the JS SDK takes.

use balena_agent::api::application::GenerateProvisioningKey;
use balena_agent::rows::Application;
use balena_agent::secrecy::ExposeSecret as _;
use balena_agent::{Balena, DeviceTypeKey, ErrorKind, OrganizationKey, ReleaseKey, ServiceKey};
use serde_json::{Map, Value, json};

use super::patterns::{is_id_check, no_such_type, sent_by};
use crate::wire::args::{Args, Failure, Outcome, json as to_json, unit};
use crate::wire::cases::{Case, Exchange};
use crate::wire::outcomes::{self, Expect};
use crate::wire::quirks::{Expected, error};
use crate::wire::rulebook::Rulebook;
use crate::wire::typed::{created, fits};

/// Makes the call; `None` if it is not one of these.
pub(super) async fn call(balena: &Balena, function: &str, args: &Args) -> Option<Outcome> {
    Some(match function {
        "models.application.generateProvisioningKey" => provisioning_key(balena, args).await,
        "models.application.create" => application(balena, args).await,
        "models.apiKey.create" => api_key(balena, args).await,
        "models.apiKey.update" => api_key_update(balena, args).await,
        "models.release.get" => release(balena, args).await,
        "models.application.tags.set" => tag(balena, args).await,
        "models.device.envVar.set" => device_variable(balena, args).await,
        "models.service.var.set" => service_variable(balena, args).await,
        _ => return None,
    })
}

/// The members of the one argument, by their names.
fn members(args: &Args, place: usize) -> Args {
    let named = args.get(place, "").and_then(Value::as_object).cloned().unwrap_or_else(Map::new);
    Args { positional: Vec::new(), named }
}

const NAMED: usize = usize::MAX;

async fn provisioning_key(balena: &Balena, args: &Args) -> Outcome {
    let args = members(args, 0);
    let mut key = balena.application().generate_provisioning_key(args.application(NAMED, "slugOrUuidOrId")?);
    if let Some(name) = args.text_if_any(NAMED, "keyName")? {
        key = key.key_name(name);
    }
    if let Some(description) = args.text_if_any(NAMED, "keyDescription")? {
        key = key.description(description);
    }
    if let Some(date) = args.text_if_any(NAMED, "keyExpiryDate")? {
        let date = date.parse().map_err(|_| Failure::NoSuchType(format!("keyExpiryDate: {date}")))?;
        key = GenerateProvisioningKey::expiry_date(key, date);
    }
    to_json(key.await.map(|key| key.expose_secret().to_owned()))
}

async fn application(balena: &Balena, args: &Args) -> Outcome {
    let args = members(args, 0);
    let mut create = balena.application().create(
        args.text(NAMED, "name")?,
        args.key::<DeviceTypeKey>(NAMED, "deviceType")?,
        args.key::<OrganizationKey>(NAMED, "organization")?,
    );
    if let Some(class) = args.text_if_any(NAMED, "applicationClass")? {
        create = create.application_class(class);
    }
    if let Some(uuid) = args.text_if_any(NAMED, "uuid")? {
        create = create.uuid(uuid);
    }
    let row = to_json(create.rows::<Value>().await)?;
    created::<Application>(&row);
    Ok(row)
}

async fn api_key(balena: &Balena, args: &Args) -> Outcome {
    let args = members(args, 0);
    let mut key = balena.api_key().create(args.text(NAMED, "name")?);
    if let Some(description) = args.text_if_any(NAMED, "description")? {
        key = key.description(description);
    }
    key = match args.get(NAMED, "expiryDate") {
        Some(Value::Null) => key.no_expiry_date(),
        Some(_) => key.expiry_date(args.text(NAMED, "expiryDate")?),
        None => key,
    };
    to_json(key.await.map(|key| key.expose_secret().to_owned()))
}

async fn api_key_update(balena: &Balena, args: &Args) -> Outcome {
    let mut update = balena.api_key().update(args.number(0, "id")?);
    for (name, value) in &members(args, 1).named {
        update = match (name.as_str(), value) {
            ("name", Value::String(name)) => update.name(name),
            ("description", Value::String(text)) => update.description(text),
            ("description", Value::Null) => update.no_description(),
            ("expiryDate", Value::String(date)) => update.expiry_date(date),
            ("expiryDate", Value::Null) => update.no_expiry_date(),
            _ => return Err(Failure::NoSuchType(format!("{name}: {value}"))),
        };
    }
    unit(update.await)
}

async fn release(balena: &Balena, args: &Args) -> Outcome {
    let get = balena.release().get(args.key::<ReleaseKey>(0, "commitOrIdOrRawVersion")?);
    let row = get.options(&args.options(1, "options")).rows::<Value>().await?;
    fits::<balena_agent::rows::Release>(&row);
    Ok(row)
}

/// JS writes a number as text.
fn value(args: &Args) -> Result<String, Failure> {
    match args.get(2, "value") {
        Some(Value::Number(number)) => Ok(number.to_string()),
        _ => args.text(2, "value"),
    }
}

async fn tag(balena: &Balena, args: &Args) -> Outcome {
    let tags = balena.application().tags();
    unit(tags.set(args.application(0, "slugOrUuidOrId")?, args.text(1, "tagKey")?, value(args)?).await)
}

async fn device_variable(balena: &Balena, args: &Args) -> Outcome {
    let variables = balena.device().env_var();
    unit(variables.set(args.device(0, "uuidOrId")?, args.text(1, "envVarName")?, value(args)?).await)
}

async fn service_variable(balena: &Balena, args: &Args) -> Outcome {
    let key: ServiceKey = args.number(0, "id")?.into();
    unit(balena.service().var().set(key, args.text(1, "key")?, value(args)?).await)
}

/// What is promised instead of what was recorded.
///
/// # Errors
/// A row without an expectation.
pub(super) fn adjust(case: &Case, _: &Rulebook, expected: &mut Expected) -> Result<(), String> {
    if let Some(row) = case.quirks.first() {
        return Err(format!("no expectation for row {row}"));
    }
    match case.function.as_str() {
        "models.application.create" => expected.exchange.iter_mut().for_each(device_type_in_use),
        "models.apiKey.create" => {
            expiry_is_optional(case, expected);
            reason_is_kept(expected);
        }
        // A name that is null can't be told.
        "models.apiKey.update" if case.args.get(1).is_some_and(|info| info["name"] == json!(null)) => {
            no_such_type(expected);
        }
        function if function.rsplit('.').next() == Some("set") => refused_is_refused(expected),
        _ => {}
    }
    Ok(())
}

/// §3, `application.create`: whether a device type was discontinued is asked with it.
fn device_type_in_use(exchange: &mut Exchange) {
    let request = &mut exchange.request;
    if request.method != "GET" || !request.path.starts_with("/v7/device_type") {
        return;
    }
    exchange.check.optional = false;
    request.canonical_query.get_or_insert_default()["$expand"] = json!({
        "is_default_for__application": { "$select": ["is_archived"], "$filter": "is_host eq true" }
    });
}

/// §3, `api_key.create` and row J11: the date of expiry is the caller's to tell, or not to tell.
fn expiry_is_optional(case: &Case, expected: &mut Expected) {
    let told = case.args.first().and_then(|params| params.get("expiryDate"));
    if told.is_some() || !expected.exchange.is_empty() {
        return;
    }
    let cases = super::own();
    let makes_one = |other: &&Case| other.function == case.function && other.exchange.len() == 1;
    let like = cases.iter().find(makes_one).expect("a key that is made");
    let mut post = sent_by(case, &like.exchange[0]);
    post.request.json = case.args.first().cloned();
    expected.outcome = Expect::Value(post.response.json.clone().unwrap_or_default());
    expected.exchange = vec![post];
}

/// Row J04: what failed is told as it is.
fn reason_is_kept(expected: &mut Expected) {
    let Some(last) = expected.exchange.last() else { return };
    if last.response.abort {
        expected.outcome = error(outcomes::broken(Some(last)));
    } else if last.response.status >= 400 {
        expected.outcome = outcomes::refused(last);
    }
}

/// `id-check`: after a 401 JS asks whether the parent is there. Ours takes the refusal as it is.
fn refused_is_refused(expected: &mut Expected) {
    if let [post, check] = &*expected.exchange
        && post.response.status == 401
        && is_id_check(check)
    {
        expected.exchange.pop();
        expected.outcome = outcomes::refused(&expected.exchange[0]);
        debug_assert!(matches!(expected.outcome, Expect::Error { kind: ErrorKind::Unauthorized, .. }));
    }
}

//! Calls of the recorded functions: application.

use balena_agent::api::application::{
    ApplicationMembershipKey, ApplicationWithDeviceServices, Applications, GenerateProvisioningKey,
};
use balena_agent::jiff::Timestamp;
use balena_agent::rows::{Application, ApplicationMembership, Device};
use balena_agent::secrecy::ExposeSecret as _;
use balena_agent::{
    ApplicationId, ApplicationKey, Balena, Get, KeyValue, KeyValueKind, List, ReleaseKey, Resource, UserId,
};
use serde_json::{Map, Value, json};

use super::args::{Args, Failure, Outcome, json as to_json, unit};
use super::typed::{self, fits, fits_without};

type Columns = Map<String, Value>;

/// Makes the call; `None` if it is not one of these.
pub(crate) async fn call(balena: &Balena, function: &str, args: &Args) -> Option<Outcome> {
    let function = function.strip_prefix("models.application.")?;
    let outcome = match function.split_once('.') {
        None => whole(&balena.application(), function, args).await,
        Some(("tags", function)) => value(&balena.application().tags(), function, args).await,
        Some(("config_var", function)) => value(&balena.application().config_var(), function, args).await,
        Some(("env_var", function)) => value(&balena.application().env_var(), function, args).await,
        Some(("build_var", function)) => value(&balena.application().build_var(), function, args).await,
        Some(("membership", function)) => membership(balena, function, args).await,
        Some(("invite", function)) => invite(balena, function, args).await,
        Some(_) => return None,
    };
    match outcome {
        Err(Failure::NoSuchType(what)) if what == NO_CALL => None,
        outcome => Some(outcome),
    }
}

const NO_CALL: &str = "no call";

fn no_call() -> Outcome {
    Err(Failure::NoSuchType(NO_CALL.into()))
}

async fn whole(applications: &Applications, function: &str, args: &Args) -> Outcome {
    match function {
        "get"
        | "get_directly_accessible"
        | "get_by_name"
        | "get_by_owner"
        | "get_with_device_service_details" => one(applications, function, args).await,
        "get_all" | "get_all_directly_accessible" | "get_all_by_organization" | "has_any" => {
            several(applications, function, args).await
        }
        "create" | "generate_provisioning_key" => new(applications, function, args).await,
        "get_dashboard_url" => to_json(applications.get_dashboard_url(args.application(0, "app_id")?)),
        "reboot" | "shutdown" | "purge" => fleet(applications, function, args).await,
        _ => named(applications, function, args.application(0, "slug_or_uuid_or_id")?, args).await,
    }
}

async fn one(applications: &Applications, function: &str, args: &Args) -> Outcome {
    let options = args.options(if function == "get_by_owner" { 2 } else { 1 }, "options");
    let key = || args.application(0, "slug_or_uuid_or_id");
    let request = match function {
        "get" if args.some(2, "context").is_some() => applications.get(key()?).directly_accessible(),
        "get" => applications.get(key()?),
        "get_directly_accessible" => applications.get_directly_accessible(key()?),
        // Given, and null: any access.
        "get_by_name" if args.get(2, "context") == Some(&Value::Null) => {
            applications.get_by_name(args.text(0, "app_name")?).any_access()
        }
        "get_by_name" => applications.get_by_name(args.text(0, "app_name")?),
        "get_by_owner" => applications.get_by_owner(args.text(0, "app_name")?, args.text(1, "owner")?),
        _ => {
            let details = applications.get_with_device_service_details(key()?).options(&options);
            let row = details.rows::<ApplicationWithDeviceServices<Columns, Columns>>().await?;
            let mut row = to_json(Ok(row))?;
            fits_without::<Application>(&row, &["owns__device"]);
            for device in row["owns__device"].as_array_mut().into_iter().flatten() {
                fits_without::<Device>(device, &["current_services"]);
                // Always empty: gateways with devices behind them are gone.
                device["current_gateway_downloads"] = json!([]);
            }
            return Ok(row);
        }
    };
    row(request.options(&options)).await
}

async fn several(applications: &Applications, function: &str, args: &Args) -> Outcome {
    let request = match function {
        "get_all" if args.get(1, "context") == Some(&Value::Null) => applications.get_all().any_access(),
        "get_all" => applications.get_all(),
        "get_all_directly_accessible" => applications.get_all_directly_accessible(),
        "get_all_by_organization" => {
            let of = args.organization(0, "org_handle_or_id")?;
            return list(applications.get_all_by_organization(of).options(&args.options(1, "options"))).await;
        }
        _ => return to_json(applications.has_any().await),
    };
    list(request.options(&args.options(0, "options"))).await
}

async fn new(applications: &Applications, function: &str, args: &Args) -> Outcome {
    if function == "create" {
        let mut create = applications.create(
            args.text(0, "name")?,
            args.text(1, "device_type")?,
            args.organization(2, "organization")?,
        );
        if let Some(class) = args.text_if_any(3, "application_class")? {
            create = create.application_class(class);
        }
        return created::<Application>(to_json(create.rows::<Value>().await));
    }
    let mut key = applications.generate_provisioning_key(args.application(0, "slug_or_uuid_or_id")?);
    if let Some(name) = args.text_if_any(1, "key_name")? {
        key = key.key_name(name);
    }
    if let Some(description) = args.text_if_any(2, "description")? {
        key = key.description(description);
    }
    if let Some(date) = args.text_if_any(3, "expiry_date")? {
        let date = date.parse().map_err(|_| Failure::NoSuchType(format!("expiry_date: {date}")))?;
        key = GenerateProvisioningKey::expiry_date(key, date);
    }
    to_json(key.await.map(|key| key.expose_secret().to_owned()))
}

async fn fleet(applications: &Applications, function: &str, args: &Args) -> Outcome {
    let key = args.application(0, "app_id")?;
    let action = match function {
        "reboot" => applications.reboot(key),
        "shutdown" => applications.shutdown(key),
        _ => return unit(applications.purge(key).await),
    };
    match args.options(1, "options")["force"] {
        Value::Null | Value::Bool(false) => unit(action.await),
        Value::Bool(true) => unit(action.force().await),
        ref other => Err(Failure::NoSuchType(format!("force: {other}"))),
    }
}

async fn named(applications: &Applications, function: &str, key: ApplicationKey, args: &Args) -> Outcome {
    match function {
        "has" => to_json(applications.has(key).await),
        "get_id" => to_json(applications.get_id(key).await),
        "remove" => unit(applications.remove(key).await),
        "rename" => unit(applications.rename(key, args.text(1, "new_name")?).await),
        "restart" => unit(applications.restart(key).await),
        "grant_support_access" => {
            let milliseconds = args.number(1, "expiry_timestamp")?;
            let until = Timestamp::from_millisecond(milliseconds)
                .map_err(|_| Failure::NoSuchType(format!("expiry_timestamp: {milliseconds}")))?;
            unit(applications.grant_support_access(key, until).await)
        }
        "revoke_support_access" => unit(applications.revoke_support_access(key).await),
        "enable_device_urls" => unit(applications.enable_device_urls(key).await),
        "disable_device_urls" => unit(applications.disable_device_urls(key).await),
        "will_track_new_releases" => to_json(applications.will_track_new_releases(key).await),
        "is_tracking_latest_release" => to_json(applications.is_tracking_latest_release(key).await),
        "get_target_release_hash" => to_json(applications.get_target_release_hash(key).await),
        "track_latest_release" => unit(applications.track_latest_release(key).await),
        "pin_to_release" => {
            let release: ReleaseKey = args.key(1, "full_release_hash")?;
            unit(applications.pin_to_release(key, release).await)
        }
        _ => no_call(),
    }
}

async fn value<R: KeyValueKind>(
    values: &KeyValue<ApplicationKey, R>,
    function: &str,
    args: &Args,
) -> Outcome {
    let key = args.application(0, "slug_or_uuid_or_id")?;
    // Python calls it by another name each time; no recorded call gives it by name.
    let name = || args.text(1, "key");
    match function {
        "get" => to_json(values.get(key, name()?).await),
        "set" => unit(values.set(key, name()?, args.text(2, "value")?).await),
        "remove" => unit(values.remove(key, name()?).await),
        "get_all_by_application" => {
            list(values.get_all_by_application(key).options(&args.options(1, "options"))).await
        }
        _ => no_call(),
    }
}

async fn membership(balena: &Balena, function: &str, args: &Args) -> Outcome {
    let memberships = balena.application().membership();
    let key = || membership_key(args.get(0, "membership_id"));
    match function {
        "get" => row(memberships.get(key()?).options(&args.options(1, "options"))).await,
        "get_all" => list(memberships.get_all().options(&args.options(0, "options"))).await,
        "get_all_by_application" => {
            let of = args.application(0, "slug_or_uuid_or_id")?;
            list(memberships.get_all_by_application(of).options(&args.options(1, "options"))).await
        }
        "create" => {
            let application = args.application(0, "slug_or_uuid_or_id")?;
            let mut create = memberships.create(application, args.text(1, "username")?);
            if let Some(role) = args.text_if_any(2, "role_name")? {
                create = create.role_name(role);
            }
            created::<ApplicationMembership>(to_json(create.rows::<Value>().await))
        }
        "change_role" => unit(memberships.change_role(key()?, args.text(1, "role_name")?).await),
        "remove" => unit(memberships.remove(key()?).await),
        _ => no_call(),
    }
}

fn membership_key(recorded: Option<&Value>) -> Result<ApplicationMembershipKey, Failure> {
    let refuse = || Failure::NoSuchType(format!("membership_id: {recorded:?}"));
    match recorded {
        Some(Value::Number(id)) => Ok(id.as_i64().ok_or_else(refuse)?.into()),
        Some(Value::Object(fields)) if fields.len() == 2 => {
            let field = |name: &str| fields.get(name).and_then(Value::as_i64).ok_or_else(refuse);
            let application = ApplicationId::new(field("is_member_of__application")?);
            let user = UserId::new(field("user")?);
            Ok(ApplicationMembershipKey::Of { user, application })
        }
        _ => Err(refuse()),
    }
}

async fn invite(balena: &Balena, function: &str, args: &Args) -> Outcome {
    let invites = balena.application().invite();
    match function {
        "get_all" => list(invites.get_all().options(&args.options(0, "options"))).await,
        "get_all_by_application" => {
            let to = args.application(0, "slug_or_uuid_or_id")?;
            list(invites.get_all_by_application(to).options(&args.options(1, "options"))).await
        }
        "create" => {
            let application = args.application(0, "slug_or_uuid_or_id")?;
            let options = args.options(1, "options");
            let text = |name: &str| options[name].as_str();
            let Some(invitee) = text("invitee") else {
                return Err(Failure::NoSuchType("an invite without an invitee".into()));
            };
            let mut create = invites.create(application, invitee);
            // The source reads the one, the page documents the other (row Q66).
            if let Some(role) = text("roleName").or_else(|| text("role_name")) {
                create = create.role_name(role);
            }
            if let Some(message) = text("message") {
                create = create.message(message);
            }
            // Not held against the row's type: the script gives the invitee's name back, where a server
            // has a reference.
            to_json(create.rows::<Value>().await)
        }
        "revoke" => unit(invites.revoke(args.number(0, "invite_id")?).await),
        "accept" => unit(invites.accept(args.text(0, "invite_token")?).await),
        _ => no_call(),
    }
}

/// One row: as it came, and it has to fit its type.
async fn row<R: Resource, T>(request: Get<R, T>) -> Outcome {
    let row: Value = request.rows().await?;
    fits::<R>(&row);
    Ok(row)
}

/// Rows: as they came, and they have to fit their type.
async fn list<R: Resource, T>(request: List<R, T>) -> Outcome {
    let rows: Value = request.rows::<Value>().await?.into();
    fits::<Vec<R>>(&rows);
    Ok(rows)
}

fn created<R: Resource>(outcome: Outcome) -> Outcome {
    outcome.inspect(typed::created::<R>)
}

//! API keys, SSH keys, device types.

use balena_agent::Balena;
use balena_agent::secrecy::ExposeSecret as _;
use serde_json::Value;

use super::{many, one};
use crate::wire::args::{Args, Failure, Outcome, json, unit};

type Found = Result<Option<Value>, Failure>;

pub(super) async fn api_key(balena: &Balena, function: &str, args: &Args) -> Option<Outcome> {
    api_keys(balena, function, args).await.transpose()
}

async fn api_keys(balena: &Balena, function: &str, args: &Args) -> Found {
    let keys = balena.api_key();
    Ok(Some(match function {
        "create" => {
            let mut create = keys.create(args.text(0, "name")?);
            if let Some(text) = args.text_if_any(1, "description")? {
                create = create.description(text);
            }
            if let Some(date) = args.text_if_any(2, "expiry_date")? {
                create = create.expiry_date(date);
            }
            create.await?.expose_secret().into()
        }
        "get_all" => many(keys.get_all(), &args.options(0, "options")).await?,
        "get_all_named_user_api_keys" => {
            many(keys.get_all_named_user_api_keys(), &args.options(0, "options")).await?
        }
        "get_provisioning_api_keys_by_application" => {
            let key = args.application(0, "slug_or_uuid_or_id")?;
            many(keys.get_provisioning_api_keys_by_application(key), &args.options(1, "options")).await?
        }
        "get_device_api_keys_by_device" => {
            let key = args.device(0, "uuid_or_id")?;
            many(keys.get_device_api_keys_by_device(key), &args.options(1, "options")).await?
        }
        "update" => update(balena, args).await?,
        "revoke" => unit(keys.revoke(args.number(0, "id")?).await)?,
        _ => return Ok(None),
    }))
}

async fn update(balena: &Balena, args: &Args) -> Outcome {
    let Some(Value::Object(info)) = args.get(1, "api_key_info") else {
        return Err(Failure::NoSuchType("api_key_info".into()));
    };
    let mut update = balena.api_key().update(args.number(0, "id")?);
    for (name, value) in info {
        update = match (name.as_str(), value) {
            ("name", Value::String(name)) => update.name(name),
            ("description", Value::String(text)) => update.description(text),
            ("description", Value::Null) => update.no_description(),
            ("expiry_date", Value::String(date)) => update.expiry_date(date),
            ("expiry_date", Value::Null) => update.no_expiry_date(),
            _ => return Err(Failure::NoSuchType(format!("{name}: {value}"))),
        };
    }
    unit(update.await)
}

pub(super) async fn key(balena: &Balena, function: &str, args: &Args) -> Option<Outcome> {
    ssh_keys(balena, function, args).await.transpose()
}

async fn ssh_keys(balena: &Balena, function: &str, args: &Args) -> Found {
    let keys = balena.key();
    Ok(Some(match function {
        "get_all" => many(keys.get_all(), &args.options(0, "options")).await?,
        "get" => one(keys.get(args.number(0, "id")?), &Value::Null).await?,
        "create" => keys.create(args.text(0, "title")?, args.text(1, "key")?).rows::<Value>().await?,
        "remove" => unit(keys.remove(args.number(0, "id")?).await)?,
        _ => return Ok(None),
    }))
}

pub(super) async fn device_type(balena: &Balena, function: &str, args: &Args) -> Option<Outcome> {
    device_types(balena, function, args).await.transpose()
}

async fn device_types(balena: &Balena, function: &str, args: &Args) -> Found {
    let types = balena.device_type();
    Ok(Some(match function {
        "get" => {
            one(
                types.get(args.key::<balena_agent::DeviceTypeKey>(0, "id_or_slug")?),
                &args.options(1, "options"),
            )
            .await?
        }
        "get_all" => many(types.get_all(), &args.options(0, "options")).await?,
        "get_all_supported" => many(types.get_all_supported(), &args.options(0, "options")).await?,
        "get_by_slug_or_name" => {
            one(types.get_by_slug_or_name(args.text(0, "slug_or_name")?), &args.options(1, "options")).await?
        }
        "get_name" => json(types.get_name(args.text(0, "slug")?).await)?,
        "get_slug_by_name" => json(types.get_slug_by_name(args.text(0, "name")?).await)?,
        _ => return Ok(None),
    }))
}

//! Releases and their tags.

use balena_agent::api::release::ReleaseWithImageDetails;
use balena_agent::rows::Release;
use balena_agent::{Balena, ReleaseKey};
use serde_json::Value;

use super::{fits, many, one};
use crate::wire::args::{Args, Failure, Outcome, json, unit};

const KEY: &str = "commit_or_id_or_raw_version";

type Found = Result<Option<Value>, Failure>;

pub(super) async fn call(balena: &Balena, function: &str, args: &Args) -> Option<Outcome> {
    match function.strip_prefix("tags.") {
        Some(function) => tags(balena, function, args).await.transpose(),
        None => releases(balena, function, args).await.transpose(),
    }
}

async fn releases(balena: &Balena, function: &str, args: &Args) -> Found {
    let releases = balena.release();
    let application = || args.application(0, "slug_or_uuid_or_id");
    let options = args.options(1, "options");
    Ok(Some(match function {
        "get" => one(releases.get(key(args)?), &options).await?,
        "get_with_image_details" => {
            let get = releases
                .get_with_image_details(key(args)?)
                .image_options(&args.options(1, "image_options"))
                .release_options(&args.options(2, "release_options"));
            let row = get.rows::<Value>().await?;
            fits::<ReleaseWithImageDetails>(&row);
            row
        }
        "get_all_by_application" => many(releases.get_all_by_application(application()?), &options).await?,
        "get_latest_by_application" => {
            let latest = releases.get_latest_by_application(application()?).options(&options);
            let row = latest.rows::<Value>().await?;
            row.iter().for_each(fits::<Release>);
            row.unwrap_or_default()
        }
        "create_from_url" => {
            let url = args.text(1, "url")?;
            let mut create = releases.create_from_url(application()?, url);
            if args.some(2, "flatten_tarball").is_some() {
                create = create.flatten_tarball(args.flag(2, "flatten_tarball")?);
            }
            json(create.await)?
        }
        "finalize" => unit(releases.finalize(key(args)?).await)?,
        "set_is_invalidated" => {
            unit(releases.set_is_invalidated(key(args)?, args.flag(1, "is_invalidated")?).await)?
        }
        "set_note" => unit(releases.set_note(key(args)?, args.text_if_any(1, "note")?.as_deref()).await)?,
        "set_known_issue_list" => {
            let list = args.text_if_any(1, "known_issue_list")?;
            unit(releases.set_known_issue_list(key(args)?, list.as_deref()).await)?
        }
        "set_release_version" => {
            unit(releases.set_release_version(key(args)?, args.text(1, "semver")?).await)?
        }
        _ => return Ok(None),
    }))
}

async fn tags(balena: &Balena, function: &str, args: &Args) -> Found {
    let tags = balena.release().tags();
    let tag = || args.text(1, "tag_key");
    Ok(Some(match function {
        "get_all" => many(tags.get_all(), &args.options(0, "options")).await?,
        "get_all_by_application" => {
            let key = args.application(0, "slug_or_uuid_or_id")?;
            many(tags.get_all_by_application(key), &args.options(1, "options")).await?
        }
        "get_all_by_release" => {
            many(tags.get_all_by_release(key(args)?), &args.options(1, "options")).await?
        }
        "get" => json(tags.get(key(args)?, tag()?).await)?,
        "set" => unit(tags.set(key(args)?, tag()?, args.text(2, "value")?).await)?,
        "remove" => unit(tags.remove(key(args)?, tag()?).await)?,
        _ => return Ok(None),
    }))
}

/// An id, a commit, or a version of an application.
fn key(args: &Args) -> Result<ReleaseKey, Failure> {
    // `set_release_version` calls it so.
    let name = if args.get(0, KEY).is_some() { KEY } else { "commit_or_id" };
    let Some(Value::Object(pair)) = args.get(0, name) else { return args.key(0, name) };
    let no_such_type = || Failure::NoSuchType(format!("{name}: {pair:?}"));
    let version = pair.get("raw_version").and_then(Value::as_str).ok_or_else(no_such_type)?;
    match pair.get("application") {
        Some(Value::String(application)) => Ok((application.as_str(), version).into()),
        Some(Value::Number(id)) => Ok((id.as_i64().ok_or_else(no_such_type)?, version).into()),
        _ => Err(no_such_type()),
    }
}

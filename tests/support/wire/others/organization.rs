//! Organizations, their members and invites.

use balena_agent::{Balena, OrganizationId, OrganizationMembershipKey, UserId};
use serde_json::Value;

use super::{many, one};
use crate::wire::args::{Args, Failure, Outcome, file, json, unit};

pub(super) async fn call(balena: &Balena, function: &str, args: &Args) -> Option<Outcome> {
    let found = match function.split_once('.') {
        None => organizations(balena, function, args).await,
        Some(("membership", function)) => match function.strip_prefix("tags.") {
            Some(function) => tags(balena, function, args).await,
            None => memberships(balena, function, args).await,
        },
        Some(("invite", function)) => invites(balena, function, args).await,
        Some(_) => return None,
    };
    found.transpose()
}

type Found = Result<Option<Value>, Failure>;

async fn organizations(balena: &Balena, function: &str, args: &Args) -> Found {
    let organizations = balena.organization();
    let key = || args.organization(0, "handle_or_id");
    Ok(Some(match function {
        "create" => {
            let mut create = organizations.create(args.text(0, "name")?);
            if let Some(handle) = args.text_if_any(1, "handle")? {
                create = create.handle(handle);
            }
            if let Some(logo) = args.some(2, "logo_image") {
                let logo = file(logo).ok_or_else(|| Failure::NoSuchType(format!("logo_image: {logo}")))?;
                create = create.logo_image(logo);
            }
            create.rows::<Value>().await?
        }
        "get_all" => many(organizations.get_all(), &args.options(0, "options")).await?,
        "get" => one(organizations.get(key()?), &args.options(1, "options")).await?,
        "remove" => unit(organizations.remove(key()?).await)?,
        _ => return Ok(None),
    }))
}

async fn memberships(balena: &Balena, function: &str, args: &Args) -> Found {
    let memberships = balena.organization().membership();
    Ok(Some(match function {
        "get_all" => many(memberships.get_all(), &args.options(0, "options")).await?,
        "get_all_by_organization" => {
            let key = args.organization(0, "handle_or_id")?;
            many(memberships.get_all_by_organization(key), &args.options(1, "options")).await?
        }
        "get" => one(memberships.get(membership(args)?), &args.options(1, "options")).await?,
        _ => return Ok(None),
    }))
}

async fn tags(balena: &Balena, function: &str, args: &Args) -> Found {
    let tags = balena.organization().membership().tags();
    let key = || args.text(1, "tag_key");
    Ok(Some(match function {
        "get_all" => many(tags.get_all(), &args.options(0, "options")).await?,
        "get_all_by_organization" => {
            let key = args.organization(0, "handle_or_id")?;
            many(tags.get_all_by_organization(key), &args.options(1, "options")).await?
        }
        "get_all_by_organization_membership" => {
            let key = membership(args)?;
            many(tags.get_all_by_organization_membership(key), &args.options(1, "options")).await?
        }
        "get" => json(tags.get(membership(args)?, key()?).await)?,
        "set" => unit(tags.set(membership(args)?, key()?, args.text(2, "value")?).await)?,
        "remove" => unit(tags.remove(membership(args)?, key()?).await)?,
        _ => return Ok(None),
    }))
}

async fn invites(balena: &Balena, function: &str, args: &Args) -> Found {
    let invites = balena.organization().invite();
    Ok(Some(match function {
        "get_all" => many(invites.get_all(), &args.options(0, "options")).await?,
        "get_all_by_organization" => {
            let key = args.organization(0, "handle_or_id")?;
            many(invites.get_all_by_organization(key), &args.options(1, "options")).await?
        }
        "create" => {
            let mut create = invites.create(args.organization(0, "handle_or_id")?, args.text(1, "invitee")?);
            if let Some(role) = args.text_if_any(2, "role_name")? {
                create = create.role_name(role);
            }
            if let Some(text) = args.text_if_any(3, "message")? {
                create = create.message(text);
            }
            create.rows::<Value>().await?
        }
        "accept" => unit(invites.accept(args.text(0, "invite_token")?).await)?,
        "revoke" => unit(invites.revoke(args.number(0, "invite_id")?).await)?,
        _ => return Ok(None),
    }))
}

/// An id, or the ids of a user and of an organization.
fn membership(args: &Args) -> Result<OrganizationMembershipKey, Failure> {
    let Some(Value::Object(members)) = args.get(0, "membership_id") else {
        return Ok(args.number(0, "membership_id")?.into());
    };
    let id = |name: &str| members.get(name).and_then(Value::as_i64);
    match (id("user"), id("is_member_of__organization")) {
        (Some(user), Some(organization)) => {
            let (user, organization) = (UserId::new(user), OrganizationId::new(organization));
            Ok(OrganizationMembershipKey::Member { user, organization })
        }
        _ => Err(Failure::NoSuchType(format!("membership_id: {members:?}"))),
    }
}

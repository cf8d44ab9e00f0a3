//! The family `team`: teams, their members, and their accesses to applications.

use balena_agent::api::team::{TeamApplicationAccessKey, Teams};
use balena_agent::rows::{Team, TeamApplicationAccess, TeamMembership};
use balena_agent::{ApplicationId, Balena, Keys, TeamId, TeamMembershipId};
use serde_json::{Value, json};

use super::patterns;
use crate::wire::args::{Args, Failure, Outcome, unit};
use crate::wire::cases::Case;
use crate::wire::others::{many, one};
use crate::wire::quirks::Expected;
use crate::wire::rulebook::Rulebook;
use crate::wire::typed::created;

type Found = Result<Option<Value>, Failure>;

/// Makes the call; `None` if it is not one of these.
pub(super) async fn call(balena: &Balena, function: &str, args: &Args) -> Option<Outcome> {
    let function = function.strip_prefix("models.team.")?;
    let teams = balena.team();
    let found = match function.split_once('.') {
        None => whole(&teams, function, args).await,
        Some(("membership", function)) => memberships(&teams, function, args).await,
        Some(("applicationAccess", function)) => accesses(&teams, function, args).await,
        Some(_) => return None,
    };
    found.transpose()
}

fn team(args: &Args) -> Result<TeamId, Failure> {
    args.number(0, "teamId").map(TeamId::new)
}

async fn whole(teams: &Teams, function: &str, args: &Args) -> Found {
    let options = args.options(1, "options");
    Ok(Some(match function {
        "create" => {
            let create = teams.create(args.organization(0, "organizationSlugOrId")?, args.text(1, "name")?);
            create.rows::<Value>().await.inspect(created::<Team>)?
        }
        "getAllByOrganization" => {
            let of = args.organization(0, "organizationSlugOrId")?;
            many(teams.get_all_by_organization(of), &options).await?
        }
        "get" => one(teams.get(team(args)?), &options).await?,
        "rename" => unit(teams.rename(team(args)?, args.text(1, "newTeamName")?).await)?,
        "remove" => unit(teams.remove(team(args)?).await)?,
        _ => return Ok(None),
    }))
}

async fn memberships(teams: &Teams, function: &str, args: &Args) -> Found {
    let memberships = teams.membership();
    let options = args.options(1, "options");
    Ok(Some(match function {
        "get" => one(memberships.get(args.number(0, "membershipId")?), &options).await?,
        "getAllByTeam" => many(memberships.get_all_by_team(team(args)?), &options).await?,
        "getAllByUser" => {
            let user = args.key::<balena_agent::UserKey>(0, "usernameOrId")?;
            many(memberships.get_all_by_user(user), &options).await?
        }
        "create" => {
            let refuse = || Failure::NoSuchType(format!("{:?}", args.positional));
            let fields = args.get(0, "").and_then(Value::as_object).ok_or_else(refuse)?;
            let team = fields.get("team").and_then(Value::as_i64).ok_or_else(refuse)?;
            let username = fields.get("username").and_then(Value::as_str).ok_or_else(refuse)?;
            let create = memberships.create(TeamId::new(team), username);
            create.rows::<Value>().await.inspect(created::<TeamMembership>)?
        }
        "remove" => unit(memberships.remove(ids(args.get(0, "idOrIds"))?).await)?,
        _ => return Ok(None),
    }))
}

/// One id, or a list of them.
fn ids(argument: Option<&Value>) -> Result<Keys<TeamMembershipId>, Failure> {
    let refuse = || Failure::NoSuchType(format!("{argument:?}"));
    match argument {
        Some(Value::Array(ids)) => {
            ids.iter().map(Value::as_i64).collect::<Option<Vec<i64>>>().map(Into::into).ok_or_else(refuse)
        }
        Some(Value::Number(id)) => id.as_i64().map(Into::into).ok_or_else(refuse),
        _ => Err(refuse()),
    }
}

async fn accesses(teams: &Teams, function: &str, args: &Args) -> Found {
    let accesses = teams.application_access();
    let options = args.options(1, "options");
    Ok(Some(match function {
        "getAllByTeam" => many(accesses.get_all_by_team(team(args)?), &options).await?,
        "get" => one(accesses.get(access(args.get(0, ""))?), &options).await?,
        "add" => {
            let (application, role) = (args.application(1, "application")?, args.text(2, "roleName")?);
            let add = accesses.add(team(args)?, application, role);
            add.rows::<Value>().await.inspect(created::<TeamApplicationAccess>)?
        }
        "update" => unit(accesses.update(access(args.get(0, ""))?, args.text(1, "roleName")?).await)?,
        "remove" => unit(accesses.remove(access(args.get(0, ""))?).await)?,
        _ => return Ok(None),
    }))
}

/// An id, or the ids of a team and of an application.
fn access(argument: Option<&Value>) -> Result<TeamApplicationAccessKey, Failure> {
    let refuse = || Failure::NoSuchType(format!("access: {argument:?}"));
    match argument {
        Some(Value::Number(id)) => Ok(id.as_i64().ok_or_else(refuse)?.into()),
        Some(Value::Object(pair)) if pair.len() == 2 => {
            let id = |name: &str| pair.get(name).and_then(Value::as_i64).ok_or_else(refuse);
            let application = ApplicationId::new(id("grants_access_to__application")?);
            Ok(TeamApplicationAccessKey::Of { team: TeamId::new(id("team")?), application })
        }
        _ => Err(refuse()),
    }
}

/// What is promised instead of what was recorded.
///
/// # Errors
/// A row without an expectation.
pub(super) fn adjust(case: &Case, _: &Rulebook, expected: &mut Expected) -> Result<(), String> {
    if !has_typed_form(case) {
        patterns::no_such_type(expected);
    } else if case.args.iter().take(3).any(patterns::names_nothing) {
        patterns::refused(expected);
    }
    if case.function == "models.team.membership.remove" {
        in_parts(case.args.first(), expected);
    }
    match case.quirks.iter().find(|row| *row != "J09") {
        Some(row) => Err(format!("no expectation for row {row}")),
        None => Ok(()),
    }
}

fn has_typed_form(case: &Case) -> bool {
    let first = case.args.first().unwrap_or(&Value::Null);
    let is_id = |value: &Value| value.is_i64();
    match case.function.trim_start_matches("models.team.") {
        "create" | "getAllByOrganization" | "membership.getAllByUser" => is_id(first) || first.is_string(),
        "membership.create" => first["team"].is_i64() && first["username"].is_string(),
        "membership.remove" => ids(Some(first)).is_ok(),
        "applicationAccess.get" | "applicationAccess.update" | "applicationAccess.remove" => {
            access(Some(first)).is_ok()
        }
        _ => is_id(first),
    }
}

/// Row J09: nothing is done for an empty list, and a long one is done in parts of 200.
fn in_parts(ids: Option<&Value>, expected: &mut Expected) {
    let Some(Value::Array(ids)) = ids else { return };
    let Some(whole) = expected.exchange.pop() else {
        if ids.is_empty() {
            expected.outcome = crate::wire::outcomes::Expect::Value(Value::Null);
        }
        return;
    };
    let text = |ids: &[Value]| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let good = whole.response.status < 300;
    for part in ids.chunks(200) {
        let mut exchange = whole.clone();
        exchange.request.canonical_query = Some(json!({ "$filter": format!("id in ({})", text(part)) }));
        expected.exchange.push(exchange);
        if !good {
            break;
        }
    }
}

//! The family `membership`: of applications and of organizations.

use balena_agent::{ApplicationId, Balena, OrganizationId, UserKey};
use balena_agent::{ErrorKind, rows::ApplicationMembership};
use balena_agent::{OrganizationMembershipKey, UserId, api::application::ApplicationMembershipKey};
use serde_json::{Value, json};

use super::patterns;
use crate::wire::args::{Args, Failure, Outcome, unit};
use crate::wire::cases::{Case, Exchange, Outcome as Recorded};
use crate::wire::others::many;
use crate::wire::outcomes::Expect;
use crate::wire::quirks::Expected;
use crate::wire::rulebook::Rulebook;
use crate::wire::typed::created;

type Found = Result<Option<Value>, Failure>;

/// Makes the call; `None` if it is not one of these.
pub(super) async fn call(balena: &Balena, function: &str, args: &Args) -> Option<Outcome> {
    let (noun, function) = function.strip_prefix("models.")?.split_once(".membership.")?;
    match noun {
        "application" => of_application(balena, function, args).await.transpose(),
        "organization" => of_organization(balena, function, args).await.transpose(),
        _ => None,
    }
}

async fn of_application(balena: &Balena, function: &str, args: &Args) -> Found {
    let memberships = balena.application().membership();
    let key = || {
        let of = |user, application| ApplicationMembershipKey::Of {
            user: UserId::new(user),
            application: ApplicationId::new(application),
        };
        pair(args.get(0, ""), "is_member_of__application", of)
    };
    Ok(Some(match function {
        "getAllByUser" => many(memberships.get_all_by_user(user(args)?), &args.options(1, "options")).await?,
        "changeRole" => unit(memberships.change_role(key()?, args.text(1, "roleName")?).await)?,
        "remove" => unit(memberships.remove(key()?).await)?,
        "create" => {
            let refuse = || Failure::NoSuchType(format!("{:?}", args.positional));
            let fields = args.get(0, "").and_then(Value::as_object).ok_or_else(refuse)?;
            let fields = Args { positional: Vec::new(), named: fields.clone() };
            let application = fields.application(usize::MAX, "application")?;
            let mut create = memberships.create(application, fields.text(usize::MAX, "username")?);
            if let Some(role) = fields.text_if_any(usize::MAX, "roleName")? {
                create = create.role_name(role);
            }
            create.rows::<Value>().await.inspect(created::<ApplicationMembership>)?
        }
        _ => return Ok(None),
    }))
}

async fn of_organization(balena: &Balena, function: &str, args: &Args) -> Found {
    let memberships = balena.organization().membership();
    let key = || {
        let of = |user, organization| OrganizationMembershipKey::Member {
            user: UserId::new(user),
            organization: OrganizationId::new(organization),
        };
        pair(args.get(0, ""), "is_member_of__organization", of)
    };
    Ok(Some(match function {
        "getAllByUser" => many(memberships.get_all_by_user(user(args)?), &args.options(1, "options")).await?,
        "changeRole" => unit(memberships.change_role(key()?, args.text(1, "roleName")?).await)?,
        "remove" => unit(memberships.remove(key()?).await)?,
        _ => return Ok(None),
    }))
}

fn user(args: &Args) -> Result<UserKey, Failure> {
    args.key(0, "usernameOrId")
}

/// An id, or the ids of a user and of what it is a member of.
fn pair<K: From<i64>>(
    argument: Option<&Value>,
    column: &str,
    of: impl Fn(i64, i64) -> K,
) -> Result<K, Failure> {
    let refuse = || Failure::NoSuchType(format!("membership: {argument:?}"));
    match argument {
        Some(Value::Number(id)) => Ok(id.as_i64().ok_or_else(refuse)?.into()),
        Some(Value::Object(ids)) if ids.len() == 2 => {
            let id = |name: &str| ids.get(name).and_then(Value::as_i64).ok_or_else(refuse);
            Ok(of(id("user")?, id(column)?))
        }
        _ => Err(refuse()),
    }
}

/// What is promised instead of what was recorded.
///
/// # Errors
/// A row without an expectation.
pub(super) fn adjust(case: &Case, _: &Rulebook, expected: &mut Expected) -> Result<(), String> {
    let first = case.args.first().unwrap_or(&Value::Null);
    let by_user = case.function.ends_with(".getAllByUser");
    if first.is_null() || (by_user && !first.is_string() && !first.is_i64()) {
        patterns::no_such_type(expected);
    } else if case.args.iter().take(2).any(patterns::names_nothing) {
        patterns::refused(expected);
    }
    // Class N: both names stand for it. Ours is the one of the Python SDK.
    for exchange in &mut expected.exchange {
        let path = &mut exchange.request.path;
        *path = path.replace("/user_application_membership", "/user__is_member_of__application");
    }
    if case.function == "models.application.membership.create" {
        as_python_creates(case, expected);
    }
    case.quirks.first().map_or(Ok(()), |row| Err(format!("no expectation for row {row}")))
}

/// Class S: ours does not look for the user in the organization, which the server does anyhow, and a member is
/// a developer unless told otherwise.
fn as_python_creates(case: &Case, expected: &mut Expected) {
    let Some(application) = expected.exchange.first_mut() else { return };
    application.request.canonical_query = Some(json!({ "$select": ["id"] }));
    let found = &application.response.json.as_ref().unwrap_or(&Value::Null)["d"];
    let Some(id) = found[0]["id"].as_i64() else { return };
    let application = application.clone();
    let is_role = |exchange: &Exchange| exchange.request.path.contains("/application_membership_role(");
    if !expected.exchange.iter().any(is_role) {
        let mut role = application.clone();
        role.request.path = "/v7/application_membership_role(name='developer')".into();
        role.response.json = Some(json!({ "d": [{ "id": 2 }] }));
        expected.exchange.insert(1, role);
        if let Some(body) = expected.exchange.get_mut(2).and_then(|create| create.request.json.as_mut()) {
            body["application_membership_role"] = json!(2);
        }
    }
    let Recorded::Error(raised) = &case.outcome else { return };
    if expected.exchange.iter().all(|exchange| exchange.request.method == "GET") && raised.class == "Error" {
        let mut create = application;
        create.request.method = "POST".into();
        create.request.path = "/v7/user__is_member_of__application".into();
        create.request.canonical_query = Some(json!({}));
        create.request.content_type = Some("application/json".into());
        create.request.json = Some(json!({
            "username": case.args[0]["username"],
            "is_member_of__application": id,
            "application_membership_role": 2,
        }));
        create.response.status = 400;
        create.response.json = Some(json!(raised.message));
        expected.exchange.push(create);
        expected.outcome = Expect::Error {
            kind: ErrorKind::Rejected,
            status: Some(400),
            says: Some(raised.message.clone()),
        };
    }
}

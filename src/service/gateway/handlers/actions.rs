//! Asked actions: `/agent/v1/services/{name}/…`, `/agent/v1/reboot` and so on.

use std::sync::Arc;

use http::StatusCode;
use serde::Deserialize;

use crate::service::REASON_LIMIT;
use crate::service::actions::{
    ActionRecord, ActionRequest, ActionState, ActionTarget, Answered, Force, Refused,
};
use crate::service::context::Context;
use crate::service::gateway::call::Call;
use crate::service::gateway::response::{Answer, Refusal, reply};
use crate::service::gateway::route::Gives;
use crate::service::gateway::schema::{
    Schema, boolean, object, optional, refusal as refusal_schema, required, string, time, words,
};
use crate::service::scope::{ActionName, Scope};

/// What an action answers.
pub(crate) const GIVES: &[Gives] = &[
    Gives::json(StatusCode::OK, "The supervisor has done it.", gives),
    Gives::json(StatusCode::ACCEPTED, "It goes on, or its outcome is not known.", gives),
    Gives::json(StatusCode::NOT_FOUND, "There is no such service.", refusal_schema),
    Gives::json(
        StatusCode::CONFLICT,
        "The `Idempotency-Key` was used for another request, or a download is under way.",
        refusal_schema,
    ),
    Gives::json(StatusCode::LOCKED, "A lease or somebody else holds an update lock.", refusal_schema),
    Gives::json(StatusCode::BAD_GATEWAY, "The supervisor failed.", refusal_schema),
    Gives::json(StatusCode::SERVICE_UNAVAILABLE, "The supervisor does not answer.", refusal_schema),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    confirm: Option<String>,
    reason: Option<String>,
    force: Option<bool>,
}

/// Runs an action: of the service in the path, else of the application or the device.
pub(crate) async fn run(context: Arc<Context>, call: Call, action: ActionName) -> Answer {
    let body: Body = call.json()?;
    let force = if body.force.unwrap_or(false) { Force::Given } else { Force::No };
    if force == Force::Given && !call.caller.allows(&Scope::Force) {
        let text = "`force` deletes the update locks of others and needs the scope `force`";
        return Err(Refusal::new(StatusCode::FORBIDDEN, "scope_missing", text).with("scope", "force"));
    }
    if body.reason.as_ref().is_some_and(|reason| reason.chars().count() > REASON_LIMIT) {
        return Err(Refusal::bad_request(
            "bad_value",
            format!("reason: it has at most {REASON_LIMIT} characters"),
        )
        .with("field", "reason"));
    }
    // A value that is not text, or is one of several, becomes an empty key, which is refused.
    let mut keys = call.headers().get_all("idempotency-key").iter();
    let idempotency_key = match (keys.next(), keys.next()) {
        (key, None) => key.map(|key| key.to_str().unwrap_or_default().to_owned()),
        (_, Some(_)) => Some(String::new()),
    };
    let service = Some(call.param("name")).filter(|name| !name.is_empty()).map(str::to_owned);
    let target = ActionTarget { action, service };
    let request = ActionRequest { confirm: body.confirm, force, reason: body.reason, idempotency_key };
    let services = own_services(&context);
    let answered = context.actions.run(&call.caller.name, target.clone(), request, services.as_deref()).await;
    match answered {
        Ok(Answered::Accepted(record)) => Ok(reply(StatusCode::ACCEPTED, &record)),
        Ok(Answered::Ended(record)) if record.state == ActionState::Done => {
            Ok(reply(StatusCode::OK, &record))
        }
        Ok(Answered::Ended(record)) => Err(failed(&record)),
        Err(refused) => Err(refusal(&target, refused)),
    }
}

/// `GET /agent/v1/actions/{id}`: one that this client asked for, or any for the administrator.
pub(crate) fn find(context: &Context, call: &Call) -> Answer {
    let name = &*call.caller.name;
    let record = context.actions.find(call.param("id"));
    let record =
        record.filter(|record| record.client == name || call.caller.allows(&Scope::Admin)).ok_or_else(
            || Refusal::new(StatusCode::NOT_FOUND, "no_such_action", "no action with this id is remembered"),
        )?;
    Ok(reply(StatusCode::OK, &record))
}

/// The services of the agent's own application; `None` before the supervisor has listed them.
fn own_services(context: &Context) -> Option<Vec<String>> {
    let id: i64 = context.balena.environment().app_id.as_deref()?.parse().ok()?;
    let applications = context.snapshot().applications?;
    let own = applications.values().find(|application| application.app_id.get() == id)?;
    (!own.services.is_empty()).then(|| own.services.keys().cloned().collect())
}

fn failed(record: &ActionRecord) -> Refusal {
    let (status, kind) = match record.kind.as_deref() {
        Some("locked") => (StatusCode::LOCKED, "locked"),
        Some("supervisor_not_found") => (StatusCode::NOT_FOUND, "supervisor_not_found"),
        Some("conflict") => (StatusCode::CONFLICT, "conflict"),
        Some("supervisor_unreachable") => (StatusCode::SERVICE_UNAVAILABLE, "supervisor_unreachable"),
        Some("not_configured") => (StatusCode::SERVICE_UNAVAILABLE, "not_configured"),
        Some("stopping") => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
        _ => (StatusCode::BAD_GATEWAY, "supervisor_error"),
    };
    Refusal::new(status, kind, record.error.clone().unwrap_or_default()).with("id", record.id.clone())
}

fn refusal(target: &ActionTarget, refused: Refused) -> Refusal {
    match refused {
        Refused::UnknownService { service, known } => {
            let text =
                format!("there is no service {service:?} in this application: it has {}", known.join(", "));
            Refusal::new(StatusCode::NOT_FOUND, "unknown_service", text).with("services", known)
        }
        Refused::ConfirmRequired { send } => {
            let example = send.first().map_or("the uuid of the device", String::as_str);
            let text = format!("{} has to be confirmed: send {{\"confirm\": \"{example}\"}}", target.action);
            Refusal::bad_request("confirm_required", text).with("confirm", send)
        }
        Refused::ForceNotTaken => {
            let text = format!(
                "{} needs no update lock, so there is nothing to force: leave `force` out",
                target.action
            );
            Refusal::bad_request("bad_value", text).with("field", "force")
        }
        Refused::Lease(lease) => {
            let text = format!(
                "client {} holds the update lock with lease {}: release it first (DELETE /agent/v1/locks/{})",
                lease.client, lease.name, lease.name
            );
            let lease = serde_json::to_value(&*lease).unwrap_or_default();
            Refusal::new(StatusCode::LOCKED, "locked", text).with("lease", lease)
        }
        Refused::KeyReused => Refusal::new(
            StatusCode::CONFLICT,
            "idempotency_key_reused",
            "this Idempotency-Key was used for another request: use a new one",
        ),
        Refused::BadKey => Refusal::bad_request(
            "bad_idempotency_key",
            "an Idempotency-Key has 1 to 128 visible ASCII characters, and there is one of them",
        ),
        Refused::NotRunning => Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "not_running",
            "the agent is starting or stopping, or has too many actions under way: try again",
        ),
    }
}

/// The body of a request.
pub(crate) fn takes() -> Schema {
    object(
        "",
        [
            optional("confirm", string("Name or uuid of the device; needed by purge, reboot and shutdown.")),
            optional("reason", string("For the ledger.").set("maxLength", 200)),
            optional("force", boolean("Deletes the update locks of others; needs the scope `force`.")),
        ],
    )
    .closed()
}

/// An action.
pub(crate) fn gives() -> Schema {
    object(
        "",
        [
            required("id", string("For `GET /agent/v1/actions/{id}`.")),
            required("client", string("")),
            required("action", string("")),
            optional("service", string("")),
            required("force", words(&["given", "no"], "")),
            optional("reason", string("")),
            required("state", words(&["running", "done", "failed", "unknown"], "")),
            required("asked", time("By the device's clock.")),
            required("boot_id", string("The boot in which it was asked for.")),
            optional("ended", time("")),
            optional("error", string("Why it failed.")),
            optional("kind", string("A word for it.")),
            optional("idempotency_key", string("")),
        ],
    )
}

//! `/live` and `/ready`.

use http::StatusCode;
use serde_json::json;

use crate::service::config::Fault;
use crate::service::context::Context;
use crate::service::gateway::call::Call;
use crate::service::gateway::response::{Response, reply};
use crate::service::gateway::schema::{Schema, list, object, optional, required, string, words};
use crate::service::scope::Scope;

/// `GET /live`.
pub(crate) fn live(context: &Context, call: &Call) -> Response {
    health(context.progress.liveness(), call)
}

/// `GET /ready`.
pub(crate) fn ready(context: &Context, call: &Call) -> Response {
    // Faults contain values of settings.
    let is_told = call.caller.allows(&Scope::State);
    let faults = if is_told { faults(context) } else { Vec::new() };
    match context.readiness() {
        readiness if faults.is_empty() => health(readiness, call),
        Ok(()) => reply(StatusCode::OK, &json!({ "status": "ok", "faults": faults })),
        Err(reason) => {
            let body = json!({ "status": "unavailable", "reason": reason, "faults": faults });
            reply(StatusCode::SERVICE_UNAVAILABLE, &body)
        }
    }
}

/// The faults in the settings, and that of the storage as long as it does not work.
fn faults(context: &Context) -> Vec<Fault> {
    let mut faults = context.faults.all();
    let storage = context.journal.get().and_then(|journal| journal.status().last_error);
    faults.extend(storage.map(|text| Fault { setting: "AGENT_STATE_DIRECTORY".to_owned(), text }));
    faults
}

/// The reason is part of the state.
fn health(health: Result<(), String>, call: &Call) -> Response {
    match health {
        Ok(()) => reply(StatusCode::OK, &json!({ "status": "ok" })),
        Err(reason) if call.caller.allows(&Scope::State) => {
            reply(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "unavailable", "reason": reason }))
        }
        Err(_) => reply(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "unavailable" })),
    }
}

/// The body of both.
pub(crate) fn schema() -> Schema {
    object(
        "",
        [
            required("status", words(&["ok", "unavailable"], "")),
            optional("reason", string("Why it is not `ok`; only for clients with the scope `state`.")),
            optional("faults", list(fault(), "Faults in the settings that the service works with.")),
        ],
    )
}

fn fault() -> Schema {
    let setting = required("setting", string("The variable."));
    object("", [setting, required("fault", string("What is wrong, and what would be right."))])
}

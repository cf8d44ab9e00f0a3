//! `/live` and `/ready`.

use http::StatusCode;
use serde_json::json;

use crate::service::context::Context;
use crate::service::gateway::call::Call;
use crate::service::gateway::response::{Response, reply};
use crate::service::gateway::schema::{Schema, list, object, optional, required, string, words};

/// `GET /live`.
pub(crate) fn live(context: &Context) -> Response {
    health(context.progress.liveness())
}

/// `GET /ready`.
pub(crate) fn ready(context: &Context, call: &Call) -> Response {
    // Faults contain values of settings, and those are for this machine only.
    let is_local = call.caller.address.to_canonical().is_loopback();
    let faults = if is_local { context.faults.all() } else { Vec::new() };
    let readiness = context.readiness();
    if readiness.is_ok() && !faults.is_empty() {
        return reply(StatusCode::OK, &json!({ "status": "ok", "faults": faults }));
    }
    health(readiness)
}

fn health(health: Result<(), String>) -> Response {
    match health {
        Ok(()) => reply(StatusCode::OK, &json!({ "status": "ok" })),
        Err(reason) => {
            reply(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "unavailable", "reason": reason }))
        }
    }
}

/// The body of both.
pub(crate) fn schema() -> Schema {
    object(
        "",
        [
            required("status", words(&["ok", "unavailable"], "")),
            optional("reason", string("Why it is not `ok`.")),
            optional("faults", list(fault(), "Faults in the settings that the service works with.")),
        ],
    )
}

fn fault() -> Schema {
    let setting = required("setting", string("The variable."));
    object("", [setting, required("fault", string("What is wrong, and what would be right."))])
}

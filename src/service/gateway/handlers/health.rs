//! `/live` and `/ready`.

use http::StatusCode;
use serde_json::json;

use crate::service::context::Context;
use crate::service::gateway::response::{Response, reply};
use crate::service::gateway::schema::{Schema, object, optional, required, string, words};

/// `GET /live`.
pub(crate) fn live(context: &Context) -> Response {
    health(context.progress.liveness())
}

/// `GET /ready`.
pub(crate) fn ready(context: &Context) -> Response {
    health(context.readiness())
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
        ],
    )
}

//! `/events`.

use std::sync::Arc;

use http::StatusCode;

use crate::service::context::Context;
use crate::service::events::{self, StreamAccess};
use crate::service::gateway::call::Call;
use crate::service::gateway::clients::UNKNOWN_TOKEN;
use crate::service::gateway::response::{Answer, Refusal};
use crate::service::gateway::route::{Gives, QueryField};
use crate::service::gateway::schema::{Schema, any, string};
use crate::service::scope::Scope;

const TOO_MANY: &str = "this client has its maximum of open streams";

/// `GET /events`. A client that is not known yet shows its token in its first message.
pub(crate) fn follow(context: Arc<Context>, call: Call) -> Answer {
    let access = if call.caller.allows(&Scope::Events) {
        let permit = call
            .caller
            .open_stream()
            .ok_or_else(|| Refusal::new(StatusCode::TOO_MANY_REQUESTS, "too_many_streams", TOO_MANY))?;
        StreamAccess::Granted(Box::new(permit))
    } else {
        let (gateway, address) = (context.gateway.clone(), call.caller.address);
        StreamAccess::FirstMessage(Box::new(move |token| {
            let caller = gateway.by_token(&token, address).ok_or(UNKNOWN_TOKEN)?;
            if !caller.allows(&Scope::Events) {
                return Err("the client has no scope `events`: add it to its AGENT_CLIENT_<NAME>");
            }
            let permit = caller.open_stream().ok_or(TOO_MANY)?;
            Ok(Box::new(permit))
        }))
    };
    events::follow(context, call, access)
}

/// What it answers.
pub(crate) const GIVES: &[Gives] = &[
    Gives::text(
        StatusCode::SWITCHING_PROTOCOLS,
        "A WebSocket with one JSON object for each message.",
        "",
        nothing,
    ),
    Gives::text(StatusCode::OK, "Server-sent events, if the client accepts them.", SSE, text),
    Gives::json(StatusCode::UPGRADE_REQUIRED, "The request is no WebSocket upgrade.", nothing),
    Gives::json(StatusCode::SERVICE_UNAVAILABLE, "Too many clients, or the service is stopping.", nothing),
];

const SSE: &str = "text/event-stream";

/// The query parameters.
pub(crate) const QUERY: &[QueryField] = &[
    QueryField { name: "since", shape: || string("Id of the last event that the client has.") },
    QueryField { name: "kind", shape: || string("The kinds of events to send, separated by commas.") },
];

fn nothing() -> Schema {
    any("")
}

fn text() -> Schema {
    string("`id`, `event` and `data` for each event; `data` is one JSON object.")
}

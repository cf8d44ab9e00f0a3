//! `/events`.

use std::sync::Arc;

use http::StatusCode;

use crate::service::context::Context;
use crate::service::events::{self, StreamAccess};
use crate::service::gateway::call::Call;
use crate::service::gateway::response::Answer;
use crate::service::gateway::route::Gives;
use crate::service::gateway::schema::{Schema, any};

/// `GET /events`.
pub(crate) fn follow(context: Arc<Context>, call: Call) -> Answer {
    events::follow(context, call, StreamAccess::Granted(Box::new(())))
}

/// What it answers.
pub(crate) const GIVES: &[Gives] = &[Gives::text(
    StatusCode::SWITCHING_PROTOCOLS,
    "A WebSocket with one JSON object for each message.",
    "",
    nothing,
)];

fn nothing() -> Schema {
    any("")
}

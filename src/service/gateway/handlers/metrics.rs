//! `/metrics`.

use http::StatusCode;

use crate::service::context::Context;
use crate::service::gateway::response::{Response, respond};
use crate::service::gateway::schema::{Schema, string};
use crate::service::metrics;

/// `GET /metrics`.
pub(crate) fn get(context: &Context) -> Response {
    let ready = context.readiness().is_ok();
    respond(StatusCode::OK, metrics::CONTENT_TYPE, metrics::exposition(context, ready))
}

/// The body.
pub(crate) fn schema() -> Schema {
    string("OpenMetrics 1.0, ended by `# EOF`.")
}

//! `/agent/v1/openapi.json`.

use http::StatusCode;

use crate::service::gateway::call::Call;
use crate::service::gateway::response::{Response, reply};
use crate::service::gateway::schema::{Schema, any, object, required, string};

/// `GET /agent/v1/openapi.json`.
pub(crate) fn get(call: &Call) -> Response {
    reply(StatusCode::OK, &(call.describe)())
}

/// The body.
pub(crate) fn schema() -> Schema {
    object(
        "",
        [required("openapi", string("`3.1.0`")), required("info", any("")), required("paths", any(""))],
    )
}

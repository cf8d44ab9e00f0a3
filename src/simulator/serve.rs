//! The path of a request to its endpoint: key, then body, then route.

use std::sync::Arc;

use http::{StatusCode, header};
use serde_json::Value;

use super::keys::{self, Access};
use super::process::Process;
use super::request::{Admitted, Call, Outcome};
use super::response::ServerResponse;
use super::routes::{self, Route};
use super::{body, endpoints, lock, urlencoded};

/// Handles a request.
pub(super) async fn handle(process: &Arc<Process>, call: Call) -> Outcome {
    match admit(process, call) {
        Ok(admitted) => endpoints::handle(process, admitted).await,
        Err(answer) => (*answer).into(),
    }
}

fn admit(process: &Process, call: Call) -> Result<Admitted, Box<ServerResponse>> {
    let route = routes::find(&call.method, &call.path);
    let header = call.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let key = keys::presented(&call.query, header).unwrap_or_default();
    let access = match &route {
        Route::To(endpoint, _) if endpoint.is_open() => Access::All,
        // In local mode no key is required.
        _ if process.machine.settings(|settings| settings.local_mode()) => Access::All,
        _ => lock(&process.machine.keys)
            .access(&key)
            .ok_or_else(|| Box::new(ServerResponse::status(StatusCode::UNAUTHORIZED)))?,
    };
    let skips_body =
        matches!(&route, Route::To(endpoint, _) if endpoint.is_open() || endpoint.ignores_body());
    let unreadable =
        |message: String| Box::new(ServerResponse::failed(StatusCode::SERVICE_UNAVAILABLE, &message));
    let body =
        if skips_body { Value::Null } else { body::parse(&call.headers, &call.body).map_err(unreadable)? };
    match route {
        Route::To(endpoint, parameter) => {
            Ok(Admitted { endpoint, parameter, query: call.query, body, key, access })
        }
        Route::Methods(methods) => Err(Box::new(ServerResponse::allowed(&methods))),
        Route::Undecodable(message) => Err(unreadable(message)),
        Route::Nowhere => Err(Box::new(ServerResponse::no_such_route(&call.method, &call.path))),
    }
}

/// Returns the path and the decoded query of a request target.
pub(super) fn target(uri: &http::Uri) -> (String, Vec<(String, String)>) {
    (uri.path().to_owned(), urlencoded::pairs(uri.query().unwrap_or_default()))
}

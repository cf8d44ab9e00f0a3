//! The endpoints of apps, services and volumes.

use std::sync::Arc;

use http::StatusCode;

use super::actions::{self, ApiVersion, NO_SELECTOR, Selector, Volumes};
use super::js_values::Integer;
use super::json::object;
use super::process::Process;
use super::refusal::Refusal;
use super::request::{Admitted, Outcome};
use super::response::ServerResponse;
use super::routes::{Endpoint, ServiceAction};
use super::{apply, js_values, reports};

const UNAUTHORIZED: &str = "Unauthorized";

/// Handles an admitted request.
pub(super) async fn handle(process: &Arc<Process>, call: Admitted) -> Outcome {
    match call.endpoint {
        Endpoint::LegacyService(action) => legacy_service(process, &call, action).await.into(),
        Endpoint::SingleApp => single_app(process, &call).into(),
        Endpoint::Service(action) => service(process, &call, action).await.into(),
        Endpoint::ApplicationsState => {
            ServerResponse::report(reports::applications(process, call.access)).into()
        }
        Endpoint::ApplicationState => application_state(process, &call).into(),
        // These handlers crash the supervisor if the engine fails.
        Endpoint::StateStatus => match reports::status(process, call.access) {
            Ok(state) => ServerResponse::success(&state).into(),
            Err(_) => Outcome::Crash,
        },
        Endpoint::ContainerId => container_id(process, &call).map_or(Outcome::Crash, Outcome::Answer),
        Endpoint::CleanupVolumes => cleanup_volumes(process, &call).map_or(Outcome::Crash, Outcome::Answer),
        _ => whole_app(process, &call).await.into(),
    }
}

/// Restart and purge of both API generations. They differ in the place of the id and in the error format.
async fn whole_app(process: &Arc<Process>, call: &Admitted) -> ServerResponse {
    let purge = matches!(call.endpoint, Endpoint::PurgeApp | Endpoint::PurgeApplication);
    let legacy = matches!(call.endpoint, Endpoint::PurgeApp | Endpoint::RestartApp);
    let app = if legacy {
        js_values::integer(call.field("appId"))
    } else {
        js_values::integer_text(&call.parameter).filter(|app| !app.is_zero())
    };
    let Some(app) = app else {
        return match (legacy, purge) {
            (true, true) => ServerResponse::html_text(StatusCode::BAD_REQUEST, "Invalid or missing appId"),
            (true, false) => ServerResponse::html_text(StatusCode::BAD_REQUEST, "Missing app id"),
            (false, _) => ServerResponse::failed(StatusCode::BAD_REQUEST, "Missing app id"),
        };
    };
    if !call.access.covers(app.id()) {
        return ServerResponse::failed(StatusCode::UNAUTHORIZED, UNAUTHORIZED);
    }
    let volumes = if purge { Volumes::Purge } else { Volumes::Keep };
    match actions::recreate(process, app, volumes, js_values::truthy(call.field("force"))).await {
        Ok(()) if legacy && purge => ServerResponse::go(StatusCode::OK, "OK", Some("")),
        Ok(()) => ServerResponse::ok(),
        Err(refusal) => ServerResponse::refused(&refusal),
    }
}

async fn service(process: &Arc<Process>, call: &Admitted, action: ServiceAction) -> ServerResponse {
    let Some(app) = js_values::integer_text(&call.parameter).filter(|app| !app.is_zero()) else {
        return ServerResponse::failed(StatusCode::BAD_REQUEST, "Invalid app id");
    };
    if !call.access.covers(app.id()) {
        return ServerResponse::failed(StatusCode::UNAUTHORIZED, UNAUTHORIZED);
    }
    let selector = Selector {
        name: js_values::text(call.field("serviceName")).map(str::to_owned),
        image: js_values::integer(call.field("imageId")).map(Integer::id),
    };
    if selector.name.is_none() && selector.image.is_none_or(|image| image == 0) {
        return ServerResponse::html_text(StatusCode::BAD_REQUEST, NO_SELECTOR);
    }
    let force = js_values::truthy(call.field("force"));
    match actions::service(process, action, app.id(), &selector, force, ApiVersion::V2).await {
        Ok(()) => ServerResponse::ok(),
        Err(refusal) => ServerResponse::refused_in_words(&refusal),
    }
}

async fn legacy_service(process: &Arc<Process>, call: &Admitted, action: ServiceAction) -> ServerResponse {
    let Some(app) = js_values::integer_text(&call.parameter) else {
        return ServerResponse::html_text(StatusCode::BAD_REQUEST, "Invalid app id");
    };
    if !call.access.covers(app.id()) {
        return ServerResponse::html_text(StatusCode::UNAUTHORIZED, UNAUTHORIZED);
    }
    let force = js_values::truthy(call.field("force"));
    let acted =
        actions::service(process, action, app.id(), &Selector::default(), force, ApiVersion::V1).await;
    match acted.and_then(|()| actions::single_container(process, app.id())) {
        Ok(id) => ServerResponse::success(&object([("containerId", id.into())])),
        Err(refusal) => ServerResponse::refused_in_words(&refusal),
    }
}

fn single_app(process: &Arc<Process>, call: &Admitted) -> ServerResponse {
    let Some(app) = js_values::integer_text(&call.parameter) else {
        return ServerResponse::html_text(StatusCode::BAD_REQUEST, "Missing app id");
    };
    if !call.access.covers(app.id()) {
        return ServerResponse::failed(StatusCode::UNAUTHORIZED, "Application is not available");
    }
    let now = match apply::look(process) {
        Ok(now) => now,
        Err(failure) => return ServerResponse::refused(&Refusal::from(failure)),
    };
    let containers: Vec<_> =
        now.containers.iter().filter(|(container, _)| container.spec.app == app.id()).collect();
    match containers.as_slice() {
        [] => ServerResponse::html_text(StatusCode::BAD_REQUEST, "App not found"),
        [(container, _)] => ServerResponse::success(&reports::single_app(process, app.id(), container)),
        _ => {
            let message = "Some v1 endpoints are only allowed on single-container apps";
            ServerResponse::html_text(StatusCode::BAD_REQUEST, message)
        }
    }
}

fn application_state(process: &Process, call: &Admitted) -> ServerResponse {
    let Some(app) = js_values::integer_text(&call.parameter).filter(|app| !app.is_zero()) else {
        let message = format!("Invalid application ID: {}", call.parameter);
        return ServerResponse::failed(StatusCode::BAD_REQUEST, &message);
    };
    match reports::application(process, app.id()) {
        Err(_) => {
            let message = format!("Unable to retrieve state for application ID: {app}");
            ServerResponse::failed(StatusCode::INTERNAL_SERVER_ERROR, &message)
        }
        Ok(Some(state)) if call.access.covers(app.id()) => ServerResponse::success(&state),
        Ok(_) => {
            ServerResponse::failed(StatusCode::CONFLICT, &format!("Application ID does not exist: {app}"))
        }
    }
}

/// Returns `None` if the engine fails.
fn container_id(process: &Process, call: &Admitted) -> Option<ServerResponse> {
    let containers = reports::scoped_containers(process, call.access).ok()?;
    let values_of = |name: &str| -> Vec<&String> {
        call.query.iter().filter(|(field, _)| field == name).map(|(_, value)| value).collect()
    };
    let named =
        [values_of("serviceName"), values_of("service")].into_iter().find(|values| !values.is_empty());
    let Some(named) = named else {
        // Services of the same name in two apps share one field: the position of the first, the value of the last.
        let mut services: Vec<(String, String)> = Vec::new();
        for container in containers {
            match services.iter_mut().find(|(name, _)| *name == container.spec.service) {
                Some((_, id)) => *id = container.id,
                None => services.push((container.spec.service, container.id)),
            }
        }
        let services = services.into_iter().collect();
        return Some(ServerResponse::success(&object([
            ("status", "success".into()),
            ("services", services),
        ])));
    };
    // A repeated parameter is a list, and no service has a list as its name.
    let name = match named.as_slice() {
        [name] => Some(*name),
        _ => None,
    };
    let found = containers.into_iter().find(|container| Some(&container.spec.service) == name);
    Some(match found {
        Some(container) => ServerResponse::success(&object([
            ("status", "success".into()),
            ("containerId", container.id.into()),
        ])),
        None => {
            ServerResponse::failed(StatusCode::SERVICE_UNAVAILABLE, "Could not find service with that name")
        }
    })
}

/// Returns `None` if the engine fails.
fn cleanup_volumes(process: &Process, call: &Admitted) -> Option<ServerResponse> {
    let machine = &process.machine;
    let containers = machine.engine.containers().ok()?;
    machine.engine.volumes().ok()?;
    let wanted = machine.wanted_specs();
    // Apps outside the key's scope are ignored, so that volumes they no longer use are deleted too.
    let wanted = wanted.iter().filter(|spec| call.access.covers(spec.app));
    let used: Vec<_> = containers.iter().map(|container| &container.spec).chain(wanted).collect();
    machine.engine.remove_volumes(|volume| {
        !used.iter().any(|spec| spec.app == volume.app && spec.volumes.contains(&volume.name))
    });
    Some(ServerResponse::success(&object([("status", "success".into())])))
}

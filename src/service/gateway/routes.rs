//! The HTTP endpoints of the service: read-only, with JSON bodies, also for errors.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header, uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::request_extensions::CloseAfterResponse;
use super::response::{refuse, reply};
use crate::service::context::Context;
use crate::service::device::{self, Applications, SupervisorView};
use crate::service::{events, metrics};
use crate::supervisor::DeviceState;
use crate::tasks::TaskReport;

/// All paths. The body of a 404 lists them.
pub(crate) const PATHS: [&str; 5] = ["/live", "/ready", "/status", "/metrics", "/events"];

type Shared = State<Arc<Context>>;

/// Returns the router of all endpoints.
pub(crate) fn router(context: Arc<Context>) -> Router {
    Router::new()
        .route("/live", get(live))
        .route("/ready", get(ready))
        .route("/status", get(status))
        .route("/metrics", get(metrics))
        .route("/events", get(events::upgrade))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(context.clone(), guard))
        .with_state(context)
}

async fn live(State(context): Shared) -> Response {
    answer_health(context.progress.liveness())
}

async fn ready(State(context): Shared) -> Response {
    answer_health(readiness(&context))
}

fn readiness(context: &Context) -> Result<(), String> {
    device::readiness(&context.bus.borrow(), context.progress.liveness(), context.stop.is_requested())
}

fn answer_health(health: Result<(), String>) -> Response {
    match health {
        Ok(()) => reply(StatusCode::OK, &json!({ "status": "ok" })),
        Err(reason) => {
            reply(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "unavailable", "reason": reason }))
        }
    }
}

#[derive(Serialize)]
struct Status<'a> {
    version: &'static str,
    started: Timestamp,
    uptime_seconds: u64,
    ready: bool,
    supervisor: SupervisorView<'a>,
    device: Option<&'a DeviceState>,
    applications: Option<&'a Applications>,
    events: Clients,
    tasks: Vec<TaskReport>,
}

#[derive(Serialize)]
struct Clients {
    clients: usize,
    limit: usize,
}

async fn status(State(context): Shared) -> Response {
    let snapshot = context.snapshot();
    let status = Status {
        version: env!("CARGO_PKG_VERSION"),
        started: context.started_at,
        uptime_seconds: context.started.elapsed().as_secs(),
        ready: readiness(&context).is_ok(),
        supervisor: snapshot.supervisor_view(context.supervisor_address()),
        device: snapshot.device.as_deref(),
        applications: snapshot.applications.as_deref(),
        events: Clients { clients: context.events_clients(), limit: context.config.events_clients },
        tasks: context.tasks.upgrade().map(|tasks| tasks.reports()).unwrap_or_default(),
    };
    reply(StatusCode::OK, &status)
}

async fn metrics(State(context): Shared) -> Response {
    let ready = readiness(&context).is_ok();
    let headers = [(header::CONTENT_TYPE, metrics::CONTENT_TYPE), (header::CACHE_CONTROL, "no-store")];
    (headers, metrics::exposition(&context, ready)).into_response()
}

async fn unknown_path(request: Request) -> Response {
    let body = json!({ "error": "no such path", "path": request.uri().path(), "paths": PATHS });
    reply(StatusCode::NOT_FOUND, &body)
}

async fn wrong_method(request: Request) -> Response {
    let method = request.method().as_str();
    let body = json!({ "error": "this path only answers GET and HEAD", "method": method });
    let mut response = reply(StatusCode::METHOD_NOT_ALLOWED, &body);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

/// Middleware for every request: rejects unknown hosts on loopback, and closes the connection after a marked request.
async fn guard(State(context): Shared, request: Request, next: Next) -> Response {
    let is_last = request.extensions().get::<CloseAfterResponse>().is_some();
    let mut response = if is_for_us(&context, &request) {
        next.run(request).await
    } else {
        refuse(
            StatusCode::MISDIRECTED_REQUEST,
            "this service listens on loopback only: use the host 127.0.0.1, [::1] or localhost",
        )
    };
    if is_last && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        response.headers_mut().entry(header::CONNECTION).or_insert(HeaderValue::from_static("close"));
    }
    response
}

/// Prevents DNS rebinding: on loopback, a request with another host comes from a web page whose name resolves to this
/// machine.
fn is_for_us(context: &Context, request: &Request) -> bool {
    let host = request.headers().get(header::HOST);
    !context.config.listen.iter().all(|address| address.ip().is_loopback())
        || host.is_none_or(is_loopback_host)
}

fn is_loopback_host(host: &HeaderValue) -> bool {
    let Some(authority) = host.to_str().ok().and_then(|host| host.parse::<uri::Authority>().ok()) else {
        return false;
    };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_are_this_machine() {
        let known = |host: &'static str| is_loopback_host(&HeaderValue::from_static(host));
        assert!(
            known("127.0.0.1:48485") && known("localhost") && known("LocalHost:1") && known("[::1]:48485")
        );
        assert!(!known("evil.example:48485") && !known("10.0.0.7") && !known("127.0.0.1.evil.example"));
        assert!(!known("") && !known("a b"));
    }
}

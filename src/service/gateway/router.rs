//! Finds the route of a request and has it answered.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use hyper::body::Incoming;
use serde_json::json;

use super::call::Call;
use super::caller::{Caller, Via};
use super::clients::{Origin, unauthorized};
use super::guards::{self, HasBody};
use super::path::{self, Params};
use super::response::{Answer, Refusal, Response};
use super::route::{Access, Nature, Operation, Route};
use super::table::ROUTES;
use super::{body, openapi};
use crate::service::context::Context;

/// Paths below this are ours; every other path is one of the first releases.
const OWN: &str = "/agent/";
const NOBODY: &str = "a client that is not known may not do this: send `authorization: Bearer <token>`, or use its \
    Unix socket";

/// What a method and a path lead to.
#[derive(Debug)]
pub(crate) enum Lookup {
    /// A route, with the values of its path parameters.
    Found(&'static Route, Params),
    /// The path has other methods.
    WrongMethod(Vec<&'static str>),
    /// No such path.
    Unknown,
}

/// Finds the route for a method and a path.
pub(crate) fn find(routes: &'static [Route], method: &Method, path: &str) -> Lookup {
    let mut allowed = Vec::new();
    for route in routes {
        let operation = &route.operation;
        let Some(params) = path::matches(operation.path, path) else { continue };
        let takes_head = operation.nature == Nature::Read;
        if operation.method == *method || takes_head && *method == Method::HEAD {
            return Lookup::Found(route, params);
        }
        allowed.push(operation.method.as_str());
        if takes_head {
            allowed.push(Method::HEAD.as_str());
        }
    }
    if allowed.is_empty() { Lookup::Unknown } else { Lookup::WrongMethod(allowed) }
}

/// Returns all paths of the table, each once.
pub(crate) fn paths() -> Vec<&'static str> {
    let mut paths: Vec<_> = ROUTES.iter().map(|route| route.operation.path).collect();
    paths.dedup();
    paths
}

/// Whether a request came from one of the clients that the settings name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It did: its rate is limited.
    Client,
    /// It did not.
    Unknown,
}

/// Answers a request.
pub(crate) async fn answer(
    context: Arc<Context>,
    origin: Arc<Origin>,
    request: http::Request<Incoming>,
) -> (Response, Standing) {
    let mut standing = Standing::Unknown;
    let answer = try_answer(context, &origin, request, &mut standing).await;
    (answer.unwrap_or_else(Response::from), standing)
}

async fn try_answer(
    context: Arc<Context>,
    origin: &Origin,
    request: http::Request<Incoming>,
    standing: &mut Standing,
) -> Answer {
    let (head, body) = request.into_parts();
    let head = http::Request::from_parts(head, ());
    let path = head.uri().path();
    guards::check_target(head.uri())?;
    // A web page can't reach a Unix socket.
    if origin.is_tcp() {
        guards::check_host(head.headers(), head.version(), &context.config.hosts)?;
    }
    let caller = context.gateway.identify(origin, head.headers()).await?;
    if caller.usage.is_some() {
        *standing = Standing::Client;
    }
    let (route, params) = match find(ROUTES, head.method(), path) {
        Lookup::Found(route, params) => (route, params),
        _ if caller.scopes.is_empty() => return Err(unauthorized(NOBODY)),
        Lookup::WrongMethod(allowed) => return Err(wrong_method(head.method(), &allowed)),
        Lookup::Unknown => {
            return Err(Refusal::new(StatusCode::NOT_FOUND, "unknown_path", "no such path")
                .with("path", path)
                .with("paths", json!(paths())));
        }
    };
    let operation = &route.operation;
    if operation.path.starts_with(OWN) {
        let known: Vec<&str> = operation.query.iter().map(|field| field.name).collect();
        guards::check_query(head.uri().query().unwrap_or_default(), &known)?;
    }
    permit(operation, &caller, &params, head.headers())?;
    if !matches!(operation.access, Access::Anyone)
        && let Some(reason) = context.standby.reason_after_start().await
    {
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "standby", reason)
            .with_header(header::RETRY_AFTER, HeaderValue::from(1_u64)));
    }
    let body = match operation.nature {
        Nature::Read => Bytes::new(),
        Nature::Stream => guards::check_origin(head.headers()).map(|()| Bytes::new())?,
        Nature::Change => {
            guards::check_origin(head.headers())?;
            let has_body = if operation.takes.is_some() || !hyper::body::Body::is_end_stream(&body) {
                HasBody::Maybe
            } else {
                HasBody::Never
            };
            guards::check_content_type(head.headers(), has_body)?;
            body::read(body, context.config.limits.body).await?
        }
    };
    let call = Call { caller, head, params, body, describe: || openapi::document(ROUTES) };
    (route.handler)(context, call).await
}

/// Decides whether a client may use a route now.
fn permit(
    operation: &Operation,
    caller: &Caller,
    params: &Params,
    headers: &HeaderMap,
) -> Result<(), Refusal> {
    if matches!(operation.access, Access::Anyone) {
        return Ok(());
    }
    if caller.scopes.is_empty() && caller.via == Via::Anonymous {
        let is_first_message = matches!(operation.access, Access::ScopeOrFirstMessage(_))
            && headers.contains_key(header::SEC_WEBSOCKET_KEY);
        return if is_first_message { Ok(()) } else { Err(unauthorized(NOBODY)) };
    }
    caller.count_request().map_err(|wait| {
        // Rounded up: sooner, it would be refused again.
        let seconds = wait.as_secs() + 1;
        Refusal::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_requests",
            "this client sends too many requests",
        )
        .with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
    })?;
    match operation.access.need(params) {
        Some(need) if !caller.allows(&need) => {
            let text = match caller.via {
                Via::Anonymous => format!("this needs a client with the scope `{need}`: send its token"),
                _ => format!(
                    "the client `{}` has no scope `{need}`: add it to the service's AGENT_CLIENT_{}",
                    caller.name,
                    caller.name.to_ascii_uppercase()
                ),
            };
            Err(Refusal::new(StatusCode::FORBIDDEN, "scope_missing", text).with("scope", need.to_string()))
        }
        _ => Ok(()),
    }
}

fn wrong_method(method: &Method, allowed: &[&str]) -> Refusal {
    let allow = allowed.join(", ");
    let refusal = Refusal::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "wrong_method",
        format!("this path only answers {}", allowed.join(" and ")),
    )
    .with("method", method.as_str());
    match HeaderValue::from_str(&allow) {
        Ok(allow) => refusal.with_header(header::ALLOW, allow),
        Err(_) => refusal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_route_is_found_and_no_two_are_the_same() {
        for route in ROUTES {
            let Operation { method, path, summary, .. } = &route.operation;
            let Lookup::Found(found, _) = find(ROUTES, method, path) else { panic!("{method} {path}") };
            assert!(std::ptr::eq(found, route), "an earlier row hides {method} {path}");
            assert!(summary.ends_with('.') && path::fault(path).is_none(), "{method} {path}");
        }
    }

    #[test]
    fn methods_that_a_path_does_not_have() {
        for method in
            [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS, Method::TRACE, Method::CONNECT]
        {
            let found = find(ROUTES, &method, "/live");
            assert!(
                matches!(&found, Lookup::WrongMethod(allowed) if *allowed == ["GET", "HEAD"]),
                "{found:?}"
            );
        }
        assert!(matches!(find(ROUTES, &Method::HEAD, "/live"), Lookup::Found(..)));
        assert!(
            matches!(find(ROUTES, &Method::HEAD, "/events"), Lookup::WrongMethod(_)),
            "a stream has no head"
        );
        assert!(matches!(find(ROUTES, &Method::GET, "/Live"), Lookup::Unknown));
    }
}

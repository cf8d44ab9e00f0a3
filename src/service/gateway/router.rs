//! Finds the route of a request and has it answered.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::uri::Authority;
use http::{HeaderMap, Method, StatusCode};
use hyper::body::Incoming;
use serde_json::json;

use super::call::Call;
use super::caller::{Caller, Via};
use super::openapi;
use super::path::{self, Params};
use super::response::{Answer, Refusal, Response};
use super::route::{Nature, Route};
use super::table::ROUTES;
use crate::service::context::Context;

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

/// Answers a request.
pub(crate) async fn answer(
    context: Arc<Context>,
    address: IpAddr,
    request: http::Request<Incoming>,
) -> Response {
    try_answer(context, address, request).await.unwrap_or_else(Response::from)
}

async fn try_answer(context: Arc<Context>, address: IpAddr, request: http::Request<Incoming>) -> Answer {
    let head = request.map(drop);
    let path = head.uri().path();
    if let Some(fault) = path::fault(path) {
        return Err(Refusal::bad_request("bad_path", format!("this path is not accepted: {fault}")));
    }
    if !is_for_us(&context, head.headers()) {
        return Err(Refusal::new(
            StatusCode::MISDIRECTED_REQUEST,
            "wrong_host",
            "this service listens on loopback only: use the host 127.0.0.1, [::1] or localhost",
        ));
    }
    match find(ROUTES, head.method(), path) {
        Lookup::Found(route, params) => {
            let caller = Caller { name: "anonymous".into(), via: Via::Anonymous, address };
            let describe = || openapi::document(ROUTES);
            let call = Call { caller, head, params, body: Bytes::new(), describe };
            (route.handler)(context, call).await
        }
        Lookup::WrongMethod(allowed) => Err(wrong_method(head.method(), &allowed)),
        Lookup::Unknown => Err(Refusal::new(StatusCode::NOT_FOUND, "unknown_path", "no such path")
            .with("path", path)
            .with("paths", json!(paths()))),
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

/// Prevents DNS rebinding: on loopback, a request with another host comes from a web page whose name resolves to this
/// machine.
fn is_for_us(context: &Context, headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST);
    !context.config.listen.iter().all(|address| address.ip().is_loopback())
        || host.is_none_or(is_loopback_host)
}

fn is_loopback_host(host: &HeaderValue) -> bool {
    let Some(authority) = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok()) else {
        return false;
    };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::gateway::route::Operation;

    #[test]
    fn hosts_that_are_this_machine() {
        let known = |host: &'static str| is_loopback_host(&HeaderValue::from_static(host));
        assert!(
            known("127.0.0.1:48485") && known("localhost") && known("LocalHost:1") && known("[::1]:48485")
        );
        assert!(!known("evil.example:48485") && !known("10.0.0.7") && !known("127.0.0.1.evil.example"));
        assert!(!known("") && !known("a b"));
    }

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

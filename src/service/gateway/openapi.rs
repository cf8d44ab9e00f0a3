//! The `OpenAPI` 3.1 document of a route table.

use serde_json::{Map, Value, json};

use super::path::parameter;
use super::route::{Access, Gives, Nature, Operation, Route};
use super::schema::{object, required, string};

/// Returns the document of these routes.
pub(crate) fn document(routes: &[Route]) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for Route { operation, .. } in routes {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(operation.method.as_str().to_ascii_lowercase(), describe(operation));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": env!("CARGO_PKG_NAME"),
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What a running `balena-agent run` answers to other containers of the device.",
            "license": { "name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE") },
        },
        "servers": [{ "url": "http://127.0.0.1:48485" }],
        "paths": paths,
        "components": {
            "schemas": { "Refusal": refusal() },
            "securitySchemes": { "token": {
                "type": "http",
                "scheme": "bearer",
                "description": "The token of a client, or the admin token. A client may also be known by its Unix socket or by \
                    the name of its compose service. Unknown clients on loopback have the scopes `state events`.",
            } },
        },
    })
}

fn refusal() -> Value {
    object(
        "Why the request was not answered as asked. Some kinds have further fields.",
        [
            required("error", string("A sentence: what is wrong, and what to do.")),
            required("kind", string("A word for programs.")),
        ],
    )
    .into_json()
}

fn describe(operation: &Operation) -> Value {
    let mut described = json!({
        "operationId": operation_id(operation),
        "summary": operation.summary,
        "responses": responses(operation),
        "x-scope": scope(&operation.access),
        // The empty one: who is known in another way needs no token.
        "security": [{ "token": [] }, {}],
    });
    let parameters = parameters(operation);
    if let Some(fields) = described.as_object_mut() {
        if !parameters.is_empty() {
            fields.insert("parameters".into(), parameters.into());
        }
        if let Some(shape) = operation.takes {
            let content = json!({ "application/json": { "schema": shape().into_json() } });
            fields.insert("requestBody".into(), json!({ "content": content }));
        }
    }
    described
}

/// The scope that an operation needs: `none` if everyone may use it, `any` if one of any kind is enough.
fn scope(access: &Access) -> String {
    match access {
        Access::Anyone => "none".to_owned(),
        Access::Known => "any".to_owned(),
        Access::Scope(scope) | Access::ScopeOrFirstMessage(scope) => scope.to_string(),
        Access::ServiceAction(action) => format!("actions:{action}:{{name}}"),
    }
}

/// E.g. `get_agent_v1_locks_name`.
fn operation_id(operation: &Operation) -> String {
    let mut id = operation.method.as_str().to_ascii_lowercase();
    for segment in operation.path.split('/').filter(|segment| !segment.is_empty()) {
        id.push('_');
        id.extend(segment.chars().filter(|c| !"{}".contains(*c)).map(|c| if c == '.' { '_' } else { c }));
    }
    id
}

fn parameters(operation: &Operation) -> Vec<Value> {
    let path = operation.path.split('/').filter_map(parameter).map(|name| {
        let schema = string("").set("minLength", 1).into_json();
        json!({ "name": name, "in": "path", "required": true, "schema": schema })
    });
    let query = operation
        .query
        .iter()
        .map(|field| json!({ "name": field.name, "in": "query", "schema": (field.shape)().into_json() }));
    path.chain(query).collect()
}

fn responses(operation: &Operation) -> Map<String, Value> {
    let mut responses = Map::new();
    for (status, when) in refusals(operation) {
        let content = json!({ "application/json": { "schema": { "$ref": "#/components/schemas/Refusal" } } });
        responses.insert(status.to_owned(), json!({ "description": when, "content": content }));
    }
    for Gives { status, when, content_type, shape } in operation.gives {
        let mut response = json!({ "description": when });
        if let Some(fields) = response.as_object_mut().filter(|_| !content_type.is_empty()) {
            let content =
                Map::from_iter([((*content_type).to_owned(), json!({ "schema": shape().into_json() }))]);
            fields.insert("content".into(), content.into());
        }
        responses.insert(status.as_str().to_owned(), response);
    }
    responses
}

/// The refusals that a route has by its access and its nature.
fn refusals(operation: &Operation) -> Vec<(&'static str, &'static str)> {
    let mut refusals =
        vec![("400", "The request is malformed."), ("421", "The request is for another host.")];
    if !matches!(operation.access, Access::Anyone) {
        refusals.push(("401", "No credential, or a wrong one."));
        refusals.push(("403", "The client has no such scope."));
        refusals.push(("429", "Too many requests of this client; `retry-after` says when to try again."));
    }
    if operation.nature == Nature::Change {
        refusals.push(("408", "The body did not come in time."));
        refusals.push(("413", "The body is too long."));
        refusals.push(("415", "The body is not `application/json`."));
    }
    refusals
}

//! Every route, for clients with its scope and without it, known in every way; made from the route table, as the
//! service itself publishes it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use balena_agent::service::Config;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::support::{Fake, Running, get, request};

const WORDS: [&str; 11] = [
    "state",
    "events",
    "logs",
    "locks",
    "locks:keep",
    "tags",
    "variables",
    "note",
    "updates",
    "force",
    "supervisor",
];
const ACTIONS: [&str; 8] = ["start", "stop", "restart", "purge", "reboot", "shutdown", "update", "identify"];

/// A route of the table.
struct Operation {
    method: String,
    path: String,
    scope: String,
}

/// The routes in the document of the service.
fn operations(document: &Value) -> Vec<Operation> {
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let methods = methods.as_object().unwrap();
        for (method, operation) in methods.iter().filter(|(key, _)| *key != "parameters") {
            found.push(Operation {
                method: method.to_ascii_uppercase(),
                path: path.replace("{name}", "main").replace("{id}", "none"),
                scope: operation["x-scope"].as_str().unwrap().replace("{name}", "main"),
            });
        }
    }
    assert!(found.len() >= 7, "the routes were not found");
    found
}

/// All scopes but this one and what contains it.
fn all_but(scope: &str) -> String {
    let words = WORDS.iter().map(|word| (*word).to_owned());
    let actions = ACTIONS.iter().map(|action| format!("actions:{action}"));
    let others = words.chain(actions).chain(["actions:restart:other".to_owned()]);
    let is_other = |other: &String| other != scope && !scope.starts_with(&format!("{other}:"));
    // A scope is never contained in another one, but for actions of one service.
    others
        .filter(|other| is_other(other) || WORDS.contains(&other.as_str()) && other != scope)
        .collect::<Vec<_>>()
        .join(" ")
}

fn head(operation: &Operation, more: &str) -> String {
    let Operation { method, path, .. } = operation;
    let body = if method == "GET" { "" } else { "content-type: application/json\r\ncontent-length: 2\r\n" };
    let end = if method == "GET" { "" } else { "{}" };
    format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{body}{more}\r\n{end}")
}

async fn on_socket(path: &Path, head: &str) -> u16 {
    let mut stream = UnixStream::connect(path).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text.split(' ').nth(1).unwrap().parse().unwrap()
}

/// A directory for sockets, removed after the test.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("balena-agent-scopes-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn socket(&self, name: &str) -> PathBuf {
        let directory = self.0.join(name);
        std::fs::create_dir_all(&directory).unwrap();
        directory.join("agent.sock")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn every_route_for_every_scope_and_every_way_of_being_known() {
    let fake = Fake::start().await;
    let first = Running::start(&fake, Config::default()).await;
    let document = get(first.address, "/agent/v1/openapi.json").await.json();
    first.stop().await;
    let operations = operations(&document);
    let scopes: BTreeSet<&str> = operations
        .iter()
        .map(|operation| operation.scope.as_str())
        .filter(|scope| *scope != "none")
        .collect();
    let place = Place::new();
    let token = |kind: &str, number: usize| format!("{kind}-token-{number:03}-0123456789abcdef");
    let mut config = Config::default();
    for (number, scope) in scopes.iter().enumerate() {
        let granted = if *scope == "any" { "note" } else { scope };
        for (kind, scopes) in
            [("YES", granted.to_owned()), ("NOT", all_but(scope)), ("SOCK", granted.to_owned())]
        {
            let name = format!("AGENT_CLIENT_{kind}{number}");
            config = config.set(&name, scopes);
            config = match kind {
                "SOCK" => {
                    config.set(format!("{name}_SOCKET"), place.socket(&format!("{number}")).to_str().unwrap())
                }
                _ => config.set(format!("{name}_TOKEN"), token(kind, number)),
            };
        }
    }
    let service = Running::start(&fake, config).await;
    service.ready().await;
    assert_eq!(get(service.address, "/ready").await.body, "{\"status\":\"ok\"}", "no client is off");
    for operation in &operations {
        let what = format!("{} {} ({})", operation.method, operation.path, operation.scope);
        let ask = async |more: &str| request(service.address, &head(operation, more)).await.status;
        assert_eq!(
            ask("authorization: Bearer wrong-token-0123456789\r\n").await,
            401,
            "{what}: a wrong token"
        );
        assert_eq!(ask("authorization: Basic eDp5\r\n").await, 401, "{what}: another scheme");
        let anonymous = ask("").await;
        let is_open = ["none", "any", "state", "events"].contains(&operation.scope.as_str());
        assert_eq!(anonymous != 403, is_open, "{what}: anonymous got {anonymous}");
        let Some(number) = scopes.iter().position(|scope| *scope == operation.scope) else { continue };
        let bearer = |kind: &str| format!("authorization: Bearer {}\r\n", token(kind, number));
        let answer = request(service.address, &head(operation, &bearer("YES"))).await;
        let yes = answer.status;
        // The fake supervisor does not know every action, and there is no action `none` and no lease `main`.
        let is_of_its_own = ["\"supervisor_", "\"no_such_"].iter().any(|kind| answer.body.contains(kind));
        assert!(
            ![401, 403, 405, 429].contains(&yes) && (yes != 404 || is_of_its_own),
            "{what}: with it, {yes} {}",
            answer.body
        );
        let not = ask(&bearer("NOT")).await;
        assert_eq!(not == 403, operation.scope != "any", "{what}: with all others, {not}");
        let socket = place.socket(&number.to_string());
        let on_it = on_socket(&socket, &head(operation, "")).await;
        assert_eq!(on_it, yes, "{what}: on its socket");
        let wrong =
            on_socket(&socket, &head(operation, "authorization: Bearer wrong-token-0123456789\r\n")).await;
        assert_eq!(wrong, 401, "{what}: a wrong token on its socket");
    }
    service.stop().await;
    assert!(
        scopes.iter().enumerate().all(|(number, _)| !place.socket(&number.to_string()).exists()),
        "sockets are removed"
    );
}

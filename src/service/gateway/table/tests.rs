use std::fmt::Write as _;

use super::*;
use crate::service::gateway::openapi;

/// The page about this interface, made from the table.
fn page() -> String {
    let document = openapi::document(ROUTES);
    let mut page = String::from(
        "# The interface of `balena-agent run`\n\n\
         Made from the route table (`src/service/gateway/table.rs`); a test holds it. `GET /agent/v1/openapi.json` has the\n\
         same with all fields. A refusal is `{ \"error\": \"<sentence>\", \"kind\": \"<word>\", … }`. Scope `none`: everyone; `any`: whoever\n\
         has a scope. Unknown clients on loopback have `state events`, elsewhere nothing.\n\n\
         | request | scope | what | answers |\n|---|---|---|---|\n",
    );
    for Route { operation, .. } in ROUTES {
        let described = &document["paths"][operation.path][operation.method.as_str().to_ascii_lowercase()];
        let statuses: Vec<_> =
            described["responses"].as_object().unwrap().keys().map(String::as_str).collect();
        let (scope, summary) = (described["x-scope"].as_str().unwrap(), operation.summary);
        let Operation { method, path, .. } = operation;
        writeln!(page, "| `{method} {path}` | `{scope}` | {summary} | {} |", statuses.join(" ")).unwrap();
    }
    page
}

#[test]
fn the_page_is_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/api.md");
    if std::env::var_os("WRITE_API_PAGE").is_some() {
        crate::fs::write_atomic(path.as_ref(), page().as_bytes(), 0o644).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap();
    assert_eq!(written, page(), "run WRITE_API_PAGE=1 cargo test --lib the_page_is_the_table");
}

#[test]
fn every_route_is_described() {
    let document = openapi::document(ROUTES);
    for Route { operation, .. } in ROUTES {
        assert!(!operation.gives.is_empty(), "{}: it says no answer", operation.path);
        let described = &document["paths"][operation.path][operation.method.as_str().to_ascii_lowercase()];
        assert!(described["responses"]["400"].is_object(), "{described}");
    }
}

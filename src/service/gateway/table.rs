//! The one route table. The router, the list in a 404, the `allow` of a 405, the `OpenAPI` document, the page
//! `docs/api.md` and the tests of scopes are made from it.
//!
//! To add a route, add
//! 1. a row here: method, path, who may use it, one sentence; what it takes and gives, as functions that return a
//!    [`Schema`](super::schema::Schema); and the handler as a closure;
//! 2. the handler in `handlers/<noun>.rs`: `async fn(Arc<Context>, Call) -> Answer`, in the row as
//!    `.by(|context, call| Box::pin(locks::grant(context, call)))`. A handler that does not wait is a plain function in
//!    [`ready`], or in [`tried`] if it may refuse: `.by(|context, _| ready(locks::list(&context)))`.
//!
//! Then write the page anew: `WRITE_API_PAGE=1 cargo test --lib the_page_is_the_table`.
//!
//! The gateway has done these checks when a handler is called: path, host, who asks, scope, rate, and for
//! [`Nature::Change`](super::route::Nature::Change) also the origin, the content type, the size of the body and that
//! it is a JSON object without duplicate keys. The handler decodes it with [`Call::json`](super::call::Call::json).

use http::StatusCode;

use super::handlers::{actions, events, health, ledger, locks, metrics, openapi, state};
use super::route::{Access, Gives, Operation, Route, ready, tried};
use super::schema::refusal;
use crate::service::metrics::CONTENT_TYPE as OPENMETRICS;
use crate::service::scope::{ActionName, Scope};

/// The scope of an action on the application or the device.
const fn action(action: ActionName) -> Access {
    Access::Scope(Scope::Action { action, service: None })
}

/// All routes, in the order of the documents.
pub(crate) static ROUTES: &[Route] = &[
    Operation::get("/live", Access::Anyone, "Says whether the service makes progress.")
        .gives(&[
            Gives::json(StatusCode::OK, "The service makes progress.", health::schema),
            Gives::json(StatusCode::SERVICE_UNAVAILABLE, "It does not.", health::schema),
        ])
        .by(|context, call| ready(health::live(&context, &call))),
    Operation::get("/ready", Access::Anyone, "Says whether the state of the device is known.")
        .gives(&[
            Gives::json(StatusCode::OK, "It is known.", health::schema),
            Gives::json(StatusCode::SERVICE_UNAVAILABLE, "It is not.", health::schema),
        ])
        .by(|context, call| ready(health::ready(&context, &call))),
    Operation::get("/status", Access::Scope(Scope::State), "The same as `/agent/v1/state`.")
        .gives(&[Gives::json(StatusCode::OK, "The state.", state::schema)])
        .by(|context, _| ready(state::get(&context))),
    Operation::get("/metrics", Access::Scope(Scope::State), "Counters and device state for Prometheus.")
        .gives(&[Gives::text(StatusCode::OK, "OpenMetrics text.", OPENMETRICS, metrics::schema)])
        .by(|context, _| ready(metrics::get(&context))),
    Operation::stream(
        "/events",
        Access::ScopeOrFirstMessage(Scope::Events),
        "The state, then each event: WebSocket or SSE.",
    )
    .query(events::QUERY)
    .gives(events::GIVES)
    .by(|context, call| tried(events::follow(context, call))),
    Operation::get(
        "/agent/v1/state",
        Access::Scope(Scope::State),
        "The state of the device and of the service.",
    )
    .gives(&[Gives::json(StatusCode::OK, "The state.", state::schema)])
    .by(|context, _| ready(state::get(&context))),
    Operation::get(
        "/agent/v1/ledger",
        Access::Scope(Scope::State),
        "Who did what, why, and what came of it.",
    )
    .query(ledger::QUERY)
    .gives(&[Gives::json(StatusCode::OK, "The entries.", ledger::schema)])
    .by(|context, call| tried(ledger::get(&context, &call))),
    Operation::get("/agent/v1/openapi.json", Access::Known, "This interface as an OpenAPI document.")
        .gives(&[Gives::json(StatusCode::OK, "The document.", openapi::schema)])
        .by(|_, call| ready(openapi::get(&call))),
    Operation::get("/agent/v1/locks", Access::Scope(Scope::Locks), "Lists the leases of the update lock.")
        .gives(&[Gives::json(StatusCode::OK, "The leases.", locks::gives_list)])
        .by(|context, call| ready(locks::list(&context, &call))),
    Operation::post(
        "/agent/v1/locks",
        Access::Scope(Scope::Locks),
        "Takes a lease, also after an earlier one was lost.",
    )
    .takes(locks::takes)
    .gives(locks::GIVES)
    .by(|context, call| Box::pin(locks::create(context, call))),
    Operation::put("/agent/v1/locks/{name}", Access::Scope(Scope::Locks), "Takes a lease or renews it.")
        .takes(locks::takes)
        .gives(locks::GIVES)
        .by(|context, call| Box::pin(locks::put(context, call))),
    Operation::delete("/agent/v1/locks/{name}", Access::Scope(Scope::Locks), "Releases a lease.")
        .gives(&[
            Gives::json(StatusCode::OK, "The lease as it is now.", locks::gives),
            Gives::json(StatusCode::NOT_FOUND, "The client has no such lease.", refusal),
        ])
        .by(|context, call| Box::pin(locks::delete(context, call))),
    Operation::post(
        "/agent/v1/services/{name}/start",
        Access::ServiceAction(ActionName::Start),
        "Starts a service.",
    )
    .takes(actions::takes)
    .gives(actions::GIVES)
    .by(|context, call| Box::pin(actions::run(context, call, ActionName::Start))),
    Operation::post(
        "/agent/v1/services/{name}/stop",
        Access::ServiceAction(ActionName::Stop),
        "Stops a service.",
    )
    .takes(actions::takes)
    .gives(actions::GIVES)
    .by(|context, call| Box::pin(actions::run(context, call, ActionName::Stop))),
    Operation::post(
        "/agent/v1/services/{name}/restart",
        Access::ServiceAction(ActionName::Restart),
        "Restarts a service.",
    )
    .takes(actions::takes)
    .gives(actions::GIVES)
    .by(|context, call| Box::pin(actions::run(context, call, ActionName::Restart))),
    Operation::post(
        "/agent/v1/restart",
        action(ActionName::Restart),
        "Restarts all services of the application.",
    )
    .takes(actions::takes)
    .gives(actions::GIVES)
    .by(|context, call| Box::pin(actions::run(context, call, ActionName::Restart))),
    Operation::post(
        "/agent/v1/purge",
        action(ActionName::Purge),
        "Restarts all services with empty volumes, the agent's too.",
    )
    .takes(actions::takes)
    .gives(actions::GIVES)
    .by(|context, call| Box::pin(actions::run(context, call, ActionName::Purge))),
    Operation::post("/agent/v1/reboot", action(ActionName::Reboot), "Reboots the device.")
        .takes(actions::takes)
        .gives(actions::GIVES)
        .by(|context, call| Box::pin(actions::run(context, call, ActionName::Reboot))),
    Operation::post("/agent/v1/shutdown", action(ActionName::Shutdown), "Shuts the device down.")
        .takes(actions::takes)
        .gives(actions::GIVES)
        .by(|context, call| Box::pin(actions::run(context, call, ActionName::Shutdown))),
    Operation::post(
        "/agent/v1/update",
        action(ActionName::Update),
        "Makes the supervisor look for a new release.",
    )
    .takes(actions::takes)
    .gives(actions::GIVES)
    .by(|context, call| Box::pin(actions::run(context, call, ActionName::Update))),
    Operation::post("/agent/v1/identify", action(ActionName::Identify), "Blinks the device's LED.")
        .takes(actions::takes)
        .gives(actions::GIVES)
        .by(|context, call| Box::pin(actions::run(context, call, ActionName::Identify))),
    Operation::get(
        "/agent/v1/actions/{id}",
        Access::Known,
        "What became of an action that this client asked for.",
    )
    .gives(&[
        Gives::json(StatusCode::OK, "The action.", actions::gives),
        Gives::json(StatusCode::NOT_FOUND, "None with this id is remembered.", refusal),
    ])
    .by(|context, call| tried(actions::find(&context, &call))),
];

#[cfg(test)]
mod tests;

//! `/agent/v1/locks`: leases of the update lock.
//!
//! `POST` asks for a lease, also after an earlier one was lost. `PUT` asks for one or renews it, and is refused with 409
//! and the reason if the lease has ended without its client: so a client that renews learns of the loss. Every client
//! sees all leases, but reason and id only of its own.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use crate::service::context::Context;
use crate::service::gateway::call::Call;
use crate::service::gateway::response::{Answer, Refusal, Response, reply};
use crate::service::gateway::route::Gives;
use crate::service::gateway::schema::{
    Schema, boolean, count, list as array, object, optional, refusal as refusal_schema, required, string,
    time, words,
};
use crate::service::locks::{LeaseKey, LeaseRequest, LeaseState, Refusal as Refused, Step, Term, Verb};
use crate::service::scope::Scope;

/// What `POST` and `PUT` answer.
pub(crate) const GIVES: &[Gives] = &[
    Gives::json(StatusCode::OK, "It was held already and is renewed.", gives),
    Gives::json(StatusCode::CREATED, "It is new.", gives),
    Gives::json(
        StatusCode::CONFLICT,
        "The lease to renew has ended; `state` and `ended` say how.",
        refusal_schema,
    ),
    Gives::json(
        StatusCode::LOCKED,
        "Somebody else holds the lock; `holder` as far as known.",
        refusal_schema,
    ),
    Gives::json(StatusCode::SERVICE_UNAVAILABLE, "The lock can't be taken now.", refusal_schema),
];

/// Longest wait of one request: proxies and clients give up on silent connections.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    name: Option<String>,
    id: Option<String>,
    reason: Option<String>,
    ttl: Option<Span>,
    keep: Option<bool>,
    not_after: Option<Timestamp>,
    wait: Option<Span>,
}

/// Seconds, or a text like `90s`, `10m`, `1h 30m`. Anything else is kept apart, to be refused with the field's name.
#[derive(Deserialize)]
#[serde(untagged)]
enum Span {
    Seconds(u64),
    Text(String),
    Other(serde::de::IgnoredAny),
}

impl Span {
    fn read(&self, field: &'static str) -> Result<Duration, Refusal> {
        let parsed = match self {
            Self::Seconds(seconds) => Some(Duration::from_secs(*seconds)),
            Self::Text(text) => {
                let span: Option<SignedDuration> = text.parse().ok();
                span.and_then(|span| Duration::try_from(span).ok())
            }
            Self::Other(_) => None,
        };
        parsed.ok_or_else(|| bad(field, "it has to be whole seconds, or a text like \"90s\" or \"10m\""))
    }
}

fn bad(field: &'static str, why: &str) -> Refusal {
    Refusal::bad_request("bad_value", format!("{field}: {why}")).with("field", field)
}

/// `GET /agent/v1/locks`.
pub(crate) fn list(context: &Context, call: &Call) -> Response {
    let client = Some(&*call.caller.name).filter(|_| !call.caller.allows(&Scope::Admin));
    reply(StatusCode::OK, &context.locks.list(client))
}

/// `POST /agent/v1/locks`: 201 for a new lease, 200 for one that is held already.
pub(crate) async fn create(context: Arc<Context>, call: Call) -> Answer {
    let mut body: Body = call.json()?;
    let name = match body.name.take() {
        Some(name) => name,
        None => format!("lease-{:08x}", getrandom::u32().map_err(|cause| unavailable(&cause.to_string()))?),
    };
    grant(&context, &call, Verb::Post, name, &body).await
}

/// `PUT /agent/v1/locks/{name}`: 201 for a new lease, 200 for a renewed one.
pub(crate) async fn put(context: Arc<Context>, call: Call) -> Answer {
    let body: Body = call.json()?;
    let name = call.param("name").to_owned();
    if body.name.as_ref().is_some_and(|other| *other != name) {
        return Err(bad("name", "it differs from the name in the path; leave it out"));
    }
    grant(&context, &call, Verb::Put, name, &body).await
}

/// `DELETE /agent/v1/locks/{name}`: 200 with the lease as it is then.
pub(crate) async fn delete(context: Arc<Context>, call: Call) -> Answer {
    let key = LeaseKey::new(&*call.caller.name, call.param("name"));
    let released = context.locks.release(&key).await;
    let released = released.ok_or_else(|| {
        let text = format!("there is no lease {} of client {}", key.name, key.client);
        Refusal::new(StatusCode::NOT_FOUND, "no_such_lease", text)
    })?;
    Ok(reply(StatusCode::OK, &released))
}

async fn grant(context: &Context, call: &Call, verb: Verb, name: String, body: &Body) -> Answer {
    let term = match (&body.ttl, body.keep.unwrap_or(false)) {
        (Some(ttl), false) => Term::Ttl(ttl.read("ttl")?),
        (None, true) if call.caller.allows(&Scope::LocksKeep) => Term::Keep,
        (None, true) => {
            let text = "a lease without expiry needs the scope `locks:keep`";
            return Err(
                Refusal::new(StatusCode::FORBIDDEN, "scope_missing", text).with("scope", "locks:keep")
            );
        }
        (Some(_), true) => return Err(bad("keep", "a lease has a ttl or is kept, not both")),
        (None, false) => {
            return Err(bad(
                "ttl",
                "it is missing: say how long the lease lasts without a renewal, e.g. \"10m\"",
            ));
        }
    };
    let wait = body.wait.as_ref().map_or(Ok(Duration::ZERO), |wait| wait.read("wait"))?;
    if wait > LONGEST_WAIT {
        return Err(bad("wait", "it has to be at most 300 s: ask again after that"));
    }
    let request = LeaseRequest {
        verb,
        key: LeaseKey::new(&*call.caller.name, name),
        id: body.id.clone(),
        reason: body.reason.clone(),
        term,
        not_after: body.not_after,
    };
    match context.locks.request(&request, wait).await {
        Ok((Step::Grant, lease)) => Ok(reply(StatusCode::CREATED, &lease)),
        Ok((Step::Renew, lease)) => Ok(reply(StatusCode::OK, &lease)),
        Err(refused) => Err(refusal(refused)),
    }
}

fn unavailable(why: &str) -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "lock_unavailable", why)
}

fn refusal(refused: Refused) -> Refusal {
    match refused {
        Refused::Invalid { field, why } => bad(field, &why),
        Refused::Ended { key, ended } => {
            let (state, why) = match ended.as_deref() {
                Some(lease) => (lease.state, lease.ended.as_ref().map_or("", |ended| ended.why.as_str())),
                None => (LeaseState::Released, "no lease with this id is held"),
            };
            let (name, word) = (key.name, state.as_str());
            let text = format!("lease {name} is {word}: {why}. POST /agent/v1/locks takes the lock again");
            Refusal::new(StatusCode::CONFLICT, "lease_ended", text)
                .with("name", name)
                .with("state", word)
                .with("ended", why)
        }
        Refused::TooMany { limit } => {
            let text = format!(
                "the client holds {limit} leases already (AGENT_LEASES_PER_CLIENT): release one first"
            );
            Refusal::new(StatusCode::TOO_MANY_REQUESTS, "too_many_leases", text).with("limit", limit)
        }
        Refused::Parked => Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "parked",
            "the agent is parked by a fault in its settings and takes no new lock: see /ready",
        ),
        Refused::Starting => {
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "starting", "the agent is starting: try again")
        }
        Refused::Stopping => Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "stopping",
            "the agent is stopping; the next one continues the held leases: try again",
        ),
        Refused::NotHeld(error) if error.is_locked() => {
            let holder = error.lock_holder().map_or_else(|| error.to_string(), ToString::to_string);
            Refusal::new(StatusCode::LOCKED, "locked", error.to_string())
                .with("holder", holder)
                .with("visible", "own directory")
        }
        Refused::NotHeld(error) => unavailable(&error.to_string()),
    }
}

/// The body of `POST` and `PUT`.
pub(crate) fn takes() -> Schema {
    let span = |about: &str| {
        let kinds = serde_json::json!(["integer", "string"]);
        string(about).set("type", kinds).set("minimum", 0).set("examples", serde_json::json!(["10m", 600]))
    };
    let one_of_both = serde_json::json!([{ "required": ["ttl"] }, { "required": ["keep"] }]);
    object(
        "`ttl` or `keep` is required.",
        [
            optional(
                "name",
                string("Letters, digits, `.`, `_`, `-`; `POST` makes one up without it.")
                    .set("pattern", r"^\.*[A-Za-z0-9_-][A-Za-z0-9._-]*$")
                    .set("maxLength", 64)
                    .set("examples", serde_json::json!(["flash-modem"])),
            ),
            optional("id", string("Renews only this grant: 409 if it has ended.")),
            optional("reason", string("Why the lock is held.").set("maxLength", 200)),
            optional(
                "ttl",
                span("How long the lease lasts without a renewal: seconds, or a text like `10m`."),
            ),
            optional("keep", boolean("Without expiry; needs the scope `locks:keep`.")),
            optional("not_after", time("Never held beyond this time.")),
            optional("wait", span("How long to wait while others hold the lock; at most 300 s.")),
        ],
    )
    .set("anyOf", one_of_both)
    .closed()
}

fn fields() -> Vec<crate::service::gateway::schema::Field> {
    vec![
        required("name", string("")),
        required("client", string("")),
        required("state", words(&["held", "lost", "expired", "released", "revoked"], "")),
        optional("id", string("Id of this grant; only for its client.")),
        optional("reason", string("Only for its client.")),
        required("ttl", count("In seconds.").or_null()),
        required("keep", boolean("Without expiry.")),
        optional("since", time("When it was granted; absent if the clock was not trusted then.")),
        required("seconds_left", count("`null` if nothing ends it.").or_null()),
        optional("expires_at", time("Absent if the clock is not trusted.")),
        optional("renew_after", count("Seconds after which to renew it.")),
        optional("not_after", time("Never held beyond this time.")),
        optional("not_after_observed", boolean("`false` while the clock is not trusted.")),
        optional("revoked_in", count("Seconds until the agent ends it, if that is announced.")),
        optional("ended", string("How it ended.")),
    ]
}

/// A lease in an answer.
pub(crate) fn gives() -> Schema {
    let more = [
        required("durable", boolean("Whether it survives a restart of the agent and a power loss.")),
        required("visible", string("Which locks the agent sees: `own directory`.")),
    ];
    object("", fields().into_iter().chain(more))
}

/// The answer of `GET`.
pub(crate) fn gives_list() -> Schema {
    let lock = object(
        "The lock in the agent's own directory.",
        [
            required("state", words(&["free", "this_process", "supervisor", "held", "stale"], "")),
            required("holder", string("In words.")),
        ],
    );
    object(
        "",
        [
            required("leases", array(object("", fields()), "Held ones, and ended ones for an hour.")),
            optional("lock", lock),
            required("durable", boolean("")),
            required("visible", string("Which locks the agent sees: `own directory`.")),
        ],
    )
}

//! `/agent/v1/ledger`.

use http::StatusCode;
use serde_json::json;

use crate::service::context::Context;
use crate::service::gateway::call::Call;
use crate::service::gateway::response::{Answer, Refusal, reply};
use crate::service::gateway::route::QueryField;
use crate::service::gateway::schema::{Schema, boolean, count, list, object, required, string, time, words};
use crate::service::ledger::LedgerFilter;

/// `GET /agent/v1/ledger`.
pub(crate) fn get(context: &Context, call: &Call) -> Answer {
    let filter = LedgerFilter::parse(call.head.uri().query())
        .map_err(|fault| Refusal::bad_request("bad_query", fault))?;
    Ok(reply(StatusCode::OK, &json!({ "entries": context.ledger.list(&filter) })))
}

/// The query parameters.
pub(crate) const QUERY: &[QueryField] = &[
    QueryField { name: "limit", shape: || count("Most entries, 1 to 1000; default 100.") },
    QueryField { name: "since", shape: || time("Only entries from this time on.") },
    QueryField { name: "action", shape: || string("Only entries of this action, e.g. `reboot`.") },
    QueryField { name: "actor", shape: || string("Only entries of this actor.") },
];

/// The body.
pub(crate) fn schema() -> Schema {
    object("", [required("entries", list(entry(), "The newest first."))])
}

fn entry() -> Schema {
    let evidence = object(
        "",
        [
            required("fact", string("What kind of thing was seen, e.g. `sigterm`, `boot_id`, `container`.")),
            required("text", string("A sentence.")),
        ],
    );
    let results = ["pending", "done", "failed", "refused", "unknown"];
    object(
        "",
        [
            required("id", count("Position in the ledger.")),
            required("time", time("When the entry was written.")),
            required("time_trusted", boolean("Whether the clock was set then, or is since.")),
            required("boot_id", string("The kernel's id of the boot.")),
            required("actor", string("Name of the client, `agent`, or `not-through-agent`.")),
            required("through_agent", boolean("Whether the agent did it.")),
            required("action", string("What was done, e.g. `reboot`, `restart`, `update`.")),
            required("target", string("The service or application; `null` for all of them.").or_null()),
            required("reason", string("Why, in the actor's words.").or_null()),
            required("forced", boolean("Whether update locks of others were overridden.")),
            required("result", words(&results, "What came of it.")),
            required("detail", string("More about the result.").or_null()),
            required("closed", time("When the result was known.").or_null()),
            required("evidence", list(evidence, "What was seen.")),
        ],
    )
}

//! `/status` and `/agent/v1/state`.

use http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;

use crate::service::context::Context;
use crate::service::device::{Applications, SupervisorView};
use crate::service::gateway::response::{Response, reply};
use crate::service::gateway::schema::{
    Schema, any, boolean, count, list, map, object, optional, required, string, time, words,
};
use crate::service::journal::{Journal, JournalStatus};
use crate::supervisor::DeviceState;
use crate::tasks::TaskReport;

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
    journal: Option<JournalStatus>,
    tasks: Vec<TaskReport>,
}

#[derive(Serialize)]
struct Clients {
    clients: usize,
    limit: usize,
}

/// `GET /status` and `GET /agent/v1/state`.
pub(crate) fn get(context: &Context) -> Response {
    let snapshot = context.snapshot();
    let status = Status {
        version: env!("CARGO_PKG_VERSION"),
        started: context.started_at,
        uptime_seconds: context.started.elapsed().as_secs(),
        ready: context.readiness().is_ok(),
        supervisor: snapshot.supervisor_view(context.supervisor_address()),
        device: snapshot.device.as_deref(),
        applications: snapshot.applications.as_deref(),
        events: Clients { clients: context.events_clients(), limit: context.config.events_clients },
        journal: context.journal.get().map(Journal::status),
        tasks: context.tasks.upgrade().map(|tasks| tasks.reports()).unwrap_or_default(),
    };
    reply(StatusCode::OK, &status)
}

/// The body.
pub(crate) fn schema() -> Schema {
    object(
        "",
        [
            required("version", string("Version of the agent.")),
            required("started", time("When the agent started.")),
            required("uptime_seconds", count("Time since then.")),
            required("ready", boolean("Whether the state of the device is known.")),
            required("supervisor", supervisor()),
            required("device", any("The supervisor's `/v1/device`; `null` before its first response.")),
            required(
                "applications",
                map(any("As in the supervisor's `/v2/applications/state`."), "By name.").or_null(),
            ),
            required(
                "events",
                object(
                    "Clients that follow the events.",
                    [required("clients", count("")), required("limit", count(""))],
                ),
            ),
            required("journal", journal().or_null()),
            required("tasks", list(task(), "The agent's own tasks.")),
        ],
    )
}

fn supervisor() -> Schema {
    let error = object(
        "The last error, also after recovery.",
        [
            required("time", time("")),
            required("kind", string("A word for programs.")),
            required("message", string("")),
        ],
    );
    object(
        "The connection to the supervisor.",
        [
            optional("address", string("Where it is.")),
            required("connected", boolean("Whether it answers.")),
            required("state", words(&["connecting", "connected", "lost", "refused"], "")),
            required("since", time("When this state began.")),
            required("last_contact", time("When it last answered.").or_null()),
            required("last_error", error.or_null()),
        ],
    )
}

fn journal() -> Schema {
    object(
        "Where the agent keeps leases, ledger and answers; `null` before it acts.",
        [
            required("directory", string("The state directory; `null`: memory only.").or_null()),
            required("durable", boolean("Whether everything accepted is on the storage.")),
            required("recovery", any("What was found when it was opened.")),
            required("entries", count("")),
            required("live_bytes", count("")),
            required("file_bytes", count("")),
            required("commits", count("Since the start.")),
            required("bytes_written", count("Since the start.")),
            required("compactions", count("Since the start.")),
            required("last_error", string("Why the storage does not work.").or_null()),
        ],
    )
}

fn task() -> Schema {
    object(
        "",
        [
            required("name", string("")),
            required("state", words(&["running", "waiting", "stopped", "failed"], "")),
            required("restarts", count("")),
            required("last_error", string("").or_null()),
        ],
    )
}

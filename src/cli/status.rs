//! `balena-agent status`: what a running service knows and holds, for people.

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::error::Result;
use crate::service::{Client, Lease, Readiness, ServiceState};

use super::Context;
use super::output::{Output, plain};
use super::service::Listen;

#[derive(Debug, Args)]
pub(super) struct Status {
    #[command(flatten)]
    listen: Listen,
}

/// The answers of a service.
struct Answers {
    readiness: Readiness,
    /// `None`: it is not ready to tell, as when it is parked.
    state: Option<ServiceState>,
    /// Or why they are not known.
    leases: std::result::Result<Vec<Lease>, String>,
}

impl Status {
    pub(super) async fn run(&self, context: &Context) -> Result<Output> {
        let client = self.listen.client()?;
        let answers = context.within("read the state of the service", ask(&client)).await?;
        let output = Output::data(&answers.data()?)?.text(answers.text(Timestamp::now()));
        let output = output.rows(&["service", "status", "release"], &answers.services(), "no services")?;
        let output = match &answers.leases {
            Ok(_) => output.rows(&LEASE_COLUMNS, &answers.held(), "no leases of the update lock")?,
            Err(why) => output.rows(&[], &json!([]), &format!("leases: {}", plain(why)))?,
        };
        if answers.readiness.faults.is_empty() {
            return Ok(output);
        }
        output.rows(&[], &json!([]), &answers.faults())
    }
}

async fn ask(client: &Client) -> Result<Answers> {
    let readiness = client.ready().await?;
    let state = match client.state().await {
        // Why is what the readiness says.
        Err(error) if error.is_server() => None,
        state => Some(state?),
    };
    let leases = match &state {
        Some(_) => client.locks().await.map_err(|error| error.summary().to_string()),
        None => Err("not known".to_owned()),
    };
    Ok(Answers { readiness, state, leases })
}

impl Answers {
    /// The state, with the readiness and the leases.
    fn data(&self) -> Result<Map<String, Value>> {
        let value = |data: serde_json::Result<Value>| {
            data.map_err(|cause| {
                crate::Error::new(crate::ErrorKind::Decode, "can't print this").with_source(cause)
            })
        };
        let mut data = match value(serde_json::to_value(&self.state))? {
            Value::Object(data) => data,
            _ => Map::new(),
        };
        data.insert("readiness".to_owned(), value(serde_json::to_value(&self.readiness))?);
        if let Ok(leases) = &self.leases {
            data.insert("leases".to_owned(), value(serde_json::to_value(leases))?);
        }
        Ok(data)
    }

    /// The lines above the tables.
    fn text(&self, now: Timestamp) -> String {
        let mut lines = Vec::new();
        let ready = match (&self.readiness.reason, self.readiness.is_ready()) {
            (_, true) => "yes".to_owned(),
            (Some(reason), false) => format!("no: {}", plain(reason)),
            (None, false) => "no".to_owned(),
        };
        if let Some(state) = &self.state {
            let uptime = i64::try_from(state.uptime_seconds).unwrap_or(i64::MAX);
            lines.push(("version", format!("{}, running for {}", plain(&state.version), span(uptime))));
        }
        lines.push(("ready", ready));
        if let Some(state) = &self.state {
            let since = span(now.duration_since(state.supervisor.since).as_secs());
            let error = match (&*state.supervisor.state, state.supervisor.rest.get("last_error")) {
                ("connected", _) | (_, None) => String::new(),
                (_, Some(error)) => {
                    word(error, "message").map(|text| format!(": {text}")).unwrap_or_default()
                }
            };
            let supervisor = plain(&state.supervisor.state);
            lines.push(("supervisor", format!("{supervisor} for {since}{error}")));
            lines.extend(releases(state).map(|text| ("release", text)));
            let journal = state.rest.get("journal").filter(|journal| !journal.is_null());
            lines.extend(journal.map(|journal| ("state kept", storage(journal))));
        }
        let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        let lines: Vec<String> =
            lines.iter().map(|(name, value)| format!("{name:width$}  {value}")).collect();
        lines.join("\n")
    }

    fn services(&self) -> Vec<Value> {
        let Some(state) = &self.state else { return Vec::new() };
        let services = applications(state).filter_map(|(_, application)| {
            let services = application.get("services")?.as_object()?;
            Some(services.iter().map(|(name, service)| {
                json!({ "service": name, "status": service.get("status"), "release": service.get("releaseId") })
            }))
        });
        services.flatten().collect()
    }

    /// The faults of the settings. Each names its setting, and may have several lines.
    fn faults(&self) -> String {
        let lines = self.readiness.faults.iter().flat_map(|fault| {
            let marks = std::iter::once("- ").chain(std::iter::repeat("  "));
            marks.zip(fault.fault.lines()).map(|(mark, line)| format!("{mark}{}", plain(line)))
        });
        let lines: Vec<String> = std::iter::once("faults:".to_owned()).chain(lines).collect();
        lines.join("\n")
    }

    fn held(&self) -> Vec<Value> {
        lease_rows(self.leases.as_deref().unwrap_or_default())
    }
}

/// The columns of [`lease_rows`].
pub(super) const LEASE_COLUMNS: [&str; 4] = ["lease", "client", "reason", "ends in"];

/// The held leases, for people.
pub(super) fn lease_rows(leases: &[Lease]) -> Vec<Value> {
    let held = leases.iter().filter(|lease| lease.is_held());
    held.map(|lease| {
        let end = lease.seconds_left.and_then(|left| i64::try_from(left).ok());
        json!({
            "lease": lease.name, "client": lease.client, "reason": lease.reason,
            "ends in": end.map_or_else(|| "no time limit".to_owned(), span),
        })
    })
    .collect()
}

fn applications(state: &ServiceState) -> impl Iterator<Item = (&String, &Value)> {
    state.rest.get("applications").and_then(Value::as_object).into_iter().flatten()
}

/// The release of each application, with the state of an update.
fn releases(state: &ServiceState) -> Option<String> {
    let all = applications(state).map(|(name, application)| {
        let commit: String = word(application, "commit").unwrap_or_else(|| "none".to_owned());
        match word(application, "updateStatus") {
            Some(update) if update != "done" => format!("{} {commit}, update {update}", plain(name)),
            _ => format!("{} {commit}", plain(name)),
        }
    });
    let all: Vec<String> = all.collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// Where leases and ledger are kept.
fn storage(journal: &Value) -> String {
    let error = word(journal, "last_error").map(|error| format!(" ({error})")).unwrap_or_default();
    match (word(journal, "directory"), journal.get("durable").and_then(Value::as_bool)) {
        (None, _) => "in memory only: gone when the agent restarts".to_owned(),
        (Some(directory), Some(false)) => format!("not in {directory} at the moment{error}"),
        (Some(directory), _) => format!("in {directory}"),
    }
}

fn word(value: &Value, name: &str) -> Option<String> {
    value.get(name)?.as_str().map(plain)
}

/// Returns a number of seconds in one unit.
fn span(seconds: i64) -> String {
    let duration = SignedDuration::from_secs(seconds);
    match seconds {
        ..120 => format!("{} s", seconds.max(0)),
        120..7200 => format!("{} min", duration.as_mins()),
        7200..172_800 => format!("{} h", duration.as_hours()),
        _ => format!("{} days", duration.as_hours() / 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines() {
        let state = json!({
            "version": "0.1.0", "started": "2026-11-29T12:00:00Z", "uptime_seconds": 7200, "ready": false,
            "supervisor": {
                "connected": false, "state": "lost", "since": "2026-11-29T13:58:00Z",
                "last_error": { "message": "can't reach\u{1b} it" },
            },
            "applications": { "shop": {
                "commit": "c0ffee", "updateStatus": "downloading",
                "services": { "main": { "status": "Running", "releaseId": 3 } },
            } },
            "journal": { "directory": "/data/balena-agent", "durable": false, "last_error": "disk full" },
        });
        let lease =
            json!({ "name": "flash", "client": "modem", "state": "held", "seconds_left": 240, "ttl": 300 });
        let ended = json!({ "name": "old", "client": "modem", "state": "released" });
        let mut answers = Answers {
            readiness: serde_json::from_value(json!({
                "status": "unavailable", "reason": "no answer",
                "faults": [{ "setting": "A", "fault": "A is wrong:\n  a: 1" }, { "setting": "B", "fault": "B" }],
            }))
                .unwrap(),
            state: serde_json::from_value(state).unwrap(),
            leases: serde_json::from_value(json!([lease, ended]))
                .map_err(|_: serde_json::Error| String::new()),
        };
        let now = "2026-11-29T14:00:00Z".parse().unwrap();
        assert_eq!(
            answers.text(now),
            "version     0.1.0, running for 2 h\n\
             ready       no: no answer\n\
             supervisor  lost for 2 min: can't reach\\u{1b} it\n\
             release     shop c0ffee, update downloading\n\
             state kept  not in /data/balena-agent at the moment (disk full)"
        );
        assert_eq!(answers.services(), [json!({ "service": "main", "status": "Running", "release": 3 })]);
        assert_eq!(
            answers.held(),
            [json!({ "lease": "flash", "client": "modem", "reason": null, "ends in": "4 min" })]
        );
        assert_eq!(answers.faults(), "faults:\n- A is wrong:\n    a: 1\n- B");
        assert_eq!(answers.data().unwrap()["leases"][0]["name"], "flash");
        answers.state = None;
        assert_eq!(answers.text(now), "ready  no: no answer");
    }

    #[test]
    fn where_it_is_kept() {
        assert!(storage(&json!({ "directory": null, "durable": false })).starts_with("in memory only"));
        assert_eq!(storage(&json!({ "directory": "/data/x", "durable": true })), "in /data/x");
    }
}

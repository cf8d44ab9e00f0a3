//! The counters of the service, and the text of `/metrics`: counters and device state.

use jiff::Timestamp;

mod counters;
mod openmetrics;

use crate::service::context::Context;
use crate::service::device::{Applications, Connection, Snapshot};
use crate::tasks::TaskReport;
use openmetrics::{Kind, Text};

use counters::Counts;

pub(crate) use counters::{Endpoint, Metrics};
pub(crate) use openmetrics::CONTENT_TYPE;

/// Returns the body of `/metrics`.
pub(crate) fn exposition(context: &Context, ready: bool) -> String {
    let tasks = context.tasks.upgrade().map(|tasks| tasks.reports()).unwrap_or_default();
    let mut text = Text::default();
    text.family("balena_agent_build", Kind::Info, "Version of the service.").sample(
        "_info",
        &[("version", env!("CARGO_PKG_VERSION"))],
        1,
    );
    text.family("process_start_time_seconds", Kind::Gauge, "When the service started, in Unix time.").sample(
        "",
        &[],
        unix_seconds(context.started_at),
    );
    text.family("balena_agent_ready", Kind::Gauge, "1 when the state of the device is known.").sample(
        "",
        &[],
        u8::from(ready),
    );
    text.family("balena_events_clients", Kind::Gauge, "Clients that follow /events.").sample(
        "",
        &[],
        context.events_clients(),
    );
    write_counts(&mut text, &context.meters.counts());
    write_tasks(&mut text, &tasks);
    write_state(&mut text, &context.snapshot());
    text.finish()
}

fn write_counts(text: &mut Text, counts: &Counts) {
    let calls =
        [("applications_state", counts.applications_state), ("device", counts.device), ("ping", counts.ping)];
    let mut family = text.family("balena_supervisor_calls", Kind::Counter, "Calls to the supervisor.");
    for (endpoint, calls) in calls {
        family.sample("_total", &[("endpoint", endpoint)], calls.all);
    }
    let mut family =
        text.family("balena_supervisor_call_failures", Kind::Counter, "Calls to the supervisor that failed.");
    for (endpoint, calls) in calls {
        family.sample("_total", &[("endpoint", endpoint)], calls.failed);
    }
    text.family("balena_supervisor_poll_duration_seconds", Kind::Summary, "How long the polls took.")
        .sample("_count", &[], counts.polls)
        .sample("_sum", &[], counts.polling.as_secs_f64());
    text.family("balena_events_lagged", Kind::Counter, "Times a client of /events missed changes.").sample(
        "_total",
        &[],
        counts.lagged,
    );
    text.family(
        "balena_agent_connections_displaced",
        Kind::Counter,
        "Connections that were closed to make room for others.",
    )
    .sample("_total", &[], counts.displaced);
}

fn write_tasks(text: &mut Text, tasks: &[TaskReport]) {
    let mut family =
        text.family("balena_agent_task_restarts", Kind::Counter, "Restarts of the service's own tasks.");
    for task in tasks {
        family.sample("_total", &[("task", task.name)], task.restarts);
    }
}

fn write_state(text: &mut Text, snapshot: &Snapshot) {
    text.family("balena_supervisor_connected", Kind::Gauge, "1 when the supervisor answers.").sample(
        "",
        &[],
        u8::from(snapshot.supervisor == Connection::Connected),
    );
    let mut family =
        text.family("balena_supervisor_state", Kind::Gauge, "1 for the present state of the supervisor.");
    for (connection, word) in Connection::ALL {
        family.sample("", &[("state", word)], u8::from(snapshot.supervisor == connection));
    }
    if let Some(contact) = snapshot.last_contact {
        text.family(
            "balena_supervisor_last_contact_timestamp_seconds",
            Kind::Gauge,
            "When the supervisor last answered, in Unix time.",
        )
        .sample("", &[], unix_seconds(contact));
    }
    if let Some(applications) = &snapshot.applications {
        write_applications(text, applications);
    }
}

fn write_applications(text: &mut Text, applications: &Applications) {
    let mut family = text.family("balena_update_status", Kind::Gauge, "1 for the update's present status.");
    for (name, application) in applications {
        if let Some(status) = &application.update_status {
            family.sample("", &[("application", name), ("status", status.as_str())], 1);
        }
    }
    let mut family =
        text.family("balena_service_status", Kind::Gauge, "1 for the present status of the service.");
    for (application, service, state) in services(applications) {
        let labels = [("application", application), ("service", service), ("status", state.status.as_str())];
        family.sample("", &labels, 1);
    }
    let mut family = text.family(
        "balena_update_progress_ratio",
        Kind::Gauge,
        "Download progress of the service's next image, 0 to 1; absent without a download.",
    );
    for (application, service, state) in services(applications) {
        if let Some(percent) = state.download_progress {
            family.sample("", &[("application", application), ("service", service)], percent / 100.0);
        }
    }
}

fn services(
    applications: &Applications,
) -> impl Iterator<Item = (&str, &str, &crate::supervisor::ServiceState)> {
    applications.iter().flat_map(|(name, application)| {
        application.services.iter().map(move |(service, state)| (name.as_str(), service.as_str(), state))
    })
}

fn unix_seconds(time: Timestamp) -> String {
    let milliseconds = time.as_millisecond();
    format!("{}.{:03}", milliseconds.div_euclid(1000), milliseconds.rem_euclid(1000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::device::tests::{at, shop};
    use std::time::Duration;

    #[test]
    fn counters() {
        let meters = Metrics::default();
        meters.call(Endpoint::ApplicationsState, true);
        meters.call(Endpoint::ApplicationsState, false);
        meters.call(Endpoint::Device, true);
        meters.poll(Duration::from_millis(250));
        meters.poll(Duration::from_millis(500));
        let mut text = Text::default();
        write_counts(&mut text, &meters.counts());
        let text = text.finish();
        for line in [
            "balena_supervisor_calls_total{endpoint=\"applications_state\"} 2",
            "balena_supervisor_calls_total{endpoint=\"device\"} 1",
            "balena_supervisor_calls_total{endpoint=\"ping\"} 0",
            "balena_supervisor_call_failures_total{endpoint=\"applications_state\"} 1",
            "balena_supervisor_poll_duration_seconds_count 2",
            "balena_supervisor_poll_duration_seconds_sum 0.75",
        ] {
            assert!(text.lines().any(|have| have == line), "{line}\n{text}");
        }
    }

    #[test]
    fn state_of_services() {
        let mut snapshot = Snapshot::new(at(0));
        let mut applications = shop("a", "downloading", &[("main", "Running"), ("odd\"one", "Downloading")]);
        applications.get_mut("shop").unwrap().services.get_mut("odd\"one").unwrap().download_progress =
            Some(25.0);
        snapshot.succeed(applications, None, at(1));
        let mut text = Text::default();
        write_state(&mut text, &snapshot);
        let text = text.finish();
        for line in [
            "balena_supervisor_connected 1",
            "balena_supervisor_state{state=\"connected\"} 1",
            "balena_supervisor_state{state=\"refused\"} 0",
            "balena_supervisor_last_contact_timestamp_seconds 1.000",
            "balena_update_status{application=\"shop\",status=\"downloading\"} 1",
            "balena_service_status{application=\"shop\",service=\"main\",status=\"Running\"} 1",
            "balena_update_progress_ratio{application=\"shop\",service=\"odd\\\"one\"} 0.25",
        ] {
            assert!(text.lines().any(|have| have == line), "{line}\n{text}");
        }
    }
}

//! The endpoints of the device, the host and local mode; those of apps are in `apps`.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use serde_json::Value;
use tokio::sync::mpsc;

use super::apply::{self, Trigger};
use super::host_config::Patch;
use super::journal;
use super::json::{Json, object};
use super::process::Process;
use super::refusal::Refusal;
use super::request::{Admitted, Outcome};
use super::response::ServerResponse;
use super::routes::Endpoint;
use super::settings::Settings;
use super::target::{self, TargetError};
use super::{Power, actions, apps, js_values, local_logs, lock, reports, update};

/// Fields of the host configuration, in the order of the response.
const HOST_CONFIG_FIELDS: [&str; 10] =
    ["network", "hostname", "proxy", "type", "ip", "port", "login", "password", "dns", "noProxy"];
/// Lines buffered for a slow reader.
const STREAM_BUFFER: usize = 16;

/// Handles an admitted request.
pub(super) async fn handle(process: &Arc<Process>, call: Admitted) -> Outcome {
    let machine = &process.machine;
    match call.endpoint {
        Endpoint::Healthy if healthy(process) => ServerResponse::status(StatusCode::OK).into(),
        Endpoint::Healthy => ServerResponse::html_text(StatusCode::INTERNAL_SERVER_ERROR, "Unhealthy").into(),
        Endpoint::Ping => ServerResponse::ok().into(),
        Endpoint::Blink => ServerResponse::status(StatusCode::OK).into(),
        Endpoint::RegenerateKey => match lock(&machine.keys).rotate(&call.key) {
            Some(key) => ServerResponse::html_text(StatusCode::OK, key).into(),
            None => ServerResponse::failed(StatusCode::SERVICE_UNAVAILABLE, "").into(),
        },
        Endpoint::Reboot => power(process, &call, Power::Reboot).await.into(),
        Endpoint::Shutdown => power(process, &call, Power::Off).await.into(),
        Endpoint::Update => update(process, &call).into(),
        Endpoint::HostConfig => {
            let shown = lock(&machine.host).network.show();
            ServerResponse::success(&Json::ordered(shown, &HOST_CONFIG_FIELDS)).into()
        }
        Endpoint::SetHostConfig => set_host_config(process, &call).await.into(),
        Endpoint::Device => ServerResponse::report(reports::device(process)).into(),
        Endpoint::DeviceInfo => {
            let (arch, device_type) = (&machine.facts.arch, &machine.facts.device_type);
            success("info", object([("arch", arch.into()), ("deviceType", device_type.into())])).into()
        }
        Endpoint::Version => success("version", &machine.version).into(),
        Endpoint::DeviceName => {
            let name = machine.settings(|settings| settings.name.clone());
            success("deviceName", name).into()
        }
        Endpoint::Vpn => {
            let vpn = machine.facts.vpn;
            let enabled = machine.settings(|settings| settings.vpn(vpn.enabled));
            success("vpn", object([("enabled", enabled.into()), ("connected", vpn.connected.into())])).into()
        }
        Endpoint::Tags => tags(process).into(),
        Endpoint::SetTags => set_tags(process, &call.body).into(),
        Endpoint::LocalTarget => ServerResponse::success(&reports::target(process)).into(),
        Endpoint::SetLocalTarget => set_local_target(process, &call),
        Endpoint::LocalLogs => local_logs(process).into(),
        Endpoint::JournalLogs => journal_logs(process, &call.body).into(),
        Endpoint::RestartApp
        | Endpoint::PurgeApp
        | Endpoint::LegacyService(_)
        | Endpoint::SingleApp
        | Endpoint::Service(_)
        | Endpoint::PurgeApplication
        | Endpoint::RestartApplication
        | Endpoint::ApplicationsState
        | Endpoint::ApplicationState
        | Endpoint::ContainerId
        | Endpoint::StateStatus
        | Endpoint::CleanupVolumes => apps::handle(process, call).await,
    }
}

/// Health as the supervisor defines it: contact with the cloud, and an update loop that is not stuck.
fn healthy(process: &Process) -> bool {
    let longest = process.machine.settings(|settings| settings.poll_interval()) * 2;
    process.machine.in_touch() && !process.is_stuck(longest)
}

/// Response of endpoints with one value.
fn success(name: &str, value: impl Into<Json>) -> ServerResponse {
    ServerResponse::success(&object([("status", "success".into()), (name, value.into())]))
}

async fn power(process: &Arc<Process>, call: &Admitted, power: Power) -> ServerResponse {
    match actions::power(process, power, js_values::truthy(call.field("force"))).await {
        Ok(()) => ServerResponse::go(StatusCode::ACCEPTED, "OK", None),
        Err(Refusal::Locked(message)) => ServerResponse::go(StatusCode::LOCKED, "", Some(&message)),
        Err(refusal) => ServerResponse::go(StatusCode::INTERNAL_SERVER_ERROR, "", Some(refusal.message())),
    }
}

fn update(process: &Arc<Process>, call: &Admitted) -> ServerResponse {
    let force = js_values::truthy(call.field("force"));
    let cancel = js_values::truthy(call.field("cancel"));
    if !force && !process.machine.settings(|settings| settings.instant_updates()) {
        return ServerResponse::status(StatusCode::ACCEPTED);
    }
    update::request(process, Trigger { force, cancel });
    ServerResponse::status(StatusCode::NO_CONTENT)
}

async fn set_host_config(process: &Arc<Process>, call: &Admitted) -> ServerResponse {
    let patch = match Patch::parse(&call.body) {
        Ok(patch) => patch,
        Err(reason) => return ServerResponse::html_text(StatusCode::BAD_REQUEST, reason),
    };
    match actions::configure_host(process, patch, js_values::truthy(call.field("force"))).await {
        Ok(()) => ServerResponse::ok(),
        Err(Refusal::Locked(message)) => ServerResponse::html_text(StatusCode::LOCKED, message),
        Err(refusal) => ServerResponse::html_text(StatusCode::SERVICE_UNAVAILABLE, refusal.message()),
    }
}

fn tags(process: &Process) -> ServerResponse {
    if !process.machine.online() {
        return ServerResponse::failed(StatusCode::INTERNAL_SERVER_ERROR, "fetch failed");
    }
    let known = lock(&process.machine.cloud).rows.tags();
    let tags = known.iter().map(|tag| {
        object([("id", tag.id.into()), ("name", (&tag.name).into()), ("value", (&tag.value).into())])
    });
    success("tags", tags.collect::<Json>())
}

fn set_tags(process: &Arc<Process>, body: &Value) -> ServerResponse {
    const NO_TAGS: &str = "Invalid tags body, must be an object like `{[tagKey: string]: string}`";
    let refuse = |message| ServerResponse::failed(StatusCode::BAD_REQUEST, message);
    let pairs: Vec<(String, &Value)> = match body {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect()
        }
        _ => return refuse(NO_TAGS),
    };
    let mut tags = Vec::new();
    for (name, value) in pairs {
        let Some(value) = value.as_str() else { return refuse(NO_TAGS) };
        if name.contains(char::is_whitespace) {
            return refuse("Tag keys cannot contain whitespace");
        }
        tags.push((name, value.to_owned()));
    }
    update::report_tags(process, tags);
    ServerResponse::json(StatusCode::ACCEPTED, &object([("status", "success".into())]))
}

fn set_local_target(process: &Arc<Process>, call: &Admitted) -> Outcome {
    let machine = &process.machine;
    if !machine.settings(|settings| settings.local_mode()) {
        let message = "Target state can only set when device is in local mode";
        return ServerResponse::failed(StatusCode::BAD_REQUEST, message).into();
    }
    let name = machine.settings(|settings| settings.name.clone());
    let target = match target::parse(&call.body, &name) {
        Ok(target) => target,
        Err(TargetError::Fatal) => return Outcome::Crash,
        Err(TargetError::Invalid(message)) => {
            return ServerResponse::failed(StatusCode::BAD_REQUEST, &message).into();
        }
    };
    machine.settings(|settings: &mut Settings| {
        settings.name = target.name;
        settings.local_target = target.apps;
        // Variables missing from the new configuration return to their defaults, including local mode.
        settings.config.remove("SUPERVISOR_LOCAL_MODE");
        for (name, value) in &target.config {
            settings.set(name, value);
        }
    });
    let force = js_values::truthy(call.field("force"));
    apply::trigger(process, Trigger { force, cancel: false });
    success("message", "OK").into()
}

fn journal_logs(process: &Arc<Process>, body: &Value) -> ServerResponse {
    let query = match journal::Query::parse(body) {
        Ok(Some(query)) => query,
        Ok(None) => return ServerResponse::empty(StatusCode::OK),
        Err(message) => return ServerResponse::failed(StatusCode::SERVICE_UNAVAILABLE, &message),
    };
    let (output, lines) = mpsc::channel::<Bytes>(STREAM_BUFFER);
    let owner = Arc::clone(process);
    process.spawn("journal", async move { owner.machine.journal.print(query, output).await });
    ServerResponse::stream(lines)
}

fn local_logs(process: &Arc<Process>) -> ServerResponse {
    let (output, lines) = mpsc::channel::<Bytes>(STREAM_BUFFER);
    let owner = Arc::clone(process);
    process.spawn("local logs", async move { local_logs::stream(&owner, output).await });
    ServerResponse::stream(lines)
}

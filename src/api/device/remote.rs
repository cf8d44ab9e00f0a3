//! Actions on other devices: looking up the device, checking its supervisor, sending through the API.

use std::time::Duration;

use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::api::supervisor_proxy::{DEADLINE, ProxiedCall};
use crate::core::{Core, EndpointRequest};
use crate::error::{Error, ErrorKind, Result};
use crate::http::{BufferedResponse, StatusPolicy};
use crate::odata::Query;
use crate::resource::keys::{DeviceKey, IdRow};
use crate::resource::read::{exactly_one, rows};
use crate::rows::Device;
use crate::supervisor::{APP_ID, Endpoint, Force, RequestSpec, Retryability, SupervisorResponse};

use super::supervisor_version::MinimumVersion;

/// What must be looked up before an action can be forwarded.
#[derive(Debug, Clone, Copy)]
pub(super) enum RequiredFields {
    /// The device's full uuid, by which the API selects it.
    Uuid,
    /// The device's id.
    Id,
    /// The ids of the device and its application.
    Application,
    /// These, and the supervisor's version, which must not be lower.
    Version(MinimumVersion),
    /// These, and the supervisor's version: before 7, another endpoint restarts the application.
    VersionForRestart,
}

/// The looked-up row.
#[derive(Deserialize)]
struct DeviceFields {
    id: Option<i64>,
    uuid: Option<String>,
    supervisor_version: Option<String>,
    #[serde(default, rename = "belongs_to__application")]
    application: Vec<IdRow>,
}

impl RequiredFields {
    fn query(self) -> Query {
        let columns: &[&str] = match self {
            Self::Uuid => &["uuid"],
            Self::Id | Self::Application => &["id"],
            Self::Version(_) | Self::VersionForRestart => &["id", "supervisor_version"],
        };
        let query = Query::new().select(columns.iter().copied());
        match self {
            Self::Uuid | Self::Id => query,
            _ => query.expand(Device::APPLICATION.select(["id"])),
        }
    }
}

/// Looks up the device and sends the action to it. Not generic, so that it is compiled once for all actions.
pub(super) async fn send_proxied(
    core: &Core,
    device: &DeviceKey,
    needs: RequiredFields,
    spec: RequestSpec,
    deadline: Option<Duration>,
) -> Result<SupervisorResponse> {
    let endpoint = spec.endpoint;
    let (mut body, application) = if let (RequiredFields::Id, DeviceKey::Id(id)) = (needs, device) {
        (fields(json!({ "deviceId": id })), None)
    } else {
        let target = device.target::<Device>(needs.query())?;
        let response = core.read(target.resource, target.key.as_ref(), &target.defaults).await?;
        let row: DeviceFields =
            exactly_one(target.not_found_kind, rows(&response)?, &target.subject, &response)?;
        let version = row.supervisor_version.as_deref();
        match needs {
            RequiredFields::Version(minimum) => minimum.check(version)?,
            RequiredFields::VersionForRestart if !MinimumVersion::V7.is_met_as_written(version) => {
                let id = row.id.ok_or_else(|| absent("id", &response))?;
                return restart_before_7(core, id, spec, deadline).await;
            }
            _ => {}
        }
        identity(needs, row, &response)?
    };
    if endpoint.method != Method::POST {
        body.insert("method".into(), endpoint.method.as_str().into());
    }
    let force = spec.force();
    let mut path = spec.path.into_owned();
    let mut data = spec.body;
    if let Some(id) = application {
        name_application(id, &mut path, &mut data);
    }
    if let Some(data) = data {
        body.insert("data".into(), data);
    }
    let repeatable = endpoint.retryability == Retryability::Read;
    let passed = ProxiedCall { path, body: Value::Object(body), idempotent: repeatable, deadline, force };
    let response = core.send_proxied(passed).await.map_err(|error| explain_unsupported(error, endpoint))?;
    Ok(answer(core, endpoint, response))
}

/// Returns the fields by which the API selects the device, and the id of its application if it was requested.
fn identity(
    needs: RequiredFields,
    row: DeviceFields,
    response: &BufferedResponse,
) -> Result<(Map<String, Value>, Option<i64>)> {
    if let RequiredFields::Uuid = needs {
        let uuid = row.uuid.filter(|uuid| !uuid.is_empty()).ok_or_else(|| absent("uuid", response))?;
        return Ok((fields(json!({ "uuid": uuid })), None));
    }
    let id = row.id.ok_or_else(|| absent("id", response))?;
    if let RequiredFields::Id = needs {
        return Ok((fields(json!({ "deviceId": id })), None));
    }
    let application = row.application.first().ok_or_else(|| absent("application", response))?.id;
    Ok((fields(json!({ "deviceId": id, "appId": application })), Some(application)))
}

/// Replaces [`APP_ID`] in the call by the application's id. For an endpoint with the application in its path, the
/// body has the id too.
fn name_application(id: i64, path: &mut String, data: &mut Option<Value>) {
    let in_path = path.contains(APP_ID);
    if in_path {
        *path = path.replace(APP_ID, &id.to_string());
    }
    if let Some(Value::Object(data)) = data
        && (in_path || data.contains_key("appId"))
    {
        data.insert("appId".into(), id.into());
    }
}

/// Restarts the application of a device whose supervisor is older than 7 (`POST /device/<id>/restart`). It takes no
/// options.
async fn restart_before_7(
    core: &Core,
    id: i64,
    spec: RequestSpec,
    deadline: Option<Duration>,
) -> Result<SupervisorResponse> {
    if spec.body.as_ref().is_some_and(|body| body.get("force").is_some()) {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "the device's supervisor is older than 7.0.0 and can't be made to override locks from here",
        )
        .with_help("restart without force, or update the device"));
    }
    let plain = EndpointRequest {
        timeout: Some(deadline.unwrap_or(DEADLINE)),
        status_policy: StatusPolicy::DeviceProxy,
        ..EndpointRequest::new(Method::POST, format!("/device/{id}/restart"), None)
    };
    Ok(answer(core, spec.endpoint, core.send(plain).await?))
}

fn answer(core: &Core, endpoint: &'static Endpoint, response: BufferedResponse) -> SupervisorResponse {
    SupervisorResponse {
        supervisor: core.supervisor.clone(),
        endpoint,
        operation: response.operation,
        status: response.status,
        // Used for errors only, which the API reports.
        is_html: false,
        force: Force::NotTaken,
        body: response.body,
    }
}

/// Explains a 404 of the supervisor rather than of the API: the device exists.
fn explain_unsupported(error: Error, endpoint: &Endpoint) -> Error {
    if error.status() != Some(404) {
        return error;
    }
    let words = error.body().unwrap_or_default().to_ascii_lowercase();
    // A path without `/supervisor` is the one that the supervisor received.
    if error.is_unsupported()
        && words.contains("cannot ")
        && [" /v1/", " /v2/"].iter().any(|path| words.contains(path))
    {
        let help = format!("it needs supervisor {} or later; update the device", endpoint.since);
        return error.with_help(help);
    }
    let is_offline = ["not found", "no online device(s) found"].contains(&words.trim());
    if error.is_device_offline() && endpoint.not_found_status.is_some() && !is_offline {
        return error
            .with_kind(ErrorKind::NotFound)
            .with_help("check that the service is part of the release on the device");
    }
    error
}

/// Adds help to a response that is not from a supported supervisor.
pub(super) fn explain_proxied_error(error: Error) -> Error {
    if error.is_decode() {
        error.with_help("this came through the API: check the version of the device's supervisor")
    } else {
        error
    }
}

fn absent(what: &str, response: &BufferedResponse) -> Error {
    Error::new(ErrorKind::Decode, format!("the response lacks the device's {what}"))
        .with_operation(response.operation.clone())
        .with_status(response.status)
        .with_sent(true)
        .with_help("check that the token may read it: the API omits what a key may not read")
}

fn fields(object: Value) -> Map<String, Value> {
    match object {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

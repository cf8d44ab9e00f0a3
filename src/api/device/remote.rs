//! An action on a device elsewhere: which device it is, whether it can do it, and the way there and back.

use std::time::Duration;

use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::api::keys::{DeviceKey, IdRow};
use crate::api::proxy::{DEADLINE, Passed};
use crate::api::read::{one, rows};
use crate::api::rows::Device;
use crate::core::{Core, Plain};
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Refusals, Reply};
use crate::odata::Query;
use crate::supervisor::{APP_ID, Answer, Endpoint, Force, Nature, Spec};

use super::supervisor_version::Minimum;

/// What the cloud has to be asked for before it can pass an action on.
#[derive(Debug, Clone, Copy)]
pub(super) enum Needs {
    /// The device's whole uuid, by which the proxy finds it.
    Uuid,
    /// The device's id.
    Id,
    /// The ids of the device and its application.
    Application,
    /// These, and a supervisor that is new enough.
    Version(Minimum),
    /// These; a supervisor before 7 has its application restarted in another way.
    VersionForRestart,
}

/// What was asked for.
#[derive(Deserialize)]
struct Row {
    id: Option<i64>,
    uuid: Option<String>,
    supervisor_version: Option<String>,
    #[serde(default, rename = "belongs_to__application")]
    application: Vec<IdRow>,
}

impl Needs {
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

/// Sends it to the device, once it is known which that is. Not generic: compiled once for all actions.
pub(super) async fn pass_on(
    core: &Core,
    device: &DeviceKey,
    needs: Needs,
    spec: Spec,
    deadline: Option<Duration>,
) -> Result<Answer> {
    let endpoint = spec.endpoint;
    let (mut body, application) = if let (Needs::Id, DeviceKey::Id(id)) = (needs, device) {
        (fields(json!({ "deviceId": id })), None)
    } else {
        let target = device.target::<Device>(needs.query())?;
        let reply = core.read(target.resource, target.key.as_ref(), &target.defaults).await?;
        let row: Row = one(target.missing, rows(&reply)?, &target.sought, &reply)?;
        let version = row.supervisor_version.as_deref();
        match needs {
            Needs::Version(minimum) => minimum.check(version)?,
            Needs::VersionForRestart if !Minimum::V7.is_met_as_written(version) => {
                let id = row.id.ok_or_else(|| absent("id", &reply))?;
                return restart_before_7(core, id, spec, deadline).await;
            }
            _ => {}
        }
        identity(needs, row, &reply)?
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
    let repeatable = endpoint.nature == Nature::Read;
    let passed = Passed { path, body: Value::Object(body), repeatable, deadline, force };
    let reply = core.pass_on(passed).await.map_err(|error| understood(error, endpoint))?;
    Ok(answer(core, endpoint, reply))
}

/// By what the proxy finds the device; and the id of its application, where that was asked for.
fn identity(needs: Needs, row: Row, reply: &Reply) -> Result<(Map<String, Value>, Option<i64>)> {
    if let Needs::Uuid = needs {
        let uuid = row.uuid.filter(|uuid| !uuid.is_empty()).ok_or_else(|| absent("uuid", reply))?;
        return Ok((fields(json!({ "uuid": uuid })), None));
    }
    let id = row.id.ok_or_else(|| absent("id", reply))?;
    if let Needs::Id = needs {
        return Ok((fields(json!({ "deviceId": id })), None));
    }
    let application = row.application.first().ok_or_else(|| absent("application", reply))?.id;
    Ok((fields(json!({ "deviceId": id, "appId": application })), Some(application)))
}

/// Puts the application's id where the call has [`APP_ID`]. What is sent to an endpoint whose path names the
/// application names it too.
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

/// The way of supervisors before 7 (`POST /device/<id>/restart`), which knows no options.
async fn restart_before_7(core: &Core, id: i64, spec: Spec, deadline: Option<Duration>) -> Result<Answer> {
    if spec.body.as_ref().is_some_and(|body| body.get("force").is_some()) {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "the device's supervisor is older than 7.0.0 and can't be made to override locks from here",
        )
        .help("restart without force, or update the device"));
    }
    let plain = Plain {
        timeout: Some(deadline.unwrap_or(DEADLINE)),
        refusals: Refusals::OfADevice,
        ..Plain::post(Method::POST, format!("/device/{id}/restart"), None)
    };
    Ok(answer(core, spec.endpoint, core.plain(plain).await?))
}

fn answer(core: &Core, endpoint: &'static Endpoint, reply: Reply) -> Answer {
    Answer {
        supervisor: core.supervisor.clone(),
        endpoint,
        operation: reply.operation,
        status: reply.status,
        // Of a refusal only, which the cloud's side judges.
        is_html: false,
        force: Force::NotTaken,
        body: reply.body,
    }
}

/// A 404 in the words of the supervisor, not of the cloud: the device is there.
fn understood(error: Error, endpoint: &Endpoint) -> Error {
    if error.status() != Some(404) {
        return error;
    }
    let words = error.body().unwrap_or_default().to_ascii_lowercase();
    // The path without `/supervisor` before it is the one that the supervisor got.
    if error.is_unsupported()
        && words.contains("cannot ")
        && [" /v1/", " /v2/"].iter().any(|path| words.contains(path))
    {
        let help = format!("it needs supervisor {} or later; update the device", endpoint.since);
        return error.help(help);
    }
    let is_offline = ["not found", "no online device(s) found"].contains(&words.trim());
    if error.is_device_offline() && endpoint.absent.is_some() && !is_offline {
        return error
            .with_kind(ErrorKind::NotFound)
            .help("is that service part of the release on the device?");
    }
    error
}

/// Advice about an answer that can't be read: it is not our supervisor's.
pub(super) fn of_another_device(error: Error) -> Error {
    if error.is_decode() {
        error.help("this came through the cloud: which supervisor has the device?")
    } else {
        error
    }
}

fn absent(what: &str, reply: &Reply) -> Error {
    Error::new(ErrorKind::Decode, format!("the answer lacks the device's {what}"))
        .operation(reply.operation.clone())
        .with_status(reply.status)
        .sent(true)
        .help("may the token read it? What a key may not read is left out")
}

fn fields(object: Value) -> Map<String, Value> {
    match object {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

//! Requests to the cloud, as the API answers them to the key of a device.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::odata::{self, Filter, Options};
use super::query::{UnknownName, View};
use super::schema::{Resource, Version, Writes};
use super::seed::{ACTOR, DEVICE};
use super::tables::{Row, plain, reference};
use crate::simulator::lock;
use crate::simulator::machine::{Cloud, Machine};
use crate::simulator::response::ServerResponse;

/// Longest body, in bytes.
const LONGEST_BODY: usize = 512 * 1024;
/// Resources whose rows decide what the device runs.
const TARGETS: [&str; 4] = [
    "device",
    "device_environment_variable",
    "device_service_environment_variable",
    "device_config_variable",
];

/// A request, with its query decoded and without a key.
#[derive(Debug)]
pub(super) struct CloudCall {
    pub(super) method: Method,
    /// Decoded path.
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) body: Value,
    pub(super) body_length: usize,
}

/// A response, and whether the request may have changed what the device is to run.
pub(super) struct Handled {
    pub(super) response: ServerResponse,
    pub(super) new_target: bool,
}

impl From<ServerResponse> for Handled {
    fn from(response: ServerResponse) -> Self {
        Self { response, new_target: false }
    }
}

/// The API does not tell these apart: not logged in, not allowed, no such resource.
fn unauthorized() -> ServerResponse {
    ServerResponse::empty(StatusCode::UNAUTHORIZED)
}

/// Handles a request that has the device's key.
pub(super) fn handle(machine: &Machine, call: &CloudCall) -> Handled {
    if call.body_length > LONGEST_BODY {
        return ServerResponse::status(StatusCode::PAYLOAD_TOO_LARGE).into();
    }
    machine.report_to_cloud();
    let uuid = &machine.facts.uuid;
    let (version, rest) = match call.path.trim_start_matches('/').split_once('/') {
        Some(("v6", rest)) => (Version::V6, rest),
        Some(("v7", rest)) => (Version::V7, rest),
        _ if call.path == "/actor/v1/whoami" => {
            let who = json!({ "id": ACTOR, "actorType": "device", "actorTypeId": DEVICE, "uuid": uuid });
            return ServerResponse::value(StatusCode::OK, &who).into();
        }
        _ if call.path == "/ping" => return ServerResponse::ok().into(),
        _ => return state(machine, call).into(),
    };
    let (address, count) = match rest.strip_suffix("/$count") {
        Some(address) => (address, true),
        None => (rest, false),
    };
    let (name, key) = match address.split_once('(') {
        Some((name, key)) => (name, key.strip_suffix(')').and_then(odata::parse_key)),
        None => (address, Some(Filter::And(Vec::new()))),
    };
    let Some(resource) = Resource::find(name) else { return unauthorized().into() };
    let (Some(key), Some(options)) = (key, odata::parse(&call.query)) else {
        return ServerResponse::empty(StatusCode::BAD_REQUEST).into();
    };
    let address = Address { resource, version, key, options, count };
    let mut cloud = lock(&machine.cloud);
    let done = match call.method {
        Method::GET => address.read(&cloud),
        Method::POST => address.create(&mut cloud, &call.body),
        Method::PATCH => address.change(&mut cloud, &call.body),
        Method::DELETE => address.delete(&mut cloud),
        _ => return ServerResponse::empty(StatusCode::NOT_FOUND).into(),
    };
    drop(cloud);
    let response =
        done.unwrap_or_else(|UnknownName| ServerResponse::empty(StatusCode::INTERNAL_SERVER_ERROR));
    let new_target = call.method != Method::GET && response.is_success() && TARGETS.contains(&resource.name);
    Handled { response, new_target }
}

/// Which rows a request concerns.
struct Address {
    resource: &'static Resource,
    version: Version,
    key: Filter,
    options: Options,
    count: bool,
}

type Answered = Result<ServerResponse, UnknownName>;

impl Address {
    fn view<'a>(&self, cloud: &'a Cloud) -> View<'a> {
        View { tables: &cloud.rows, version: self.version }
    }

    fn ids(&self, cloud: &Cloud) -> Result<Vec<i64>, UnknownName> {
        let filters: Vec<&Filter> = std::iter::once(&self.key).chain(&self.options.filter).collect();
        self.view(cloud).matching(self.resource, &filters)
    }

    fn read(&self, cloud: &Cloud) -> Answered {
        if self.count {
            return Ok(ServerResponse::value(StatusCode::OK, &json!({ "d": self.ids(cloud)?.len() })));
        }
        let rows = self.view(cloud).query(self.resource, Some(&self.key), &self.options)?;
        Ok(ServerResponse::value(StatusCode::OK, &json!({ "d": rows })))
    }

    /// Returns the known columns of a body under their stored names. The API drops unknown ones.
    fn columns(&self, body: &Value) -> Row {
        let fields = body.as_object().into_iter().flatten();
        let known = fields.filter_map(|(name, value)| {
            let name = self.version.stored(self.resource, name);
            let value = match self.resource.reference(name) {
                Some(_) if !value.is_null() => reference(plain(value).clone()),
                _ => value.clone(),
            };
            self.resource.has_column(name).then(|| (name.to_owned(), value))
        });
        known.collect()
    }

    fn create(&self, cloud: &mut Cloud, body: &Value) -> Answered {
        if !matches!(self.resource.writes, Writes::All | Writes::CreateAndUpdate) {
            return Ok(unauthorized());
        }
        let values = self.columns(body);
        let required = self.resource.key.iter().chain(&["value"]);
        if required.into_iter().any(|column| values.get(*column).is_none_or(Value::is_null)) {
            return Err(UnknownName);
        }
        // Its own device, and services on it.
        let of_device = |(column, target): &(&str, &str)| {
            let id = values.get(*column).map(plain);
            cloud.rows.of(target).iter().any(|row| row.get("id") == id)
        };
        if !self.resource.references.iter().all(of_device) {
            return Ok(unauthorized());
        }
        let same = |row: &Row| self.resource.key.iter().all(|column| row.get(*column) == values.get(*column));
        if cloud.rows.all(self.resource).iter().any(same) {
            let columns: Vec<String> =
                self.resource.key.iter().map(|column| format!("\"{column}\"")).collect();
            let text = format!("{} must be unique.", columns.join(" and "));
            return Ok(ServerResponse::value(StatusCode::CONFLICT, &text.into()));
        }
        let row = cloud.rows.add(self.resource.name, &Value::Object(values));
        let row = self.view(cloud).whole(self.resource, &row);
        Ok(ServerResponse::value(StatusCode::CREATED, &Value::Object(row)))
    }

    fn change(&self, cloud: &mut Cloud, body: &Value) -> Answered {
        let mut values = self.columns(body);
        match self.resource.writes {
            Writes::Nothing => return Ok(unauthorized()),
            Writes::Columns(columns) if values.keys().any(|name| !columns.contains(&name.as_str())) => {
                return Ok(unauthorized());
            }
            Writes::Columns(_) => {}
            // A variable stays where it is.
            Writes::All | Writes::CreateAndUpdate => values.retain(|name, _| name == "value"),
        }
        if values.is_empty() {
            return Err(UnknownName);
        }
        let refers = |(column, target): &(&str, &str)| match values.get(*column).map(plain) {
            None | Some(Value::Null) => true,
            id => cloud.rows.of(target).iter().any(|row| row.get("id") == id),
        };
        if !self.resource.references.iter().all(refers) {
            return Ok(unauthorized());
        }
        let ids = self.ids(cloud)?;
        cloud.rows.change(self.resource.name, &ids, &values);
        Ok(ServerResponse::ok())
    }

    fn delete(&self, cloud: &mut Cloud) -> Answered {
        if self.resource.writes != Writes::All {
            return Ok(unauthorized());
        }
        let ids = self.ids(cloud)?;
        cloud.rows.remove(self.resource.name, &ids);
        Ok(ServerResponse::ok())
    }
}

/// `/device/v2/:uuid/state`: the target that a supervisor polls. 304 for another device, as for a deleted one.
fn state(machine: &Machine, call: &CloudCall) -> ServerResponse {
    let rest = call.path.strip_prefix("/device/v2/").and_then(|rest| rest.strip_suffix("/state"));
    let Some(uuid) = rest.filter(|uuid| !uuid.contains('/')) else {
        return ServerResponse::empty(StatusCode::NOT_FOUND);
    };
    if uuid != machine.facts.uuid || call.method != Method::GET {
        return ServerResponse::empty(StatusCode::NOT_MODIFIED);
    }
    let (name, config, target) = machine
        .settings(|settings| (settings.name.clone(), settings.config.clone(), settings.target.clone()));
    let offer = lock(&machine.cloud).offer.as_ref().map(|offer| (offer.name.clone(), offer.apps.clone()));
    let (name, apps) = offer.unwrap_or((name, target));
    let mut shown = Row::new();
    for app in &apps {
        let mut services = Row::new();
        for service in app.release.iter().flat_map(|release| &release.services) {
            services.insert(
                service.id.to_string(),
                json!({
                    "imageId": service.image_id,
                    "serviceName": service.name,
                    "image": service.image,
                    "running": true,
                    "environment": service.variables,
                    "labels": {},
                }),
            );
        }
        shown.insert(
            app.id.to_string(),
            json!({
                "name": app.name,
                "commit": app.release.as_ref().map(|release| &release.commit),
                "releaseId": app.release.as_ref().map(|release| release.id),
                "services": services,
                "networks": {},
                "volumes": {},
            }),
        );
    }
    let local = json!({ "name": name, "config": config, "apps": shown });
    ServerResponse::value(
        StatusCode::OK,
        &json!({ "local": local, "dependent": { "apps": {}, "devices": {} } }),
    )
}

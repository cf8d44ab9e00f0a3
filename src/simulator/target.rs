//! Target states sent by a developer in local mode: accepted, rejected, or crashing the supervisor.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::js_values;
use super::settings::{TargetApp, TargetRelease, TargetService};

/// Longest text of a name.
const SHORT: usize = 255;

/// An accepted target state.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) name: String,
    pub(super) config: BTreeMap<String, String>,
    pub(super) apps: Vec<TargetApp>,
}

/// Why a target state is not accepted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TargetError {
    /// Rejected with this text.
    Invalid(String),
    /// Unhandled: the supervisor crashes.
    Fatal,
}

fn invalid(what: &str, place: &str, value: Option<&Value>) -> TargetError {
    let value = value.map_or_else(|| "undefined".to_owned(), Value::to_string);
    TargetError::Invalid(format!(
        "Invalid target state.\nExpecting {what} at {place} but instead got: {value}"
    ))
}

/// Reads a request body. A missing name keeps the current one; other missing parts are empty.
pub(super) fn parse(body: &Value, name: &str) -> Result<Target, TargetError> {
    let local = body.get("local").filter(|local| !local.is_null());
    let field = |name: &str| local.and_then(|local| local.get(name)).filter(|value| !value.is_null());
    let apps = field("apps").map_or(Ok(Vec::new()), convertible)?;
    let name = match field("name") {
        None => name.to_owned(),
        Some(Value::String(name)) if name.len() <= SHORT && !name.contains('\n') => name.clone(),
        other => return Err(invalid("DeviceName", "name", other)),
    };
    let config = field("config").map_or_else(|| Ok(BTreeMap::new()), |value| texts(value, "config", ":"))?;
    let apps = apps.into_iter().map(|(id, app)| read_app(&id, app.as_ref())).collect::<Result<_, _>>()?;
    Ok(Target { name, config, apps })
}

/// The id of an app, and the app if it is an object.
type UncheckedApp = (String, Option<Map<String, Value>>);

/// Converts the apps to the newer format. This step does not check types, and crashes on unexpected ones.
fn convertible(apps: &Value) -> Result<Vec<UncheckedApp>, TargetError> {
    let entries: Vec<(String, &Value)> = match apps {
        Value::Object(apps) => apps.iter().map(|(id, app)| (id.clone(), app)).collect(),
        Value::Array(apps) => apps.iter().enumerate().map(|(index, app)| (index.to_string(), app)).collect(),
        Value::String(text) => {
            text.chars().enumerate().map(|(index, _)| (index.to_string(), &Value::Bool(false))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    };
    for (id, app) in &entries {
        // The conversion looks an app up by its numeric id: an id spelled in another way is not found.
        let found = id.parse::<i64>().is_ok_and(|number| number.to_string() == *id) && !app.is_null();
        let empty_service = app.get("services").and_then(Value::as_object).is_some_and(|services| {
            services.values().any(Value::is_null) && app.get("commit").is_some_and(|commit| *commit != "")
        });
        if !found || empty_service {
            return Err(TargetError::Fatal);
        }
    }
    Ok(entries.into_iter().map(|(id, app)| (id, app.as_object().cloned())).collect())
}

fn read_app(id: &str, app: Option<&Map<String, Value>>) -> Result<TargetApp, TargetError> {
    let place = format!("apps.{id}");
    let number: i64 =
        id.parse().ok().filter(|id| *id >= 0).ok_or_else(|| invalid("NumericIdentifier", &place, None))?;
    let empty = Map::new();
    let app = app.unwrap_or(&empty);
    let name = short(app.get("name"), &format!("{place}.0.name"))?;
    let release = match app.get("commit").and_then(Value::as_str).filter(|commit| !commit.is_empty()) {
        None => None,
        Some(commit) => Some(TargetRelease {
            id: identifier(app.get("releaseId"), &format!("{place}.0.releases.{commit}.id"))?,
            commit: commit.to_owned(),
            services: services(app.get("services"), &format!("{place}.0.releases.{commit}.services"))?,
        }),
    };
    Ok(TargetApp { id: number, uuid: id.to_owned(), name, release })
}

fn services(value: Option<&Value>, place: &str) -> Result<Vec<TargetService>, TargetError> {
    let entries = value.and_then(Value::as_object).cloned().unwrap_or_default();
    entries
        .iter()
        .map(|(id, service)| {
            let name = service.get("serviceName").and_then(Value::as_str).unwrap_or("undefined");
            let place = format!("{place}.{name}");
            let texts_at = |field: &str| {
                let value = service.get(field);
                value.map_or_else(
                    || Err(invalid("object", &place, None)),
                    |value| texts(value, &place, "-./:"),
                )
            };
            texts_at("labels")?;
            Ok(TargetService {
                name: name.to_owned(),
                id: identifier(Some(&Value::String(id.clone())), &place)?,
                image_id: identifier(service.get("imageId"), &format!("{place}.image_id"))?,
                image: short(service.get("image"), &format!("{place}.image"))?,
                env: texts_at("environment")?,
                variables: BTreeMap::new(),
                volumes: Vec::new(),
                host_network: service.get("network_mode").is_some_and(|mode| mode == "host"),
            })
        })
        .collect()
}

fn short(value: Option<&Value>, place: &str) -> Result<String, TargetError> {
    let text = value.and_then(Value::as_str).filter(|text| text.len() <= SHORT);
    text.map(str::to_owned).ok_or_else(|| invalid("ShortString", place, value))
}

fn identifier(value: Option<&Value>, place: &str) -> Result<i64, TargetError> {
    let id = value.and_then(js_values::identifier).and_then(|id| i64::try_from(id).ok());
    id.ok_or_else(|| invalid("NumericIdentifier", place, value))
}

/// Reads an object of texts. Names consist of letters, digits, `_` and the characters in `also`.
fn texts(value: &Value, place: &str, also: &str) -> Result<BTreeMap<String, String>, TargetError> {
    let fields = value.as_object().ok_or_else(|| invalid("object", place, Some(value)))?;
    let good_name = |name: &str| {
        let first = name.chars().next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
        let rest = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || also.contains(c));
        first && rest && name.len() <= SHORT
    };
    let mut texts = BTreeMap::new();
    for (name, value) in fields {
        match value {
            Value::String(text) if good_name(name) => texts.insert(name.clone(), text.clone()),
            other => return Err(invalid("string", &format!("{place}.{name}"), Some(other))),
        };
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{TargetError, parse};

    fn fault(body: &Value) -> Option<TargetError> {
        parse(body, "name").err()
    }

    #[test]
    fn some_are_refused_and_some_kill() {
        let apps = |apps: Value| fault(&json!({"local": {"apps": apps}}));
        assert_eq!(apps(json!(5)), None);
        assert_eq!(apps(json!({"99": null})), Some(TargetError::Fatal));
        assert_eq!(apps(json!({"abc": {}})), Some(TargetError::Fatal));
        assert!(matches!(apps(json!({"99": {}})), Some(TargetError::Invalid(_))));
        assert_eq!(apps(json!({"99": {"name": "x"}})), None);
        assert_eq!(fault(&json!({})), None);
        assert!(matches!(fault(&json!({"local": {"name": "a\nb"}})), Some(TargetError::Invalid(_))));
        assert!(matches!(fault(&json!({"local": {"config": {"A": 1}}})), Some(TargetError::Invalid(_))));
    }
}

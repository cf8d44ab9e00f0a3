//! The installation instructions in a device type's contract.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::host_os::{self, Texts};
use super::install_method::InstallMethod;
use super::template::{WorkBudget, fill_in};

/// Limit on the length of all texts of a contract in bytes. The longest known has 3 KiB.
const LONGEST: usize = 1 << 20;
/// Limit on the nesting of tables of texts. Contracts have two levels.
const DEPTH: usize = 16;

/// Steps of installing an OS. The texts are Markdown with a little HTML; names from the device type in them are
/// HTML-escaped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Instructions {
    /// The same steps for every operating system.
    Steps(Vec<String>),
    /// Steps for each operating system of the computer that the device is connected to.
    #[serde(rename_all = "PascalCase")]
    BySystem {
        /// Steps on Linux.
        linux: Vec<String>,
        /// Steps on macOS.
        #[serde(rename = "MacOS")]
        mac_os: Vec<String>,
        /// Steps on Windows.
        windows: Vec<String>,
    },
}

/// Why a contract can't be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ContractError {
    /// It has no installation method.
    NoMethod,
    /// A value has an unexpected form: its path, and the reason.
    Odd(String, String),
}

type Result<T, E = ContractError> = std::result::Result<T, E>;

fn odd<T>(place: &str, why: impl Into<String>) -> Result<T> {
    Err(ContractError::Odd(place.to_owned(), why.into()))
}

/// Returns the value if it is truthy in JavaScript.
fn truthy(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| {
        !matches!(value, Value::Null | Value::Bool(false))
            && *value != ""
            && value.as_f64().is_none_or(|number| number != 0.0)
    })
}

/// Returns the texts of a contract, if it has any.
pub(super) fn partials(contract: &Value) -> Option<&Value> {
    truthy(contract.get("partials"))
}

/// Returns the installation method of a contract.
pub(super) fn install_method(contract: &Value) -> Result<InstallMethod> {
    let data = contract.get("data");
    if let Some(protocol) = truthy(data.and_then(|data| data.get("flashProtocol"))) {
        return match protocol.as_str() {
            Some("RPIBOOT") => Ok(InstallMethod::InternalFlash),
            Some(other) => Ok(other.into()),
            None => odd("data.flashProtocol", "it is not a string"),
        };
    }
    let media = data.and_then(|data| data.get("media"));
    match truthy(media.and_then(|media| media.get("defaultBoot"))).map(Value::as_str) {
        Some(Some("image")) => Ok(InstallMethod::Image),
        Some(Some("internal")) => Ok(InstallMethod::ExternalFlash),
        Some(_) => Ok(InstallMethod::ExternalBoot),
        None => Err(ContractError::NoMethod),
    }
}

/// Fills in the templates in the texts of a contract. A single text becomes a list; each line becomes an item of it.
pub(super) fn interpolated(contract: Value) -> Result<Value> {
    interpolate(contract, &mut WorkBudget(LONGEST))
}

fn interpolate(mut contract: Value, budget: &mut WorkBudget) -> Result<Value> {
    let Some(partials) = partials(&contract) else { return Ok(contract) };
    let Some(partials) = partials.as_object() else { return odd("partials", "it is not an object") };
    let mut places = Vec::new();
    collect(partials, &mut vec!["partials".to_owned()], &mut places)?;
    for place in places {
        // In order, because a text may refer to an earlier one.
        let lines = filled_in(at(&contract, &place), &place.join("."), &contract, budget)?;
        let slot = place.iter().try_fold(&mut contract, |value, name| value.get_mut(name));
        if let Some(slot) = slot {
            *slot = lines.into();
        }
    }
    Ok(contract)
}

fn at<'v>(contract: &'v Value, place: &[String]) -> &'v Value {
    place.iter().try_fold(contract, |value, name| value.get(name)).unwrap_or(&Value::Null)
}

/// Collects the paths of the lists of texts.
fn collect(table: &Map<String, Value>, place: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> Result<()> {
    if place.len() > DEPTH {
        return odd(&place.join("."), "the tables are nested too deeply");
    }
    for (name, value) in table {
        place.push(name.clone());
        match value {
            Value::Array(_) | Value::String(_) => found.push(place.clone()),
            Value::Object(inner) => collect(inner, place, found)?,
            Value::Null => return odd(&place.join("."), "it is null"),
            Value::Bool(_) | Value::Number(_) => {}
        }
        place.pop();
    }
    Ok(())
}

fn filled_in(texts: &Value, place: &str, context: &Value, budget: &mut WorkBudget) -> Result<Vec<String>> {
    let texts = match texts {
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut all = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let place = format!("{place}[{index}]");
        let Some(text) = text.as_str() else { return odd(&place, "it is not a string") };
        lines(text, &place, context, budget, &mut all)?;
    }
    Ok(all)
}

/// Fills in a template and appends its lines, without empty ones.
fn lines(
    template: &str,
    place: &str,
    context: &Value,
    budget: &mut WorkBudget,
    all: &mut Vec<String>,
) -> Result<()> {
    let text = fill_in(template, context, budget).or_else(|fault| odd(place, fault.0))?;
    all.extend(text.split('\n').map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned));
    Ok(())
}

/// Returns the steps of installing balenaOS on devices of this type. `None` if the method is unknown.
pub(super) fn instructions(contract: Value) -> Result<Option<Instructions>> {
    let method = install_method(&contract)?;
    let budget = &mut WorkBudget(LONGEST);
    let context = json!({
        "name": "balenaOS",
        "slug": "balenaos",
        "type": "sw.os",
        "description": "Balena OS",
        "deviceType": interpolate(contract, budget)?,
    });
    let Some(texts) = host_os::texts(&method) else { return Ok(None) };
    let mut steps = |texts: &[&str], system: &str| {
        let mut all = Vec::new();
        for text in texts {
            lines(&text.replace("SYSTEM", system), "the steps", &context, budget, &mut all)?;
        }
        Ok(all)
    };
    Ok(Some(match texts {
        Texts::Steps(texts) => Instructions::Steps(steps(texts, "")?),
        Texts::BySystem(texts) => Instructions::BySystem {
            linux: steps(texts, "Linux")?,
            mac_os: steps(texts, "MacOS")?,
            windows: steps(texts, "Windows")?,
        },
    }))
}

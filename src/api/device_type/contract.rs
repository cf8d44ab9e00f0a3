//! What a device type's contract says about installing an OS on it.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::host_os::{self, Texts};
use super::install_method::InstallMethod;
use super::template::{Budget, fill_in};

/// All the texts of a contract; the longest known has 3 KiB.
const LONGEST: usize = 1 << 20;
/// Tables within tables of texts: contracts have two.
const DEPTH: usize = 16;

/// How to install an OS, step by step. The texts are Markdown with a little HTML; what the device type says of
/// itself stands in them with the escapes of HTML.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Instructions {
    /// The same steps on whatever computer.
    Steps(Vec<String>),
    /// Steps by the system of the computer that the device is connected to.
    #[serde(rename_all = "PascalCase")]
    BySystem {
        /// On Linux.
        linux: Vec<String>,
        /// On macOS.
        #[serde(rename = "MacOS")]
        mac_os: Vec<String>,
        /// On Windows.
        windows: Vec<String>,
    },
}

/// What is wrong with a contract.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It does not tell how an OS is installed.
    NoMethod,
    /// It is not as contracts are: where, and why.
    Odd(String, String),
}

type Result<T, E = Fault> = std::result::Result<T, E>;

fn odd<T>(place: &str, why: impl Into<String>) -> Result<T> {
    Err(Fault::Odd(place.to_owned(), why.into()))
}

/// What JavaScript takes for something.
fn given(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| {
        !matches!(value, Value::Null | Value::Bool(false))
            && *value != ""
            && value.as_f64().is_none_or(|number| number != 0.0)
    })
}

/// The texts of a contract, where it has any.
pub(super) fn partials(contract: &Value) -> Option<&Value> {
    given(contract.get("partials"))
}

/// How an OS gets onto devices of this type.
pub(super) fn install_method(contract: &Value) -> Result<InstallMethod> {
    let data = contract.get("data");
    if let Some(protocol) = given(data.and_then(|data| data.get("flashProtocol"))) {
        return match protocol.as_str() {
            Some("RPIBOOT") => Ok(InstallMethod::InternalFlash),
            Some(other) => Ok(other.into()),
            None => odd("data.flashProtocol", "it is not a text"),
        };
    }
    let media = data.and_then(|data| data.get("media"));
    match given(media.and_then(|media| media.get("defaultBoot"))).map(Value::as_str) {
        Some(Some("image")) => Ok(InstallMethod::Image),
        Some(Some("internal")) => Ok(InstallMethod::ExternalFlash),
        Some(_) => Ok(InstallMethod::ExternalBoot),
        None => Err(Fault::NoMethod),
    }
}

/// The contract with everything filled in where its texts leave a place for it. A text by itself is taken as a
/// list of one; each line becomes an item of its list.
pub(super) fn interpolated(contract: Value) -> Result<Value> {
    interpolate(contract, &mut Budget(LONGEST))
}

fn interpolate(mut contract: Value, budget: &mut Budget) -> Result<Value> {
    let Some(partials) = partials(&contract) else { return Ok(contract) };
    let Some(partials) = partials.as_object() else { return odd("partials", "it is not an object") };
    let mut places = Vec::new();
    collect(partials, &mut vec!["partials".to_owned()], &mut places)?;
    for place in places {
        // One after the other: a text may stand in another one.
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

/// Where the lists of texts are.
fn collect(table: &Map<String, Value>, place: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> Result<()> {
    if place.len() > DEPTH {
        return odd(&place.join("."), "there are too many tables within tables");
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

fn filled_in(texts: &Value, place: &str, context: &Value, budget: &mut Budget) -> Result<Vec<String>> {
    let texts = match texts {
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut all = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let place = format!("{place}[{index}]");
        let Some(text) = text.as_str() else { return odd(&place, "it is not a text") };
        lines(text, &place, context, budget, &mut all)?;
    }
    Ok(all)
}

/// The lines of a text that is filled in, those without anything in them left out.
fn lines(
    template: &str,
    place: &str,
    context: &Value,
    budget: &mut Budget,
    all: &mut Vec<String>,
) -> Result<()> {
    let text = fill_in(template, context, budget).or_else(|fault| odd(place, fault.0))?;
    all.extend(text.split('\n').map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned));
    Ok(())
}

/// How to install balenaOS on devices of this type; `None` for a method that nothing is known of.
pub(super) fn instructions(contract: Value) -> Result<Option<Instructions>> {
    let method = install_method(&contract)?;
    let budget = &mut Budget(LONGEST);
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

//! From the recorded arguments to typed ones.

use balena_agent::{ApplicationKey, DeviceKey, Download, OrganizationKey, UploadFile};
use serde_json::{Map, Value};

use super::cases::{hex, unhex};

/// How a call ended.
pub(crate) type Outcome = Result<Value, Failure>;

/// Why a call failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// As the library says.
    Error(balena_agent::Error),
    /// The recorded argument has no typed form: what our types refuse at compile time (row Q55).
    NoSuchType(String),
}

impl From<balena_agent::Error> for Failure {
    fn from(error: balena_agent::Error) -> Self {
        Self::Error(error)
    }
}

/// The arguments of a recorded call.
#[derive(Debug, Clone)]
pub(crate) struct Args {
    pub(crate) positional: Vec<Value>,
    pub(crate) named: Map<String, Value>,
}

impl Args {
    /// By place or by name; `null` counts as given.
    pub(crate) fn get(&self, place: usize, name: &str) -> Option<&Value> {
        self.positional.get(place).or_else(|| self.named.get(name))
    }

    /// Given, and not `null`.
    pub(crate) fn some(&self, place: usize, name: &str) -> Option<&Value> {
        self.get(place, name).filter(|value| !value.is_null())
    }

    /// A text.
    pub(crate) fn text(&self, place: usize, name: &str) -> Result<String, Failure> {
        match self.get(place, name) {
            Some(Value::String(text)) => Ok(text.clone()),
            other => Err(no_such(name, other)),
        }
    }

    /// A text that may be left out.
    pub(crate) fn text_if_any(&self, place: usize, name: &str) -> Result<Option<String>, Failure> {
        match self.some(place, name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            other => Err(no_such(name, other)),
        }
    }

    /// A whole number.
    pub(crate) fn number(&self, place: usize, name: &str) -> Result<i64, Failure> {
        self.get(place, name).and_then(Value::as_i64).ok_or_else(|| no_such(name, self.get(place, name)))
    }

    /// True or false.
    pub(crate) fn flag(&self, place: usize, name: &str) -> Result<bool, Failure> {
        match self.some(place, name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            other => Err(no_such(name, other)),
        }
    }

    /// Options in the SDKs' form; left out, they are empty.
    pub(crate) fn options(&self, place: usize, name: &str) -> Value {
        self.some(place, name).cloned().unwrap_or_else(|| Value::Object(Map::new()))
    }

    /// A device by id or uuid.
    pub(crate) fn device(&self, place: usize, name: &str) -> Result<DeviceKey, Failure> {
        self.key(place, name)
    }

    /// An application by id, slug or uuid.
    pub(crate) fn application(&self, place: usize, name: &str) -> Result<ApplicationKey, Failure> {
        self.key(place, name)
    }

    /// An organization by id or handle.
    pub(crate) fn organization(&self, place: usize, name: &str) -> Result<OrganizationKey, Failure> {
        self.key(place, name)
    }

    /// Any key type: a whole number is an id, a text a name.
    pub(crate) fn key<K: From<i64> + From<String>>(&self, place: usize, name: &str) -> Result<K, Failure> {
        match self.get(place, name) {
            Some(Value::String(text)) => Ok(text.clone().into()),
            Some(Value::Number(number)) if number.is_i64() => Ok(number.as_i64().unwrap_or(0).into()),
            other => Err(no_such(name, other)),
        }
    }
}

fn no_such(name: &str, value: Option<&Value>) -> Failure {
    Failure::NoSuchType(format!("{name}: {value:?}"))
}

/// A result without a value, as the recording has it.
pub(crate) fn unit(result: balena_agent::Result<()>) -> Outcome {
    result.map(|()| Value::Null).map_err(Failure::Error)
}

/// A value as JSON.
pub(crate) fn json<T: serde::Serialize>(result: balena_agent::Result<T>) -> Outcome {
    Ok(serde_json::to_value(result?).unwrap_or(Value::Null))
}

/// A file that was open in the recording.
pub(crate) fn file(value: &Value) -> Option<UploadFile> {
    let file = value.get("$file")?;
    let name = file.get("name").and_then(Value::as_str)?;
    Some(UploadFile::bytes(name, unhex(file.get("hex").and_then(Value::as_str)?)))
}

/// A streamed answer, as the recordings have it.
pub(crate) async fn streamed(download: Download) -> Outcome {
    let (content_type, content_disposition) =
        (download.content_type().map(str::to_owned), download.content_disposition().map(str::to_owned));
    let mut stream = download.stream();
    let mut bytes = Vec::new();
    while let Some(piece) = stream.next().await {
        bytes.extend_from_slice(&piece?);
    }
    Ok(serde_json::json!({ "$response": {
        "status": 200,
        "hex": hex(&bytes),
        "content_type": content_type,
        "content_disposition": content_disposition,
    }}))
}

//! Descriptions of JSON values for the `OpenAPI` document: JSON Schema 2020-12, as `OpenAPI` 3.1 uses it.

use serde_json::{Map, Value, json};

/// A description of a JSON value.
#[derive(Debug, Clone)]
pub(crate) struct Schema(Value);

/// A field of an object.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    name: &'static str,
    schema: Schema,
    is_required: bool,
}

/// A field that is always there.
pub(crate) fn required(name: &'static str, schema: Schema) -> Field {
    Field { name, schema, is_required: true }
}

/// A field that may be absent.
pub(crate) fn optional(name: &'static str, schema: Schema) -> Field {
    Field { name, schema, is_required: false }
}

fn typed(name: &str, about: &str) -> Schema {
    let mut schema = json!({ "type": name });
    if let Some(fields) = schema.as_object_mut().filter(|_| !about.is_empty()) {
        fields.insert("description".into(), about.into());
    }
    Schema(schema)
}

/// A text.
pub(crate) fn string(about: &str) -> Schema {
    typed("string", about)
}

/// A time, e.g. `2026-01-31T12:00:00Z`.
pub(crate) fn time(about: &str) -> Schema {
    string(about).set("format", "date-time")
}

/// One of these words.
pub(crate) fn words(words: &[&str], about: &str) -> Schema {
    string(about).set("enum", words)
}

/// A whole number that is not negative.
pub(crate) fn count(about: &str) -> Schema {
    typed("integer", about).set("minimum", 0)
}

/// `true` or `false`.
pub(crate) fn boolean(about: &str) -> Schema {
    typed("boolean", about)
}

/// A list.
pub(crate) fn list(of: Schema, about: &str) -> Schema {
    typed("array", about).set("items", of.0)
}

/// An object with any fields, all of this kind.
pub(crate) fn map(of: Schema, about: &str) -> Schema {
    typed("object", about).set("additionalProperties", of.0)
}

/// Any value.
pub(crate) fn any(about: &str) -> Schema {
    Schema(json!({ "description": about }))
}

/// A refusal: `error`, `kind` and perhaps more.
pub(crate) fn refusal() -> Schema {
    Schema(json!({ "$ref": "#/components/schemas/Refusal" }))
}

/// An object with these fields. Later releases may add fields.
pub(crate) fn object(about: &str, fields: impl IntoIterator<Item = Field>) -> Schema {
    let (mut properties, mut needed) = (Map::new(), Vec::new());
    for Field { name, schema, is_required } in fields {
        properties.insert(name.into(), schema.0);
        if is_required {
            needed.push(name);
        }
    }
    let schema = typed("object", about).set("properties", properties);
    if needed.is_empty() { schema } else { schema.set("required", needed) }
}

impl Schema {
    /// Sets a keyword of JSON Schema.
    pub(crate) fn set(mut self, keyword: &str, value: impl Into<Value>) -> Self {
        if let Some(fields) = self.0.as_object_mut() {
            fields.insert(keyword.into(), value.into());
        }
        self
    }

    /// Refuses fields that are not listed: for bodies of requests.
    pub(crate) fn closed(self) -> Self {
        self.set("additionalProperties", false)
    }

    /// Also allows `null`.
    pub(crate) fn or_null(mut self) -> Self {
        if let Some(fields) = self.0.as_object_mut() {
            if let Some(kind) = fields.get("type").cloned() {
                fields.insert("type".into(), json!([kind, "null"]));
            }
            if let Some(words) = fields.get_mut("enum").and_then(Value::as_array_mut) {
                words.push(Value::Null);
            }
        }
        self
    }

    /// Returns the description as JSON.
    pub(crate) fn into_json(self) -> Value {
        self.0
    }
}

//! JSON with fields in the order of the supervisor's responses.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

/// A JSON value of a response.
#[derive(Debug, Clone)]
pub(super) enum Json {
    /// A text, a number or any other value without ordered fields.
    Plain(Value),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// Returns an object with these fields in this order.
pub(super) fn object<const N: usize>(fields: [(&str, Json); N]) -> Json {
    Json::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

impl Json {
    /// Appends a field to an object.
    pub(super) fn push(&mut self, name: &str, value: impl Into<Self>) {
        if let Self::Object(fields) = self {
            fields.push((name.to_owned(), value.into()));
        }
    }

    /// Returns a value whose objects start with the fields of these names, in this order.
    pub(super) fn ordered(value: Value, names: &[&str]) -> Self {
        match value {
            Value::Object(mut fields) => {
                let first: Vec<_> = names.iter().filter_map(|name| fields.remove_entry(*name)).collect();
                let ordered = |(name, value)| (name, Self::ordered(value, names));
                Self::Object(first.into_iter().chain(fields).map(ordered).collect())
            }
            other => Self::Plain(other),
        }
    }
}

impl<T: Into<Json>> FromIterator<(String, T)> for Json {
    fn from_iter<I: IntoIterator<Item = (String, T)>>(fields: I) -> Self {
        Self::Object(fields.into_iter().map(|(name, value)| (name, value.into())).collect())
    }
}

impl FromIterator<Json> for Json {
    fn from_iter<I: IntoIterator<Item = Json>>(items: I) -> Self {
        Self::List(items.into_iter().collect())
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        Self::Plain(value)
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::Plain(text.into())
    }
}

impl From<&String> for Json {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::Plain(text.into())
    }
}

impl From<bool> for Json {
    fn from(flag: bool) -> Self {
        Self::Plain(flag.into())
    }
}

impl From<i64> for Json {
    fn from(number: i64) -> Self {
        Self::Plain(number.into())
    }
}

impl From<f64> for Json {
    fn from(number: f64) -> Self {
        Self::Plain(number.into())
    }
}

impl<T: Into<Json>> From<Option<T>> for Json {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Plain(Value::Null), Into::into)
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plain(value) => value.serialize(serializer),
            Self::List(items) => serializer.collect_seq(items),
            Self::Object(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

impl std::fmt::Display for Json {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&serde_json::to_string(self).map_err(|_| std::fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Json, object};

    #[test]
    fn fields_stay_in_their_order() {
        let mut shown = object([("status", "x".into()), ("list", [Json::from(1)].into_iter().collect())]);
        shown.push("a", Some("y"));
        shown.push("b", None::<String>);
        assert_eq!(shown.to_string(), r#"{"status":"x","list":[1],"a":"y","b":null}"#);
        let value = json!({"network": {"a": 1, "hostname": "h", "proxy": {"ip": "i", "type": "t"}}});
        assert_eq!(
            Json::ordered(value, &["hostname", "proxy", "type"]).to_string(),
            r#"{"network":{"hostname":"h","proxy":{"type":"t","ip":"i"},"a":1}}"#
        );
    }
}

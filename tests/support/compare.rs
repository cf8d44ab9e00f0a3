//! Comparing what came with what was recorded: literally, except where a rule says otherwise.

use std::collections::BTreeMap;

use serde_json::Value;

/// The rules of a case, by pointer into it.
pub(crate) struct Rules<'case>(pub(crate) &'case BTreeMap<String, Value>);

impl Rules<'_> {
    fn at(&self, pointer: &str) -> Option<&Value> {
        self.0.iter().find(|(pattern, _)| fits(pattern, pointer)).map(|(_, rule)| rule)
    }

    /// The differences, one line each, between a recorded value and the actual one at `pointer`.
    pub(crate) fn differences(&self, pointer: &str, expected: &Value, actual: &Value) -> Vec<String> {
        if let Some(rule) = self.at(pointer) {
            if let Some(field) = rule.as_str().and_then(|rule| rule.strip_prefix("unordered:")) {
                let (expected, actual) = (sorted(expected, field), sorted(actual, field));
                return self.inside(pointer, &expected, &actual);
            }
            let good = holds(rule, actual);
            return if good { Vec::new() } else { vec![format!("{pointer}: expected {rule}, got {actual}")] };
        }
        self.inside(pointer, expected, actual)
    }

    fn inside(&self, pointer: &str, expected: &Value, actual: &Value) -> Vec<String> {
        match (expected, actual) {
            (Value::Object(expected), Value::Object(actual)) => {
                let extra = actual.keys().filter(|key| !expected.contains_key(*key));
                let mut differences: Vec<String> =
                    extra.map(|key| format!("{pointer}/{key}: unexpected {}", actual[key])).collect();
                for (key, value) in expected {
                    let below = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
                    match actual.get(key) {
                        Some(found) => differences.extend(self.differences(&below, value, found)),
                        None => differences.push(format!("{below}: missing, expected {value}")),
                    }
                }
                differences
            }
            (Value::Array(expected), Value::Array(actual)) if expected.len() == actual.len() => {
                let pairs = expected.iter().zip(actual).enumerate();
                pairs
                    .flat_map(|(index, (expected, actual))| {
                        self.differences(&format!("{pointer}/{index}"), expected, actual)
                    })
                    .collect()
            }
            _ if same(expected, actual) => Vec::new(),
            _ => vec![format!("{pointer}:\n    expected {expected}\n    actual   {actual}")],
        }
    }
}

/// Numbers are equal by value: `0` and `0.0` are one number on the wire's other end.
fn same(expected: &Value, actual: &Value) -> bool {
    match (expected.as_f64(), actual.as_f64()) {
        (Some(expected), Some(actual)) => (expected - actual).abs() < f64::EPSILON,
        _ => expected == actual,
    }
}

fn fits(pattern: &str, pointer: &str) -> bool {
    let (pattern, pointer): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), pointer.split('/').collect());
    pattern.len() == pointer.len()
        && pattern.iter().zip(pointer).all(|(wanted, part)| *wanted == "*" || *wanted == part)
}

fn sorted(array: &Value, field: &str) -> Value {
    let Value::Array(items) = array else { return array.clone() };
    let mut items = items.clone();
    let key = |item: &Value| item[field].as_f64().unwrap_or_default();
    items.sort_by(|a, b| {
        key(a).total_cmp(&key(b)).then_with(|| a[field].to_string().cmp(&b[field].to_string()))
    });
    items.into()
}

fn holds(rule: &Value, actual: &Value) -> bool {
    let text = actual.as_str();
    let hex = |digits: usize| {
        text.is_some_and(|text| {
            text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        })
    };
    match rule {
        Value::String(rule) => match rule.as_str() {
            "any-string" => text.is_some(),
            "nonempty-string" => text.is_some_and(|text| !text.is_empty()),
            "string-or-null" => text.is_some() || actual.is_null(),
            "hex32" => hex(32),
            "hex64" => hex(64),
            "int" => actual.is_i64() || actual.is_u64(),
            "number-or-null" => actual.is_number() || actual.is_null(),
            "rfc3339" => text.is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok()),
            "object" => actual.is_object(),
            "ignore" => true,
            other => panic!("unknown match rule {other:?}"),
        },
        Value::Object(rule) => rule.iter().all(|(name, value)| {
            let whole = text.map_or_else(|| actual.to_string(), str::to_owned);
            let lines = u64::try_from(whole.lines().count()).unwrap_or(u64::MAX);
            match name.as_str() {
                "one_of" => value.as_array().is_some_and(|values| values.contains(actual)),
                "lines" => Some(lines) == value.as_u64(),
                "min_lines" => value.as_u64().is_some_and(|least| lines >= least),
                "starts_with" => value.as_str().is_some_and(|start| whole.starts_with(start)),
                "contains" => value.as_str().is_some_and(|part| whole.contains(part)),
                other => panic!("unknown match rule {other:?}"),
            }
        }),
        other => panic!("unknown match rule {other}"),
    }
}

/// Whether two content types name the same media type; the charset is informative.
pub(crate) fn same_media(expected: Option<&str>, actual: Option<&str>) -> bool {
    let media = |value: &str| value.split(';').next().unwrap_or_default().trim().to_lowercase();
    expected.map(media) == actual.map(media)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::Rules;

    #[test]
    fn rules_reach_into_lists_and_the_rest_is_literal() {
        let rules = BTreeMap::from([
            ("/body/list".to_owned(), json!("unordered:id")),
            ("/body/list/*/name".to_owned(), json!("any-string")),
        ]);
        let rules = Rules(&rules);
        let expected = json!({"list": [{"id": 2, "name": "x"}, {"id": 1, "name": "y"}], "n": 1});
        let actual = json!({"list": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}], "n": 1.0});
        assert_eq!(rules.differences("/body", &expected, &actual), Vec::<String>::new());
        assert_eq!(rules.differences("/body", &expected, &json!({"list": [], "n": 2, "m": 3})).len(), 3);
    }
}

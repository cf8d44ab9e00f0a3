//! The supervisor's conversions of loosely typed input, which follow JavaScript's rules.

use std::fmt;

use serde_json::Value;

/// A whole number as in JavaScript: exact up to 53 bits, of any size.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub(super) struct Integer(f64);

impl Integer {
    pub(super) fn number(self) -> f64 {
        self.0
    }

    pub(super) fn is_zero(self) -> bool {
        self.0 == 0.0
    }

    /// Returns the id. Numbers beyond 64 bits saturate: no such id exists.
    pub(super) fn id(self) -> i64 {
        #[expect(clippy::cast_possible_truncation, reason = "it saturates")]
        let id = self.0 as i64;
        id
    }
}

impl From<f64> for Integer {
    fn from(number: f64) -> Self {
        Self(number)
    }
}

impl fmt::Display for Integer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&shown_number(self.0))
    }
}

/// Parses a whole number from a JSON number or text: digits, an optional minus, and only zeros after a point. A list
/// with one such value counts as the value.
pub(super) fn integer(value: &Value) -> Option<Integer> {
    match value {
        Value::Number(_) | Value::String(_) | Value::Array(_) => integer_text(&shown(value)),
        Value::Null | Value::Bool(_) | Value::Object(_) => None,
    }
}

/// Like [`integer`], from text.
pub(super) fn integer_text(text: &str) -> Option<Integer> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = !whole.is_empty() && whole.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || !fraction.bytes().all(|byte| byte == b'0') {
        return None;
    }
    text.parse().ok().filter(|number: &f64| number.is_finite()).map(Integer)
}

/// Converts a value to text as JavaScript does.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(_) => "[object Object]".to_owned(),
        Value::Array(items) => {
            let item = |item: &Value| if item.is_null() { String::new() } else { shown(item) };
            items.iter().map(item).collect::<Vec<_>>().join(",")
        }
        Value::Number(number) => number.as_f64().map_or_else(String::new, shown_number),
        Value::Null | Value::Bool(_) => value.to_string(),
    }
}

fn shown_number(number: f64) -> String {
    const PLAIN: std::ops::Range<f64> = 1e-6..1e21;
    if number == 0.0 {
        "0".to_owned()
    } else if PLAIN.contains(&number.abs()) {
        number.to_string()
    } else {
        let shown = format!("{number:e}");
        if shown.contains("e-") { shown } else { shown.replace('e', "e+") }
    }
}

/// Returns `true` for `true`, `1`, and the words `1`, `true`, `on` in any case; `false` for everything else.
pub(super) fn truthy(value: &Value) -> bool {
    match value {
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64().is_some_and(|number| (number - 1.0).abs() < f64::EPSILON),
        Value::String(text) => truthy_text(text),
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

/// Like [`truthy`], from text.
pub(super) fn truthy_text(text: &str) -> bool {
    matches!(text.to_lowercase().as_str(), "1" | "true" | "on")
}

/// Returns the text of a value; `None` for an empty one and for the words `null` and `undefined`.
pub(super) fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !matches!(*text, "" | "null" | "undefined"))
}

/// Parses a database id: a whole number of at least zero, as JSON number or text.
pub(super) fn identifier(value: &Value) -> Option<u64> {
    let (number, text) = match value {
        Value::Number(number) => (number.as_f64()?, number.to_string()),
        Value::String(text) => (text.trim().parse::<f64>().ok()?, text.trim().to_owned()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    let leading: String = text.trim_start_matches('+').chars().take_while(char::is_ascii_digit).collect();
    let whole = leading.parse::<u64>().ok()?;
    #[expect(clippy::cast_precision_loss, reason = "compared as JavaScript numbers, which is the rule")]
    let same = (whole as f64 - number).abs() < f64::EPSILON;
    same.then_some(whole)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Integer, identifier, integer, shown, truthy};

    #[test]
    fn integers_follow_the_servers_rule() {
        for (value, expected) in [
            (json!(7), Some(7)),
            (json!("01234567"), Some(1_234_567)),
            (json!("12.00"), Some(12)),
            (json!("12."), Some(12)),
            (json!(12.0), Some(12)),
            (json!([1_234_567]), Some(1_234_567)),
            (json!("-1"), Some(-1)),
            (json!("0x10"), None),
            (json!("1e3"), None),
            (json!("+7"), None),
            (json!(" 7"), None),
            (json!(1.5), None),
            (json!(""), None),
            (json!(null), None),
            (json!(true), None),
        ] {
            assert_eq!(integer(&value).map(Integer::id), expected, "{value}");
        }
    }

    #[test]
    fn numbers_of_any_size_are_whole_numbers_and_shown_as_javascript_shows_them() {
        for (text, expected) in [
            ("9007199254740993", "9007199254740992"),
            ("9223372036854775808", "9223372036854776000"),
            ("100000000000000000000", "100000000000000000000"),
            ("-100000000000000000000", "-100000000000000000000"),
            ("99999999999999999999999", "1e+23"),
            ("1234500000000000000000", "1.2345e+21"),
            ("00000000000000000000000012", "12"),
            ("-0", "0"),
        ] {
            assert_eq!(integer(&json!(text)).map(|number| number.to_string()).as_deref(), Some(expected));
        }
        assert_eq!(integer(&json!("9".repeat(400))), None);
        assert_eq!(integer(&json!(1e21)), None, "its text has an exponent");
    }

    #[test]
    fn values_become_text() {
        for (value, expected) in [
            (json!(5), "5"),
            (json!(-1.5), "-1.5"),
            (json!(1e-7), "1e-7"),
            (json!(true), "true"),
            (json!({"a": 1}), "[object Object]"),
            (json!([1, null, ["a", "b"]]), "1,,a,b"),
            (json!([]), ""),
        ] {
            assert_eq!(shown(&value), expected, "{value}");
        }
    }

    #[test]
    fn truth_is_narrow() {
        for yes in [json!(true), json!(1), json!("1"), json!("TRUE"), json!("On")] {
            assert!(truthy(&yes), "{yes}");
        }
        for no in [json!(false), json!(2), json!("yes"), json!(null), json!(["1"]), json!({}), json!("")] {
            assert!(!truthy(&no), "{no}");
        }
    }

    #[test]
    fn identifiers_are_not_negative() {
        assert_eq!(identifier(&json!("8123")), Some(8123));
        assert_eq!(identifier(&json!("80.0")), Some(80));
        assert_eq!(identifier(&json!(-1)), None);
        assert_eq!(identifier(&json!("0x50")), None);
        assert_eq!(identifier(&json!(1.5)), None);
    }
}

//! How the supervisor reads loosely typed input: the rules are its own, and clients meet every one of them.

use serde_json::Value;

/// A whole number as JSON number or as text: digits with an optional minus, and zeros only after a point.
/// A list of one such value counts as the value.
pub(super) fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => integer_text(&number.as_i64().map_or_else(
            // `12.0` is the same number as `12` to a JavaScript server.
            || number.as_f64().map_or_else(String::new, |float| float.to_string()),
            |whole| whole.to_string(),
        )),
        Value::String(text) => integer_text(text),
        Value::Array(items) => match items.as_slice() {
            [only] => integer(only),
            _ => None,
        },
        Value::Null | Value::Bool(_) | Value::Object(_) => None,
    }
}

/// See [`integer`]. Numbers beyond 64 bits become the nearest one that fits: no such id exists anyway.
pub(super) fn integer_text(text: &str) -> Option<i64> {
    let (negative, unsigned) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !fraction.bytes().all(|byte| byte == b'0') {
        return None;
    }
    let magnitude = whole.parse::<i64>().unwrap_or(i64::MAX);
    Some(if negative { -magnitude } else { magnitude })
}

/// `true`, `1`, and the words `1`, `true`, `on` in any case. Everything else is no.
pub(super) fn truthy(value: &Value) -> bool {
    match value {
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64().is_some_and(|number| (number - 1.0).abs() < f64::EPSILON),
        Value::String(text) => truthy_text(text),
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

/// See [`truthy`].
pub(super) fn truthy_text(text: &str) -> bool {
    matches!(text.to_lowercase().as_str(), "1" | "true" | "on")
}

/// Text that says something; the words `null` and `undefined` do not.
pub(super) fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !matches!(*text, "" | "null" | "undefined"))
}

/// A database id: a whole number of at least zero, as JSON number or text.
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

    use super::{identifier, integer, truthy};

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
            assert_eq!(integer(&value), expected, "{value}");
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

//! Whether a row type keeps what a row says.

use balena_agent::jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What became of a row on its way through its type.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// Where the type says something else than the row.
    pub(crate) misread: Vec<String>,
    /// Columns that the type does not have, as `column` or `navigation.column`.
    pub(crate) unknown: Vec<String>,
}

/// Holds what was written again against the row.
#[allow(dead_code, reason = "not every test that uses this file has rows that were read elsewhere")]
pub(crate) fn compared(row: &Value, typed: &Value) -> Reading {
    let mut reading = Reading::default();
    compare(row, typed, "", &mut reading);
    reading
}

/// Reads the row as a `T` and writes it again.
pub(crate) fn reread<T: DeserializeOwned + Serialize>(row: &Value) -> Reading {
    let mut reading = Reading::default();
    match serde_json::from_value::<T>(row.clone()) {
        Ok(typed) => compare(row, &serde_json::to_value(typed).expect("rows are JSON"), "", &mut reading),
        Err(why) => reading.misread.push(format!("{}: {why}", std::any::type_name::<T>())),
    }
    reading
}

fn compare(row: &Value, typed: &Value, place: &str, reading: &mut Reading) {
    match (row, typed) {
        // A reference: written as an id, or as an object.
        (Value::Number(id), Value::Object(reference))
            if reference.get("__id") == Some(&id.clone().into()) => {}
        (Value::Object(row), Value::Object(typed)) => {
            for (column, value) in row {
                let place = if place.is_empty() { column.clone() } else { format!("{place}.{column}") };
                match typed.get(column) {
                    Some(typed) => compare(value, typed, &place, reading),
                    // `None` is not written.
                    None if value.is_null() => {}
                    None => reading.unknown.push(place),
                }
            }
            let invented = typed.keys().filter(|column| !row.contains_key(*column));
            reading.misread.extend(invented.map(|column| format!("{place}.{column} is not in the row")));
        }
        (Value::Array(rows), Value::Array(typed)) if rows.len() == typed.len() => {
            for (row, typed) in rows.iter().zip(typed) {
                compare(row, typed, place, reading);
            }
        }
        (Value::Number(left), Value::Number(right)) if left.as_f64() == right.as_f64() => {}
        // Version 6 writes a contract as the text of its JSON.
        (Value::String(text), Value::Object(_))
            if serde_json::from_str(text).is_ok_and(|row: Value| row == *typed) => {}
        // Version 7 writes a number beyond 32 bits as text.
        (Value::String(text), Value::Number(number)) if *text == number.to_string() => {}
        (Value::String(left), Value::String(right)) if same_time(left, right) => {}
        _ if row == typed => {}
        _ => reading.misread.push(format!("{place}: {row} is read as {typed}")),
    }
}

/// Times are written in one form, whatever form they came in.
pub(crate) fn same_time(left: &str, right: &str) -> bool {
    let parse = |text: &str| text.parse::<Timestamp>();
    matches!((parse(left), parse(right)), (Ok(left), Ok(right)) if left == right)
}

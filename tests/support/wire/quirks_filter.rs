//! Row Q46: what the filters mean that Python sends in a form that no server understands.

use serde_json::{Map, Value, json};

/// It has no sensible form.
#[derive(Debug)]
pub(super) struct Refused;

type Tree = Result<Value, Refused>;

/// The canonical tree of a filter.
pub(super) fn sensible(filter: &Value) -> Tree {
    match filter {
        // A whole filter as text is a raw one.
        Value::String(text) => Ok(json!(text)),
        Value::Array(items) => joined("or", items, sensible),
        Value::Object(map) => of_object(map),
        _ => Err(Refused),
    }
}

/// Two filters that both have to hold.
pub(super) fn both(own: Value, given: Value) -> Value {
    let mut operands = Vec::new();
    for filter in [own, given] {
        match filter {
            Value::Object(mut tree) if tree.contains_key("and") => {
                let inner = tree.remove("and").unwrap_or_default();
                operands.extend(inner.as_array().cloned().unwrap_or_default());
            }
            other => operands.push(other),
        }
    }
    operands.sort_by_key(Value::to_string);
    json!({ "and": operands })
}

fn of_object(map: &Map<String, Value>) -> Tree {
    let mut conditions = Vec::new();
    for (key, value) in map {
        conditions.push(match (key.as_str(), value) {
            ("$or" | "$and", Value::Array(items)) => joined(&key[1..], items, sensible)?,
            (name, value) if !name.starts_with('$') => of_column(name, value)?,
            _ => return Err(Refused),
        });
    }
    one_or("and", conditions)
}

/// One operand is itself; none has no meaning.
fn joined(word: &str, items: &[Value], each: impl Fn(&Value) -> Tree) -> Tree {
    one_or(word, items.iter().map(each).collect::<Result<_, _>>()?)
}

fn one_or(word: &str, mut operands: Vec<Value>) -> Tree {
    match operands.len() {
        0 => Err(Refused),
        1 => Ok(operands.remove(0)),
        _ => {
            operands.sort_by_key(Value::to_string);
            Ok(json!({ word: operands }))
        }
    }
}

/// What a column is held against.
fn of_column(name: &str, value: &Value) -> Tree {
    match value {
        Value::Array(items) => joined("or", items, |item| of_column(name, item)),
        Value::Object(map) if map.len() == 1 => {
            let (operator, operand) = map.iter().next().ok_or(Refused)?;
            match (operator.as_str(), operand) {
                ("$or" | "$and", Value::Array(items)) => {
                    joined(&operator[1..], items, |item| of_column(name, item))
                }
                ("$in", Value::Array(items)) if !items.is_empty() => {
                    let values: Vec<String> = items.iter().map(literal).collect::<Result<_, _>>()?;
                    Ok(json!(format!("{name} in ({})", values.join(", "))))
                }
                ("$not", operand) => Ok(json!(format!("{name} eq not({})", literal(operand)?))),
                ("$eq" | "$ne" | "$gt" | "$ge" | "$lt" | "$le", operand) => {
                    Ok(json!(format!("{name} {} {}", &operator[1..], literal(operand)?)))
                }
                // `$contains` of nothing, `$startswith` of a number, `$any` without a variable, a list as an
                // operand, a parameter without a name.
                _ => Err(Refused),
            }
        }
        _ => Ok(json!(format!("{name} eq {}", literal(value)?))),
    }
}

fn literal(value: &Value) -> Result<String, Refused> {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        Value::String(text) => Ok(format!("'{}'", text.replace('\'', "''"))),
        _ => Err(Refused),
    }
}

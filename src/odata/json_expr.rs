//! Filters given as JSON: `{"is_online": true, "uuid": {"$startswith": "8d"}}`.

use serde_json::{Map, Value as Json};

use super::error::{QueryResult, refuse};
use super::expr::{Connective, Expr, Lambda, Path};
use super::json_function::{self, arithmetic};
use super::json_literal::{duration, kind, literal};
use super::json_raw;
use super::literal::{Kind, Value};

type Object = Map<String, Json>;

/// Parses a whole filter. Returns `None` if it is empty.
pub(super) fn filter(value: &Json) -> QueryResult<Option<Expr>> {
    match value {
        Json::Null => Ok(None),
        Json::String(text) if text.is_empty() => Ok(None),
        Json::String(text) => Ok(Some(Expr::raw(text.clone()))),
        Json::Object(map) if map.is_empty() => Ok(None),
        Json::Object(_) | Json::Array(_) => condition(value, None).map(Some),
        Json::Bool(_) | Json::Number(_) => refuse!("an object, a list or a string, not {}", kind(value)),
    }
}

/// Parses a condition. `key` is the path of the enclosing names: a bare value or an operator applies to it.
fn condition(value: &Json, key: Option<&str>) -> QueryResult<Expr> {
    match (literal(value)?, key, value) {
        (Some(value), Some(key), _) => Ok(Expr::compare(key, "eq", Expr::Value(value))),
        (Some(value @ Value(Kind::Bool(_))), None, _) => Ok(Expr::Value(value)),
        (_, _, Json::Array(list)) => join(Connective::Or, list, key),
        (None, _, Json::Object(map)) => object(Connective::And, map, key),
        _ => refuse!(
            "{} is not a condition; a condition given as a string is written {{\"$raw\": …}}",
            kind(value)
        ),
    }
}

fn join(joint: Connective, list: &[Json], key: Option<&str>) -> QueryResult<Expr> {
    let operands: QueryResult<Vec<Expr>> = list.iter().map(|item| condition(item, key)).collect();
    Ok(Expr::join(joint, operands?))
}

fn object(joint: Connective, map: &Object, key: Option<&str>) -> QueryResult<Expr> {
    if map.is_empty() {
        return refuse!(
            "an empty object{}",
            key.map(|key| format!(" under `{}`", key.escape_debug())).unwrap_or_default()
        );
    }
    let operands: QueryResult<Vec<Expr>> =
        map.iter().map(|(name, value)| property(name, value, key)).collect();
    Ok(Expr::join(joint, operands?))
}

fn property(name: &str, value: &Json, key: Option<&str>) -> QueryResult<Expr> {
    if let Some(name) = name.strip_prefix('$') {
        return operator(name, value, key);
    }
    if name.starts_with('@') {
        return refuse!("a parameter alias (`@name`) is not supported: no option defines it");
    }
    match key {
        Some(key) => condition(value, Some(&format!("{key}/{name}"))),
        None => condition(value, Some(name)),
    }
}

/// Parses one side of a comparison, or an argument of a function.
fn operand(value: &Json) -> QueryResult<Expr> {
    if let Some(value) = literal(value)? {
        return Ok(Expr::Value(value));
    }
    match value {
        Json::Object(map) if map.len() == 1 => object(Connective::And, map, None),
        Json::Object(_) => refuse!("an operand is an object with one property"),
        _ => refuse!("{} is not an operand", kind(value)),
    }
}

fn needs_key<'a>(name: &str, key: Option<&'a str>) -> QueryResult<&'a str> {
    match key {
        Some(key) => Ok(key),
        None => refuse!("`${name}` has to be under a name"),
    }
}

fn operator(name: &str, value: &Json, key: Option<&str>) -> QueryResult<Expr> {
    match name {
        "" => reference(value).map(|path| path.compared_with(key)),
        "and" => logical(Connective::And, value, key),
        "or" => logical(Connective::Or, value, key),
        "not" => not(value, key),
        "in" => is_in(value, needs_key(name, key)?),
        "any" => lambda("any", value, needs_key(name, key)?),
        "all" => lambda("all", value, needs_key(name, key)?),
        "count" => count(value, needs_key(name, key)?),
        "raw" => raw(value).map(|raw| raw.compared_with(key)),
        "duration" => duration(value).map(|value| Expr::Value(value).compared_with(key)),
        _ => match (comparison(name), arithmetic(name)) {
            (Some(operator), _) => comparing(operator, value, key),
            (_, Some(operator)) => computing(operator, value, key),
            (None, None) => {
                let function = json_function::find(name)?;
                let (arguments, is_complete) = arguments(name, value)?;
                json_function::call(function, arguments, is_complete, key)
            }
        },
    }
}

/// Parses the arguments of a function. The second value is true if they were written as a list, or as `{}` for none.
fn arguments(name: &str, value: &Json) -> QueryResult<(Vec<Expr>, bool)> {
    match value {
        Json::Null => refuse!("`${name}` of null"),
        Json::Array(list) if list.is_empty() => {
            refuse!("`${name}` with an empty list; without arguments it takes {{}}")
        }
        Json::Array(list) => Ok((list.iter().map(operand).collect::<QueryResult<_>>()?, true)),
        Json::Object(map) if map.is_empty() => Ok((Vec::new(), true)),
        _ => Ok((vec![operand(value)?], false)),
    }
}

/// Parses raw text and the values bound into it.
fn raw(value: &Json) -> QueryResult<Expr> {
    let (text, binds) = json_raw::split(value)?;
    let binds: QueryResult<Vec<(String, Expr)>> =
        binds.into_iter().map(|(name, value)| Ok((name, operand(value)?))).collect();
    Ok(Expr::Raw(json_raw::bind(text, &binds?)))
}

fn comparison(name: &str) -> Option<&'static str> {
    ["eq", "ne", "gt", "ge", "lt", "le"].into_iter().find(|known| *known == name)
}

fn comparing(operator: &'static str, value: &Json, key: Option<&str>) -> QueryResult<Expr> {
    match (key, value) {
        (Some(key), Json::Array(_)) => {
            refuse!("`${operator}` of `{}` with a list: use `$in`, or `$and`", key.escape_debug())
        }
        (Some(key), _) => Ok(Expr::compare(key, operator, operand(value)?)),
        (None, Json::Array(list)) => match list.as_slice() {
            [left, right] => Ok(Expr::binary(operator, operand(left)?, operand(right)?)),
            _ => refuse!("`${operator}` compares two operands, not {}", list.len()),
        },
        (None, _) => refuse!("`${operator}` has to be under a name, or have a list of two operands"),
    }
}

fn computing(operator: &'static str, value: &Json, key: Option<&str>) -> QueryResult<Expr> {
    let Json::Array(list) = value else {
        return Ok(Expr::compare(needs_key(operator, key)?, operator, operand(value)?));
    };
    let operands: QueryResult<Vec<Expr>> = list.iter().map(operand).collect();
    let operands = operands?;
    if operands.len() < 2 {
        return refuse!("`${operator}` needs two operands");
    }
    let computed = operands.into_iter().reduce(|left, right| Expr::binary(operator, left, right));
    computed.map_or_else(
        || refuse!("`${operator}` needs two operands"),
        |computed| Ok(computed.compared_with(key)),
    )
}

fn reference(value: &Json) -> QueryResult<Expr> {
    match value {
        Json::String(name) => Ok(Expr::path(name)),
        Json::Array(names) => {
            let names: Option<Vec<&str>> = names.iter().map(Json::as_str).collect();
            match names {
                Some(names) => Ok(Expr::path(&names.join("/"))),
                None => refuse!("`$` takes names"),
            }
        }
        _ => refuse!("`$` takes a name or a list of names, not {}", kind(value)),
    }
}

fn logical(joint: Connective, value: &Json, key: Option<&str>) -> QueryResult<Expr> {
    match value {
        Json::Array(list) => join(joint, list, key),
        Json::Object(map) if literal(value)?.is_none() => object(joint, map, key),
        _ => condition(value, key),
    }
}

fn not(value: &Json, key: Option<&str>) -> QueryResult<Expr> {
    match (literal(value)?, key) {
        (Some(value), Some(key)) => Ok(Expr::compare(key, "eq", Expr::Not(Box::new(Expr::Value(value))))),
        _ => Ok(Expr::Not(Box::new(condition(value, key)?))),
    }
}

fn is_in(value: &Json, key: &str) -> QueryResult<Expr> {
    let list = match value {
        Json::Array(list) if list.is_empty() => {
            return refuse!("an empty `$in` of `{}` matches nothing", key.escape_debug());
        }
        Json::Array(list) => list,
        Json::Object(map) if literal(value)?.is_none() => return object(Connective::Or, map, Some(key)),
        _ => return condition(value, Some(key)),
    };
    let literals: QueryResult<Option<Vec<Value>>> = list.iter().map(literal).collect();
    match literals? {
        Some(values) => Ok(Expr::In(Path::rooted(key.to_owned()), values)),
        None => join(Connective::Or, list, Some(key)),
    }
}

fn lambda(quantifier: &'static str, value: &Json, key: &str) -> QueryResult<Expr> {
    let (alias, body, length) = match value {
        Json::Object(map) => (map.get("$alias"), map.get("$expr"), map.len()),
        _ => (None, None, 0),
    };
    let (Some(Json::String(alias)), Some(body), 2) = (alias, body, length) else {
        return refuse!(
            "`${quantifier}` of `{}` takes `$alias`, a name, and `$expr`, nothing else",
            key.escape_debug()
        );
    };
    Ok(Expr::Lambda(Box::new(Lambda {
        quantifier,
        path: Path::rooted(key.to_owned()),
        alias: alias.clone().into(),
        fixed: true,
        body: condition(body, None)?,
    })))
}

fn count(value: &Json, key: &str) -> QueryResult<Expr> {
    match value {
        Json::Object(map) if map.is_empty() || map.contains_key("$filter") => {
            Ok(Expr::Count(Path::rooted(key.to_owned()), count_filter(map)?.map(Box::new)))
        }
        _ => condition(value, Some(&format!("{key}/$count"))),
    }
}

/// Parses the options of a count: `$filter` is the only one.
pub(super) fn count_filter(options: &Object) -> QueryResult<Option<Expr>> {
    let mut filter = None;
    for (name, value) in options {
        if name != "$filter" {
            return refuse!("takes no `{}`, only `$filter`", name.escape_debug());
        }
        filter = self::filter(value)?;
    }
    Ok(filter)
}

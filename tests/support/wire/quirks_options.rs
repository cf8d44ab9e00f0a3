//! Rows about options: Q40 to Q48, Q79.

use balena_agent::jiff::civil::DateTime;
use balena_agent::jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use serde_json::{Map, Value, json};

use super::cases::{Case, Outcome};
use super::quirks::{Expected, refuse};
use super::quirks_filter::{self, Refused};
use super::rulebook::Rulebook;

/// The options of a call. An object before them is the key of a row, or a value of another type.
fn options(case: &Case) -> impl Iterator<Item = &Map<String, Value>> {
    let objects = case.args.iter().chain(case.kwargs.values()).filter_map(Value::as_object);
    let objects: Vec<_> = objects.filter(|object| !object.contains_key("$datetime")).collect();
    let are_options = |map: &Map<String, Value>| map.is_empty() || map.keys().any(|key| key.starts_with('$'));
    let last = objects.len().saturating_sub(1);
    objects
        .into_iter()
        .enumerate()
        .filter(move |(place, map)| *place == last || are_options(map))
        .map(|(_, map)| map)
}

/// Q42, Q43: an empty option is as good as none.
pub(super) fn not_given(case: &Case, book: &Rulebook, expected: &mut Expected) {
    *expected = book.like(case, |other| matches!(other.outcome, Outcome::Ok(_)));
}

/// Q47, Q48: refused, by the option's name.
pub(super) fn refused(case: &Case, _: &Rulebook, expected: &mut Expected) {
    const KNOWN: [&str; 6] = ["$select", "$expand", "$filter", "$orderby", "$top", "$skip"];
    let unknown = options(case).flat_map(Map::keys).find(|name| !KNOWN.contains(&name.as_str()));
    let asked = std::mem::take(&mut expected.exchange);
    refuse(expected, unknown.map(|name| format!("`{name}`")));
    if case.has("Q47") {
        // That a list has an order, and so no number, may come out after what it is a list of was looked up.
        expected.exchange = asked.into_iter().filter(|one| one.request.method == "GET").collect();
        expected.exchange.iter_mut().for_each(|one| one.check.optional = true);
    }
}

/// Q79: the order that the caller asks for.
pub(super) fn order_of_the_caller(case: &Case, _: &Rulebook, expected: &mut Expected) {
    let order = options(case).find_map(|options| options.get("$orderby"));
    let order = order.map(|order| match order {
        Value::String(text) => json!(text.split(',').collect::<Vec<_>>()),
        Value::Object(map) if map.len() == 1 => {
            json!(
                map.iter()
                    .map(|(name, way)| format!("{name} {}", way.as_str().unwrap_or("asc")))
                    .collect::<Vec<_>>()
            )
        }
        _ => panic!("an order of another form: {order}"),
    });
    let list = expected.exchange.last_mut().filter(|last| last.request.path.ends_with("/credit_bundle"));
    if let (Some(order), Some(query)) = (order, list.and_then(|list| list.request.canonical_query.as_mut())) {
        query["$orderby"] = order;
    }
}

/// Changes the text of every leaf of every filter.
pub(super) fn in_filters(expected: &mut Expected, wrong: &str, right: &str) {
    for exchange in &mut expected.exchange {
        if let Some(query) = &mut exchange.request.canonical_query {
            leaves(query, &|leaf| leaf.replace(wrong, right));
        }
    }
}

/// Changes every text within.
pub(super) fn leaves(value: &mut Value, change: &dyn Fn(&str) -> String) {
    match value {
        Value::String(leaf) => *leaf = change(leaf),
        Value::Array(items) => items.iter_mut().for_each(|item| leaves(item, change)),
        Value::Object(map) => map.values_mut().for_each(|item| leaves(item, change)),
        _ => {}
    }
}

/// Q45: three digits of milliseconds, and UTC where the offset is known.
pub(super) fn times(case: &Case, _: &Rulebook, expected: &mut Expected) {
    let mut written = Vec::new();
    for argument in case.args.iter().chain(case.kwargs.values()) {
        collect_times(argument, &mut written);
    }
    for exchange in &mut expected.exchange {
        if let Some(query) = &mut exchange.request.canonical_query {
            leaves(query, &|leaf| {
                let known = written.iter().find(|(python, _)| leaf.contains(python));
                known.map_or_else(|| padded(leaf), |(python, right)| leaf.replace(python, right))
            });
        }
    }
}

/// Each time in the arguments: as Python writes it, and as it should be.
fn collect_times(value: &Value, out: &mut Vec<(String, String)>) {
    match value {
        Value::Object(map) => match map.get("$datetime").and_then(Value::as_str) {
            Some(iso) => out.push((as_python_writes(iso), format!("'{}'", right(iso)))),
            None => map.values().for_each(|value| collect_times(value, out)),
        },
        Value::Array(items) => items.iter().for_each(|item| collect_times(item, out)),
        _ => {}
    }
}

fn instant(iso: &str) -> Timestamp {
    // Without an offset it is UTC.
    iso.parse().or_else(|_| format!("{iso}Z").parse()).expect("a recorded time")
}

fn right(iso: &str) -> String {
    format!("{:.3}", instant(iso).round(Unit::Millisecond).expect("in range"))
}

/// Adds the offset instead of subtracting it, rounds the milliseconds and writes them as a bare number.
fn as_python_writes(iso: &str) -> String {
    let instant = instant(iso);
    // The wall clock there, read as if it were UTC.
    let wall: DateTime = iso.parse().expect("a recorded time");
    let local: Timestamp = format!("{wall}Z").parse().expect("a recorded time");
    let shifted = local + local.duration_since(instant);
    let down = TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Floor);
    let whole = shifted.round(down).expect("in range").to_string();
    let millis = (shifted.subsec_microsecond() + 500) / 1000;
    format!("'{}.{millis}Z'", whole.trim_end_matches('Z'))
}

/// `…05.7Z'` → `…05.007Z'`, for the times that Python chose itself.
fn padded(leaf: &str) -> String {
    let Some((before, rest)) = leaf.split_once("datetime'") else { return leaf.to_owned() };
    let Some((time, after)) = rest.split_once("Z'") else { return leaf.to_owned() };
    let Some((seconds, digits)) = time.split_once('.') else { return leaf.to_owned() };
    format!("{before}datetime'{seconds}.{digits:0>3}Z'{after}")
}

/// Q40: the caller's expands join the function's own, navigation by navigation.
pub(super) fn merged(case: &Case, book: &Rulebook, expected: &mut Expected) {
    let mut plain = case.clone();
    let with_images = case.function == "models.release.get_with_image_details";
    let mut image = Value::Null;
    let mut top = Value::Null;
    for (place, argument) in plain.args.iter_mut().enumerate().skip(1) {
        let target = if with_images && place == 1 { &mut image } else { &mut top };
        *target = argument.take();
    }
    plain.kwargs.clear();
    *expected = book.like(&plain, |_| true);
    let Some(query) = expected.exchange.last_mut().and_then(|last| last.request.canonical_query.as_mut())
    else {
        panic!("{}: nothing to merge into", case.id)
    };
    // The options of versions are for the releases within.
    let place = if case.function.starts_with("models.os.") {
        &mut query["$expand"]["owns__release"]
    } else {
        &mut *query
    };
    join(place, &top);
    join(&mut query["$expand"]["release_image"]["$expand"]["image"], &image);
    drop_nulls(query);
    for (path, names) in NEEDED {
        keep_needed(query, path, names);
    }
}

/// Columns inside of expands that functions make their answers of: a caller's `$select` there leaves them.
const NEEDED: [(&[&str], &[&str]); 4] = [
    (&["release_image", "image", "is_a_build_of__service"], &["service_name"]),
    (&["image_install", "image", "is_a_build_of__service"], &["service_name"]),
    (&["owns__device", "image_install", "image", "is_a_build_of__service"], &["service_name"]),
    (&["owns__release", "release_tag"], &["tag_key", "value"]),
];

fn keep_needed(query: &mut Value, path: &[&str], names: &[&str]) {
    let mut place = query;
    for step in path {
        let Some(inner) = place.get_mut("$expand").and_then(|expands| expands.get_mut(step)) else { return };
        place = inner;
    }
    let Some(selected) = place.get_mut("$select").and_then(Value::as_array_mut) else { return };
    for name in names.iter().map(|name| json!(name)) {
        if !selected.contains(&name) && !selected.contains(&json!("*")) {
            selected.push(name);
        }
    }
}

/// Looking into what is not there leaves `null` behind.
fn drop_nulls(value: &mut Value) {
    if let Value::Object(map) = value {
        map.values_mut().for_each(drop_nulls);
        map.retain(|_, value| !value.is_null() && *value != json!({ "$expand": {} }));
    }
}

/// Options of a caller, into a canonical query.
fn join(query: &mut Value, options: &Value) {
    for (name, value) in options.as_object().into_iter().flatten() {
        match name.as_str() {
            "$select" => {
                let names = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
                query["$select"] = json!(names);
            }
            "$expand" => expand(query, value),
            "$filter" => {
                let tree = quirks_filter::sensible(value).expect("a filter that makes sense");
                query["$filter"] = match query.get("$filter").cloned() {
                    None => tree,
                    Some(own) => quirks_filter::both(own, tree),
                };
            }
            "$orderby" => query["$orderby"] = json!([value]),
            "$top" | "$skip" => query[name] = value.clone(),
            _ => panic!("row Q40 does not know how {name} is merged"),
        }
    }
}

fn expand(query: &mut Value, expand_: &Value) {
    match expand_ {
        Value::String(name) => {
            if query["$expand"][name].is_null() {
                query["$expand"][name] = json!({});
            }
        }
        Value::Array(items) => items.iter().for_each(|item| expand(query, item)),
        Value::Object(map) => {
            for (name, options) in map {
                expand(query, &json!(name));
                join(&mut query["$expand"][name], options);
            }
        }
        _ => panic!("an expand of another form: {expand_}"),
    }
}

/// Q46: sent in the sensible form, or refused.
pub(super) fn odd(case: &Case, book: &Rulebook, expected: &mut Expected) {
    for options in options(case) {
        if options.get("$top").is_some_and(|top| !top.is_u64()) {
            return refuse(expected, Some("`$top`".into()));
        }
        if options.get("$expand") == Some(&json!({})) {
            *expected = without(case, book, "$expand");
        }
        let Some(given) = options.get("$filter") else { continue };
        let tree = match quirks_filter::sensible(given) {
            Ok(tree) => tree,
            Err(Refused) => return refuse(expected, Some("`$filter`".into())),
        };
        *expected = without(case, book, "$filter");
        let last = expected.exchange.last_mut().and_then(|last| last.request.canonical_query.as_mut());
        let mut query = last.expect("a list has a query");
        // Rows that are asked for inside of another one.
        let inside = match case.function.as_str() {
            "models.release.tags.get_all_by_release" => "release_tag",
            "models.service.get_all_by_application" => "service",
            _ => "",
        };
        if query["$expand"][inside].is_object() {
            query = &mut query["$expand"][inside];
        }
        query["$filter"] = match query.get("$filter").cloned() {
            None => tree,
            Some(own) => quirks_filter::both(own, tree),
        };
    }
}

/// What the function asks for without one of the caller's options.
fn without(case: &Case, book: &Rulebook, option: &str) -> Expected {
    let mut plain = case.clone();
    for argument in plain.args.iter_mut().chain(plain.kwargs.values_mut()) {
        if let Some(options) = argument.as_object_mut() {
            options.remove(option);
        }
    }
    plain.quirks.clear();
    book.like(&plain, |other| {
        other.quirks.iter().all(|row| matches!(&**row, "Q45" | "Q73" | "Q60"))
            && matches!(other.outcome, Outcome::Ok(_))
    })
}

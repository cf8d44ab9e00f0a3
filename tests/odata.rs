//! The query language against recorded calls: every case of `pine_options.jsonl`, every recorded query.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test stops at the first surprise"
)]

use std::fs;
use std::path::Path;

use balena_agent::odata::{Key, Navigation, Query};
use balena_agent::{Error, ErrorKind};
use canonical::{canonical_query, decode};
use serde_json::{Value, json};

#[path = "support/canonical.rs"]
mod canonical;

fn lines(path: impl AsRef<Path>) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("the cases are part of the project");
    text.lines().map(|line| serde_json::from_str(line).expect("one case a line")).collect()
}

fn cases(name: &str) -> Vec<Value> {
    lines(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(name))
}

#[test]
fn every_recorded_query_has_its_canonical_form() {
    let mut wrong = Vec::new();
    let queries = cases("odata/queries.jsonl");
    assert!(queries.len() > 500);
    for query in &queries {
        let found = canonical_query(query["raw_query"].as_str().unwrap());
        if found != query["canonical_query"] {
            wrong.push(format!(
                "{}\n  found    {found}\n  expected {}",
                query["raw_query"], query["canonical_query"]
            ));
        }
    }
    println!("{} passed / {} failed", queries.len() - wrong.len(), wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is promised of a case that carries a quirk. Everything else is promised as recorded.
enum Expect {
    /// As recorded after all.
    Recorded,
    /// This `$filter` with the function's own order.
    Filter(Value),
    /// These options.
    Options(Value),
    /// As without the option.
    NotGiven,
    /// Invalid argument; the text names this.
    Refused(&'static str),
    /// The argument can't be turned into one of ours.
    NotConvertible,
}

fn expectation(id: &str) -> Option<Expect> {
    use Expect::{Filter, NotConvertible, NotGiven, Options, Recorded, Refused};
    let release = |release: Value| {
        json!({"$expand": {
            "release_image": {"$expand": {"image": {
                "$select": ["id"],
                "$expand": {"is_a_build_of__service": release["service"]},
            }}},
            "is_created_by__user": {"$select": ["id", "username"]},
            "release_tag": release["tag"],
        }})
    };
    Some(match id.strip_prefix("pine.").unwrap() {
        // Q45: milliseconds with three digits.
        "filter.datetime_no_ms" => Filter(json!("created_at eq datetime'2024-01-02T03:04:05.000Z'")),
        "filter.datetime_7ms" => Filter(json!("created_at eq datetime'2024-01-02T03:04:05.007Z'")),
        "filter.op_eq_datetime" => Filter(json!("id eq datetime'2024-01-01T00:00:00.000Z'")),
        "filter.op_ne_datetime" => Filter(json!("id ne datetime'2024-01-01T00:00:00.000Z'")),
        // Q46: sent in the sensible form …
        "filter.in_null" => Filter(json!("id in (1, null)")),
        "filter.in_bool" => Filter(json!("id in (true, false)")),
        "filter.not_under_key" => Filter(json!("is_online eq not(true)")),
        "filter.or_within_key" | "filter.list_under_key" => Filter(json!({"or": ["id eq 1", "id eq 2"]})),
        "filter.or_single" | "filter.list_single" => Filter(json!("id eq 1")),
        "filter.string_filter" => Filter(json!("id eq 5")),
        "merge.string_filter_with_default" => {
            Filter(json!({"and": ["belongs_to__application eq 1681618", "id eq 5"]}))
        }
        // … or refused.
        "filter.in_empty"
        | "filter.and_empty_list"
        | "filter.op_ne_list"
        | "filter.op_eq_empty_object"
        | "filter.fn_contains_null"
        | "filter.fn_startswith_int"
        | "filter.fn_now"
        | "filter.any_no_alias"
        | "filter.parameter_alias_bad" => Refused("`$filter`"),
        "option.top_string" | "option.top_true" | "option.top_float" => Refused("`$top`"),
        // Q42, Q43: empty or null means not given.
        "filter.empty_object"
        | "option.filter_null"
        | "option.select_null"
        | "option.select_empty_string"
        | "option.expand_null" => NotGiven,
        // Q47: there is a default order.
        "option.count_with_filter" => Refused("`$count`"),
        // Q48.
        "option.unmerged_unknown_key" => Refused("unknown option `foo`"),
        "option.unmerged_custom_values" => Refused("unknown option"),
        // Q55.
        "key.true" | "key.nan" | "key.float" | "key.parameter_alias" | "key.natural_key_parameter_alias" => {
            NotConvertible
        }
        // Q40: merged navigation by navigation.
        "merge.expand_string_over_object_default" | "merge.expand_list_over_object_default" => {
            Options(release(json!({"service": {"$select": ["service_name"]}, "tag": {}})))
        }
        "merge.image_expand_object" => {
            let mut options = release(json!({"service": {"$select": ["id"]}}));
            options["$expand"].as_object_mut().unwrap().remove("release_tag");
            Options(options)
        }
        "merge.nested_expand_object" => Options(json!({"$expand": {"owns__device": {"$expand": {
            "device_tag": {},
            "image_install": {
                "$select": ["download_progress", "id", "install_date", "status"],
                "$filter": "status ne 'deleted'",
                "$expand": {
                    "image": {"$select": ["id"], "$expand": {"is_a_build_of__service": {"$select": ["id", "service_name"]}}},
                    "is_provided_by__release": {"$select": ["commit", "id", "raw_version"]},
                },
            },
        }}}})),
        // As recorded: the name encoded (Q46), the caller's columns in place of the default's (Q41).
        "filter.key_with_space" | "merge.image_select_star" => Recorded,
        _ => return None,
    })
}

/// A request as it would go out: path without the version, raw query.
type Sent = (String, String);

enum Failed {
    Conversion,
    Refused(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

fn sent(resource: &str, key: Option<&Key>, query: &Query) -> Result<Sent, Failed> {
    let address = query.address(resource, key)?;
    Ok((address.path().to_owned(), address.query().to_owned()))
}

/// A key of a row, as the typed interface takes it: a whole number or a text.
fn key(value: &Value, column: &'static str) -> Result<Key, Failed> {
    match (value.as_i64(), value.as_str()) {
        (Some(id), _) => Ok(Key::id(id)),
        (_, Some(text)) => Ok(Key::of(column, text)),
        _ => Err(Failed::Conversion),
    }
}

fn over(default: &Value, caller: &Value) -> Result<Query, Failed> {
    Ok(Query::from_json(default)?.merge(Query::from_json(caller)?)?)
}

/// The functions of the recorded calls, each with its default options as the recordings show them.
fn call(function: &str, args: &[Value]) -> Result<Vec<Sent>, Failed> {
    let arg = |index: usize| args.get(index).unwrap_or(&Value::Null);
    let nothing = Query::new();
    let by_id = |resource: &str, query: &Query| sent(resource, Some(&key(arg(0), "")?), query);
    let only_id = over(&json!({"$select": "id"}), &Value::Null)?;
    Ok(match function.strip_prefix("models.").unwrap() {
        "device.get_all" => {
            vec![sent("device", None, &over(&json!({"$orderby": "device_name asc"}), arg(0))?)?]
        }
        "device.get_all_by_organization" => {
            let default = json!({
                "$orderby": "device_name asc",
                "$filter": {"belongs_to__application": {"$any": {"$alias": "bta", "$expr": {"bta": {"organization": arg(0)}}}}},
            });
            vec![by_id("organization", &only_id)?, sent("device", None, &over(&default, arg(1))?)?]
        }
        "device.get_all_by_application" => {
            let default =
                json!({"$orderby": "device_name asc", "$filter": {"belongs_to__application": arg(0)}});
            vec![by_id("application", &only_id)?, sent("device", None, &over(&default, arg(1))?)?]
        }
        "device_type.get" => {
            let default = json!({
                "$orderby": "name asc",
                "$top": 1,
                "$filter": {"device_type_alias": {"$any": {
                    "$alias": "dta", "$expr": {"dta": {"is_referenced_by__alias": arg(0)}},
                }}},
            });
            vec![sent("device_type", None, &over(&default, arg(1))?)?]
        }
        "application.get_all_directly_accessible" => {
            let default = json!({
                "$orderby": "app_name asc",
                "$filter": {"is_directly_accessible_by__user": {"$any": {"$alias": "dau", "$expr": {"1": 1}}}},
            });
            vec![sent("application", None, &over(&default, arg(0))?)?]
        }
        "application.get_with_device_service_details" => {
            let default = json!({"$expand": {"owns__device": {"$expand": {"image_install": {
                "$select": ["id", "download_progress", "status", "install_date"],
                "$filter": {"status": {"$ne": "deleted"}},
                "$expand": {
                    "image": {"$select": ["id"], "$expand": {"is_a_build_of__service": {"$select": ["id", "service_name"]}}},
                    "is_provided_by__release": {"$select": ["id", "commit", "raw_version"]},
                },
            }}}}});
            vec![by_id("application", &over(&default, arg(1))?)?]
        }
        "release.get_with_image_details" => {
            let image = over(
                &json!({"$select": "id", "$expand": {"is_a_build_of__service": {"$select": "service_name"}}}),
                arg(1),
            )?;
            let release_image = Navigation::<(), ()>::new("release_image");
            let default = Query::new()
                .expand(release_image.expand(Navigation::<(), ()>::new("image").with(image)))
                .expand(Navigation::<(), ()>::new("is_created_by__user").select(["id", "username"]));
            vec![by_id("release", &default.merge(Query::from_json(arg(2))?)?)?]
        }
        "release.get_latest_by_application" => {
            let default = json!({
                "$filter": {"belongs_to__application": arg(0), "status": "success"},
                "$orderby": "created_at desc",
                "$top": 1,
            });
            vec![by_id("application", &only_id)?, sent("release", None, &over(&default, arg(1))?)?]
        }
        "image.get" => {
            let default = json!({"$select": [
                "id", "content_hash", "dockerfile", "project_type", "status", "error_message", "image_size",
                "created_at", "push_timestamp", "start_timestamp", "end_timestamp",
            ]});
            vec![by_id("image", &over(&default, arg(1))?)?]
        }
        "service.get_all_by_application" => {
            let services = Navigation::<(), ()>::new("service").with(Query::from_json(arg(1))?);
            vec![by_id("application", &Query::new().select(["service"]).expand(services))?]
        }
        "organization.get" => vec![sent("organization", Some(&key(arg(0), "handle")?), &nothing)?],
        "organization.invite.get_all" => {
            vec![sent("invitee__is_invited_to__organization", None, &Query::from_json(arg(0))?)?]
        }
        "organization.membership.get" => {
            vec![sent("organization_membership", Some(&key(arg(0), "")?), &nothing)?]
        }
        other => panic!("no defaults for {other}"),
    })
}

/// Holds a case against what is promised of it.
fn judge(case: &Value) -> Result<(), String> {
    let id = case["id"].as_str().unwrap();
    let tagged = case.get("quirks").is_some();
    let expect = expectation(id);
    if tagged != expect.is_some() {
        return Err(format!("tagged: {tagged}, in the table: {}", expect.is_some()));
    }
    let outcome = call(case["function"].as_str().unwrap(), case["args"].as_array().unwrap());
    match (expect, outcome) {
        (Some(Expect::NotConvertible), Err(Failed::Conversion)) => Ok(()),
        (_, Err(Failed::Conversion)) => Err("not convertible".to_owned()),
        (Some(Expect::Refused(word)), Err(Failed::Refused(error))) => refusal(&error, word),
        (None, Err(Failed::Refused(error))) if case["outcome"].get("error").is_some() => {
            // In these cases the caller gives one option; its name, or that of the unknown one, has to be told.
            let options = case["args"].as_array().unwrap().iter().filter_map(Value::as_object);
            let names: Vec<&String> = options.flat_map(|map| map.keys()).collect();
            assert_eq!(names.len(), 1, "{id}");
            refusal(&error, &format!("`{}`", names[0]))
        }
        (_, Err(Failed::Refused(error))) => Err(format!("refused: {error}")),
        (Some(Expect::Refused(_) | Expect::NotConvertible), Ok(sent)) => Err(format!("sent: {sent:?}")),
        (None, Ok(sent)) if case["outcome"].get("error").is_some() => Err(format!("sent: {sent:?}")),
        (None | Some(Expect::Recorded), Ok(sent)) => recorded(case, &sent),
        (Some(Expect::Filter(mut filter)), Ok(sent)) => {
            if let Some(Value::Array(operands)) = filter.get_mut("and") {
                operands.sort_by_key(ToString::to_string);
            }
            last_options(&sent, &json!({"$orderby": ["device_name asc"], "$filter": filter}))
        }
        (Some(Expect::NotGiven), Ok(sent)) => last_options(&sent, &json!({"$orderby": ["device_name asc"]})),
        (Some(Expect::Options(options)), Ok(sent)) => last_options(&sent, &options),
    }
}

fn refusal(error: &Error, word: &str) -> Result<(), String> {
    let said = error.to_string();
    if error.kind() == ErrorKind::InvalidArgument && !error.was_sent() && said.contains(word) {
        Ok(())
    } else {
        Err(said)
    }
}

fn last_options(sent: &[Sent], expected: &Value) -> Result<(), String> {
    let found = canonical_query(&sent.last().expect("one request at least").1);
    if found == *expected { Ok(()) } else { Err(format!("\n  found    {found}\n  expected {expected}")) }
}

fn recorded(case: &Value, sent: &[Sent]) -> Result<(), String> {
    let exchange = case["exchange"].as_array().unwrap();
    if exchange.len() != sent.len() {
        return Err(format!("{} requests, recorded {}", sent.len(), exchange.len()));
    }
    for (exchange, (path, query)) in exchange.iter().zip(sent) {
        let request = &exchange["request"];
        let expected = request["raw_path"].as_str().unwrap().strip_prefix("/v6/").unwrap();
        if decode(path) != decode(expected) {
            return Err(format!("path {path}, recorded {expected}"));
        }
        let found = canonical_query(query);
        if found != request["canonical_query"] {
            return Err(format!("\n  found    {found}\n  expected {}", request["canonical_query"]));
        }
    }
    Ok(())
}

#[test]
fn every_recorded_call_with_options_is_reproduced() {
    let cases = cases("wire/pine_options.jsonl");
    let failed: Vec<String> = cases
        .iter()
        .filter_map(|case| judge(case).err().map(|why| format!("{}: {why}", case["id"].as_str().unwrap())))
        .collect();
    println!("{} passed / {} failed", cases.len() - failed.len(), failed.len());
    assert_eq!(cases.len(), 186);
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

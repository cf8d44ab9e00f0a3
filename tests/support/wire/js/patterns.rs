//! Where the two SDKs differ everywhere (`v6-v7.md` §2, class S): ours is the pattern of the Python SDK.

use balena_agent::ErrorKind;
use serde_json::{Value, json};

use crate::wire::cases::{Auth, Case, Exchange, Outcome, Raised};
use crate::wire::outcomes::Expect;
use crate::wire::quirks::{Expected, error};

/// The patterns that can be told from the requests alone.
pub(super) fn apply(case: &Case, expected: &mut Expected) {
    id_check(expected);
    logged_out(case, expected);
    in_parallel(expected);
    odd_answer(expected);
}

/// What JS asks for together, ours may ask for in turn: then the first failure is the last request. What JS goes
/// on with in the background, when the call has failed already, need not be sent either.
fn in_parallel(expected: &mut Expected) {
    let Some(first) = expected.exchange.iter().position(failed) else { return };
    let together = |exchange: &Exchange| exchange.issued_after.is_some_and(|after| after <= first);
    if matches!(expected.outcome, Expect::Value(_)) || !expected.exchange.iter().any(together) {
        return;
    }
    for (index, exchange) in expected.exchange.iter_mut().enumerate() {
        // In turn, what is read for others is not read yet.
        let for_others = exchange.request.method == "GET" && exchange.issued_after.is_some();
        exchange.check.optional |= index > first || (index < first && for_others);
    }
}

/// An answer that no call goes on with: a refusal, or rows that are none.
fn failed(exchange: &Exchange) -> bool {
    let Exchange { request, response, .. } = exchange;
    let rows = response.json.as_ref().and_then(|answer| answer.get("d"));
    let reads = request.method == "GET" && request.canonical_query.is_some();
    response.abort || response.status >= 400 || (reads && rows.is_none())
}

/// Row Q14 of the Python SDK: an answer that is no JSON is an error; JS hands it on.
fn odd_answer(expected: &mut Expected) {
    let last = expected.exchange.last().filter(|last| matches!(&*last.request.method, "GET" | "POST"));
    let text = last.and_then(|last| last.response.text.as_ref());
    if let (Some(text), Expect::Value(Value::String(value))) = (text, &expected.outcome)
        && text == value
        // A token is text too.
        && (text.is_empty() || text.contains(char::is_whitespace))
    {
        expected.outcome = error(ErrorKind::Decode);
    }
}

/// A text in quotes, as it stands in a filter.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The same request with the token of the case.
pub(super) fn sent_by(case: &Case, exchange: &Exchange) -> Exchange {
    let mut exchange = exchange.clone();
    exchange.request.auth = case.token.clone().map(|credential| Auth { scheme: "Bearer".into(), credential });
    exchange
}

/// Row Q08: only what is asked of a resource is asked again when there were too many requests. JS asks for
/// everything again.
pub(crate) fn not_retried(case: &Case) -> Case {
    let mut case = case.clone();
    let is_plain =
        |exchange: &Exchange| exchange.response.status == 429 && exchange.request.canonical_query.is_none();
    let Some(first) = case.exchange.iter().position(is_plain).filter(|_| !case.sleeps.is_empty()) else {
        return case;
    };
    let before = case.exchange[..first].iter().filter(|exchange| exchange.response.status == 429).count();
    case.sleeps.truncate(before);
    case.exchange.truncate(first + 1);
    case.outcome = Outcome::Error(Raised {
        class: "BalenaRequestError".into(),
        message: String::new(),
        status: Some(429),
    });
    case
}

/// A list of values in a filter as ours writes it: JS puts no space after its commas.
pub(super) fn spaced(value: &mut Value) {
    match value {
        Value::String(leaf) if leaf.contains(" in (") => *leaf = spaced_lists(leaf),
        Value::Array(items) => items.iter_mut().for_each(spaced),
        Value::Object(map) => map.values_mut().for_each(spaced),
        _ => {}
    }
}

fn spaced_lists(leaf: &str) -> String {
    let (mut out, mut quoted, mut listed) = (String::new(), false, false);
    for c in leaf.chars() {
        out.push(c);
        match c {
            '\'' => quoted = !quoted,
            '(' if !quoted => listed = out.ends_with(" in ("),
            ')' if !quoted => listed = false,
            ',' if listed && !quoted => out.push(' '),
            _ => {}
        }
    }
    out
}

/// `id-check`: a read that only tells whether an id is there need not be sent. A call that ended in it ends
/// in the request that ours sends instead.
fn id_check(expected: &mut Expected) {
    let count = expected.exchange.len();
    for (index, exchange) in expected.exchange.iter_mut().enumerate() {
        if !is_id_check(exchange) {
            continue;
        }
        if index + 1 < count {
            exchange.check.optional = true;
        } else if exchange.response.status >= 400 {
            exchange.check.any_request = true;
        }
    }
}

/// `GET parent(id)?$select=id`.
pub(in crate::wire) fn is_id_check(exchange: &Exchange) -> bool {
    let request = &exchange.request;
    let id = request.path.strip_suffix(')').and_then(|path| path.rsplit_once('('));
    request.method == "GET"
        && id.is_some_and(|(_, id)| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()))
        && request.canonical_query == Some(json!({ "$select": ["id"] }))
}

/// `logged-out`: what is no resource is refused before anything is sent.
fn logged_out(case: &Case, expected: &mut Expected) {
    if case.token.is_some() || !case.before.is_empty() || case.function.starts_with("auth.") {
        return;
    }
    let plain =
        |exchange: &Exchange| exchange.request.host == "api" && exchange.request.canonical_query.is_none();
    if let Some(first) = expected.exchange.iter().position(plain) {
        expected.exchange.truncate(first);
        expected.outcome = error(ErrorKind::Unauthorized);
    }
}

/// `short-uuid`, `commit-prefix` (row J05): JS takes no beginnings, and refuses them without a request. Ours looks
/// them up: with this filter, and "not found" when nothing begins so.
pub(super) fn looked_up(expected: &mut Expected, like: &Exchange, path: &str, filter: &str) {
    let mut exchange = like.clone();
    exchange.request.method = "GET".into();
    exchange.request.path = path.into();
    exchange.request.canonical_query = Some(json!({ "$filter": filter }));
    exchange.request.json = None;
    exchange.request.content_type = None;
    exchange.response.status = 200;
    exchange.response.json = Some(super::no_rows());
    exchange.check.any_request = true;
    expected.exchange = vec![exchange];
    expected.outcome = Expect::Error { kind: ErrorKind::NotFound, status: None, says: None };
}

/// Refused before anything is sent.
pub(super) fn refused(expected: &mut Expected) {
    expected.exchange.clear();
    expected.outcome = error(ErrorKind::InvalidArgument);
}

/// An argument that ours can't express, whatever JS makes of it (row Q55).
pub(super) fn no_such_type(expected: &mut Expected) {
    expected.exchange.clear();
    expected.outcome = Expect::NoSuchType;
}

/// Whether an argument, or a member of one, is an empty text or 0: it names nothing (row Q51).
pub(super) fn names_nothing(argument: &Value) -> bool {
    match argument {
        Value::String(text) => text.trim().is_empty(),
        Value::Number(id) => id.as_i64() == Some(0),
        Value::Object(members) => members.values().any(names_nothing),
        Value::Array(items) => items.iter().any(names_nothing),
        _ => false,
    }
}

/// Whether there is a type for it: an id, a name, or a list of them.
pub(super) fn are_keys(argument: &Value) -> bool {
    let is_key = |value: &Value| value.is_i64() || value.is_string();
    argument.as_array().map_or_else(|| is_key(argument), |list| list.iter().all(is_key))
}

/// It may be sent, in whatever form.
pub(super) fn anyhow(exchange: &Exchange) -> Exchange {
    let mut exchange = exchange.clone();
    (exchange.check.any_request, exchange.check.optional) = (true, true);
    exchange
}

/// Whether an argument of the case is the beginning of a uuid: text that is too short for a whole one.
pub(super) fn is_short_uuid(value: Option<&Value>) -> bool {
    let text = value.and_then(Value::as_str);
    text.is_some_and(|text| !text.is_empty() && !matches!(text.chars().count(), 32 | 62))
}

//! Query options given as JSON, in the form that the SDKs take.

use std::borrow::Cow;

use serde_json::{Map, Value as Json};

use super::encode::push_path;
use super::error::{QueryError, QueryResult, refuse};
use super::expr::{Expr, Path};
use super::json_expr::{self, count_filter};
use super::json_literal::kind;
use super::query::{Expansion, Query};
use crate::error::Result;

type Object = Map<String, Json>;

impl Query {
    /// Parses options in the SDKs' form: `{"$select": ["id"], "$filter": {"uuid": {"$startswith": "8d"}}}`.
    ///
    /// An option that is `null` or an empty string, or an empty `$filter` or `$expand`, counts as absent. A string
    /// as `$filter` is [`Filter::raw`](super::Filter::raw). Dates have the form
    /// `{"$datetime": "2024-01-31T12:00:00Z"}`.
    ///
    /// # Errors
    /// [`is_invalid_argument`](crate::Error::is_invalid_argument), with the option's name: the option or an operator
    /// in it does not exist, or a value has the wrong type.
    pub fn from_json(options: &Json) -> Result<Self> {
        let query = match options {
            Json::Null => Ok(Self::new()),
            Json::Object(options) => parse(options),
            _ => refuse!("options are an object, not {}", kind(options)),
        }?;
        // Reports invalid names and values now rather than after a merge.
        query.render()?;
        Ok(query)
    }
}

fn parse(options: &Object) -> QueryResult<Query> {
    type Set = fn(&mut Query, &Json) -> QueryResult;
    let mut query = Query::new();
    for (name, value) in options {
        let (option, set): (&'static str, Set) = match name.as_str() {
            "$select" => ("$select", select),
            "$expand" => ("$expand", expand),
            "$filter" => ("$filter", filter),
            "$orderby" => ("$orderby", order),
            "$top" => ("$top", |query, value| number(value).map(|rows| query.top = rows)),
            "$skip" => ("$skip", |query, value| number(value).map(|rows| query.skip = rows)),
            "$count" => ("$count", count),
            other => return refuse!("unknown option `{}`", other.escape_debug()),
        };
        set(&mut query, value).map_err(|fault| fault.of(option))?;
    }
    Ok(query)
}

fn filter(query: &mut Query, value: &Json) -> QueryResult {
    if let Some(filter) = json_expr::filter(value)? {
        query.add_filter(filter);
    }
    Ok(())
}

fn select(query: &mut Query, value: &Json) -> QueryResult {
    match value {
        Json::Null => {}
        Json::String(names) if names.is_empty() => {}
        // The SDKs send a string unchanged, so `"id,uuid"` means two columns.
        Json::String(names) => names.split(',').for_each(|name| query.add_column(name.trim().to_owned())),
        Json::Array(names) if names.is_empty() => return refuse!("an empty list"),
        Json::Array(names) => {
            for name in names {
                let Json::String(name) = name else {
                    return refuse!("a name is a string, not {}", kind(name));
                };
                query.add_column(name.clone());
            }
        }
        _ => return refuse!("a string or a list of strings, not {}", kind(value)),
    }
    Ok(())
}

fn number(value: &Json) -> QueryResult<Option<u64>> {
    match (value, value.as_u64()) {
        (Json::Null, _) => Ok(None),
        (_, Some(number)) => Ok(Some(number)),
        (Json::Number(other), None) => refuse!("{other} is not a whole number from 0"),
        _ => refuse!("a whole number, not {}", kind(value)),
    }
}

fn count(query: &mut Query, value: &Json) -> QueryResult {
    match value {
        Json::Null => Ok(()),
        Json::Object(options) => {
            query.count = true;
            if let Some(filter) = count_filter(options)? {
                query.add_filter(filter);
            }
            Ok(())
        }
        _ => refuse!("an object, not {}", kind(value)),
    }
}

fn expand(query: &mut Query, value: &Json) -> QueryResult {
    match value {
        Json::Null => {}
        Json::Array(list) if list.is_empty() => return refuse!("an empty list"),
        Json::Array(list) => {
            for item in list {
                match item {
                    Json::String(name) if !name.is_empty() => add_expansion(query, name, Query::new())?,
                    Json::Object(navigations) => expand_object(query, navigations)?,
                    _ => return refuse!("a list of names and objects, not of {}", kind(item)),
                }
            }
        }
        Json::String(name) if name.is_empty() => {}
        Json::String(name) => add_expansion(query, name, Query::new())?,
        Json::Object(navigations) => expand_object(query, navigations)?,
        _ => return refuse!("a name, a list or an object, not {}", kind(value)),
    }
    Ok(())
}

fn expand_object(query: &mut Query, navigations: &Object) -> QueryResult {
    for (name, options) in navigations {
        if name.starts_with('$') {
            return refuse!("`{}` has to be inside the options of a navigation", name.escape_debug());
        }
        let Json::Object(options) = options else {
            return refuse!("the options of `{}` are an object, not {}", name.escape_debug(), kind(options));
        };
        let inner = parse(options).map_err(|fault| fault.inside(name))?;
        add_expansion(query, name, inner)?;
    }
    Ok(())
}

fn add_expansion(query: &mut Query, name: &str, inner: Query) -> QueryResult {
    // Checked here to explain `a($select=b)` and `a,b`, which are valid elsewhere.
    push_path(&mut String::new(), name).map_err(|fault| {
        QueryError::new(format!("{fault}; give options as `{{\"name\": {{…}}}}` and several names as a list"))
    })?;
    query.add_expansion(Expansion { name: Cow::Owned(name.to_owned()), query: inner });
    Ok(())
}

fn order(query: &mut Query, value: &Json) -> QueryResult {
    match value {
        Json::Null => Ok(()),
        Json::Array(list) if list.is_empty() => refuse!("an empty list"),
        Json::Array(list) => list.iter().try_for_each(|item| order_item(query, item)),
        Json::String(text) if text.is_empty() => Ok(()),
        _ => order_item(query, value),
    }
}

fn order_item(query: &mut Query, value: &Json) -> QueryResult {
    match value {
        Json::String(text) => text.split(',').try_for_each(|item| order_text(query, item.trim())),
        Json::Object(item) => order_object(query, item),
        _ => refuse!("a string, an object or a list of these, not {}", kind(value)),
    }
}

fn order_text(query: &mut Query, text: &str) -> QueryResult {
    let (path, direction) = match text.rsplit_once(' ') {
        Some((path, word)) => (path.trim_end(), Some(direction(word)?)),
        None => (text, None),
    };
    query.order.push((Expr::Path(order_path(path)?), direction));
    Ok(())
}

fn order_path(path: &str) -> QueryResult<Path> {
    if path.ends_with("/$count") {
        return refuse!("a count is written `{{\"navigation\": {{\"$count\": {{}}}}, \"$dir\": \"asc\"}}`");
    }
    Ok(Path::rooted(path.to_owned()))
}

fn direction(word: &str) -> QueryResult<&'static str> {
    match word {
        "asc" => Ok("asc"),
        "desc" => Ok("desc"),
        other => refuse!("the direction is `asc` or `desc`, not `{}`", other.escape_debug()),
    }
}

fn order_object(query: &mut Query, item: &Object) -> QueryResult {
    let mut columns = item.iter().filter(|(name, _)| *name != "$dir");
    let (Some((path, value)), None) = (columns.next(), columns.next()) else {
        return refuse!("an object names one column; several are a list");
    };
    let path = order_path(path)?;
    let (by, word) = match value {
        Json::String(word) => (Expr::Path(path), Some(word)),
        Json::Object(options) => {
            let count = match (options.get("$count"), options.len()) {
                (Some(Json::Object(count)), 1) => count_filter(count)?,
                _ => return refuse!("`{}` takes a direction, or `$count` alone", path.text),
            };
            let word = match item.get("$dir") {
                Some(Json::String(word)) => Some(word),
                _ => None,
            };
            (Expr::Count(path, count.map(Box::new)), word)
        }
        _ => return refuse!("`{}` takes a direction, not {}", path.text, kind(value)),
    };
    let Some(word) = word else {
        return refuse!("a count needs `$dir` beside it");
    };
    query.order.push((by, Some(direction(word)?)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rendered(options: &Json) -> Result<String> {
        Query::from_json(options)?.render().map(|text| text.replace("%20", " "))
    }

    #[test]
    fn forms_that_were_not_recorded() {
        let cases = [
            (json!({"$filter": {"id": {"$or": [{"$gt": 5}, {"$lt": 1}]}}}), "$filter=(id gt 5) or (id lt 1)"),
            (json!({"$filter": {"id": {"$eq": {"a": 1}}}}), "$filter=id eq (a eq 1)"),
            (json!({"$filter": {"a": {"b": {"$": "c"}}}}), "$filter=a/b eq c"),
            (json!({"$expand": {}}), ""),
            (json!({"$filter": {"id": {"$not": {"$gt": 5}}}}), "$filter=not(id gt 5)"),
            (
                json!({"$filter": {"id": {"$and": [{"$gt": 1}, {"$lt": 9}]}}}),
                "$filter=(id gt 1) and (id lt 9)",
            ),
            (json!({"$filter": {"id": {"$in": {"$gt": 9, "$lt": 1}}}}), "$filter=(id gt 9) or (id lt 1)"),
            (
                json!({"$filter": {"a": {"$contains": {"$tolower": {"$": "b"}}}}}),
                "$filter=contains(a,tolower(b))",
            ),
            (json!({"$filter": {"a": {"$tolower": "B"}}}), "$filter=a eq tolower('B')"),
            (json!({"$filter": {"a": {"$lt": {"$now": {}}}}}), "$filter=a lt now()"),
            (json!({"$filter": {"a": {"$count": {"$gt": 5}}}}), "$filter=a/$count gt 5"),
            (json!({"$filter": {"is_of__actor": {"__id": 5}}}), "$filter=is_of__actor eq 5"),
            (json!({"$filter": {"id": 9_000_000_000_000_000_000_u64}}), "$filter=id eq 9000000000000000000"),
            (json!({"$filter": {"id": u64::MAX}}), "$filter=id eq 18446744073709551615"),
            (
                json!({"$filter": {"$raw": {"$string": "a eq $1 or b eq '$1'", "1": "x"}}}),
                "$filter=(a eq ('x') or b eq '%241')",
            ),
            (
                json!({"$filter": {"at": {"$gt": {"$datetime": "2024-06-01T12:00:00+02:00"}}}}),
                "$filter=at gt datetime'2024-06-01T10:00:00.000Z'",
            ),
            (json!({"$orderby": "a desc, b"}), "$orderby=a desc,b"),
            (json!({"$count": {"$filter": {"a": 1}}}), "$filter=a eq 1"),
            (json!({"$select": "a, b,a"}), "$select=a,b"),
        ];
        for (options, expected) in cases {
            assert_eq!(rendered(&options).unwrap(), expected, "{options}");
        }
    }

    #[test]
    fn wrong_options_are_refused_by_name() {
        let cases = [
            (json!([]), "options"),
            (json!({"$format": "json"}), "unknown option `$format`"),
            (
                json!({"$expand": {"a": {"$expand": {"b": {"$top": -1}}}}}),
                "`$top`: in the expand of `a`: in the expand of `b`",
            ),
            (json!({"$expand": "a($select=b)"}), "`$expand`"),
            (json!({"$expand": ["a", 5]}), "`$expand`"),
            (json!({"$expand": []}), "`$expand`"),
            (json!({"$filter": []}), "`$filter`"),
            (json!({"$expand": {"a": null}}), "`$expand`"),
            (json!({"$filter": true}), "`$filter`"),
            (json!({"$filter": {"a": {}}}), "`$filter`"),
            (json!({"$filter": {"$and": [{"a": 1}, {}]}}), "`$filter`"),
            (json!({"$filter": {"$or": ["id eq 1", {"a": 1}]}}), "$raw"),
            (json!({"$filter": {"$eq": 5}}), "`$filter`"),
            (json!({"$filter": {"a": {"$duration": {"days": "1"}}}}), "`$filter`"),
            (json!({"$filter": {"a": {"$duration": {"weeks": 1, "days": 1}}}}), "`$filter`"),
            (json!({"$filter": {"a": {"$datetime": "yesterday"}}}), "`$filter`"),
            (json!({"$filter": {"t": {"$any": {"$alias": "or", "$expr": {"or": {"a": 1}}}}}}), "`$filter`"),
            (json!({"$filter": {"t": {"$any": {"$alias": "t) or (", "$expr": {"1": 1}}}}}), "`$filter`"),
            (json!({"$filter": {"a": "x\u{0}"}}), "`$filter`"),
            (json!({"$filter": {"a": {"$length": ["x", "y"]}}}), "`$filter`"),
            (json!({"$orderby": {"a/$count": "asc"}, "$top": 1}), "`$orderby`"),
            (json!({"$orderby": "length(a) asc"}), "`$orderby`"),
            (json!({"$select": ["id", 5]}), "`$select`"),
            (json!({"$select": ["id,uuid"]}), "`$select`"),
            (json!({"$count": true}), "`$count`"),
            (json!({"$count": {"$top": 1}}), "`$count`"),
            (json!({"$count": {}, "$top": 1}), "`$count`"),
        ];
        for (options, word) in cases {
            match rendered(&options) {
                Ok(text) => panic!("{options} was taken as {text}"),
                Err(error) => {
                    assert!(
                        error.is_invalid_argument() && error.to_string().contains(word),
                        "{options}: {error}"
                    );
                }
            }
        }
    }
}

//! Options given as JSON, in the form that the SDKs take.

use std::borrow::Cow;

use serde_json::{Map, Value as Json};

use super::encode::push_path;
use super::expr::{Expr, Path};
use super::fault::{Check, Fault, refuse};
use super::json_expr;
use super::query::{Counted, Expansion, Query};
use crate::error::Result;

type Object = Map<String, Json>;

impl Query {
    /// The options in the SDKs' form: `{"$select": ["id"], "$filter": {"uuid": {"$startswith": "8d"}}}`.
    ///
    /// A value of `null`, an empty text and an empty `$filter` or `$expand` mean: not given. A `$filter` that is
    /// a text is [`Filter::raw`](super::Filter::raw). Dates are written `{"$datetime": "2024-01-31T12:00:00Z"}`.
    ///
    /// # Errors
    /// [`is_invalid_argument`](crate::Error::is_invalid_argument), with the option's name: an option that does
    /// not exist, an operator that does not exist, a value of the wrong type.
    pub fn from_json(options: &Json) -> Result<Self> {
        let query = match options {
            Json::Null => Ok(Self::new()),
            Json::Object(options) => parse(options),
            _ => refuse!("options are an object, not {}", kind(options)),
        }?;
        // Faults of names and values are told here rather than after a merge.
        query.render()?;
        Ok(query)
    }
}

/// What a value is, for messages.
pub(super) fn kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}

fn parse(options: &Object) -> Check<Query> {
    let mut query = Query::new();
    for (name, value) in options {
        let set = match name.as_str() {
            "$select" => select(&mut query, value).map_err(|fault| fault.of("$select")),
            "$expand" => expand(&mut query, value).map_err(|fault| fault.of("$expand")),
            "$filter" => json_expr::filter(value)
                .map_err(|fault| fault.of("$filter"))
                .map(|filter| query.filter = filter),
            "$orderby" => order(&mut query, value).map_err(|fault| fault.of("$orderby")),
            "$top" => number(value).map_err(|fault| fault.of("$top")).map(|rows| query.top = rows),
            "$skip" => number(value).map_err(|fault| fault.of("$skip")).map(|rows| query.skip = rows),
            "$count" => counted(value).map_err(|fault| fault.of("$count")).map(|count| query.count = count),
            other => refuse!("unknown option `{}`", other.escape_debug()),
        };
        set?;
    }
    Ok(query)
}

fn select(query: &mut Query, value: &Json) -> Check {
    match value {
        Json::Null => {}
        // The SDKs take a text as it is, so that `"id,uuid"` means two columns.
        Json::String(names) if !names.is_empty() => {
            names.split(',').for_each(|name| query.add_column(name.trim().to_owned()));
        }
        Json::String(_) => {}
        Json::Array(names) if names.is_empty() => return refuse!("an empty list"),
        Json::Array(names) => {
            for name in names {
                let Json::String(name) = name else {
                    return refuse!("a name is a text, not {}", kind(name));
                };
                query.add_column(name.clone());
            }
        }
        _ => return refuse!("a text or a list of texts, not {}", kind(value)),
    }
    Ok(())
}

fn number(value: &Json) -> Check<Option<u64>> {
    match (value, value.as_u64()) {
        (Json::Null, _) => Ok(None),
        (_, Some(number)) => Ok(Some(number)),
        (Json::Number(other), None) => refuse!("{other} is not a whole number from 0"),
        _ => refuse!("a whole number, not {}", kind(value)),
    }
}

fn counted(value: &Json) -> Check<Option<Counted>> {
    match value {
        Json::Null => Ok(None),
        Json::Object(options) => Ok(Some(Counted { filter: count_filter(options)? })),
        _ => refuse!("an object, not {}", kind(value)),
    }
}

/// The one option that a count takes.
pub(super) fn count_filter(options: &Object) -> Check<Option<Expr>> {
    let mut filter = None;
    for (name, value) in options {
        if name != "$filter" {
            return refuse!("takes no `{}`, only `$filter`", name.escape_debug());
        }
        filter = json_expr::filter(value)?;
    }
    Ok(filter)
}

fn expand(query: &mut Query, value: &Json) -> Check {
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

fn expand_object(query: &mut Query, navigations: &Object) -> Check {
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

fn add_expansion(query: &mut Query, name: &str, inner: Query) -> Check {
    // Checked here, because a text like `a($select=b)` or `a,b` deserves an answer of its own.
    push_path(&mut String::new(), name).map_err(|fault| {
        Fault::new(format!("{fault}; options and several names have a form of their own"))
    })?;
    query.add_expansion(Expansion { name: Cow::Owned(name.to_owned()), query: inner });
    Ok(())
}

fn order(query: &mut Query, value: &Json) -> Check {
    match value {
        Json::Null => Ok(()),
        Json::Array(list) if list.is_empty() => refuse!("an empty list"),
        Json::Array(list) => list.iter().try_for_each(|item| order_item(query, item)),
        Json::String(text) if text.is_empty() => Ok(()),
        _ => order_item(query, value),
    }
}

fn order_item(query: &mut Query, value: &Json) -> Check {
    match value {
        Json::String(text) => text.split(',').try_for_each(|item| order_text(query, item.trim())),
        Json::Object(item) => order_object(query, item),
        _ => refuse!("a text, an object or a list of these, not {}", kind(value)),
    }
}

fn order_text(query: &mut Query, text: &str) -> Check {
    let (path, direction) = match text.rsplit_once(' ') {
        Some((path, word)) => (path.trim_end(), Some(direction(word)?)),
        None => (text, None),
    };
    if path.ends_with("/$count") {
        return refuse!("a count is written `{{\"navigation\": {{\"$count\": {{}}}}, \"$dir\": \"asc\"}}`");
    }
    query.order.push((Expr::Path(Path::rooted(path.to_owned())), direction));
    Ok(())
}

fn direction(word: &str) -> Check<&'static str> {
    match word {
        "asc" => Ok("asc"),
        "desc" => Ok("desc"),
        other => refuse!("the direction is `asc` or `desc`, not `{}`", other.escape_debug()),
    }
}

fn order_object(query: &mut Query, item: &Object) -> Check {
    let mut columns = item.iter().filter(|(name, _)| *name != "$dir");
    let (Some((path, value)), None) = (columns.next(), columns.next()) else {
        return refuse!("an object names one column; several are a list");
    };
    let path = Path::rooted(path.clone());
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

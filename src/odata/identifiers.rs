//! The column and navigation names in a query, to find those that the API does not know.

use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::json_function::is_function;
use super::query::{Address, Query};

/// Operators and constants, which are no names.
const OPERATORS: [&str; 22] = [
    "eq", "ne", "gt", "ge", "lt", "le", "and", "or", "not", "in", "add", "sub", "mul", "div", "mod", "any",
    "all", "true", "false", "null", "asc", "desc",
];

impl Query {
    /// Returns the path of a requested column that a row of the response lacks, such as
    /// `belongs_to__application/slug`. A null value is present.
    pub(crate) fn missing_in(&self, row: &Value) -> Option<String> {
        // An `id` is often selected only to leave out all other columns.
        let lacks = |name: &&String| !matches!(name.as_str(), "*" | "id") && row.get(name.as_str()).is_none();
        if let Some(name) = self.select.iter().find(lacks) {
            return Some(name.clone());
        }
        self.expand.iter().filter(|expansion| !expansion.query.is_count()).find_map(|expansion| {
            let name = &*expansion.name;
            let Some(found) = row.get(name) else { return Some(name.to_owned()) };
            let mut within = found.as_array()?.iter().filter(|row| row.is_object());
            let column = within.find_map(|row| expansion.query.missing_in(row))?;
            Some(format!("{name}/{column}"))
        })
    }
}

impl Address {
    /// Returns the columns and navigations that the query names, each once, in order of appearance. Omits those of
    /// an order that the caller did not request, unless there are no others.
    pub(crate) fn names(&self) -> Vec<String> {
        let asked = names_in(&self.asked);
        if asked.is_empty() { names_in(self.query()) } else { asked }
    }
}

fn names_in(query: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut variables: Vec<String> = Vec::new();
    for option in query.split('&') {
        let text = percent_decode_str(option).decode_utf8_lossy();
        // Text in quotes is a value. A doubled quote in it only adds an empty part.
        for part in text.split('\'').step_by(2) {
            for (word, before, after) in words(part) {
                let is_operator = OPERATORS.contains(&word) && before != Some('/');
                let is_lambda = matches!(word, "any" | "all") && after == Some('(');
                let is_function = is_function(word) && after == Some('(');
                if after == Some(':') {
                    variables.push(word.to_owned());
                }
                let is_name = before != Some('$') && !is_operator && !is_lambda && !is_function;
                if is_name && !names.iter().any(|known| known == word) {
                    names.push(word.to_owned());
                }
            }
        }
    }
    names.retain(|name| !variables.contains(name));
    names
}

/// Splits text into words that do not start with a digit, each with the characters before and after it.
fn words(text: &str) -> impl Iterator<Item = (&str, Option<char>, Option<char>)> {
    let is_of_a_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut start = 0;
    std::iter::from_fn(move || {
        let rest = text.get(start..)?;
        let begin = start + rest.find(is_of_a_word)?;
        let tail = text.get(begin..)?;
        let end = begin + tail.find(|c| !is_of_a_word(c)).unwrap_or(tail.len());
        start = end;
        let before = text.get(..begin)?.chars().next_back();
        Some((text.get(begin..end)?, before, text.get(end..)?.chars().next()))
    })
    .filter(|(word, ..)| !word.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use crate::odata::Query;
    use serde_json::json;

    #[test]
    fn columns_and_navigations_are_named_and_nothing_else() {
        for (options, expected) in [
            (json!({}), ""),
            (
                json!({"$select": ["id", "nosuch"], "$orderby": "device_name asc", "$top": 5}),
                "id nosuch device_name",
            ),
            (
                json!({"$expand": {"release_image": {"$expand": {"image": {"$select": "id", "$top": 1}}}}}),
                "release_image image id",
            ),
            (
                json!({"$filter": {"uuid": {"$startswith": "device_name eq '"}, "is_online": true, "id": {"$in": [1, 2]}}}),
                "id is_online uuid",
            ),
            (
                json!({"$filter": {"owns__device": {"$any": {"$alias": "d", "$expr": {"d": {"note": null}}}}}}),
                "owns__device note",
            ),
            (json!({"$filter": {"created_at": {"$gt": {"$now": {}}}}}), "created_at"),
        ] {
            let query = Query::from_json(&options).unwrap();
            let names = query.address("device", None).unwrap().names();
            assert_eq!(names.join(" "), expected, "{options}");
        }
    }

    #[test]
    fn an_order_that_nobody_asked_for_is_named_only_where_there_is_nothing_else() {
        let inner = |options| json!({"$expand": {"tag": options}});
        for (default, caller, expected) in [
            (json!({"$orderby": "device_name asc"}), json!({}), "device_name"),
            (json!({"$orderby": "device_name asc"}), json!({"$select": "nosuch"}), "nosuch"),
            (json!({"$orderby": "device_name asc"}), json!({"$orderby": "nosuch"}), "nosuch"),
            (
                json!({"$orderby": "device_name asc"}),
                json!({"$select": ["nosuch", "device_name"]}),
                "nosuch device_name",
            ),
            (json!({"$orderby": "a asc", "$select": "id"}), json!({}), "id"),
            (inner(json!({"$orderby": "a asc"})), inner(json!({"$select": "b"})), "tag b"),
        ] {
            let query = Query::from_json(&default).unwrap().into_defaults();
            let query = query.merge(Query::from_json(&caller).unwrap()).unwrap();
            let names = query.address("device", None).unwrap().names();
            assert_eq!(names.join(" "), expected, "{default} {caller}");
        }
    }
}

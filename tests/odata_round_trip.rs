//! Whatever goes into a query comes out of it: any text, any name, any nesting.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use balena_agent::odata::{Column, Filter, Key, Nav, Navigation, Query};
use canonical::canonical_query;
use odata_decoder::{Literal, Node, Options, decode, flat, percent_decoded};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

#[path = "support/canonical.rs"]
mod canonical;
#[path = "support/odata_decoder.rs"]
mod odata_decoder;

const NASTY: &[&str] = &[
    "'",
    "''",
    "%27",
    "%",
    "%25",
    "%20or%20",
    "+",
    "&",
    "&$top=1",
    "#",
    ";",
    ")",
    "(",
    "/",
    "/../",
    "?",
    "=",
    ",",
    "\n",
    "\r",
    "\t",
    "\u{7f}",
    "\u{feff}",
    "\u{202e}",
    "😀",
    "é",
    "e\u{301}",
    " ",
    "\\",
    "\"",
    "$filter=",
    "datetime'",
    "null",
    "{",
    "<",
    "|",
    "^",
    "`",
    "$1",
    "@p",
    ":",
    "*",
    "!",
    "~",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        vec(select(NASTY), 0..8).prop_map(|pieces| pieces.concat()),
        any::<String>().prop_map(|text| text.replace('\0', "")),
    ]
}

fn name() -> impl Strategy<Value = String> {
    let piece = select(
        &["a", "b_", "é", "%", "%27", "+", "~", "-", ".", "|", "^", "[", "<", "\\", "{", "`", "😀"][..],
    );
    ("[a-z]", vec(piece, 0..4)).prop_map(|(first, rest)| first + &rest.concat())
}

fn path() -> impl Strategy<Value = Vec<String>> {
    vec(name(), 1..4)
}

fn literal() -> impl Strategy<Value = Literal> {
    prop_oneof![
        Just(Literal::Null),
        any::<bool>().prop_map(Literal::Bool),
        any::<i64>().prop_map(Literal::Number),
        text().prop_map(Literal::Text),
        (0_u32..24, 0_u32..1000)
            .prop_map(|(hour, ms)| Literal::Time(format!("2024-02-29T{hour:02}:59:59.{ms:03}Z"))),
    ]
}

fn node() -> impl Strategy<Value = Node> {
    let operator = select(&["eq", "ne", "gt", "ge", "lt", "le"][..]).prop_map(str::to_owned);
    let function = select(&["contains", "startswith", "endswith"][..]).prop_map(str::to_owned);
    let leaf = prop_oneof![
        (path(), operator, literal())
            .prop_map(|(path, operator, value)| Node::Compare(path, operator, value)),
        (function, path(), text()).prop_map(|(function, path, text)| Node::Call(
            function,
            path,
            Literal::Text(text)
        )),
        (path(), vec(literal(), 1..4)).prop_map(|(path, values)| Node::In(path, values)),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let quantifier = select(&["any", "all"][..]).prop_map(str::to_owned);
        prop_oneof![
            vec(inner.clone(), 2..4).prop_map(|operands| flat(operands, Node::And)),
            vec(inner.clone(), 2..4).prop_map(|operands| flat(operands, Node::Or)),
            inner.clone().prop_map(|operand| Node::Not(Box::new(operand))),
            (quantifier, path(), "[a-z]x[0-9]", inner.clone()).prop_map(|(quantifier, path, alias, body)| {
                Node::Lambda(quantifier, path, alias, Box::new(body))
            }),
            (path(), option::of(inner), any::<i64>()).prop_map(|(path, filter, number)| Node::Count(
                path,
                filter.map(Box::new),
                number
            )),
        ]
    })
}

fn options() -> impl Strategy<Value = Options> {
    let order = vec((path(), select(&["asc", "desc"][..]).prop_map(str::to_owned)), 0..3);
    let flat =
        (vec(name(), 0..4), option::of(node()), order, option::of(any::<u64>()), option::of(any::<u64>()))
            .prop_map(|(mut select, filter, order, top, skip)| {
                select.sort();
                select.dedup();
                Options { select, expand: Vec::new(), filter, order, top, skip }
            });
    flat.prop_recursive(3, 8, 3, |inner| {
        (inner.clone(), vec((name(), inner), 0..3)).prop_map(|(mut outer, mut expand)| {
            expand.sort_by(|(a, _), (b, _)| a.cmp(b));
            expand.dedup_by(|(a, _), (b, _)| a == b);
            outer.expand = expand;
            outer
        })
    })
}

fn literal_json(value: &Literal) -> Value {
    match value {
        Literal::Null => Value::Null,
        Literal::Bool(value) => json!(value),
        Literal::Number(value) => json!(value),
        Literal::Text(value) => json!(value),
        Literal::Time(value) => json!({ "$datetime": value }),
    }
}

fn under(path: &[String], value: Value) -> Value {
    path.iter().rev().fold(value, |value, name| json!({ name: value }))
}

fn node_json(node: &Node) -> Value {
    let all = |nodes: &[Node]| nodes.iter().map(node_json).collect::<Vec<_>>();
    match node {
        Node::And(operands) => json!({ "$and": all(operands) }),
        Node::Or(operands) => json!({ "$or": all(operands) }),
        Node::Not(operand) => json!({ "$not": node_json(operand) }),
        Node::Compare(path, operator, value) => {
            under(path, json!({ format!("${operator}"): literal_json(value) }))
        }
        Node::Call(function, path, text) => {
            under(path, json!({ format!("${function}"): literal_json(text) }))
        }
        Node::In(path, values) => {
            under(path, json!({ "$in": values.iter().map(literal_json).collect::<Vec<_>>() }))
        }
        Node::Lambda(quantifier, path, alias, body) => {
            under(path, json!({ format!("${quantifier}"): { "$alias": alias, "$expr": node_json(body) } }))
        }
        Node::Count(path, None, number) => under(path, json!({ "$count": number })),
        Node::Count(path, Some(filter), number) => {
            json!({ "$eq": [under(path, json!({ "$count": { "$filter": node_json(filter) } })), number] })
        }
    }
}

fn options_json(options: &Options) -> Value {
    let mut json = json!({ "$top": options.top, "$skip": options.skip });
    if !options.select.is_empty() {
        json["$select"] = json!(options.select);
    }
    if !options.expand.is_empty() {
        json["$expand"] =
            options.expand.iter().map(|(name, inner)| (name.clone(), options_json(inner))).collect();
    }
    if let Some(filter) = &options.filter {
        json["$filter"] = node_json(filter);
    }
    if !options.order.is_empty() {
        json["$orderby"] =
            options.order.iter().map(|(path, direction)| json!({ path.join("/"): direction })).collect();
    }
    json
}

/// What a client's URL type leaves of it.
fn through_url(path: &str, query: &str) -> reqwest::Url {
    let url = reqwest::Url::parse(&format!("https://api.example.com/v6/{path}?{query}")).expect("a URL");
    assert_eq!(url.fragment(), None);
    assert_eq!(percent_decoded(url.query().unwrap_or_default()), percent_decoded(query));
    assert!(http::Uri::try_from(url.as_str()).is_ok());
    url
}

fn json_like() -> impl Strategy<Value = Value> {
    let keys = select(
        &[
            "$select",
            "$expand",
            "$filter",
            "$orderby",
            "$top",
            "$skip",
            "$count",
            "$eq",
            "$sub",
            "$in",
            "$not",
            "$and",
            "$or",
            "$any",
            "$alias",
            "$expr",
            "$raw",
            "$string",
            "$duration",
            "days",
            "$datetime",
            "$now",
            "$contains",
            "$",
            "$dir",
            "@",
            "a",
            "a/b",
            "",
            "__id",
            "1",
            "b$'",
        ][..],
    );
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
        select(&["a", "id desc", "asc", "2024-01-01", "a eq 'b'", "$1"][..]).prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((keys.clone(), inner), 0..4).prop_map(|entries| entries
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_query_is_read_back_as_it_was_meant(options in options()) {
        let query = Query::from_json(&options_json(&options)).unwrap().render().unwrap();
        prop_assert_eq!(decode(&query), options);
        through_url("device", &query);
    }

    #[test]
    fn typed_and_json_filters_are_the_same(value in text(), part in text(), number in any::<i64>(), values in vec(text(), 1..4)) {
        struct Row;
        let name = Column::<Row, String>::new("name");
        let owner = Navigation::<Row, Row>::new("owner");
        let filter = name.eq(value.as_str()).or(name.contains(part.as_str()).not()).and(owner.id().ne(number))
            .and(owner.any(name.is_in(&values)));
        let typed = Query::new().filter(filter).render().unwrap();
        let json = Query::from_json(&json!({"$filter": {"$and": [
            {"$or": [{"name": value}, {"$not": {"name": {"$contains": part}}}]},
            {"owner": {"$ne": number}},
            {"owner": {"$any": {"$alias": "o", "$expr": {"o": {"name": {"$in": values}}}}}},
        ]}})).unwrap().render().unwrap();
        prop_assert_eq!(typed, json);
    }

    #[test]
    fn keys_stay_within_their_segment(value in text()) {
        prop_assume!(!value.is_empty());
        let address = Query::new().address("device", Some(&Key::of("uuid", value.as_str()).and("n", 5))).unwrap();
        let url = through_url(address.path(), address.query());
        let segments: Vec<_> = url.path_segments().unwrap().map(percent_decoded).collect();
        prop_assert_eq!(segments, ["v6".to_owned(), format!("device(uuid='{}',n=5)", value.replace('\'', "''"))]);
    }

    #[test]
    fn nul_is_refused_everywhere(before in text(), after in text()) {
        let value = format!("{before}\0{after}");
        for options in [
            json!({"$filter": {"a": value}}),
            json!({"$filter": {"a": {"$in": ["x", value]}}}),
            json!({"$filter": {value.clone(): 1}}),
            json!({"$filter": value}),
            json!({"$select": [value]}),
            json!({"$expand": {"a": {"$filter": {"b": {"$startswith": value}}}}}),
            json!({"$orderby": {value.clone(): "asc"}}),
        ] {
            prop_assert!(Query::from_json(&options).unwrap_err().is_invalid_argument());
        }
        prop_assert!(Query::new().address("device", Some(&Key::of("uuid", value))).unwrap_err().is_invalid_argument());
    }

    #[test]
    fn raw_text_arrives_whole_or_not_at_all(raw in text()) {
        match Query::new().filter(Filter::<()>::raw(raw.as_str())).render() {
            Ok(query) => {
                prop_assert_eq!(percent_decoded(&query), format!("$filter=({raw})"));
                prop_assert!(!query.contains(['&', ';', '#', '+', ' ']));
                through_url("device", &query);
                canonical_query(&query);
            }
            Err(error) => prop_assert!(error.is_invalid_argument()),
        }
    }

    #[test]
    fn no_options_make_it_panic(options in json_like()) {
        if let Ok(query) = Query::from_json(&options) {
            let text = query.render().unwrap();
            canonical_query(&text);
            let merged = query.clone().merge(query);
            prop_assert!(merged.is_ok_and(|query| query.render().is_ok()));
        }
    }

    #[test]
    fn navigation_values_go_out_as_they_came_in(value in json_like()) {
        if let Ok(nav) = serde_json::from_value::<Nav<Value>>(value.clone()) {
            let again: Nav<Value> = serde_json::from_value(serde_json::to_value(&nav).unwrap()).unwrap();
            prop_assert_eq!(again, nav);
        }
    }
}

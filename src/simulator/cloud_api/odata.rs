//! The query options of a request: what to select, expand, filter and order by.

use serde_json::Value;

/// Query options of a request, or of one expanded navigation.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Options {
    /// Columns; all if absent.
    pub(super) select: Option<Vec<String>>,
    /// Navigations whose rows are included.
    pub(super) expand: Vec<(String, Options)>,
    pub(super) filter: Option<Filter>,
    /// Paths to order by, and whether the order is descending.
    pub(super) order: Vec<(Path, bool)>,
    pub(super) top: Option<usize>,
    pub(super) skip: usize,
}

/// Names from a row, or from an alias, to a column: `d`, `uuid`.
pub(super) type Path = Vec<String>;

/// A condition on a row.
#[derive(Debug, PartialEq)]
pub(super) enum Filter {
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
    Compare {
        path: Path,
        operator: Operator,
        value: Value,
    },
    In {
        path: Path,
        values: Vec<Value>,
    },
    Text {
        function: TextFunction,
        path: Path,
        text: String,
    },
    /// `navigation/any(alias:condition)`, or `all`.
    Related {
        path: Path,
        quantifier: Quantifier,
        alias: String,
        condition: Box<Filter>,
    },
    /// `navigation/$count op number`.
    Count {
        path: Path,
        operator: Operator,
        number: Value,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextFunction {
    StartsWith,
    EndsWith,
    Contains,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantifier {
    Any,
    All,
}

/// Parses decoded options, as pairs of name and value. `None` if one does not follow the grammar.
pub(super) fn parse(pairs: &[(String, String)]) -> Option<Options> {
    let mut options = Options::default();
    for (name, value) in pairs.iter().filter(|(name, _)| name.starts_with('$')) {
        let mut cursor = Cursor(value);
        cursor.option(name, &mut options)?;
        if !cursor.0.is_empty() {
            return None;
        }
    }
    Some(options)
}

/// Parses the key of a row in an address: `(5)`, `(uuid='x')`, `(device=1,tag_key='a')`, without the brackets.
pub(super) fn parse_key(text: &str) -> Option<Filter> {
    let mut cursor = Cursor(text);
    let parts = cursor.list(|cursor| {
        let by_name = cursor.0.starts_with(|c: char| c.is_ascii_alphabetic());
        let path = if by_name { vec![cursor.name()?] } else { vec!["id".to_owned()] };
        if by_name {
            cursor.expect("=")?;
        }
        Some(Filter::Compare { path, operator: Operator::Equal, value: cursor.literal()? })
    })?;
    cursor.0.is_empty().then_some(Filter::And(parts))
}

/// The rest of a text that is being read.
struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    fn take(&mut self, text: &str) -> bool {
        let rest = self.0.strip_prefix(text);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn expect(&mut self, text: &str) -> Option<()> {
        self.take(text).then_some(())
    }

    fn while_true(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.0.find(|c: char| !belongs(c)).unwrap_or(self.0.len());
        let (found, rest) = self.0.split_at(end);
        self.0 = rest;
        found
    }

    fn name(&mut self) -> Option<String> {
        let name = self.while_true(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$');
        (!name.is_empty()).then(|| name.to_owned())
    }

    fn path(&mut self) -> Option<Path> {
        let mut path = vec![self.name()?];
        while self.take("/") {
            path.push(self.name()?);
        }
        Some(path)
    }

    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.take(",") {
            self.while_true(|c| c == ' ');
            items.push(item(self)?);
        }
        Some(items)
    }

    fn option(&mut self, name: &str, options: &mut Options) -> Option<()> {
        match name {
            "$select" => options.select = Some(self.list(Self::name)?),
            "$expand" => options.expand = self.list(Self::expand)?,
            "$filter" => options.filter = Some(self.or()?),
            "$orderby" => options.order = self.list(Self::order)?,
            "$top" => options.top = Some(self.while_true(|c| c.is_ascii_digit()).parse().ok()?),
            "$skip" => options.skip = self.while_true(|c| c.is_ascii_digit()).parse().ok()?,
            _ => return None,
        }
        Some(())
    }

    fn expand(&mut self) -> Option<(String, Options)> {
        let name = self.name()?;
        let mut options = Options::default();
        if self.take("(") {
            loop {
                let option = self.name()?;
                self.expect("=")?;
                self.option(&option, &mut options)?;
                if !self.take(";") {
                    break;
                }
            }
            self.expect(")")?;
        }
        Some((name, options))
    }

    fn order(&mut self) -> Option<(Path, bool)> {
        let path = self.path()?;
        let descending = self.take(" desc");
        if !descending {
            self.take(" asc");
        }
        Some((path, descending))
    }

    fn or(&mut self) -> Option<Filter> {
        let mut operands = vec![self.and()?];
        while self.take(" or ") {
            operands.push(self.and()?);
        }
        if operands.len() == 1 { operands.pop() } else { Some(Filter::Or(operands)) }
    }

    fn and(&mut self) -> Option<Filter> {
        let mut operands = vec![self.unary()?];
        while self.take(" and ") {
            operands.push(self.unary()?);
        }
        if operands.len() == 1 { operands.pop() } else { Some(Filter::And(operands)) }
    }

    fn unary(&mut self) -> Option<Filter> {
        let negated = self.take("not(") || self.take("not (");
        if !negated && !self.take("(") {
            return self.primary();
        }
        let inner = self.or()?;
        self.expect(")")?;
        Some(if negated { Filter::Not(Box::new(inner)) } else { inner })
    }

    fn primary(&mut self) -> Option<Filter> {
        for (name, function) in [
            ("startswith(", TextFunction::StartsWith),
            ("endswith(", TextFunction::EndsWith),
            ("contains(", TextFunction::Contains),
        ] {
            if self.take(name) {
                let path = self.path()?;
                self.expect(",")?;
                self.while_true(|c| c == ' ');
                let text = self.literal()?.as_str()?.to_owned();
                self.expect(")")?;
                return Some(Filter::Text { function, path, text });
            }
        }
        let mut path = self.path()?;
        let last = path.last().map(String::as_str).unwrap_or_default();
        let quantifier = match last {
            "any" => Some(Quantifier::Any),
            "all" => Some(Quantifier::All),
            _ => None,
        };
        if let Some(quantifier) = quantifier.filter(|_| self.take("(")) {
            path.pop();
            let alias = self.name()?;
            self.expect(":")?;
            let condition = Box::new(self.or()?);
            self.expect(")")?;
            return Some(Filter::Related { path, quantifier, alias, condition });
        }
        if last == "$count" {
            path.pop();
            let operator = self.operator()?;
            return Some(Filter::Count { path, operator, number: self.literal()? });
        }
        if self.take(" in (") {
            let values = self.list(Self::literal)?;
            self.expect(")")?;
            return Some(Filter::In { path, values });
        }
        let operator = self.operator()?;
        Some(Filter::Compare { path, operator, value: self.literal()? })
    }

    fn operator(&mut self) -> Option<Operator> {
        self.expect(" ")?;
        let operator = match self.name()?.as_str() {
            "eq" => Operator::Equal,
            "ne" => Operator::NotEqual,
            "lt" => Operator::Less,
            "le" => Operator::LessOrEqual,
            "gt" => Operator::Greater,
            "ge" => Operator::GreaterOrEqual,
            _ => return None,
        };
        self.expect(" ")?;
        Some(operator)
    }

    fn literal(&mut self) -> Option<Value> {
        self.take("datetime");
        if !self.take("'") {
            let word = self.while_true(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
            return serde_json::from_str(word).ok();
        }
        let mut text = String::new();
        loop {
            text.push_str(self.while_true(|c| c != '\''));
            self.expect("'")?;
            // Two quotes are one.
            if !self.take("'") {
                return Some(text.into());
            }
            text.push('\'');
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Filter, Operator, Quantifier, parse, parse_key};

    fn options(pairs: &[(&str, &str)]) -> Option<super::Options> {
        let pairs: Vec<_> = pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        parse(&pairs)
    }

    fn equal(path: &[&str], value: serde_json::Value) -> Filter {
        let path = path.iter().map(|name| (*name).to_owned()).collect();
        Filter::Compare { path, operator: Operator::Equal, value }
    }

    #[test]
    fn filters_nest() {
        let text = "(service_install/any(si:(si/device eq 3) and (si/installs__service/any(is:is/service_name eq 'it''s')))) and (name eq 'A')";
        let service = Filter::Related {
            path: vec!["si".into(), "installs__service".into()],
            quantifier: Quantifier::Any,
            alias: "is".into(),
            condition: Box::new(equal(&["is", "service_name"], json!("it's"))),
        };
        let install = Filter::Related {
            path: vec!["service_install".into()],
            quantifier: Quantifier::Any,
            alias: "si".into(),
            condition: Box::new(Filter::And(vec![equal(&["si", "device"], json!(3)), service])),
        };
        let filter = Filter::And(vec![install, equal(&["name"], json!("A"))]);
        assert_eq!(options(&[("$filter", text)]).and_then(|options| options.filter), Some(filter));
    }

    #[test]
    fn expands_have_options() {
        let text = "image_install($select=id,status;$filter=status ne 'deleted';$expand=image($select=id)),device_tag";
        let options = options(&[("$expand", text), ("$top", "2"), ("apikey", "x")]).expect("valid");
        assert_eq!(options.top, Some(2));
        let names: Vec<&str> = options.expand.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["image_install", "device_tag"]);
        assert_eq!(options.expand[0].1.expand[0].1.select, Some(vec!["id".to_owned()]));
    }

    #[test]
    fn what_is_no_option_is_refused() {
        for (name, value) in [("$filter", "a eq"), ("$filter", "a eq 1 x"), ("$top", "-1"), ("$apply", "x")] {
            assert_eq!(options(&[(name, value)]), None, "{name}={value}");
        }
        assert_eq!(parse_key("uuid='a'"), Some(Filter::And(vec![equal(&["uuid"], json!("a"))])));
        assert_eq!(parse_key("5"), Some(Filter::And(vec![equal(&["id"], json!(5))])));
        assert_eq!(parse_key("5)"), None);
    }
}

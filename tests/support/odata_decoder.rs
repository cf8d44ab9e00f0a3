//! Reads a query the way the server does: along the grammar, on the text as it is on the wire, decoding leaves.

use percent_encoding::percent_decode_str;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    Number(i64),
    Text(String),
    Time(String),
}

pub(crate) type Path = Vec<String>;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Compare(Path, String, Literal),
    Call(String, Path, Literal),
    In(Path, Vec<Literal>),
    Lambda(String, Path, String, Box<Node>),
    Count(Path, Option<Box<Node>>, i64),
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Options {
    pub(crate) select: Vec<String>,
    pub(crate) expand: Vec<(String, Options)>,
    pub(crate) filter: Option<Node>,
    pub(crate) order: Vec<(Path, String)>,
    pub(crate) top: Option<u64>,
    pub(crate) skip: Option<u64>,
}

/// The options of a raw query. Panics where the text does not follow the grammar, to its end.
pub(crate) fn decode(raw: &str) -> Options {
    let mut reader = Reader { rest: raw };
    let options = reader.options("&");
    assert_eq!(reader.rest, "", "left over of {raw}");
    options
}

pub(crate) fn percent_decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8().expect("UTF-8").into_owned()
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn take(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, text: &str) {
        assert!(self.take(text), "expected {text:?} at {:?}", self.rest);
    }

    fn until(&mut self, stops: &[&str]) -> &'a str {
        let end = stops.iter().filter_map(|stop| self.rest.find(stop)).min().unwrap_or(self.rest.len());
        let (found, rest) = self.rest.split_at(end);
        self.rest = rest;
        found
    }

    fn name(&mut self) -> String {
        let name = self.until(&["%20", "/", "(", ")", ",", ";", "&", "=", "'", ":"]);
        assert!(!name.is_empty(), "a name at {:?}", self.rest);
        percent_decoded(name)
    }

    fn list<T>(&mut self, separator: &str, mut item: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let mut items = vec![item(self)];
        while self.take(separator) {
            items.push(item(self));
        }
        items
    }

    fn options(&mut self, separator: &str) -> Options {
        let mut options = Options::default();
        if self.rest.is_empty() {
            return options;
        }
        self.list(separator, |reader| {
            let name = reader.until(&["="]);
            reader.expect("=");
            match name {
                "$select" => options.select = reader.list(",", Self::name),
                "$expand" => options.expand = reader.list(",", Self::expand),
                "$filter" => options.filter = Some(reader.or()),
                "$orderby" => options.order = reader.list(",", Self::order),
                "$top" => options.top = Some(reader.number()),
                "$skip" => options.skip = Some(reader.number()),
                other => panic!("option {other}"),
            }
        });
        options
    }

    fn number<N: std::str::FromStr<Err: std::fmt::Debug>>(&mut self) -> N {
        self.until(&["&", ";", ")", ",", "%20"]).parse().expect("a number")
    }

    fn expand(&mut self) -> (String, Options) {
        let name = self.name();
        if !self.take("(") {
            return (name, Options::default());
        }
        let options = self.options(";");
        self.expect(")");
        (name, options)
    }

    fn order(&mut self) -> (Path, String) {
        let path = self.list("/", Self::name);
        self.expect("%20");
        (path, self.name())
    }

    fn or(&mut self) -> Node {
        flat(self.list("%20or%20", Self::and), Node::Or)
    }

    fn and(&mut self) -> Node {
        flat(self.list("%20and%20", Self::unary), Node::And)
    }

    fn unary(&mut self) -> Node {
        let negated = self.take("not(");
        if !negated && !self.take("(") {
            return self.primary();
        }
        let inner = self.or();
        self.expect(")");
        if negated { Node::Not(Box::new(inner)) } else { inner }
    }

    fn primary(&mut self) -> Node {
        for function in ["startswith", "endswith", "contains"] {
            if self.take(&format!("{function}(")) {
                let path = self.list("/", Self::name);
                self.expect(",");
                let text = self.literal();
                self.expect(")");
                return Node::Call(function.to_owned(), path, text);
            }
        }
        let mut path = vec![self.name()];
        while self.take("/") {
            for quantifier in ["any", "all"] {
                if self.take(&format!("{quantifier}(")) {
                    let alias = self.name();
                    self.expect(":");
                    let body = self.or();
                    self.expect(")");
                    return Node::Lambda(quantifier.to_owned(), path, alias, Box::new(body));
                }
            }
            if self.take("$count") {
                let filter = self.take("($filter=").then(|| {
                    let filter = self.or();
                    self.expect(")");
                    Box::new(filter)
                });
                self.expect("%20eq%20");
                return Node::Count(path, filter, self.number());
            }
            path.push(self.name());
        }
        self.expect("%20");
        let operator = self.name();
        self.expect("%20");
        if operator != "in" {
            return Node::Compare(path, operator, self.literal());
        }
        self.expect("(");
        let values = self.list(",%20", Self::literal);
        self.expect(")");
        Node::In(path, values)
    }

    fn literal(&mut self) -> Literal {
        if self.take("datetime'") {
            let time = self.until(&["'"]).to_owned();
            self.expect("'");
            return Literal::Time(time);
        }
        if !self.take("'") {
            return match self.until(&["&", ";", ")", ",", "%20"]) {
                "null" => Literal::Null,
                "true" => Literal::Bool(true),
                "false" => Literal::Bool(false),
                number => Literal::Number(number.parse().expect("a number")),
            };
        }
        let mut text = String::new();
        loop {
            let piece = self.until(&["'"]);
            assert!(!piece.contains(['&', '#', '+', ';', '/', '?', '=', ',', ' ']), "not encoded: {piece}");
            text.push_str(&percent_decoded(piece));
            self.expect("'");
            if !self.take("'") {
                return Literal::Text(text);
            }
            text.push('\'');
        }
    }
}

/// Brackets around an operator of the same kind mean nothing.
pub(crate) fn flat(operands: Vec<Node>, kind: fn(Vec<Node>) -> Node) -> Node {
    let probe = kind(Vec::new());
    let mut all = Vec::new();
    for operand in operands {
        match operand {
            Node::And(inner) if matches!(probe, Node::And(_)) => all.extend(inner),
            Node::Or(inner) if matches!(probe, Node::Or(_)) => all.extend(inner),
            other => all.push(other),
        }
    }
    if all.len() == 1 { all.remove(0) } else { kind(all) }
}

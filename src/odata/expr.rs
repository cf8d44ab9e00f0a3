//! The expression tree of filters, and its rendering.

use std::borrow::Cow;

use super::encode::{RawText, push_name, push_path};
use super::error::{QueryResult, refuse};
use super::literal::Value;

/// Operators of the grammar. The API reads a lambda variable with such a name as the operator.
const RESERVED: &[&str] = &[
    "add", "all", "and", "any", "div", "eq", "false", "ge", "gt", "in", "le", "lt", "mod", "mul", "ne",
    "not", "null", "or", "sub", "true",
];

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expr {
    Path(Path),
    Value(Value),
    Binary(&'static str, Box<Expr>, Box<Expr>),
    Join(Connective, Vec<Expr>),
    Not(Box<Expr>),
    Call(&'static str, Vec<Expr>),
    In(Path, Vec<Value>),
    Lambda(Box<Lambda>),
    Count(Path, Option<Box<Expr>>),
    Raw(Vec<RawPart>),
}

/// Names joined by `/`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Path {
    pub(super) text: Cow<'static, str>,
    /// Whether the path is complete: it starts with a lambda variable or at the resource. Rendering prefixes other
    /// paths with the innermost lambda variable.
    pub(super) rooted: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Connective {
    And,
    Or,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lambda {
    pub(super) quantifier: &'static str,
    pub(super) path: Path,
    pub(super) alias: Cow<'static, str>,
    /// Whether the paths in `body` already contain the variable, so that it can't be renamed.
    pub(super) fixed: bool,
    pub(super) body: Expr,
}

/// A piece of raw text, or a value bound into it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum RawPart {
    Text(String),
    Bind(Expr),
}

impl Path {
    pub(super) fn rooted(text: impl Into<Cow<'static, str>>) -> Self {
        Self { text: text.into(), rooted: true }
    }

    pub(super) fn relative(text: Cow<'static, str>) -> Self {
        Self { text, rooted: false }
    }

    fn write(&self, out: &mut String, scope: &[String]) -> QueryResult {
        if let (false, Some(alias)) = (self.rooted, scope.last()) {
            out.push_str(alias);
            out.push('/');
        }
        match self.text.strip_suffix("/$count") {
            Some(counted) => {
                push_path(out, counted)?;
                out.push_str("/$count");
                Ok(())
            }
            None => push_path(out, &self.text),
        }
    }
}

impl Expr {
    pub(super) fn raw(text: String) -> Self {
        Self::Raw(vec![RawPart::Text(text)])
    }

    pub(super) fn binary(operator: &'static str, left: Self, right: Self) -> Self {
        Self::Binary(operator, Box::new(left), Box::new(right))
    }

    pub(super) fn path(text: &str) -> Self {
        Self::Path(Path::rooted(text.to_owned()))
    }

    /// Compares the path `key` with `right`.
    pub(super) fn compare(key: &str, operator: &'static str, right: Self) -> Self {
        Self::binary(operator, Self::path(key), right)
    }

    /// Returns `key eq self`, or `self` without a key.
    pub(super) fn compared_with(self, key: Option<&str>) -> Self {
        match key {
            Some(key) => Self::compare(key, "eq", self),
            None => self,
        }
    }

    /// Joins with `and`. Chains stay one list, so that a long one does not become a deep tree.
    pub(super) fn and(self, other: Self) -> Self {
        Self::join(Connective::And, [self, other])
    }

    pub(super) fn join(joint: Connective, operands: impl IntoIterator<Item = Self>) -> Self {
        let mut flat: Vec<Self> = Vec::new();
        for operand in operands {
            match operand {
                Self::Join(inner, list) if inner == joint => flat.extend(list),
                other => flat.push(other),
            }
        }
        match flat.pop() {
            Some(only) if flat.is_empty() => only,
            Some(last) => {
                flat.push(last);
                Self::Join(joint, flat)
            }
            None => Self::Join(joint, flat),
        }
    }

    pub(super) fn render(&self, out: &mut String) -> QueryResult {
        self.write(out, &mut Vec::new())
    }

    /// Writes the expression. `scope` holds the variables of the enclosing lambdas, innermost last.
    fn write(&self, out: &mut String, scope: &mut Vec<String>) -> QueryResult {
        match self {
            Self::Path(path) => path.write(out, scope),
            Self::Value(value) => value.write(out),
            Self::Binary(operator, left, right) => {
                left.write_operand(out, scope)?;
                push_word(out, operator);
                right.write_operand(out, scope)
            }
            Self::Join(joint, operands) => {
                if operands.is_empty() {
                    return refuse!("a condition without operands");
                }
                let word = if *joint == Connective::And { "and" } else { "or" };
                for (index, operand) in operands.iter().enumerate() {
                    if index > 0 {
                        push_word(out, word);
                    }
                    operand.write_operand(out, scope)?;
                }
                Ok(())
            }
            Self::Not(operand) => {
                out.push_str("not(");
                operand.write(out, scope)?;
                out.push(')');
                Ok(())
            }
            Self::Call(name, arguments) => {
                out.push_str(name);
                out.push('(');
                for (index, argument) in arguments.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    argument.write(out, scope)?;
                }
                out.push(')');
                Ok(())
            }
            Self::In(path, values) => write_in(path, values, out, scope),
            Self::Lambda(lambda) => lambda.write(out, scope),
            Self::Count(path, filter) => {
                path.write(out, scope)?;
                out.push_str("/$count");
                if let Some(filter) = filter {
                    out.push_str("($filter=");
                    // The filter applies to the counted rows, outside the scope of the enclosing lambdas.
                    filter.render(out)?;
                    out.push(')');
                }
                Ok(())
            }
            Self::Raw(parts) => write_raw(parts, out, scope),
        }
    }

    fn write_operand(&self, out: &mut String, scope: &mut Vec<String>) -> QueryResult {
        if !matches!(self, Self::Binary(..) | Self::Join(..) | Self::In(..) | Self::Lambda(..)) {
            return self.write(out, scope);
        }
        out.push('(');
        self.write(out, scope)?;
        out.push(')');
        Ok(())
    }
}

impl Lambda {
    fn write(&self, out: &mut String, scope: &mut Vec<String>) -> QueryResult {
        self.path.write(out, scope)?;
        let mut alias = String::new();
        push_name(&mut alias, &self.alias)?;
        if self.fixed && is_reserved(&alias) {
            return refuse!("`{alias}` can't name a lambda's variable: it is an operator");
        }
        // Nested lambdas over the same navigation need distinct variables.
        while !self.fixed && (is_reserved(&alias) || scope.contains(&alias)) {
            alias.push('1');
        }
        out.push('/');
        out.push_str(self.quantifier);
        out.push('(');
        out.push_str(&alias);
        out.push(':');
        scope.push(alias);
        let written = self.body.write(out, scope);
        scope.pop();
        out.push(')');
        written
    }
}

fn is_reserved(alias: &str) -> bool {
    RESERVED.contains(&alias)
}

fn push_word(out: &mut String, word: &str) {
    out.push_str("%20");
    out.push_str(word);
    out.push_str("%20");
}

fn write_in(path: &Path, values: &[Value], out: &mut String, scope: &[String]) -> QueryResult {
    if values.is_empty() {
        return refuse!("an empty list of values for `{}` matches nothing", path.text);
    }
    path.write(out, scope)?;
    push_word(out, "in");
    out.push('(');
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push_str(",%20");
        }
        value.write(out)?;
    }
    out.push(')');
    Ok(())
}

fn write_raw(parts: &[RawPart], out: &mut String, scope: &mut Vec<String>) -> QueryResult {
    let mut walk = RawText::default();
    out.push('(');
    let start = out.len();
    for part in parts {
        match part {
            RawPart::Text(text) => walk.push(out, text)?,
            RawPart::Bind(value) => {
                out.push('(');
                value.write(out, scope)?;
                out.push(')');
            }
        }
    }
    walk.finish()?;
    if out.len() == start {
        return refuse!("an empty raw filter");
    }
    out.push(')');
    Ok(())
}

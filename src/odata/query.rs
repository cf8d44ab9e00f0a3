//! What is asked of a collection: columns, rows, order, and what comes along.

use std::borrow::Cow;
use std::fmt;

use super::column::Order;
use super::encode::{push_name, push_path};
use super::expand::Expandable;
use super::expr::Expr;
use super::fault::{Check, Fault};
use super::filter::Filter;
use super::key::Key;
use crate::error::Result;

/// The options of a read. Nothing is checked before [`Query::render`] or [`Query::address`].
#[derive(Debug, Clone, Default, PartialEq)]
#[must_use]
pub struct Query {
    pub(super) select: Vec<String>,
    pub(super) expand: Vec<Expansion>,
    pub(super) filter: Option<Expr>,
    pub(super) order: Vec<(Expr, Option<&'static str>)>,
    /// Whether the order is a function's own, which nobody asked for.
    pub(super) own_order: bool,
    pub(super) top: Option<u64>,
    pub(super) skip: Option<u64>,
    /// The number of the rows instead of the rows.
    pub(super) count: bool,
}

/// A navigation and the options of the rows that come along.
#[derive(Debug, Clone, PartialEq)]
pub struct Expansion {
    pub(super) name: Cow<'static, str>,
    pub(super) query: Query,
}

impl Query {
    /// Everything: no options.
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn counting(filter: Option<Expr>) -> Self {
        Self { count: true, filter, ..Self::default() }
    }

    /// These columns only. More calls add more; a column named twice is asked for once.
    pub fn select<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        for name in names {
            self.add_column(name.into());
        }
        self
    }

    pub(super) fn add_column(&mut self, name: String) {
        if !self.select.contains(&name) {
            self.select.push(name);
        }
    }

    /// Brings along what a navigation leads to. A navigation given twice is one, with the options of both.
    pub fn expand<R>(mut self, expand: impl Expandable<R>) -> Self {
        self.add_expansion(expand.into_expansion());
        self
    }

    /// The rows that match. A second filter narrows the first.
    pub fn filter<R>(mut self, filter: Filter<R>) -> Self {
        self.add_filter(filter.expr);
        self
    }

    pub(super) fn add_filter(&mut self, filter: Expr) {
        self.filter = Some(match self.filter.take() {
            Some(earlier) => earlier.and(filter),
            None => filter,
        });
    }

    /// In this order. A second one decides between rows that the first leaves equal.
    pub fn order_by<R>(mut self, order: Order<R>) -> Self {
        self.order.push((order.by, Some(order.direction)));
        self
    }

    /// So many rows at most.
    pub fn top(mut self, rows: u64) -> Self {
        self.top = Some(rows);
        self
    }

    /// Without the first so many rows.
    pub fn skip(mut self, rows: u64) -> Self {
        self.skip = Some(rows);
        self
    }

    /// The number of rows instead of the rows. Beside a filter it takes no other option.
    pub fn count(mut self) -> Self {
        self.count = true;
        self
    }

    /// The number of the rows that it asks for: without columns, expands and order, which do not change it.
    pub(crate) fn number(self) -> Self {
        Self { filter: self.filter, top: self.top, skip: self.skip, ..Self::counting(None) }
    }

    /// Whether it asks for the number of rows.
    pub fn is_count(&self) -> bool {
        self.count
    }

    /// Whether it has an order.
    pub fn is_ordered(&self) -> bool {
        !self.order.is_empty()
    }

    /// Whether it has a limit or an offset.
    pub fn is_limited(&self) -> bool {
        self.top.is_some() || self.skip.is_some()
    }

    /// The columns that are asked for; empty: all of them.
    pub fn selected(&self) -> &[String] {
        &self.select
    }

    /// The text behind the `?`, percent-encoded; empty without options.
    ///
    /// # Errors
    /// [`is_invalid_argument`](crate::Error::is_invalid_argument), with the option's name: a value that can't be
    /// sent (text with a NUL, NaN), a name that is not one, an empty list, `$count` beside other options.
    pub fn render(&self) -> Result<String> {
        let mut out = String::new();
        self.check_count()?;
        self.write(&mut out, "&")?;
        Ok(out)
    }

    /// Path and query for a collection, or for the row with this key.
    ///
    /// # Errors
    /// Those of [`Query::render`], and a key that is empty or otherwise can't be one.
    pub fn address(&self, resource: &str, key: Option<&Key>) -> Result<Address> {
        let mut path = String::new();
        push_name(&mut path, resource).map_err(|fault| fault.of("resource"))?;
        if self.is_count() {
            if key.is_some() {
                let fault = Fault::new("a single row can't be counted");
                return Err(fault.of("$count").into());
            }
            path.push_str("/$count");
        }
        if let Some(key) = key {
            key.write(&mut path)?;
        }
        let asked = if self.has_own_order() { self.asked().render()? } else { String::new() };
        Ok(Address { path, query: self.render()?, asked })
    }

    fn has_own_order(&self) -> bool {
        self.own_order || self.expand.iter().any(|expansion| expansion.query.has_own_order())
    }

    /// The same without the orders that nobody asked for.
    fn asked(&self) -> Self {
        let mut asked = self.clone();
        if asked.own_order {
            asked.order.clear();
        }
        for expansion in &mut asked.expand {
            expansion.query = expansion.query.asked();
        }
        asked
    }

    pub(super) fn check_count(&self) -> Check {
        let alone =
            self.select.is_empty() && self.expand.is_empty() && !self.is_ordered() && !self.is_limited();
        if self.count && !alone {
            let fault = Fault::new(
                "beside a filter it takes no other option, and rows that have an order can't be counted; `.count()` of a list does without them",
            );
            return Err(fault.of("$count"));
        }
        Ok(())
    }

    fn write(&self, out: &mut String, separator: &str) -> Check {
        let start = out.len();
        let option = |out: &mut String, name: &str| {
            if out.len() > start {
                out.push_str(separator);
            }
            out.push_str(name);
            out.push('=');
        };
        if !self.select.is_empty() {
            option(out, "$select");
            write_list(out, &self.select, |out, name| match name.as_str() {
                "*" => {
                    out.push('*');
                    Ok(())
                }
                name => push_path(out, name),
            })
            .map_err(|fault| fault.of("$select"))?;
        }
        if !self.expand.is_empty() {
            option(out, "$expand");
            write_list(out, &self.expand, Expansion::write).map_err(|fault| fault.of("$expand"))?;
        }
        if let Some(filter) = &self.filter {
            option(out, "$filter");
            filter.render(out).map_err(|fault| fault.of("$filter"))?;
        }
        if !self.order.is_empty() {
            option(out, "$orderby");
            write_list(out, &self.order, |out, (by, direction)| {
                by.render(out)?;
                if let Some(direction) = direction {
                    out.push_str("%20");
                    out.push_str(direction);
                }
                Ok(())
            })
            .map_err(|fault| fault.of("$orderby"))?;
        }
        for (name, number) in [("$top", self.top), ("$skip", self.skip)] {
            if let Some(number) = number {
                option(out, name);
                out.push_str(&number.to_string());
            }
        }
        Ok(())
    }
}

impl Expansion {
    fn write(out: &mut String, expansion: &Self) -> Check {
        let Self { name, query } = expansion;
        push_path(out, name)?;
        query.check_count().map_err(|fault| fault.inside(name))?;
        if query.is_count() {
            out.push_str("/$count");
        }
        out.push('(');
        let start = out.len();
        query.write(out, ";").map_err(|fault| fault.inside(name))?;
        if out.len() == start {
            out.pop();
        } else {
            out.push(')');
        }
        Ok(())
    }
}

fn write_list<T>(out: &mut String, items: &[T], write: impl Fn(&mut String, &T) -> Check) -> Check {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(out, item)?;
    }
    Ok(())
}

/// Where a request goes, below the API's version: [`Query::address`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    path: String,
    query: String,
    /// The query without the orders that nobody asked for, where it has one.
    pub(super) asked: String,
}

impl Address {
    /// Path, percent-encoded, without a slash before it: `device(1234)`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The same row's action of this name: `release_asset(5)/beginUpload`.
    pub(crate) fn action(mut self, name: &'static str) -> Self {
        self.path.push('/');
        self.path.push_str(name);
        self
    }

    /// The text behind the `?`, percent-encoded; empty without options.
    pub fn query(&self) -> &str {
        &self.query
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if !self.query.is_empty() {
            write!(f, "?{}", self.query)?;
        }
        Ok(())
    }
}

//! The options of a read, and their rendering into a URL.

use std::borrow::Cow;
use std::fmt;

use super::column::Order;
use super::encode::{push_name, push_path};
use super::error::{QueryError, QueryResult};
use super::expr::Expr;
use super::filter::Filter;
use super::key::Key;
use crate::error::Result;

/// The options of a read: columns, expands, filter, order, limit, offset, count. [`Query::render`] and
/// [`Query::address`] check them.
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
    /// Whether to return the number of rows instead of the rows.
    pub(super) count: bool,
}

/// An expanded navigation and the options of its rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Expansion {
    pub(super) name: Cow<'static, str>,
    pub(super) query: Query,
}

/// Argument of [`Query::expand`] on rows of type `R`: a [`Navigation`](super::Navigation), a navigation with options
/// ([`Expand`](super::Expand)), or a count of its rows ([`Count`](super::Count)). Implemented by these types only.
pub trait Expandable<R> {
    #[doc(hidden)]
    fn into_expansion(self) -> Expansion;
}

impl Query {
    /// Creates a query without options: all rows with all their columns.
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn counting(filter: Option<Expr>) -> Self {
        Self { count: true, filter, ..Self::default() }
    }

    /// Limits the columns to these. Further calls add columns; duplicates are dropped.
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

    /// Expands a navigation. Expands of the same navigation are merged.
    pub fn expand<R>(mut self, expand: impl Expandable<R>) -> Self {
        self.add_expansion(expand.into_expansion());
        self
    }

    /// Limits the rows to those that match `filter`. Rows must match the filters of all calls.
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

    /// Sorts the rows. Further calls add lower-ranked sort keys.
    pub fn order_by<R>(mut self, order: Order<R>) -> Self {
        self.order.push((order.by, Some(order.direction)));
        self
    }

    /// Limits the number of rows.
    pub fn top(mut self, rows: u64) -> Self {
        self.top = Some(rows);
        self
    }

    /// Skips the first `rows` rows.
    pub fn skip(mut self, rows: u64) -> Self {
        self.skip = Some(rows);
        self
    }

    /// Requests the number of rows instead of the rows. Allows only a filter beside it.
    pub fn count(mut self) -> Self {
        self.count = true;
        self
    }

    /// Returns the query that counts the rows of this one. Drops columns, expands and order, which do not change the
    /// number.
    pub(crate) fn into_count(self) -> Self {
        Self { filter: self.filter, top: self.top, skip: self.skip, ..Self::counting(None) }
    }

    /// Returns whether the query requests the number of rows.
    pub fn is_count(&self) -> bool {
        self.count
    }

    /// Returns whether the query has an order.
    pub fn is_ordered(&self) -> bool {
        !self.order.is_empty()
    }

    /// Returns whether the query has a limit or an offset.
    pub fn is_limited(&self) -> bool {
        self.top.is_some() || self.skip.is_some()
    }

    /// Returns the selected columns. Empty if all are.
    pub fn selected(&self) -> &[String] {
        &self.select
    }

    /// Renders the options as the URL's query string, percent-encoded. Empty without options.
    ///
    /// # Errors
    /// [`is_invalid_argument`](crate::Error::is_invalid_argument), with the option's name, if a value can't be sent
    /// (text with a NUL, NaN), a name is invalid, a list is empty, or `$count` stands beside options other than a
    /// filter.
    pub fn render(&self) -> Result<String> {
        let mut out = String::new();
        self.check_count()?;
        self.write(&mut out, "&")?;
        Ok(out)
    }

    /// Renders the path and the query string for a resource, or for its row with this key.
    ///
    /// # Errors
    /// As [`Query::render`]; also `is_invalid_argument` if the key is empty or has an invalid value.
    pub fn address(&self, resource: &str, key: Option<&Key>) -> Result<Address> {
        let mut path = String::new();
        push_name(&mut path, resource).map_err(|fault| fault.of("resource"))?;
        if self.is_count() {
            if key.is_some() {
                let fault = QueryError::new("a single row can't be counted");
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

    pub(super) fn check_count(&self) -> QueryResult {
        let alone =
            self.select.is_empty() && self.expand.is_empty() && !self.is_ordered() && !self.is_limited();
        if self.count && !alone {
            let fault = QueryError::new(
                "a count takes only a filter, neither an order nor other options; `.count()` of a list drops those that do not change the number",
            );
            return Err(fault.of("$count"));
        }
        Ok(())
    }

    fn write(&self, out: &mut String, separator: &str) -> QueryResult {
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
    fn write(out: &mut String, expansion: &Self) -> QueryResult {
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

fn write_list<T>(
    out: &mut String,
    items: &[T],
    write: impl Fn(&mut String, &T) -> QueryResult,
) -> QueryResult {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(out, item)?;
    }
    Ok(())
}

/// Path and query string of a request, below the API's version. From [`Query::address`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    path: String,
    query: String,
    /// The query without the orders that nobody asked for, where it has one.
    pub(super) asked: String,
}

impl Address {
    /// Returns the percent-encoded path, without a leading slash: `device(1234)`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Appends the name of an action of the row: `release_asset(5)/beginUpload`.
    pub(crate) fn action(mut self, name: &'static str) -> Self {
        self.path.push('/');
        self.path.push_str(name);
        self
    }

    /// Returns the percent-encoded query string. Empty without options.
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

//! Typed navigations, and the expands and counts made of them.

use std::borrow::Cow;
use std::marker::PhantomData;

use super::column::{Column, Order, compare, join};
use super::expr::{Expr, Lambda, Path};
use super::filter::Filter;
use super::literal::Value;
use super::marker_impls;
use super::query::{Expandable, Expansion, Query};

/// A navigation from rows of type `R` to rows of type `T`.
///
/// Pass it to [`Query::expand`] as it is or with options ([`Navigation::select`] …), filter by it
/// ([`Navigation::any`], [`Navigation::id`], [`Navigation::field`]), or count its rows ([`Navigation::count`]).
#[must_use]
pub struct Navigation<R, T> {
    name: &'static str,
    via: Cow<'static, str>,
    alias: Option<&'static str>,
    rows: PhantomData<fn() -> (R, T)>,
}

marker_impls!(Navigation<R, T> { name, via, alias });

impl<R, T> Navigation<R, T> {
    /// Creates the navigation with this name.
    pub const fn new(name: &'static str) -> Self {
        Self { name, via: Cow::Borrowed(""), alias: None, rows: PhantomData }
    }

    /// Sets the lambda variable of [`Navigation::any`] and [`Navigation::all`]. The default is the initials of the
    /// name. Only raw filters inside the lambda refer to it.
    pub const fn with_alias(mut self, alias: &'static str) -> Self {
        self.alias = Some(alias);
        self
    }

    /// Returns the name of the navigation, without the navigations before it.
    pub fn name(&self) -> &'static str {
        self.name
    }

    fn text(&self) -> Cow<'static, str> {
        join(self.via.clone(), Cow::Borrowed(self.name))
    }

    fn path(&self) -> Path {
        Path::relative(self.text())
    }

    /// Returns the id of the target row as a column: `belongs_to__application eq 5`.
    pub fn id(&self) -> Column<R, i64> {
        Column::<R, i64>::new(self.name).through(self.via.clone())
    }

    /// Returns a column of the target row: `belongs_to__application/slug`.
    pub fn field<V>(&self, column: &Column<T, V>) -> Column<R, V> {
        column.through(self.text())
    }

    /// Returns a navigation of the target row, starting from `R`.
    pub fn then<U>(&self, next: &Navigation<T, U>) -> Navigation<R, U> {
        Navigation {
            name: next.name,
            via: join(self.text(), next.via.clone()),
            alias: next.alias,
            rows: PhantomData,
        }
    }

    /// Matches rows of which at least one target row matches `filter`.
    pub fn any(&self, filter: Filter<T>) -> Filter<R> {
        self.lambda("any", filter.expr)
    }

    /// Matches rows of which all target rows match `filter`.
    pub fn all(&self, filter: Filter<T>) -> Filter<R> {
        self.lambda("all", filter.expr)
    }

    /// Matches rows that have at least one target row.
    pub fn exists(&self) -> Filter<R> {
        self.lambda("any", compare(Path::rooted("1"), "eq", Value::from(1)))
    }

    fn lambda(&self, quantifier: &'static str, body: Expr) -> Filter<R> {
        let alias = self.alias.map_or_else(|| Cow::Owned(initials(self.name)), Cow::Borrowed);
        Filter::new(Expr::Lambda(Box::new(Lambda {
            quantifier,
            path: self.path(),
            alias,
            fixed: false,
            body,
        })))
    }

    /// Returns the number of target rows, to filter by, to order by or to expand.
    pub fn count(&self) -> Count<R, T> {
        Count { path: self.path(), filter: None, rows: PhantomData }
    }

    /// Expands the navigation, with only these columns.
    pub fn select<N: Into<String>>(&self, names: impl IntoIterator<Item = N>) -> Expand<R, T> {
        self.expanded().select(names)
    }

    /// Expands the navigation, with only the rows that match `filter`.
    pub fn filter(&self, filter: Filter<T>) -> Expand<R, T> {
        self.expanded().filter(filter)
    }

    /// Expands the navigation, with an expand inside.
    pub fn expand(&self, inner: impl Expandable<T>) -> Expand<R, T> {
        self.expanded().expand(inner)
    }

    /// Expands the navigation, with its rows in this order.
    pub fn order_by(&self, order: Order<T>) -> Expand<R, T> {
        self.expanded().order_by(order)
    }

    /// Expands the navigation, with at most `rows` rows.
    pub fn top(&self, rows: u64) -> Expand<R, T> {
        self.expanded().top(rows)
    }

    /// Expands the navigation with these options, such as those that a caller gave for its rows.
    pub fn with(&self, options: Query) -> Expand<R, T> {
        Expand { name: self.text(), query: options, rows: PhantomData }
    }

    fn expanded(&self) -> Expand<R, T> {
        self.with(Query::new())
    }
}

/// Returns the default lambda variable of a name, as both SDKs write it: `service_install` → `si`.
fn initials(name: &str) -> String {
    name.split(['_', '/']).filter_map(|word| word.chars().next()).collect()
}

/// A navigation to expand, with the options of its rows.
#[must_use]
pub struct Expand<R, T> {
    name: Cow<'static, str>,
    query: Query,
    rows: PhantomData<fn() -> (R, T)>,
}

marker_impls!(Expand<R, T> { name, query });

impl<R, T> Expand<R, T> {
    fn map(mut self, change: impl FnOnce(Query) -> Query) -> Self {
        self.query = change(self.query);
        self
    }

    /// Limits the columns to these. Further calls add columns.
    pub fn select<N: Into<String>>(self, names: impl IntoIterator<Item = N>) -> Self {
        self.map(|query| query.select(names))
    }

    /// Limits the rows to those that match `filter`. Further calls narrow it.
    pub fn filter(self, filter: Filter<T>) -> Self {
        self.map(|query| query.filter(filter))
    }

    /// Adds an expand inside this one.
    pub fn expand(self, inner: impl Expandable<T>) -> Self {
        self.map(|query| query.expand(inner))
    }

    /// Sorts the rows. Further calls add lower-ranked sort keys.
    pub fn order_by(self, order: Order<T>) -> Self {
        self.map(|query| query.order_by(order))
    }

    /// Limits the number of rows.
    pub fn top(self, rows: u64) -> Self {
        self.map(|query| query.top(rows))
    }

    /// Skips the first `rows` rows.
    pub fn skip(self, rows: u64) -> Self {
        self.map(|query| query.skip(rows))
    }
}

/// Number of target rows of a navigation: filter by it, order by it, or expand it.
#[must_use]
pub struct Count<R, T> {
    path: Path,
    filter: Option<Box<Expr>>,
    rows: PhantomData<fn() -> (R, T)>,
}

marker_impls!(Count<R, T> { path, filter });

impl<R, T> Count<R, T> {
    /// Counts only the rows that match `filter`.
    pub fn filter(mut self, filter: Filter<T>) -> Self {
        self.filter = Some(Box::new(match self.filter {
            Some(earlier) => earlier.and(filter.expr),
            None => filter.expr,
        }));
        self
    }

    fn expr(self) -> Expr {
        Expr::Count(self.path, self.filter)
    }

    fn compare(self, operator: &'static str, number: i64) -> Filter<R> {
        Filter::new(Expr::binary(operator, self.expr(), Expr::Value(Value::from(number))))
    }

    /// Matches rows with exactly `number` target rows.
    pub fn eq(self, number: i64) -> Filter<R> {
        self.compare("eq", number)
    }

    /// Matches rows with any other number of target rows.
    pub fn ne(self, number: i64) -> Filter<R> {
        self.compare("ne", number)
    }

    /// Matches rows with more than `number` target rows.
    pub fn gt(self, number: i64) -> Filter<R> {
        self.compare("gt", number)
    }

    /// Matches rows with `number` target rows or more.
    pub fn ge(self, number: i64) -> Filter<R> {
        self.compare("ge", number)
    }

    /// Matches rows with fewer than `number` target rows.
    pub fn lt(self, number: i64) -> Filter<R> {
        self.compare("lt", number)
    }

    /// Matches rows with `number` target rows or fewer.
    pub fn le(self, number: i64) -> Filter<R> {
        self.compare("le", number)
    }

    /// Orders rows by the number, ascending.
    pub fn asc(self) -> Order<R> {
        Order::new(self.expr(), "asc")
    }

    /// Orders rows by the number, descending.
    pub fn desc(self) -> Order<R> {
        Order::new(self.expr(), "desc")
    }
}

impl<R, T> Expandable<R> for Navigation<R, T> {
    fn into_expansion(self) -> Expansion {
        Expansion { name: self.text(), query: Query::new() }
    }
}

impl<R, T> Expandable<R> for Expand<R, T> {
    fn into_expansion(self) -> Expansion {
        Expansion { name: self.name, query: self.query }
    }
}

impl<R, T> Expandable<R> for Count<R, T> {
    fn into_expansion(self) -> Expansion {
        Expansion { name: self.path.text, query: Query::counting(self.filter.map(|filter| *filter)) }
    }
}

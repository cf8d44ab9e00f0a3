//! Navigations: from a row to the rows that it belongs to or owns.

use std::borrow::Cow;
use std::marker::PhantomData;

use super::column::{Column, Order, compare, join};
use super::expr::{Expr, Lambda, Path};
use super::filter::Filter;
use super::literal::Value;
use super::marker_impls;
use super::query::{Expansion, Query};

/// A navigation from rows of type `R` to rows of type `T`.
///
/// It can be expanded as it is, or with options ([`Navigation::select`] …); it can be filtered by
/// ([`Navigation::any`], [`Navigation::id`], [`Navigation::field`]) and counted ([`Navigation::count`]).
#[must_use]
pub struct Navigation<R, T> {
    name: &'static str,
    via: Cow<'static, str>,
    alias: Option<&'static str>,
    rows: PhantomData<fn() -> (R, T)>,
}

marker_impls!(Navigation<R, T> { name, via, alias });

impl<R, T> Navigation<R, T> {
    /// The navigation with this name.
    pub const fn new(name: &'static str) -> Self {
        Self { name, via: Cow::Borrowed(""), alias: None, rows: PhantomData }
    }

    /// Names the variable that [`Navigation::any`] and [`Navigation::all`] introduce. Without it, it is made of
    /// the initials of the name. Only raw filters within need to know it.
    pub const fn with_alias(mut self, alias: &'static str) -> Self {
        self.alias = Some(alias);
        self
    }

    /// The navigation's own name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    fn text(&self) -> Cow<'static, str> {
        join(self.via.clone(), Cow::Borrowed(self.name))
    }

    fn path(&self) -> Path {
        Path::relative(self.text())
    }

    /// The id of the row at the other end, as a column: `belongs_to__application eq 5`.
    pub fn id(&self) -> Column<R, i64> {
        Column::<R, i64>::new(self.name).through(self.via.clone())
    }

    /// A column of the row at the other end: `belongs_to__application/slug`.
    pub fn field<V>(&self, column: &Column<T, V>) -> Column<R, V> {
        column.through(self.text())
    }

    /// A navigation of the row at the other end.
    pub fn then<U>(&self, next: &Navigation<T, U>) -> Navigation<R, U> {
        Navigation {
            name: next.name,
            via: join(self.text(), next.via.clone()),
            alias: next.alias,
            rows: PhantomData,
        }
    }

    /// At least one of the rows at the other end matches.
    pub fn any(&self, filter: Filter<T>) -> Filter<R> {
        self.lambda("any", filter.expr)
    }

    /// All of the rows at the other end match.
    pub fn all(&self, filter: Filter<T>) -> Filter<R> {
        self.lambda("all", filter.expr)
    }

    /// There is a row at the other end.
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

    /// How many rows there are at the other end.
    pub fn count(&self) -> Count<R, T> {
        Count { path: self.path(), filter: None, rows: PhantomData }
    }

    /// Expanded, with these columns only.
    pub fn select<N: Into<String>>(&self, names: impl IntoIterator<Item = N>) -> Expand<R, T> {
        self.expanded().select(names)
    }

    /// Expanded, with the rows that match.
    pub fn filter(&self, filter: Filter<T>) -> Expand<R, T> {
        self.expanded().filter(filter)
    }

    /// Expanded, with an expand of its own.
    pub fn expand(&self, inner: impl Expandable<T>) -> Expand<R, T> {
        self.expanded().expand(inner)
    }

    /// Expanded, in this order.
    pub fn order_by(&self, order: Order<T>) -> Expand<R, T> {
        self.expanded().order_by(order)
    }

    /// Expanded, with so many rows at most.
    pub fn top(&self, rows: u64) -> Expand<R, T> {
        self.expanded().top(rows)
    }

    /// Expanded, with a whole set of options: those that a caller gave for the rows at the other end.
    pub fn with(&self, options: Query) -> Expand<R, T> {
        Expand { name: self.text(), query: options, rows: PhantomData }
    }

    fn expanded(&self) -> Expand<R, T> {
        self.with(Query::new())
    }
}

/// `service_install` → `si`, as both SDKs call it.
fn initials(name: &str) -> String {
    name.split(['_', '/']).filter_map(|word| word.chars().next()).collect()
}

/// What the answer brings along from the other end of a navigation.
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

    /// These columns only.
    pub fn select<N: Into<String>>(self, names: impl IntoIterator<Item = N>) -> Self {
        self.map(|query| query.select(names))
    }

    /// The rows that match.
    pub fn filter(self, filter: Filter<T>) -> Self {
        self.map(|query| query.filter(filter))
    }

    /// With an expand of its own.
    pub fn expand(self, inner: impl Expandable<T>) -> Self {
        self.map(|query| query.expand(inner))
    }

    /// In this order.
    pub fn order_by(self, order: Order<T>) -> Self {
        self.map(|query| query.order_by(order))
    }

    /// So many rows at most.
    pub fn top(self, rows: u64) -> Self {
        self.map(|query| query.top(rows))
    }

    /// Without the first so many rows.
    pub fn skip(self, rows: u64) -> Self {
        self.map(|query| query.skip(rows))
    }
}

/// The number of rows at the other end of a navigation: to compare, to order by, or to expand.
#[must_use]
pub struct Count<R, T> {
    path: Path,
    filter: Option<Box<Expr>>,
    rows: PhantomData<fn() -> (R, T)>,
}

marker_impls!(Count<R, T> { path, filter });

impl<R, T> Count<R, T> {
    /// Counts only the rows that match.
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

    /// As many.
    pub fn eq(self, number: i64) -> Filter<R> {
        self.compare("eq", number)
    }

    /// Not as many.
    pub fn ne(self, number: i64) -> Filter<R> {
        self.compare("ne", number)
    }

    /// More.
    pub fn gt(self, number: i64) -> Filter<R> {
        self.compare("gt", number)
    }

    /// As many or more.
    pub fn ge(self, number: i64) -> Filter<R> {
        self.compare("ge", number)
    }

    /// Fewer.
    pub fn lt(self, number: i64) -> Filter<R> {
        self.compare("lt", number)
    }

    /// As many or fewer.
    pub fn le(self, number: i64) -> Filter<R> {
        self.compare("le", number)
    }

    /// Rows with few first.
    pub fn asc(self) -> Order<R> {
        Order::new(self.expr(), "asc")
    }

    /// Rows with many first.
    pub fn desc(self) -> Order<R> {
        Order::new(self.expr(), "desc")
    }
}

/// What `.expand(…)` takes on rows of type `R`: a [`Navigation`], one with options ([`Expand`]), or its
/// [`Count`]. Not to be implemented elsewhere.
pub trait Expandable<R> {
    #[doc(hidden)]
    fn into_expansion(self) -> Expansion;
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

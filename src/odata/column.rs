//! Typed columns, and the filters and orders made of them.

use std::borrow::Cow;
use std::marker::PhantomData;

use super::expr::{Expr, Path};
use super::filter::Filter;
use super::literal::{LiteralOf, Ordered, Value};
use super::marker_impls;

/// A column of rows of type `R` that holds a `T`.
#[must_use]
pub struct Column<R, T> {
    name: &'static str,
    /// Navigations that lead from `R` to the column's row, joined by `/`. Empty for a column of `R` itself.
    via: Cow<'static, str>,
    rows: PhantomData<fn() -> (R, T)>,
}

marker_impls!(Column<R, T> { name, via });

impl<R, T> Column<R, T> {
    /// Creates the column with this name.
    pub const fn new(name: &'static str) -> Self {
        Self { name, via: Cow::Borrowed(""), rows: PhantomData }
    }

    pub(super) fn through<S>(&self, navigation: Cow<'static, str>) -> Column<S, T> {
        Column { name: self.name, via: join(navigation, self.via.clone()), rows: PhantomData }
    }

    /// Returns the name of the column, without navigations, for [`Query::select`](super::Query::select).
    pub fn name(&self) -> &'static str {
        self.name
    }

    fn path(&self) -> Path {
        Path::relative(join(self.via.clone(), Cow::Borrowed(self.name)))
    }

    fn compare(&self, operator: &'static str, value: Value) -> Filter<R> {
        Filter::new(compare(self.path(), operator, value))
    }

    /// Matches rows whose value equals `value`.
    pub fn eq(&self, value: impl LiteralOf<T>) -> Filter<R> {
        self.compare("eq", value.into_value())
    }

    /// Matches rows whose value differs from `value`.
    pub fn ne(&self, value: impl LiteralOf<T>) -> Filter<R> {
        self.compare("ne", value.into_value())
    }

    /// Matches rows whose value is null.
    pub fn is_null(&self) -> Filter<R> {
        self.compare("eq", Value::NULL)
    }

    /// Matches rows whose value is one of `values`. An empty list is an error when the query is rendered.
    pub fn is_in<V: LiteralOf<T>>(&self, values: impl IntoIterator<Item = V>) -> Filter<R> {
        Filter::new(Expr::In(self.path(), values.into_iter().map(LiteralOf::into_value).collect()))
    }

    /// Orders rows by this column, ascending.
    pub fn asc(&self) -> Order<R> {
        Order::new(Expr::Path(self.path()), "asc")
    }

    /// Orders rows by this column, descending.
    pub fn desc(&self) -> Order<R> {
        Order::new(Expr::Path(self.path()), "desc")
    }
}

impl<R, T: Ordered> Column<R, T> {
    /// Matches rows whose value is greater than `value`.
    pub fn gt(&self, value: impl LiteralOf<T>) -> Filter<R> {
        self.compare("gt", value.into_value())
    }

    /// Matches rows whose value is greater than or equal to `value`.
    pub fn ge(&self, value: impl LiteralOf<T>) -> Filter<R> {
        self.compare("ge", value.into_value())
    }

    /// Matches rows whose value is less than `value`.
    pub fn lt(&self, value: impl LiteralOf<T>) -> Filter<R> {
        self.compare("lt", value.into_value())
    }

    /// Matches rows whose value is less than or equal to `value`.
    pub fn le(&self, value: impl LiteralOf<T>) -> Filter<R> {
        self.compare("le", value.into_value())
    }
}

impl<R> Column<R, String> {
    fn call(&self, function: &'static str, text: String) -> Filter<R> {
        Filter::new(Expr::Call(function, vec![Expr::Path(self.path()), Expr::Value(Value::from(text))]))
    }

    /// Matches rows whose value starts with `text`.
    pub fn starts_with(&self, text: impl Into<String>) -> Filter<R> {
        self.call("startswith", text.into())
    }

    /// Matches rows whose value ends with `text`.
    pub fn ends_with(&self, text: impl Into<String>) -> Filter<R> {
        self.call("endswith", text.into())
    }

    /// Matches rows whose value contains `text`.
    pub fn contains(&self, text: impl Into<String>) -> Filter<R> {
        self.call("contains", text.into())
    }
}

/// Sort key of rows of type `R` with its direction: [`Column::asc`], [`Column::desc`],
/// [`Count::asc`](super::Count::asc) ….
#[must_use]
pub struct Order<R> {
    pub(super) by: Expr,
    pub(super) direction: &'static str,
    rows: PhantomData<fn() -> R>,
}

marker_impls!(Order<R> { by, direction });

impl<R> Order<R> {
    pub(super) fn new(by: Expr, direction: &'static str) -> Self {
        Self { by, direction, rows: PhantomData }
    }
}

/// Joins two paths with `/`. Copies only if neither is empty: most paths are one name.
pub(super) fn join(first: Cow<'static, str>, second: Cow<'static, str>) -> Cow<'static, str> {
    match (first.is_empty(), second.is_empty()) {
        (true, _) => second,
        (_, true) => first,
        (false, false) => first + "/" + second,
    }
}

pub(super) fn compare(path: Path, operator: &'static str, value: Value) -> Expr {
    Expr::binary(operator, Expr::Path(path), Expr::Value(value))
}

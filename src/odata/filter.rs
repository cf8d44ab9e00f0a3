//! Typed filters.

use std::marker::PhantomData;

use super::expr::{Connective, Expr};
use super::marker_impls;

/// A condition on rows of type `R`. Columns and navigations make them; they combine with
/// [`Filter::and`], [`Filter::or`] and [`Filter::not`], and only with conditions on the same rows:
///
/// ```compile_fail,E0308
/// use balena_agent::odata::Column;
/// struct Device;
/// struct Application;
/// const IS_ONLINE: Column<Device, bool> = Column::new("is_online");
/// const SLUG: Column<Application, String> = Column::new("slug");
/// let _ = IS_ONLINE.eq(true).and(SLUG.eq("org/fleet"));
/// ```
#[must_use]
pub struct Filter<R> {
    pub(super) expr: Expr,
    pub(super) rows: PhantomData<fn() -> R>,
}

marker_impls!(Filter<R> { expr });

impl<R> PartialEq for Filter<R> {
    fn eq(&self, other: &Self) -> bool {
        self.expr == other.expr
    }
}

impl<R> Filter<R> {
    pub(super) fn new(expr: Expr) -> Self {
        Self { expr, rows: PhantomData }
    }

    /// Creates a condition from text in the API's filter grammar, e.g. `"id eq 5 or id eq 6"`, for conditions
    /// without a typed method.
    ///
    /// The text is not percent-encoded: `%20` stands for these three characters. Do not build it from untrusted
    /// values: only quotes and brackets are checked.
    pub fn raw(text: impl Into<String>) -> Self {
        Self::new(Expr::raw(text.into()))
    }

    /// Matches rows that match both conditions.
    pub fn and(self, other: Self) -> Self {
        Self::new(self.expr.and(other.expr))
    }

    /// Matches rows that match at least one of the conditions.
    pub fn or(self, other: Self) -> Self {
        Self::new(Expr::join(Connective::Or, [self.expr, other.expr]))
    }

    /// Matches rows that do not match the condition.
    #[expect(clippy::should_implement_trait, reason = "reads on as `.and(…).not()`, with no trait to import")]
    pub fn not(self) -> Self {
        Self::new(Expr::Not(Box::new(self.expr)))
    }
}

//! Which rows.

use std::marker::PhantomData;

use super::expr::{Expr, Joint};
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

    /// A condition in the server's own words, e.g. `"id eq 5 or id eq 6"`: for what has no method here.
    ///
    /// The text is plain: percent-encoding is done here, and `%20` means these three characters. Values from
    /// elsewhere do not belong into it; nothing but quotes and brackets is checked.
    pub fn raw(text: impl Into<String>) -> Self {
        Self::new(Expr::raw(text.into()))
    }

    /// Both.
    pub fn and(self, other: Self) -> Self {
        Self::new(self.expr.and(other.expr))
    }

    /// Either, or both.
    pub fn or(self, other: Self) -> Self {
        Self::new(Expr::join(Joint::Or, [self.expr, other.expr]))
    }

    /// The opposite.
    #[expect(clippy::should_implement_trait, reason = "reads on as `.and(…).not()`, with no trait to import")]
    pub fn not(self) -> Self {
        Self::new(Expr::Not(Box::new(self.expr)))
    }
}

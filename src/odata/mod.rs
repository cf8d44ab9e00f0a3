//! The query language of the API ("pine", a dialect of `OData`): columns, rows, order and expands.
//!
//! Typed values build a query. Rendering checks it, before anything is sent: an invalid value (text with a NUL, NaN)
//! is reported in one place.
//!
//! ```
//! use balena_agent::odata::{Column, Navigation, Query};
//!
//! // What the row types bring along as constants.
//! struct Device;
//! struct Application;
//! const IS_ONLINE: Column<Device, bool> = Column::new("is_online");
//! const NAME: Column<Device, String> = Column::new("device_name");
//! const APPLICATION: Navigation<Device, Application> = Navigation::new("belongs_to__application");
//! const SLUG: Column<Application, String> = Column::new("slug");
//!
//! let query = Query::new()
//!     .select(["uuid"])
//!     .filter(IS_ONLINE.eq(true).and(APPLICATION.field(&SLUG).eq("org/fleet")))
//!     .expand(APPLICATION.select(["slug"]))
//!     .order_by(NAME.asc());
//! assert_eq!(
//!     query.render()?,
//!     "$select=uuid&$expand=belongs_to__application($select=slug)\
//!      &$filter=(is_online%20eq%20true)%20and%20(belongs_to__application/slug%20eq%20'org%2Ffleet')\
//!      &$orderby=device_name%20asc"
//! );
//! # Ok::<(), balena_agent::Error>(())
//! ```
//!
//! The row type in `Column<R, T>`, `Filter<R>` … exists at compile time only: a query of devices can't use a column
//! of applications. The rendering code is the same for all row types.

mod column;
mod encode;
mod error;
mod expand;
mod expr;
mod filter;
mod identifiers;
mod json;
mod json_expr;
mod json_function;
mod json_literal;
mod json_raw;
mod key;
mod literal;
mod merge;
mod nav;
mod query;
#[cfg(test)]
mod tests;

pub use column::{Column, Order};
pub use expand::{Count, Expand, Navigation};
pub use filter::Filter;
pub use key::Key;
pub use literal::{Literal, LiteralOf, Ordered, Value};
pub use nav::Nav;
pub use query::{Address, Expandable, Query};

/// Implements `Clone` and `Debug` for types whose parameters are markers. A derive would require both of the row
/// types.
macro_rules! marker_impls {
    ($name:ident<$($parameter:ident),+> { $($field:ident),+ }) => {
        impl<$($parameter),+> Clone for $name<$($parameter),+> {
            fn clone(&self) -> Self {
                Self { $($field: self.$field.clone(),)+ rows: std::marker::PhantomData }
            }
        }

        impl<$($parameter),+> std::fmt::Debug for $name<$($parameter),+> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name))$(.field(stringify!($field), &self.$field))+.finish()
            }
        }
    };
}
use marker_impls;

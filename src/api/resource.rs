//! What a resource of the cloud is: a row type, its columns, its name on the wire.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A resource of the cloud API, by its row type.
///
/// Made by the library only: [`rows`](crate::List::rows) decodes into types of your own.
pub trait Resource: Serialize + DeserializeOwned + Send + 'static {
    /// Name in a path, e.g. `device`.
    const NAME: &'static str;
    /// What a person calls it, e.g. `device`.
    const NOUN: &'static str;
    /// What the row type has.
    #[doc(hidden)]
    const COLUMNS: &'static [ColumnOf];
}

/// A column or a navigation of a row type, for the tests that hold it against what is published.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ColumnOf {
    /// Name on the wire.
    pub name: &'static str,
    /// Type of the value; of a navigation that of the rows.
    pub holds: &'static str,
    /// The resource that a navigation leads to.
    pub leads_to: Option<&'static str>,
}

impl ColumnOf {
    #[doc(hidden)]
    pub const fn new(name: &'static str, holds: &'static str, leads_to: Option<&'static str>) -> Self {
        Self { name, holds, leads_to }
    }
}

/// Makes a row type: every column optional (it may not have been selected), unknown ones ignored, and a typed
/// constant a column and navigation for filters and expands.
///
/// `field / CONSTANT: Type` is a column, `field / CONSTANT = "wire_name": Type` one whose wire name is no good
/// Rust name; below `navigation` they lead to other row types.
macro_rules! resource {
    (
        $(#[$doc:meta])*
        $name:ident = $resource:literal, $noun:literal {
            $($(#[$column_doc:meta])* $field:ident / $column:ident $(= $wire:literal)? : $type:ty,)*
        }
        $(navigation {
            $($(#[$nav_doc:meta])* $nav_field:ident / $nav:ident = $nav_wire:literal $(as $alias:literal)? : $target:ty,)*
        })?
    ) => {
        $(#[$doc])*
        ///
        /// A row holds what was asked for: a column that was not selected is `None`.
        #[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        #[non_exhaustive]
        pub struct $name {
            $(
                $(#[$column_doc])*
                #[serde($(rename = $wire,)? skip_serializing_if = "Option::is_none")]
                pub $field: Option<$type>,
            )*
            $($(
                $(#[$nav_doc])*
                #[serde(rename = $nav_wire, skip_serializing_if = "crate::odata::Nav::is_none")]
                pub $nav_field: crate::odata::Nav<$target>,
            )*)?
        }

        impl crate::api::resource::Resource for $name {
            const NAME: &'static str = $resource;
            const NOUN: &'static str = $noun;
            const COLUMNS: &'static [crate::api::resource::ColumnOf] = &[
                $(crate::api::resource::ColumnOf::new(
                    crate::api::resource::wire_name!($field $($wire)?),
                    stringify!($type),
                    None,
                ),)*
                $($(crate::api::resource::ColumnOf::new(
                    $nav_wire,
                    stringify!($target),
                    Some(<$target as crate::api::resource::Resource>::NAME),
                ),)*)?
            ];
        }

        impl $name {
            $(
                #[doc = concat!("Column `", crate::api::resource::wire_name!($field $($wire)?), "`.")]
                pub const $column: crate::odata::Column<$name, $type> =
                    crate::odata::Column::new(crate::api::resource::wire_name!($field $($wire)?));
            )*
            $($(
                #[doc = concat!("Navigation `", $nav_wire, "`.")]
                pub const $nav: crate::odata::Navigation<$name, $target> =
                    crate::odata::Navigation::new($nav_wire)$(.with_alias($alias))?;
            )*)?
        }
    };
}
pub(crate) use resource;

macro_rules! wire_name {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $wire:literal) => {
        $wire
    };
}
pub(crate) use wire_name;

//! The [`Resource`] trait and the macro that defines row types.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A resource of the API, identified by its row type.
///
/// Implemented by this library only. [`rows`](crate::List::rows) decodes into other types.
pub trait Resource: Serialize + DeserializeOwned + Send + 'static {
    /// Name in the path, e.g. `device`.
    const NAME: &'static str;
    /// Noun for messages, e.g. `device`.
    const NOUN: &'static str;
    /// Columns and navigations of the row type.
    #[doc(hidden)]
    const COLUMNS: &'static [ColumnInfo];
}

/// A column or navigation of a row type, for tests that compare row types with published schemas.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ColumnInfo {
    /// Name in the API.
    pub name: &'static str,
    /// Type of the value; for a navigation, the type of the target rows.
    pub holds: &'static str,
    /// Resource of the target rows. `None` for a column.
    pub leads_to: Option<&'static str>,
}

impl ColumnInfo {
    #[doc(hidden)]
    pub const fn new(name: &'static str, holds: &'static str, leads_to: Option<&'static str>) -> Self {
        Self { name, holds, leads_to }
    }
}

/// Defines a row type. All columns are optional, because they may not be selected; unknown ones are ignored. Each
/// column and navigation has a typed constant for filters and expands.
///
/// `field / CONSTANT: Type` is a column. `field / CONSTANT = "wire_name": Type` is a column whose API name is not a
/// valid Rust name. Entries below `navigation` lead to other row types.
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
        /// A row holds the requested columns: a column that was not selected is `None`.
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

        impl crate::resource::schema::Resource for $name {
            const NAME: &'static str = $resource;
            const NOUN: &'static str = $noun;
            const COLUMNS: &'static [crate::resource::schema::ColumnInfo] = &[
                $(crate::resource::schema::ColumnInfo::new(
                    crate::resource::schema::wire_name!($field $($wire)?),
                    stringify!($type),
                    None,
                ),)*
                $($(crate::resource::schema::ColumnInfo::new(
                    $nav_wire,
                    stringify!($target),
                    Some(<$target as crate::resource::schema::Resource>::NAME),
                ),)*)?
            ];
        }

        impl $name {
            $(
                #[doc = concat!("Column `", crate::resource::schema::wire_name!($field $($wire)?), "`.")]
                pub const $column: crate::odata::Column<$name, $type> =
                    crate::odata::Column::new(crate::resource::schema::wire_name!($field $($wire)?));
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
